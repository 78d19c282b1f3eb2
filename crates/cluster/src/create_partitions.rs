//! CreatePartitions: a topic's number of partitions only grows.

use std::sync::Arc;

use ottla_coordinator::Output;
use ottla_model::{ErrorCode, TopicName};

use crate::cluster::{duplicate_topic, duplicates};
use crate::config::BrokerConfig;
use crate::create_topics::{check_partition_limits, check_replicas, new_partition};
use crate::{Cluster, Effect, InternalTopic, Refusal, State};

/// How many partitions a topic shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MorePartitions {
    /// The topic.
    pub name: TopicName,
    /// How many, with those it has.
    pub count: i32,
    /// The brokers of each new partition; `None` leaves it to the broker.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// The answer about one topic of CreatePartitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionsAnswer {
    /// The topic.
    pub name: TopicName,
    /// What became of it.
    pub result: Result<(), Refusal>,
}

pub(crate) fn create(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    topics: Vec<MorePartitions>,
) -> Vec<PartitionsAnswer> {
    let config = state.broker_config(settings);
    let twice = duplicates(topics.iter().map(|topic| topic.name.as_str()));
    let mut answers: Vec<PartitionsAnswer> = twice
        .iter()
        .map(|name| PartitionsAnswer {
            name: (*name).into(),
            result: Err(duplicate_topic()),
        })
        .collect();
    let mut added = 0;
    for wanted in topics.iter().filter(|topic| !twice.contains(topic.name.as_str())) {
        let result = grow(state, &config, output, wanted, added);
        added += result.as_ref().copied().unwrap_or(0);
        answers.push(PartitionsAnswer {
            name: wanted.name.clone(),
            result: result.map(|_| ()),
        });
    }
    answers
}

/// Adds partitions to one topic and says how many; `added` is what the request has added before.
fn grow(
    state: &State,
    config: &BrokerConfig,
    output: &mut Output<Cluster>,
    wanted: &MorePartitions,
    added: i64,
) -> Result<i64, Refusal> {
    let (name, count) = (wanted.name.as_str(), wanted.count);
    let topic = state.topic(name).ok_or_else(Refusal::unknown_topic)?;
    let current = topic.partitions;
    if InternalTopic::of(name).is_some() {
        return Err(Refusal::new(
            ErrorCode::InvalidTopicException,
            format!("Topic '{name}' is internal: with more partitions its keys would be looked for in other ones."),
        ));
    }
    if count == current {
        let message = format!("Topic already has {current} partition(s).");
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    if count < current {
        return Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            format!("The topic {name} currently has {current} partition(s); {count} would not be an increase."),
        ));
    }
    let additional = count - current;
    if let Some(assignments) = &wanted.assignments {
        if assignments.len() != additional as usize {
            return Err(Refusal::new(
                ErrorCode::InvalidReplicaAssignment,
                format!(
                    "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                    assignments.len()
                ),
            ));
        }
        assignments
            .iter()
            .try_for_each(|brokers| check_replicas(brokers, config.node_id))?;
    }
    check_partition_limits(state, config, name, count, added + i64::from(additional))?;
    for index in current..count {
        output.record(new_partition(topic.id, index, config.node_id));
    }
    output.effect(Effect::PartitionsAdded {
        topic: topic.name.clone(),
        id: topic.id,
        first: current,
        partitions: count,
    });
    Ok(i64::from(additional))
}
