//! The topics this broker serves and their partitions, found by name or id on every request.
//!
//! What topics exist is the cluster machine's to say; this is its view, brought up to date after each change. A partition
//! is opened when it is first asked for: ten thousand idle ones cost nothing.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use ottla_cluster::TopicConfig;
use ottla_disk::LocalStore;
use ottla_log::{Partition, StorageFault};
use ottla_model::{ErrorCode, PartitionId, PartitionIndex, TopicId, TopicName};
use tracing::error;

use crate::clock::Clock;

/// Why a partition cannot be had.
#[derive(Clone, Debug)]
pub(crate) enum TopicFault {
    /// No topic of that name, or no such partition.
    UnknownTopicOrPartition,
    /// No topic of that id.
    UnknownTopicId,
    /// It exists, but its files cannot be read.
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
    maps: RwLock<Maps>,
}

#[derive(Default)]
struct Maps {
    by_name: HashMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

/// One topic.
pub(crate) struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its identity.
    pub id: TopicId,
    store: Arc<LocalStore>,
    clock: Arc<Clock>,
    config: RwLock<Arc<TopicConfig>>,
    partitions: RwLock<Vec<Arc<OnceLock<Arc<Partition>>>>>,
}

impl Topics {
    /// No topics yet.
    pub(crate) fn new(store: Arc<LocalStore>, clock: Arc<Clock>) -> Topics {
        Topics { store, clock, maps: RwLock::default() }
    }

    /// The topic of that name.
    pub(crate) fn by_name(&self, name: &str) -> Result<Arc<Topic>, TopicFault> {
        self.read().by_name.get(name).cloned().ok_or(TopicFault::UnknownTopicOrPartition)
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

    /// Takes over what the cluster says of one topic: it exists so (`Some`), or no longer (`None`). Returns the topic
    /// that went, if one did.
    pub(crate) fn refresh(&self, name: &TopicName, stands: Option<(TopicId, usize, TopicConfig)>) -> Option<Arc<Topic>> {
        let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
        let known = maps.by_name.get(name).cloned();
        let gone = known.filter(|known| stands.as_ref().is_none_or(|(id, ..)| *id != known.id));
        if let Some(gone) = &gone {
            maps.by_name.remove(name);
            maps.by_id.remove(&gone.id);
        }
        if let Some((id, count, config)) = stands {
            let topic = maps.by_name.entry(name.clone()).or_insert_with(|| self.new_topic(name, id));
            let topic = Arc::clone(topic);
            maps.by_id.insert(id, Arc::clone(&topic));
            drop(maps);
            topic.grow(count);
            topic.set_config(config);
        }
        gone
    }

    fn new_topic(&self, name: &TopicName, id: TopicId) -> Arc<Topic> {
        Arc::new(Topic {
            name: name.clone(),
            id,
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            config: RwLock::default(),
            partitions: RwLock::default(),
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
            self.partitions.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
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
        let id = PartitionId { topic: self.id, index: PartitionIndex(index) };
        let config = self.config();
        let opened = tokio::task::block_in_place(|| {
            self.store.open_partition(id, &self.name, segment_config(&config), partition_config(&config), self.clock.wall())
        });
        match opened {
            Ok(partition) => Ok(Arc::clone(slot.get_or_init(|| partition))),
            Err(fault) => Err(self.report(index, &fault)),
        }
    }

    fn report(&self, index: i32, fault: &StorageFault) -> TopicFault {
        error!(topic = %self.name, partition = index, "cannot be opened: {fault}");
        TopicFault::Storage
    }

    fn grow(&self, count: usize) {
        let mut partitions = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        while partitions.len() < count {
            partitions.push(Arc::default());
        }
    }

    fn set_config(&self, config: TopicConfig) {
        for partition in self.open_partitions() {
            partition.set_config(partition_config(&config));
            self.store.set_segment_config(partition.id(), segment_config(&config));
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
