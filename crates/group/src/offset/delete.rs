//! OffsetDelete, DeleteGroups and the deletion of topics: positions, and groups, that somebody wants forgotten.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, GroupId};

use crate::classic::{self, Seen};
use crate::command::{DeletedTopic, OffsetDelete};
use crate::effect::Effect;
use crate::machine::Groups;
use crate::record::Record;
use crate::reply::{ClassicState, Reply, TopicAnswers};
use crate::session::Session;
use crate::state::{Group, State};
use crate::subscription::CONSUMER;

use super::tombstone;

/// OffsetDelete: positions of topics that the group still subscribes to stay.
pub(crate) fn offsets(state: &State, session: &Session, ticket: Ticket, delete: OffsetDelete) -> Output<Groups> {
    let mut output = Output::default();
    let result = match find(state, session, &delete.group) {
        Ok((group, seen)) => Ok(delete_offsets(group, seen, &delete, &mut output)),
        Err(error) => Err(error),
    };
    output.answer(ticket, Reply::OffsetDelete(result));
    output
}

fn find<'a>(state: &'a State, session: &'a Session, id: &GroupId) -> Result<(&'a Group, Seen<'a>), ErrorCode> {
    if id.as_str().is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let group = state.group(id).ok_or(ErrorCode::GroupIdNotFound)?;
    let seen = Seen {
        log: &group.classic,
        live: session.groups.get(id),
    };
    // What members of other types work on is not known, so none of it may go while they work.
    if seen.state() != ClassicState::Empty && seen.protocol_type().map(|text| &**text) != Some(CONSUMER) {
        return Err(ErrorCode::NonEmptyGroup);
    }
    Ok((group, seen))
}

fn delete_offsets(
    group: &Group,
    seen: Seen<'_>,
    delete: &OffsetDelete,
    output: &mut Output<Groups>,
) -> Vec<TopicAnswers> {
    let subscribed = seen.subscribed();
    let mut answers = Vec::with_capacity(delete.topics.len());
    for (topic, partitions) in &delete.topics {
        let result = if subscribed.contains(topic) {
            Err(ErrorCode::GroupSubscribedToTopic)
        } else {
            Ok(())
        };
        for partition in partitions {
            if result.is_ok() && group.knows(topic, *partition) {
                output.record(tombstone(&delete.group, topic, *partition));
            }
        }
        let partitions = partitions.iter().map(|partition| (*partition, result)).collect();
        answers.push(TopicAnswers {
            topic: topic.clone(),
            partitions,
        });
    }
    answers
}

/// DeleteGroups, for one group: only one without members.
pub(crate) fn group(state: &State, session: &mut Session, ticket: Ticket, id: GroupId) -> Output<Groups> {
    let answer = |result| Output::reply(ticket, Reply::DeleteGroup(result));
    let Some(group) = state.group(&id) else {
        return answer(Err(ErrorCode::GroupIdNotFound));
    };
    let seen = Seen {
        log: &group.classic,
        live: session.groups.get(&id),
    };
    if seen.state() != ClassicState::Empty {
        return answer(Err(ErrorCode::NonEmptyGroup));
    }
    let mut output = answer(Ok(()));
    for (topic, partition) in group.known_partitions() {
        output.record(tombstone(&id, topic, partition));
    }
    forget_group(session, id, &mut output);
    output
}

/// The group is no more: neither in the log nor in the session.
pub(super) fn forget_group(session: &mut Session, id: GroupId, output: &mut Output<Groups>) {
    classic::forget(session, &id, output);
    output.record(Record::Group {
        group: id.clone(),
        value: None,
    });
    output.effect(Effect::GroupForgotten { group: id });
}

/// Topics are gone: no group has a position in them any more. The groups stay, even with nothing left.
pub(crate) fn topics(state: &State, ticket: Ticket, topics: &[DeletedTopic]) -> Output<Groups> {
    let mut output = Output::default();
    for (id, group) in state.groups() {
        for deleted in topics {
            for partition in group.known_of(&deleted.topic) {
                let stored = group
                    .offset(&deleted.topic, partition)
                    .and_then(|offset| offset.topic_id);
                if stored.is_none_or(|stored| stored == deleted.id) {
                    output.record(tombstone(id, &deleted.topic, partition));
                }
            }
        }
    }
    let count = output.records.len();
    output.answer(ticket, Reply::TopicsDeleted(count));
    output
}
