//! Positions committed in transactions that are open: nobody reads from them until the marker comes.
//!
//! A position that was committed plainly after one in a transaction stays, whatever becomes of the transaction: of two
//! records the later one in the log counts, not the later marker.

use std::collections::BTreeMap;
use std::fmt;

use ottla_model::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicName};

use crate::state::CommittedOffset;

/// Who writes in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "producer {} epoch {}", self.id, self.epoch)
    }
}

/// A position in an open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    value: CommittedOffset,
    /// Where the log has it.
    at: Offset,
    /// A later record has taken its place.
    superseded: bool,
}

/// The positions of one group in open transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingOffsets {
    topics: BTreeMap<TopicName, BTreeMap<PartitionIndex, BTreeMap<ProducerId, Pending>>>,
}

impl PendingOffsets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Whether a transaction with a position in that partition is open.
    pub fn holds(&self, topic: &TopicName, partition: PartitionIndex) -> bool {
        self.topics
            .get(topic)
            .is_some_and(|partitions| partitions.contains_key(&partition))
    }

    /// The partitions with a position.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicName, PartitionIndex)> {
        let of_topic = |(topic, partitions)| {
            let partitions: &BTreeMap<PartitionIndex, _> = partitions;
            partitions.keys().map(move |partition| (topic, *partition))
        };
        self.topics.iter().flat_map(of_topic)
    }

    /// The partitions of a topic with a position.
    pub fn of(&self, topic: &TopicName) -> impl Iterator<Item = PartitionIndex> {
        let partitions = self.topics.get(topic).into_iter().flat_map(BTreeMap::keys);
        partitions.copied()
    }

    /// Takes a position that lies in the log at `at`.
    pub(crate) fn insert(
        &mut self,
        producer: ProducerId,
        topic: &TopicName,
        partition: PartitionIndex,
        value: CommittedOffset,
        at: Offset,
    ) {
        let partitions = self.topics.entry(topic.clone()).or_default();
        let pending = Pending {
            value,
            at,
            superseded: false,
        };
        partitions.entry(partition).or_default().insert(producer, pending);
    }

    /// A position of the partition that lies in the log at `at` counts from now on.
    pub(crate) fn supersede(&mut self, topic: &TopicName, partition: PartitionIndex, at: Offset) {
        let known = self.topics.get_mut(topic);
        for pending in known.and_then(|known| known.get_mut(&partition)).into_iter().flatten() {
            pending.1.superseded |= pending.1.at < at;
        }
    }

    /// Forgets the positions of a partition.
    pub(crate) fn remove(&mut self, topic: &TopicName, partition: PartitionIndex) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// The producer's transaction has ended: takes out its positions, with their places in the log. Those that a later
    /// record has taken the place of are left out.
    pub(crate) fn end(&mut self, producer: ProducerId) -> Vec<(TopicName, PartitionIndex, CommittedOffset, Offset)> {
        let mut ended = Vec::new();
        self.topics.retain(|topic, partitions| {
            partitions.retain(|partition, producers| {
                if let Some(pending) = producers.remove(&producer).filter(|pending| !pending.superseded) {
                    ended.push((topic.clone(), *partition, pending.value, pending.at));
                }
                !producers.is_empty()
            });
            !partitions.is_empty()
        });
        ended
    }
}
