//! OffsetFetch: where a group is to go on.

use ottla_coordinator::{Output, Ticket};
use ottla_model::PartitionIndex;

use crate::command::{FetchTopic, Fetched, OffsetFetch};
use crate::machine::Groups;
use crate::reply::{FetchedTopic, Position, Reply};
use crate::state::{CommittedOffset, Group, State};

/// A group or a partition of which nothing is known has no position; that is not an error.
pub(crate) fn decide(state: &State, ticket: Ticket, fetch: OffsetFetch) -> Output<Groups> {
    // `require_stable` has nothing to refuse until there are transactional commits in the state.
    let group = state.group(&fetch.group);
    let topics = match fetch.topics {
        Fetched::All => group.map(all).unwrap_or_default(),
        Fetched::Named(topics) => topics.into_iter().map(|topic| named(group, topic)).collect(),
    };
    Output::reply(ticket, Reply::OffsetFetch(Ok(topics)))
}

fn all(group: &Group) -> Vec<FetchedTopic> {
    let positions = group.offsets.iter().map(|(topic, partitions)| FetchedTopic {
        topic: topic.clone(),
        partitions: partitions
            .iter()
            .map(|(index, offset)| (*index, Ok(Some(Position::from(offset)))))
            .collect(),
    });
    positions.collect()
}

fn named(group: Option<&Group>, asked: FetchTopic) -> FetchedTopic {
    let position = |index: PartitionIndex| {
        let found = group?.offset(&asked.topic, index)?;
        found.is_of(&asked).then(|| Position::from(found))
    };
    let partitions = asked
        .partitions
        .iter()
        .map(|index| (*index, Ok(position(*index))))
        .collect();
    FetchedTopic {
        partitions,
        topic: asked.topic.clone(),
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
