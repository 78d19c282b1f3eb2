//! The topics this broker serves and their partitions, found by name or id on every request.
//!
//! What topics exist is the cluster machine's to say; this is its view, brought up to date after each change. A partition
//! is opened when it is first asked for: ten thousand idle ones cost nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use ottla_cluster::config::{BrokerConfig, TimestampType, TopicConfig};
use ottla_cluster::{InternalTopic, State};
use ottla_disk::{LocalStore, PartitionOpening, SegmentConfig};
use ottla_log::compaction::PlanRules;
use ottla_log::retention::RollRules;
use ottla_log::{Partition, PartitionConfig, Retention, StorageFault};
use ottla_model::{ErrorCode, Millis, PartitionId, PartitionIndex, TopicId, TopicName};
use tracing::error;

use crate::LEADER_EPOCH;
use crate::clock::Clock;

/// Why a partition cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum TopicFault {
    /// No topic of that name, or no such partition.
    #[error("there is no such topic or partition")]
    UnknownTopicOrPartition,
    /// No topic of that id.
    #[error("there is no topic of that id")]
    UnknownTopicId,
    /// It exists, but its files cannot be read.
    #[error("the partition's files cannot be read")]
    Storage,
}

impl TopicFault {
    /// What the protocol calls it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            TopicFault::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
            TopicFault::UnknownTopicId => ErrorCode::UnknownTopicId,
            TopicFault::Storage => ErrorCode::KafkaStorageError,
        }
    }
}

/// All topics of the broker.
pub(crate) struct Topics {
    store: Arc<LocalStore>,
    clock: Arc<Clock>,
    producer_expiry: Millis,
    maps: RwLock<Maps>,
}

#[derive(Default)]
struct Maps {
    by_name: HashMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

/// A topic as the cluster's log has it.
pub(crate) struct Standing {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// What holds for it.
    pub config: TopicConfig,
}

impl Standing {
    /// A topic of the state.
    pub(crate) fn of(state: &State, settings: &Arc<BrokerConfig>, topic: &ottla_cluster::Topic) -> Standing {
        Standing {
            partitions: topic.partitions,
            ..Standing::named(state, settings, &topic.name, topic.id)
        }
    }

    /// A topic by its name, without partitions yet.
    pub(crate) fn named(state: &State, settings: &Arc<BrokerConfig>, name: &TopicName, id: TopicId) -> Standing {
        let config = state.topic_config(name.as_str(), &state.broker_config(settings));
        Standing {
            name: name.clone(),
            id,
            partitions: 0,
            config,
        }
    }
}

/// Whether a topic is one in which a coordinator keeps its log.
pub(crate) fn is_internal(name: &TopicName) -> bool {
    InternalTopic::of(name.as_str()).is_some()
}

/// One topic.
pub(crate) struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    store: Arc<LocalStore>,
    clock: Arc<Clock>,
    producer_expiry: Millis,
    config: RwLock<Arc<TopicConfig>>,
    partitions: RwLock<Vec<Arc<OnceLock<Arc<Partition>>>>>,
    /// Whether it was deleted; held while a partition is opened.
    gone: Mutex<bool>,
}

impl Topics {
    /// No topics yet.
    pub(crate) fn new(store: Arc<LocalStore>, clock: Arc<Clock>, producer_expiry: Millis) -> Topics {
        Topics {
            store,
            clock,
            producer_expiry,
            maps: RwLock::default(),
        }
    }

    /// The topic of that name.
    pub(crate) fn by_name(&self, name: &str) -> Result<Arc<Topic>, TopicFault> {
        self.read()
            .by_name
            .get(name)
            .cloned()
            .ok_or(TopicFault::UnknownTopicOrPartition)
    }

    /// The topic of that id.
    pub(crate) fn by_id(&self, id: TopicId) -> Result<Arc<Topic>, TopicFault> {
        self.read().by_id.get(&id).cloned().ok_or(TopicFault::UnknownTopicId)
    }

    /// Every topic, sorted by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self.read().by_name.values().cloned().collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        all
    }

    /// Serves a topic as it stands from now on.
    pub(crate) fn stand(&self, standing: Standing) {
        let topic = {
            let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
            let topic = maps
                .by_id
                .entry(standing.id)
                .or_insert_with(|| self.new_topic(&standing));
            let topic = Arc::clone(topic);
            maps.by_name.insert(standing.name, Arc::clone(&topic));
            topic
        };
        topic.set_config(standing.config);
        topic.grow(standing.partitions);
    }

    /// Serves a topic no longer: who waits for it is woken, its files are dropped.
    pub(crate) fn fall(&self, id: TopicId) -> Option<Arc<Topic>> {
        let topic = {
            let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
            let topic = maps.by_id.remove(&id)?;
            if maps.by_name.get(&topic.name).is_some_and(|named| named.id == id) {
                maps.by_name.remove(&topic.name);
            }
            topic
        };
        // From here on nobody opens a partition of it any more, so nothing of it comes back after its files went.
        *topic.gone.lock().unwrap_or_else(PoisonError::into_inner) = true;
        for partition in topic.open_partitions() {
            partition.watermark().raise();
        }
        tokio::task::block_in_place(|| topic.delete_files());
        Some(topic)
    }

    fn new_topic(&self, standing: &Standing) -> Arc<Topic> {
        Arc::new(Topic {
            name: standing.name.clone(),
            id: standing.id,
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            producer_expiry: self.producer_expiry,
            config: RwLock::new(Arc::new(standing.config.clone())),
            partitions: RwLock::default(),
            gone: Mutex::new(false),
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topic {
    /// How many partitions it has.
    pub(crate) fn partition_count(&self) -> usize {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Its configuration as it stands.
    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Partition `index`, opened if this is the first time it is asked for.
    pub(crate) fn partition(&self, index: i32) -> Result<Arc<Partition>, TopicFault> {
        let slot = usize::try_from(index).ok().and_then(|index| {
            self.partitions
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(index)
                .cloned()
        });
        let slot = slot.ok_or(TopicFault::UnknownTopicOrPartition)?;
        if let Some(partition) = slot.get() {
            return Ok(Arc::clone(partition));
        }
        self.open(index, &slot)
    }

    /// The partitions that have been opened.
    pub(crate) fn open_partitions(&self) -> Vec<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.iter().filter_map(|slot| slot.get().cloned()).collect()
    }

    /// The store itself makes sure that two who open at once get the same partition.
    fn open(&self, index: i32, slot: &OnceLock<Arc<Partition>>) -> Result<Arc<Partition>, TopicFault> {
        let id = PartitionId {
            topic: self.id,
            index: PartitionIndex(index),
        };
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if *gone {
            return Err(TopicFault::UnknownTopicOrPartition);
        }
        let config = self.config();
        let opened = tokio::task::block_in_place(|| {
            self.store.open_partition(PartitionOpening {
                id,
                topic: self.name.clone(),
                leader_epoch: LEADER_EPOCH,
                segments: segment_config(&config),
                config: partition_config(&config, self.producer_expiry),
                now: self.clock.wall(),
            })
        });
        match opened {
            Ok(partition) => Ok(Arc::clone(slot.get_or_init(|| partition))),
            Err(fault) => Err(self.report(index, &fault)),
        }
    }

    /// Every partition, open or not: its directory must have another name before a topic of this name may be made again.
    fn delete_files(&self) {
        self.store.forget_topic(self.id);
        for index in 0..self.partition_count() as i32 {
            let id = PartitionId {
                topic: self.id,
                index: PartitionIndex(index),
            };
            if let Err(fault) = self.store.delete_partition(id, &self.name) {
                error!(topic = %self.name, partition = index, "its files cannot be deleted: {fault}");
            }
        }
    }

    fn report(&self, index: i32, fault: &StorageFault) -> TopicFault {
        error!(topic = %self.name, partition = index, "cannot be opened: {fault}");
        TopicFault::Storage
    }

    fn grow(&self, count: i32) {
        let mut partitions = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        while partitions.len() < count as usize {
            partitions.push(Arc::default());
        }
    }

    fn set_config(&self, config: TopicConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
        // One that is being opened with the old settings is waited for.
        let _opening = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in self.open_partitions() {
            partition.set_config(partition_config(&config, self.producer_expiry));
            self.store.set_segment_config(partition.id(), segment_config(&config));
        }
    }
}

/// What append and retention need of a topic's settings.
pub(crate) fn partition_config(topic: &TopicConfig, producer_expiry: Millis) -> PartitionConfig {
    let retention = if topic.cleanup_policy.delete {
        Retention::Delete {
            time: topic.retention_ms,
            bytes: topic.retention_bytes,
        }
    } else {
        Retention::Keep
    };
    PartitionConfig {
        max_message_bytes: topic.max_message_bytes as usize,
        timestamp_type: match topic.message_timestamp_type {
            TimestampType::CreateTime => ottla_log::TimestampType::CreateTime,
            TimestampType::LogAppendTime => ottla_log::TimestampType::LogAppendTime,
        },
        timestamp_before_max: topic.message_timestamp_before_max_ms,
        timestamp_after_max: topic.message_timestamp_after_max_ms,
        producer_expiry,
        compacted: topic.cleanup_policy.compact,
        retention,
    }
}

/// What the segment files need of them.
pub(crate) fn segment_config(topic: &TopicConfig) -> SegmentConfig {
    SegmentConfig {
        roll: RollRules {
            bytes_max: u64::from(topic.segment_bytes),
            // Nothing waits longer for compaction only because it lies in the segment that is written (KIP-354).
            time_max: if topic.cleanup_policy.compact {
                topic.segment_ms.min(topic.max_compaction_lag_ms)
            } else {
                topic.segment_ms
            },
            jitter: topic.segment_jitter_ms,
        },
        index_interval_bytes: u64::from(topic.index_interval_bytes),
        index_bytes_max: u64::from(topic.segment_index_bytes),
        compaction: PlanRules {
            dirty_ratio_min: topic.min_cleanable_dirty_ratio,
            lag_min: topic.min_compaction_lag_ms,
            lag_max: topic.max_compaction_lag_ms,
        },
        delete_retention: topic.delete_retention_ms,
    }
}
