//! OffsetFetch: where a group is to go on.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, PartitionIndex, TopicName};

use crate::command::{FetchTopic, Fetched, OffsetFetch};
use crate::machine::Groups;
use crate::reply::{FetchedTopic, Position, Reply};
use crate::state::{CommittedOffset, Group, State};

/// A group or a partition of which nothing is known has no position; that is not an error.
pub(crate) fn decide(state: &State, ticket: Ticket, fetch: OffsetFetch) -> Output<Groups> {
    let group = state.group(&fetch.group);
    let stable = fetch.require_stable;
    let topics = match fetch.topics {
        Fetched::All => group.map(|group| all(group, stable)).unwrap_or_default(),
        Fetched::Named(topics) => {
            let named = topics.into_iter().map(|topic| named(group, topic, stable));
            named.collect()
        }
    };
    Output::reply(ticket, Reply::OffsetFetch(Ok(topics)))
}

fn all(group: &Group, stable: bool) -> Vec<FetchedTopic> {
    let positions = group.offsets.iter().map(|(topic, partitions)| FetchedTopic {
        topic: topic.clone(),
        partitions: partitions
            .iter()
            .map(|(index, offset)| {
                let settled = check_settled(Some(group), topic, *index, stable);
                (*index, settled.map(|()| Some(Position::from(offset))))
            })
            .collect(),
    });
    positions.collect()
}

fn named(group: Option<&Group>, asked: FetchTopic, stable: bool) -> FetchedTopic {
    let position = |index: PartitionIndex| {
        let found = group?.offset(&asked.topic, index)?;
        found.is_of(&asked).then(|| Position::from(found))
    };
    let partitions = asked
        .partitions
        .iter()
        .map(|index| {
            let settled = check_settled(group, &asked.topic, *index, stable);
            (*index, settled.map(|()| position(*index)))
        })
        .collect();
    FetchedTopic {
        partitions,
        topic: asked.topic.clone(),
    }
}

/// A position that an open transaction may still replace is no place to go on from (KIP-447).
fn check_settled(
    group: Option<&Group>,
    topic: &TopicName,
    partition: PartitionIndex,
    stable: bool,
) -> Result<(), ErrorCode> {
    match group {
        Some(group) if stable && group.pending.holds(topic, partition) => Err(ErrorCode::UnstableOffsetCommit),
        _ => Ok(()),
    }
}

impl CommittedOffset {
    /// Whether it was committed for the topic that is asked about, and not for one of the same name before it.
    fn is_of(&self, asked: &FetchTopic) -> bool {
        match (self.topic_id, asked.id) {
            (Some(stored), Some(asked)) => stored == asked,
            _ => true,
        }
    }
}

impl From<&CommittedOffset> for Position {
    fn from(offset: &CommittedOffset) -> Position {
        Position {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata.clone(),
            topic_id: offset.topic_id,
        }
    }
}
