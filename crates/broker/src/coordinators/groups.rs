//! The group coordinators: one shard for each partition of `__consumer_offsets`.

use std::sync::Arc;

use bytes::Bytes;
use ottla_group::{Command, DeletedTopic, Effect, GroupConfig, Groups, Session};
use ottla_log::{Replayed, StorageFault};
use ottla_model::{ErrorCode, TopicName};

use crate::clock::Clock;
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

    fn decode(entry: &Replayed) -> Result<Option<Self::Record>, String> {
        let Replayed::Record(record) = entry else {
            return Ok(None);
        };
        let Some(key) = &record.key else {
            return Err("a record without a key".into());
        };
        ottla_group::record::decode(key, record.value.as_deref()).map_err(|fault| fault.to_string())
    }

    fn log_line(effect: &Effect) -> Option<String> {
        Some(effect.to_string())
    }
}

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
