//! Committed positions: stored, asked for, deleted, expired.

pub(crate) mod commit;
pub(crate) mod delete;
pub(crate) mod expire;
pub(crate) mod fetch;
pub(crate) mod transactional;

use ottla_model::{GroupId, PartitionIndex, TopicName};

use crate::record::Record;

/// The record that forgets a position.
fn tombstone(group: &GroupId, topic: &TopicName, partition: PartitionIndex) -> Record {
    Record::Offset {
        group: group.clone(),
        topic: topic.clone(),
        partition,
        value: None,
    }
}
