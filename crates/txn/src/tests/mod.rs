//! Transactions as their producers and partitions see them.

mod context;
mod describes;
mod ends;
mod expiry;
mod inits;
mod markers;
mod partitions;
mod properties;
mod timeouts;
