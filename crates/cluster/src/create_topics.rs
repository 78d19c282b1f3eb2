//! CreateTopics, and topics that come into being because they are needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_coordinator::Output;
use ottla_model::{ErrorCode, PartitionIndex, TopicId, TopicName, TopicNameFault};

use crate::cluster::{duplicate_topic, duplicates};
use crate::config::{BrokerConfig, ConfigEntry, check_topic_configs, topic_entries};
use crate::internal_topics::{CLUSTER_METADATA, InternalTopic};
use crate::{Cluster, Effect, PartitionRecord, Record, Refusal, ResourceKind, State, Topic};

/// A topic that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name; any text.
    pub name: TopicName,
    /// The identity it gets, never used before.
    pub id: TopicId,
    /// Its partitions.
    pub layout: Layout,
    /// Its configs, as the request has them.
    pub configs: Vec<(String, Option<String>)>,
}

/// How a new topic's partitions are given: as the request has it, to be judged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many; -1 is the broker's default, and must be -1 beside assignments.
    pub partitions: i32,
    /// How many replicas each; -1 is the default, and must be -1 beside assignments.
    pub replication_factor: i16,
    /// Which brokers hold which partition; empty to leave it to the broker.
    pub assignments: Vec<Assignment>,
}

impl Layout {
    /// The broker's defaults.
    pub const DEFAULT: Layout = Layout {
        partitions: -1,
        replication_factor: -1,
        assignments: Vec::new(),
    };
}

/// Who is to hold one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: i32,
    /// The brokers.
    pub brokers: Vec<i32>,
}

/// A topic that somebody needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: TopicName,
    /// The identity it gets if there is no such topic yet.
    pub id: TopicId,
    /// Who needs it.
    pub origin: Origin,
}

/// Who needs a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client asked about it: it is created if `auto.create.topics.enable` allows it.
    Client,
    /// A coordinator is about to write to it.
    Coordinator,
}

/// The answer about one topic of CreateTopics.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicAnswer {
    /// The topic.
    pub name: TopicName,
    /// What became of it.
    pub result: Result<CreatedTopic, Refusal>,
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedTopic {
    /// Its identity.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
    /// Everything that holds for it.
    pub configs: Vec<ConfigEntry>,
}

pub(crate) fn create(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    topics: Vec<NewTopic>,
) -> Vec<TopicAnswer> {
    let config = state.broker_config(settings);
    let mut creation = Creation {
        state,
        config: &config,
        output,
        added: 0,
    };
    let twice = duplicates(topics.iter().map(|topic| topic.name.as_str()));
    let mut answers: Vec<TopicAnswer> = topics
        .iter()
        .filter(|topic| !twice.contains(topic.name.as_str()))
        .map(|topic| TopicAnswer {
            name: topic.name.clone(),
            result: creation.create(topic),
        })
        .collect();
    answers.extend(twice.iter().map(|name| TopicAnswer {
        name: (*name).into(),
        result: Err(duplicate_topic()),
    }));
    answers
}

pub(crate) fn ensure(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    topics: Vec<Wanted>,
) -> Vec<(TopicName, Result<Topic, Refusal>)> {
    let config = state.broker_config(settings);
    let mut creation = Creation {
        state,
        config: &config,
        output,
        added: 0,
    };
    let mut made: BTreeMap<TopicName, Result<Topic, Refusal>> = BTreeMap::new();
    let mut answers = Vec::new();
    for wanted in topics {
        let result = match made.get(&wanted.name) {
            Some(result) => result.clone(),
            None => creation.ensure(&wanted),
        };
        made.insert(wanted.name.clone(), result.clone());
        answers.push((wanted.name, result));
    }
    answers
}

/// Kafka's words for a name that cannot be.
pub(crate) fn invalid_name(name: &str, fault: TopicNameFault) -> Refusal {
    let reason = match fault {
        TopicNameFault::Empty => "the empty string is not allowed".to_owned(),
        TopicNameFault::Dots => format!("'{name}' is not allowed"),
        TopicNameFault::TooLong => {
            // The name itself may fill a whole request, and the answer must not.
            let start: String = name.chars().take(TopicName::LENGTH_MAX).collect();
            format!(
                "the length of '{start}...' is longer than the max allowed length {}",
                TopicName::LENGTH_MAX
            )
        }
        TopicNameFault::IllegalCharacter => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
    };
    Refusal::new(
        ErrorCode::InvalidTopicException,
        format!("Topic name is invalid: {reason}"),
    )
}

struct Creation<'a> {
    state: &'a State,
    config: &'a BrokerConfig,
    output: &'a mut Output<Cluster>,
    /// How many partitions this request has added.
    added: i64,
}

impl Creation<'_> {
    fn create(&mut self, topic: &NewTopic) -> Result<CreatedTopic, Refusal> {
        let name = topic.name.as_str();
        if InternalTopic::of(name).is_some() || name == CLUSTER_METADATA {
            return match self.state.topic(name) {
                Some(_) => Err(already_exists(name)),
                None => Err(Refusal::invalid_request(format!(
                    "Creation of internal topic {name} is prohibited."
                ))),
            };
        }
        self.check_name(name)?;
        let configs = new_configs(&topic.configs)?;
        check_topic_configs(&configs, self.config)?;
        let partitions = self.partitions(&topic.layout)?;
        self.check_limits(name, partitions)?;
        Ok(self.add(&topic.name, topic.id, partitions, &configs))
    }

    fn ensure(&mut self, wanted: &Wanted) -> Result<Topic, Refusal> {
        let name = wanted.name.as_str();
        if let Some(topic) = self.state.topic(name) {
            return Ok(topic.clone());
        }
        let (partitions, configs) = match InternalTopic::of(name) {
            Some(internal) => (internal.partitions(self.config), internal.configs(self.config)),
            None if name == CLUSTER_METADATA => return Err(Refusal::unknown_topic()),
            None => {
                TopicName::check(name).map_err(|fault| invalid_name(name, fault))?;
                if wanted.origin == Origin::Client && !self.config.topics.auto_create_topics_enable {
                    return Err(Refusal::unknown_topic());
                }
                self.check_name(name)?;
                (self.config.topics.num_partitions, BTreeMap::new())
            }
        };
        self.check_limits(name, partitions)?;
        let created = self.add(&wanted.name, wanted.id, partitions, &configs);
        Ok(Topic {
            name: wanted.name.clone(),
            id: created.id,
            partitions: created.partitions,
        })
    }

    fn check_name(&self, name: &str) -> Result<(), Refusal> {
        if self.state.topic(name).is_some() {
            return Err(already_exists(name));
        }
        TopicName::check(name).map_err(|fault| invalid_name(name, fault))?;
        match self.state.collision(name) {
            Some(other) => Err(Refusal::new(
                ErrorCode::InvalidTopicException,
                format!("Topic '{name}' collides with existing topic: {other}"),
            )),
            None => Ok(()),
        }
    }

    /// How many partitions a layout makes.
    fn partitions(&self, layout: &Layout) -> Result<i32, Refusal> {
        if !layout.assignments.is_empty() {
            return self.assigned_partitions(layout);
        }
        match layout.replication_factor {
            -1 | 1 => {}
            factor if factor < -1 || factor == 0 => {
                return Err(Refusal::new(
                    ErrorCode::InvalidReplicationFactor,
                    "Replication factor must be larger than 0, or -1 to use the default value.",
                ));
            }
            factor => {
                return Err(Refusal::new(
                    ErrorCode::InvalidReplicationFactor,
                    format!(
                        "Unable to replicate the partition {factor} time(s): The target replication factor of \
                         {factor} cannot be reached because only 1 broker(s) are registered."
                    ),
                ));
            }
        }
        match layout.partitions {
            -1 => Ok(self.config.topics.num_partitions),
            count if count > 0 => Ok(count),
            _ => Err(Refusal::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            )),
        }
    }

    fn assigned_partitions(&self, layout: &Layout) -> Result<i32, Refusal> {
        if layout.replication_factor != -1 {
            return Err(Refusal::invalid_request(
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ));
        }
        if layout.partitions != -1 {
            return Err(Refusal::invalid_request(
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ));
        }
        let mut seen = std::collections::BTreeSet::new();
        for assignment in &layout.assignments {
            if !seen.insert(assignment.partition) {
                return Err(Refusal::new(
                    ErrorCode::InvalidReplicaAssignment,
                    format!(
                        "Found multiple manual partition assignments for partition {}",
                        assignment.partition
                    ),
                ));
            }
            check_replicas(&assignment.brokers, self.config.node_id)?;
        }
        if seen.iter().zip(0..).any(|(partition, expected)| *partition != expected) {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicaAssignment,
                "partitions should be a consecutive 0-based integer sequence",
            ));
        }
        Ok(seen.len() as i32)
    }

    fn check_limits(&self, name: &str, partitions: i32) -> Result<(), Refusal> {
        check_partition_limits(
            self.state,
            self.config,
            name,
            partitions,
            self.added + i64::from(partitions),
        )
    }

    fn add(
        &mut self,
        name: &TopicName,
        id: TopicId,
        partitions: i32,
        configs: &BTreeMap<String, String>,
    ) -> CreatedTopic {
        self.added += i64::from(partitions);
        self.output.record(Record::Topic { name: name.clone(), id });
        for (property, value) in configs {
            self.output.record(Record::Config {
                resource_kind: ResourceKind::Topic.number(),
                resource_name: name.as_str().to_owned(),
                name: property.clone(),
                value: Some(value.clone()),
            });
        }
        for index in 0..partitions {
            self.output.record(new_partition(id, index, self.config.node_id));
        }
        self.output.effect(Effect::PartitionsAdded {
            topic: name.clone(),
            id,
            first: 0,
            partitions,
        });
        CreatedTopic {
            id,
            partitions,
            replication_factor: 1,
            configs: topic_entries(configs, self.config),
        }
    }
}

/// The record of a partition that this broker holds alone.
pub(crate) fn new_partition(topic: TopicId, index: i32, node_id: i32) -> Record {
    Record::Partition(PartitionRecord {
        topic,
        index: PartitionIndex(index),
        replicas: vec![node_id],
        isr: vec![node_id],
        leader: node_id,
        leader_epoch: 0,
        partition_epoch: 0,
    })
}

/// Judges the brokers of a manual assignment: this one and no other.
pub(crate) fn check_replicas(brokers: &[i32], node_id: i32) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    if brokers.is_empty() {
        return refuse("The manual partition assignment includes an empty replica list.".to_owned());
    }
    if let Some(stranger) = brokers.iter().find(|broker| **broker != node_id) {
        return refuse(format!(
            "The manual partition assignment includes broker {stranger}, but no such broker is registered."
        ));
    }
    if brokers.len() > 1 {
        return refuse(format!(
            "The manual partition assignment includes the broker {node_id} more than once."
        ));
    }
    Ok(())
}

/// The most partitions one request may add, as in Kafka: they are written as one batch.
const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;

/// Whether a topic may have `partitions` partitions when the request adds `added` to all there are.
pub(crate) fn check_partition_limits(
    state: &State,
    config: &BrokerConfig,
    name: &str,
    partitions: i32,
    added: i64,
) -> Result<(), Refusal> {
    let per_topic_max = config.topics.partitions_per_topic_max;
    if partitions > per_topic_max {
        return Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            format!(
                "Topic '{name}' would have {partitions} partitions, \
                 but ottla.partitions.per.topic.max is {per_topic_max}."
            ),
        ));
    }
    if added > PARTITIONS_PER_REQUEST_MAX {
        return Err(Refusal::new(
            ErrorCode::PolicyViolation,
            format!("The request would add more than {PARTITIONS_PER_REQUEST_MAX} partitions."),
        ));
    }
    let (total, max) = (state.partition_count() + added, config.topics.partitions_max);
    if total > max {
        return Err(Refusal::new(
            ErrorCode::PolicyViolation,
            format!("The cluster would have {total} partitions, but ottla.partitions.max is {max}."),
        ));
    }
    Ok(())
}

fn already_exists(name: &str) -> Refusal {
    Refusal::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists."))
}

fn new_configs(configs: &[(String, Option<String>)]) -> Result<BTreeMap<String, String>, Refusal> {
    let nulls: Vec<&str> = configs
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !nulls.is_empty() {
        let nulls = nulls.join(",");
        return Err(Refusal::invalid_config(format!(
            "Null value not supported for topic configs: {nulls}"
        )));
    }
    Ok(configs
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect())
}
