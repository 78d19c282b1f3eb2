//! The rules of the classic group, one test each, in the language of [`context`].

mod commits;
mod context;
mod describes;
mod expiry;
mod failover;
mod heartbeats;
mod histories;
mod joins;
mod leaves;
mod properties;
mod statics;
mod syncs;
mod transactions;
