//! What the metadata log says, and the questions a handler asks of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_coordinator::Entry;
use ottla_model::{Offset, PartitionIndex, ProducerId, TopicId, TopicName};

use crate::config::{BrokerConfig, TopicConfig};
use crate::{Record, Resource, ResourceKind};

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its identity; a topic created again under the name has another.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
}

impl Topic {
    /// Its partitions, from 0.
    pub fn partition_indexes(&self) -> impl Iterator<Item = PartitionIndex> + use<> {
        (0..self.partitions).map(PartitionIndex)
    }
}

/// The cluster's state: it changes by [`State::apply`] alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    topics: BTreeMap<TopicId, Topic>,
    ids: BTreeMap<TopicName, TopicId>,
    /// Names in which '.' or '_' occurs, by the name with every '.' made '_'.
    similar: BTreeMap<String, BTreeSet<TopicName>>,
    partitions: i64,
    configs: BTreeMap<(i8, String), BTreeMap<String, String>>,
    features: BTreeMap<String, i16>,
    producer_ids_next: i64,
    cluster_id: Option<String>,
    applied: Option<Offset>,
}

/// The cluster's id has no record of its own in Kafka, where it lives beside the log; here it is a cluster-wide broker
/// config of this name, so that brokers that share nothing but the log agree on it.
pub(crate) const CLUSTER_ID_CONFIG: &str = "ottla.cluster.id";

impl State {
    /// Every topic, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.ids.values().filter_map(|id| self.topics.get(id))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// How many partitions there are, of all topics.
    pub fn partition_count(&self) -> i64 {
        self.partitions
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(self.ids.get(name)?)
    }

    /// The topic of this identity.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    /// A topic whose name differs from `name` at most in '.' against '_' (such names would share a metric).
    pub fn collision(&self, name: &str) -> Option<&TopicName> {
        if !name.contains(['.', '_']) {
            return None;
        }
        self.similar.get(&unified(name))?.first()
    }

    /// The configs set on a resource, by name.
    pub fn configs(&self, resource: &Resource) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.configs
            .get(&(resource.kind.number(), resource.name.clone()))
            .unwrap_or(&NONE)
    }

    /// The configs set on a topic, by name.
    pub fn topic_configs(&self, name: &str) -> &BTreeMap<String, String> {
        self.configs(&Resource::topic(name))
    }

    /// The resources of a kind that have configs, by name.
    pub fn configured(&self, kind: ResourceKind) -> impl Iterator<Item = &str> {
        let number = kind.number();
        self.configs
            .keys()
            .filter(move |(kind, _)| *kind == number)
            .map(|(_, name)| name.as_str())
    }

    /// The broker's settings with the dynamic ones laid over `settings`.
    pub fn broker_config(&self, settings: &Arc<BrokerConfig>) -> Arc<BrokerConfig> {
        let everywhere = self.configs(&Resource::brokers());
        let here = self.configs(&Resource::broker(settings.node_id));
        if everywhere.is_empty() && here.is_empty() {
            return Arc::clone(settings);
        }
        Arc::new(settings.with_dynamic(everywhere, here))
    }

    /// What holds for a topic: its own configs, then the broker's settings, then Kafka's defaults. `settings` is what
    /// [`State::broker_config`] gave.
    pub fn topic_config(&self, name: &str, settings: &BrokerConfig) -> TopicConfig {
        TopicConfig::resolve(self.topic_configs(name), settings)
    }

    /// The finalized features, by name.
    pub fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.features.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// The cluster's id; `None` before the first start is through.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The first producer id that was never handed out.
    pub fn next_producer_id(&self) -> ProducerId {
        ProducerId(self.producer_ids_next)
    }

    /// The offset of the newest record, which is also the epoch of the finalized features.
    pub fn applied(&self) -> Option<Offset> {
        self.applied
    }

    /// Takes one record of the log. A record that contradicts the state (a partition of an unknown topic, say) changes
    /// nothing, as it would not be there had this crate written it.
    pub(crate) fn apply(&mut self, entry: &Entry<Record>) {
        self.applied = Some(entry.offset);
        match &entry.record {
            Record::Topic { name, id } => self.add_topic(name, *id),
            Record::Partition(partition) => {
                if let Some(topic) = self.topics.get_mut(&partition.topic)
                    && partition.index.0 == topic.partitions
                {
                    topic.partitions += 1;
                    self.partitions += 1;
                }
            }
            Record::Config {
                resource_kind,
                resource_name,
                name,
                value,
            } => {
                self.set_config(*resource_kind, resource_name, name, value.as_deref());
            }
            Record::RemoveTopic { id } => self.remove_topic(*id),
            Record::FeatureLevel { name, level: 0 } => {
                self.features.remove(name);
            }
            Record::FeatureLevel { name, level } => {
                self.features.insert(name.clone(), *level);
            }
            Record::ProducerIds { next, .. } => self.producer_ids_next = self.producer_ids_next.max(next.0),
        }
    }

    fn add_topic(&mut self, name: &TopicName, id: TopicId) {
        if self.ids.contains_key(name) || self.topics.contains_key(&id) {
            return;
        }
        self.ids.insert(name.clone(), id);
        self.topics.insert(
            id,
            Topic {
                name: name.clone(),
                id,
                partitions: 0,
            },
        );
        if name.as_str().contains(['.', '_']) {
            self.similar
                .entry(unified(name.as_str()))
                .or_default()
                .insert(name.clone());
        }
    }

    fn remove_topic(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(&id) else { return };
        self.partitions -= i64::from(topic.partitions);
        self.ids.remove(&topic.name);
        self.configs
            .remove(&(ResourceKind::Topic.number(), topic.name.as_str().to_owned()));
        let unified = unified(topic.name.as_str());
        if let Some(names) = self.similar.get_mut(&unified) {
            names.remove(&topic.name);
            if names.is_empty() {
                self.similar.remove(&unified);
            }
        }
    }

    fn set_config(&mut self, kind: i8, resource: &str, name: &str, value: Option<&str>) {
        if kind == ResourceKind::Broker.number() && resource.is_empty() && name == CLUSTER_ID_CONFIG {
            self.cluster_id = value.map(str::to_owned);
            return;
        }
        let resource = (kind, resource.to_owned());
        match value {
            Some(value) => {
                self.configs
                    .entry(resource)
                    .or_default()
                    .insert(name.to_owned(), value.to_owned());
            }
            None => {
                let Some(configs) = self.configs.get_mut(&resource) else {
                    return;
                };
                configs.remove(name);
                if configs.is_empty() {
                    self.configs.remove(&resource);
                }
            }
        }
    }
}

fn unified(name: &str) -> String {
    name.replace('.', "_")
}
