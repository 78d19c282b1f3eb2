//! What the cluster knows about itself: topics, dynamic configs, producer-id blocks, its id and features.
//!
//! [`Cluster`] is a [`Machine`](ottla_coordinator::Machine) whose log is `__cluster_metadata-0`, in Kafka's own KRaft
//! metadata records, so that Kafka's dump tool reads it. The module [`config`] holds THE table of topic and broker
//! properties: names, types, defaults, what is allowed, and how one property stands in for another.
//!
//! This crate knows no clock, no randomness, no file and no socket: fresh ids come in with the command, bytes come in
//! and go out as values.

mod alter_configs;
mod cluster;
mod codec;
pub mod config;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod internal_topics;
mod producer_ids;
mod record;
mod refusal;
mod resource;
mod state;

pub use alter_configs::{ConfigChange, ConfigOperation, ConfigReplacement, ResourceAnswer, ResourceChange};
pub use cluster::{Cluster, Command, Effect, Reply, Request};
pub use create_partitions::{MorePartitions, PartitionsAnswer};
pub use create_topics::{Assignment, CreatedTopic, Layout, NewTopic, Origin, TopicAnswer, Wanted};
pub use delete_topics::{DeletedTopic, TopicSelector};
pub use internal_topics::InternalTopic;
pub use producer_ids::{PRODUCER_IDS_PER_BLOCK, ProducerIdBlock};
pub use record::{PartitionRecord, Record, RecordFault, decode, encode};
pub use refusal::Refusal;
pub use resource::{Resource, ResourceKind};
pub use state::{State, Topic};

#[cfg(test)]
mod tests;
