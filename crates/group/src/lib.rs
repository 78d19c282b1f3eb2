//! Consumer groups: who works on which partition, and how far each group has read.
//!
//! [`Groups`] is the machine of one partition of `__consumer_offsets`. The driver hands it [`Command`]s and expired
//! [`Timer`]s; out come [`Record`]s to append (in Kafka's own bytes, see [`record`]), [`Reply`]s and [`Effect`]s.
//!
//! ```text
//!  JoinGroup ─▶ pending id ─▶ member ─┐                       ┌─▶ Stable: the assignment is in the log
//!                                     ├─▶ Preparing ─▶ Completing
//!  leave, silence, new metadata ──────┘   (all join)  (the leader assigns)
//! ```
//!
//! What the log says is [`State`]; a rebalance under way is [`Session`] and is lost with it. This crate knows no wire
//! format beside its log's records, no clock, no topic.

mod classic;
mod command;
mod config;
mod effect;
pub mod history;
mod machine;
mod names;
mod offset;
mod pending;
pub mod record;
mod reply;
mod session;
mod state;
pub mod subscription;
#[cfg(test)]
mod tests;

pub use command::{
    Command, CommitPartition, CommitTopic, DeletedTopic, EndTransaction, FetchTopic, Fetched, Heartbeat, JoinGroup,
    LeaveGroup, Leaver, ListGroups, OffsetCommit, OffsetDelete, OffsetFetch, Protocol, SyncGroup, TransactionalCommit,
};
pub use config::GroupConfig;
pub use effect::Effect;
pub use history::{Cause, Outcome, Rebalance, Trigger, Waited};
pub use machine::{Groups, Timer};
pub use names::{Client, InstanceId};
pub use pending::{PendingOffsets, Producer};
pub use record::{Record, RecordFault};
pub use reply::{
    ClassicState, CommitRefused, DescribedMember, FetchedTopic, GroupDescription, JoinRefused, Joined, JoinedMember,
    ListedGroup, Position, Reply, Synced, TopicAnswers,
};
pub use session::Session;
pub use state::{Classic, CommittedOffset, Group, LoggedMember, State};
