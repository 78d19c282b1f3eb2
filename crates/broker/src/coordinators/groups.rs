//! The group coordinators: one shard for each partition of `__consumer_offsets`.

use std::sync::Arc;

use bytes::Bytes;
use ottla_cluster::InternalTopic;
use ottla_group::{Command, DeletedTopic, Effect, EndTransaction, GroupConfig, Groups, Producer, Record, Session};
use ottla_log::{BatchBuilder, Origin, Replayed, ReplayedMarker, StorageFault};
use ottla_model::{ErrorCode, LeaderEpoch, Millis, PartitionIndex, TopicName, TopicPartition};

use crate::clock::Clock;
use crate::coordinators::driver::with_records;
use crate::coordinators::{Driver, Logged};
use crate::topics::{Topic, TopicFault};

impl Logged for Groups {
    const NAME: &'static str = "__consumer_offsets";
    type Settings = GroupConfig;

    fn session(settings: &GroupConfig) -> Session {
        Session::new(settings.clone())
    }

    fn writes(command: &Command) -> bool {
        !matches!(
            command,
            Command::Heartbeat(_)
                | Command::OffsetFetch(_)
                | Command::DescribeGroup(_)
                | Command::DescribeHistory(_)
                | Command::ListGroups(_)
        )
    }

    fn encode(record: &Self::Record) -> (Option<Bytes>, Option<Bytes>) {
        let (key, value) = ottla_group::record::encode(record);
        (Some(key), value)
    }

    /// What is decided at once is either of no transaction, or all of one.
    fn batch(records: &[Record], timestamp: Millis) -> (Bytes, Origin) {
        let begin = |producer: Producer| BatchBuilder::new().producer(producer.id, producer.epoch, NO_SEQUENCE);
        let (batch, origin) = match records.first() {
            Some(Record::PendingOffset { producer, .. }) => (begin(*producer).transactional(), Origin::Coordinator),
            Some(Record::TransactionEnd(end)) => {
                let origin = if end.raises_epoch {
                    Origin::RaisingCoordinator
                } else {
                    Origin::Coordinator
                };
                (begin(end.producer).transactional().control(), origin)
            }
            _ => (BatchBuilder::new(), Origin::Coordinator),
        };
        (with_records::<Groups>(batch, records, timestamp).build(), origin)
    }

    fn decode(entry: &Replayed) -> Result<Option<Record>, String> {
        let record = match entry {
            Replayed::Record(record) => record,
            Replayed::Marker(marker) => return Ok(Some(Record::TransactionEnd(end_of(marker)))),
        };
        let Some(key) = &record.key else {
            return Err("a record without a key".into());
        };
        let decoded = ottla_group::record::decode(key, record.value.as_deref()).map_err(|fault| fault.to_string())?;
        Ok(match record.transaction {
            None => decoded,
            Some((id, epoch)) => decoded.and_then(|decoded| decoded.in_transaction(Producer { id, epoch })),
        })
    }

    fn log_line(effect: &Effect) -> Option<String> {
        Some(effect.to_string())
    }
}

fn end_of(marker: &ReplayedMarker) -> EndTransaction {
    EndTransaction {
        producer: Producer {
            id: marker.producer,
            epoch: marker.epoch,
        },
        coordinator_epoch: LeaderEpoch(marker.marker.coordinator_epoch),
        committed: marker.marker.committed,
        // Of no interest any more once it is in the log.
        raises_epoch: false,
    }
}

/// Coordinators do not number their records.
const NO_SEQUENCE: i32 = -1;

/// All group shards of the broker.
pub(crate) struct GroupCoordinators {
    shards: Vec<Arc<Driver<Groups>>>,
}

impl GroupCoordinators {
    /// Replays every shard; when this returns, groups can be served.
    pub(crate) fn load(
        topic: &Topic,
        durability: &Arc<ottla_log::Durability>,
        clock: &Arc<Clock>,
        config: GroupConfig,
    ) -> Result<GroupCoordinators, LoadFault> {
        let config = Arc::new(config);
        let load = |index| {
            let partition = topic.partition(index)?;
            Ok(Driver::load(
                partition,
                Arc::clone(durability),
                Arc::clone(clock),
                Arc::clone(&config),
            )?)
        };
        let shards = (0..topic.partition_count() as i32)
            .map(load)
            .collect::<Result<_, LoadFault>>()?;
        Ok(GroupCoordinators { shards })
    }

    /// The shard that looks after a group.
    pub(crate) fn of(&self, group: &str) -> Result<Arc<Driver<Groups>>, ErrorCode> {
        let index = ottla_coordinator::partition_for(group, self.shards.len() as i32);
        self.shards
            .get(index.0 as usize)
            .cloned()
            .ok_or(ErrorCode::NotCoordinator)
    }

    /// The shard behind a partition of `__consumer_offsets`.
    pub(crate) fn shard(&self, index: PartitionIndex) -> Option<&Arc<Driver<Groups>>> {
        self.shards.get(usize::try_from(index.0).ok()?)
    }

    /// The partition of `__consumer_offsets` that a group's positions lie in.
    pub(crate) fn partition_of(&self, group: &str) -> TopicPartition {
        TopicPartition {
            topic: TopicName::new(InternalTopic::ConsumerOffsets.name()),
            index: ottla_coordinator::partition_for(group, self.shards.len() as i32),
        }
    }

    /// Every shard.
    pub(crate) fn all(&self) -> &[Arc<Driver<Groups>>] {
        &self.shards
    }

    /// Forgets the positions in topics that are gone.
    pub(crate) fn forget_topic(&self, topic: &Topic) {
        let gone = DeletedTopic {
            topic: TopicName::new(topic.name.as_str()),
            id: topic.id,
        };
        for shard in &self.shards {
            shard.submit(Command::TopicsDeleted(vec![gone.clone()]));
        }
    }
}

/// Why the coordinators cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// A partition of the internal topic cannot be had; a log line before this one says why.
    #[error("a partition of an internal topic cannot be opened ({0})")]
    Topic(ErrorCode),
    /// Its log cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl From<TopicFault> for LoadFault {
    fn from(fault: TopicFault) -> LoadFault {
        LoadFault::Topic(fault.code())
    }
}

#[cfg(test)]
mod tests {
    use ottla_log::{Marker, StoredBatch, Unpacked};
    use ottla_model::{ProducerEpoch, ProducerId};

    use super::*;

    #[test]
    fn the_end_of_a_transaction_is_written_as_a_marker() {
        let end = EndTransaction {
            producer: Producer {
                id: ProducerId(7),
                epoch: ProducerEpoch(3),
            },
            coordinator_epoch: LeaderEpoch(5),
            committed: true,
            raises_epoch: true,
        };
        let (batch, origin) = Groups::batch(&[Record::TransactionEnd(end)], Millis(1_000));
        assert_eq!(origin, Origin::RaisingCoordinator);
        let expected = Marker {
            committed: true,
            coordinator_epoch: 5,
        };
        assert_eq!(batch, expected.build(ProducerId(7), ProducerEpoch(3), Millis(1_000)));
        let stored = StoredBatch::numbered(batch).expect("a whole batch");
        let unpacked = Unpacked::of(&stored).expect("not compressed");
        let record = unpacked.records().next().expect("one").expect("whole");
        assert_eq!(Marker::read(&record), Some(expected));
    }
}
