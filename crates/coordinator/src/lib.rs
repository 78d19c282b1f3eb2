//! One shape for every coordinator: groups, transactions, share groups, the cluster's own metadata.
//!
//! A coordinator is a [`Machine`]: pure rules over a state that changes only by applying records of a log. A [`Shard`] is
//! one machine on one partition of an internal topic. The driver (crate `broker`) owns the clock, the log and the
//! sockets: it hands a shard commands and expired timers, appends the records that come out, and lets an answer leave
//! once the position it rests on is durable.
//!
//! ```text
//!  command ─▶ decide(&state, &mut session, now) ─▶ records ─▶ append ─▶ apply(&mut state)
//!                                               └▶ replies ─▶ wait until the append is durable ─▶ client
//! ```
//!
//! This crate knows no runtime, no wire format, no file.

mod machine;
mod placement;
mod shard;
mod timers;

pub use machine::{Entry, Machine, Output, Ticket};
pub use placement::partition_for;
pub use shard::{Appended, Position, Shard, Step};
pub use timers::Timers;
