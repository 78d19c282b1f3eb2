//! DeleteTopics, by name or by identity.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_coordinator::Output;
use ottla_model::{ErrorCode, TopicId, TopicName};

use crate::cluster::duplicate_topic;
use crate::config::BrokerConfig;
use crate::{Cluster, Effect, InternalTopic, Record, Refusal, State, Topic};

/// How a request names a topic: as it has it, to be judged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSelector {
    /// By name.
    pub name: Option<TopicName>,
    /// By identity; [`TopicId::ZERO`] is none.
    pub id: TopicId,
}

impl TopicSelector {
    /// By name.
    pub fn name(name: impl Into<TopicName>) -> TopicSelector {
        TopicSelector {
            name: Some(name.into()),
            id: TopicId::ZERO,
        }
    }

    /// By identity.
    pub fn id(id: TopicId) -> TopicSelector {
        TopicSelector { name: None, id }
    }
}

/// The answer about one topic of DeleteTopics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name, as far as it is known.
    pub name: Option<TopicName>,
    /// Its identity, as far as it is known, or else [`TopicId::ZERO`].
    pub id: TopicId,
    /// What became of it.
    pub result: Result<(), Refusal>,
}

pub(crate) fn delete(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    selectors: Vec<TopicSelector>,
) -> Vec<DeletedTopic> {
    let mut answers = Vec::new();
    let mut refuse = |name: Option<&TopicName>, id, refusal| {
        answers.push(DeletedTopic {
            name: name.cloned(),
            id,
            result: Err(refusal),
        });
    };
    // By name and by identity, each once; what occurs twice is refused once and not looked at again.
    let mut names = Once::default();
    let mut ids = Once::default();
    for TopicSelector { name, id } in selectors {
        match (name, id.is_zero()) {
            (None, true) => {
                refuse(
                    None,
                    id,
                    Refusal::invalid_request("Neither topic name nor id were specified."),
                );
            }
            (Some(name), false) => refuse(
                Some(&name),
                id,
                Refusal::invalid_request("You may not specify both topic name and topic id."),
            ),
            (None, false) => ids.add(id),
            (Some(name), true) => names.add(name),
        }
    }
    for name in &names.twice {
        refuse(Some(name), TopicId::ZERO, duplicate_topic());
    }
    for id in &ids.twice {
        refuse(None, *id, Refusal::invalid_request("Duplicate topic id."));
    }
    let mut chosen: Vec<&Topic> = Vec::new();
    for name in names.once() {
        match state.topic(name.as_str()) {
            None => refuse(Some(name), TopicId::ZERO, Refusal::unknown_topic()),
            Some(topic) if ids.seen.contains(&topic.id) => refuse(
                Some(name),
                topic.id,
                Refusal::invalid_request("The provided topic name maps to an ID that was already supplied."),
            ),
            Some(topic) => chosen.push(topic),
        }
    }
    for id in ids.once() {
        match state.topic_by_id(*id) {
            None => refuse(None, *id, Refusal::unknown_topic_id()),
            // Its name is in the request too and was refused above: neither way deletes it.
            Some(topic) if names.seen.contains(&topic.name) && !names.twice.contains(&topic.name) => {}
            Some(topic) => chosen.push(topic),
        }
    }
    let enabled = settings.topics.delete_topic_enable;
    answers.extend(chosen.into_iter().map(|topic| delete_one(topic, enabled, output)));
    answers
}

fn delete_one(topic: &Topic, enabled: bool, output: &mut Output<Cluster>) -> DeletedTopic {
    let Topic { name, id, partitions } = topic.clone();
    let result = if !enabled {
        Err(Refusal::new(
            ErrorCode::TopicDeletionDisabled,
            "Topic deletion is disabled.",
        ))
    } else if InternalTopic::of(name.as_str()).is_some() {
        Err(Refusal::new(
            ErrorCode::InvalidTopicException,
            format!("Topic '{name}' is internal: it holds the state of groups or transactions."),
        ))
    } else {
        output.record(Record::RemoveTopic { id });
        output.effect(Effect::TopicDeleted {
            topic: name.clone(),
            id,
            partitions,
        });
        Ok(())
    };
    DeletedTopic {
        name: Some(name),
        id,
        result,
    }
}

/// What a request names, and what of it it names more than once.
struct Once<T> {
    seen: BTreeSet<T>,
    twice: BTreeSet<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Once {
            seen: BTreeSet::new(),
            twice: BTreeSet::new(),
        }
    }
}

impl<T: Ord + Clone> Once<T> {
    fn add(&mut self, item: T) {
        if !self.seen.insert(item.clone()) {
            self.twice.insert(item);
        }
    }

    fn once(&self) -> impl Iterator<Item = &T> {
        self.seen.difference(&self.twice)
    }
}
