//! OffsetFetch (key 9), versions 1 to 9: committed positions, of one group or (from version 8) of many.
//!
//! A group or partition that is not known is no error: its position is -1.

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequest;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::protocol::StrBytes;
use ottla_group::{Command, FetchTopic, Fetched, FetchedTopic, OffsetFetch, Position, Reply};
use ottla_model::{ErrorCode, PartitionIndex, TopicId};

use crate::handlers::{Cx, ask, group_id, name_of, text, topic_name};
use crate::reply::Handled;

/// The first version that asks for many groups at once (KIP-709).
const MANY_SINCE: i16 = 8;
/// The first version with an error for the whole group.
const GROUP_ERROR_SINCE: i16 = 2;

/// One group's part of a request, whatever its version.
struct Asked {
    group: GroupId,
    /// `None` asks for all it has.
    topics: Option<Vec<(kafka_protocol::messages::TopicName, Vec<i32>)>>,
}

/// One group's part of an answer.
type Answered = Result<Vec<FetchedTopic>, ErrorCode>;

pub(crate) fn handle(cx: &Cx<'_>, request: OffsetFetchRequest) -> Handled<OffsetFetchResponse> {
    let version = cx.version;
    let require_stable = request.require_stable;
    let asked = asked_groups(version, request);
    let mut answers = Vec::with_capacity(asked.len());
    for asked in asked {
        let named = asked.topics.clone();
        answers.push((asked.group.clone(), named, fetch(cx, asked, require_stable)));
    }
    if answers.iter().all(|(_, _, handled)| matches!(handled, Handled::Now(_))) {
        let answers = answers.into_iter().map(|(group, named, handled)| match handled {
            Handled::Now(answered) => (group, named, answered),
            _ => unreachable!("all are at hand"),
        });
        return Handled::Now(encode(version, answers.collect()));
    }
    Handled::Pipelined(Box::pin(async move {
        let mut done = Vec::with_capacity(answers.len());
        for (group, named, handled) in answers {
            let answered = match handled {
                Handled::Now(answered) => answered,
                Handled::Pipelined(waiting) | Handled::Parked(waiting) => waiting.await,
                Handled::Silent | Handled::Close(_) | Handled::Delayed(_) => {
                    unreachable!("an OffsetFetch is always answered")
                }
            };
            done.push((group, named, answered));
        }
        encode(version, done)
    }))
}

fn asked_groups(version: i16, request: OffsetFetchRequest) -> Vec<Asked> {
    if version < MANY_SINCE {
        let topics = request.topics.map(|topics| {
            topics
                .into_iter()
                .map(|topic| (topic.name, topic.partition_indexes))
                .collect()
        });
        return vec![Asked {
            group: request.group_id,
            topics,
        }];
    }
    let groups = request.groups.into_iter().map(|group| Asked {
        group: group.group_id,
        topics: group.topics.map(|topics| {
            topics
                .into_iter()
                .map(|topic| (topic.name, topic.partition_indexes))
                .collect()
        }),
    });
    groups.collect()
}

fn fetch(cx: &Cx<'_>, asked: Asked, require_stable: bool) -> Handled<Answered> {
    let driver = match cx.broker.groups.of(&asked.group) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(Err(code)),
    };
    let topics = match asked.topics {
        None => Fetched::All,
        Some(topics) => Fetched::Named(
            topics
                .into_iter()
                .map(|(name, partitions)| FetchTopic {
                    topic: topic_name(&name),
                    id: cx.broker.topics.by_name(&name).ok().map(|topic| topic.id),
                    partitions: partitions.into_iter().map(PartitionIndex).collect(),
                })
                .collect(),
        ),
    };
    let broker = std::sync::Arc::clone(cx.broker);
    let command = Command::OffsetFetch(OffsetFetch {
        group: group_id(&asked.group),
        topics,
        require_stable,
    });
    ask(&driver, command, move |reply| match reply {
        Ok(Reply::OffsetFetch(answered)) => answered.map(|topics| {
            let current = |name: &str| broker.topics.by_name(name).ok().map(|topic| topic.id);
            topics
                .into_iter()
                .map(|topic| without_strangers(topic, current))
                .collect()
        }),
        Err(code) => Err(code),
        Ok(other) => unreachable!("an OffsetFetch is answered as one, not with {other:?}"),
    })
}

/// Leaves out positions that were committed for an earlier topic of the same name.
fn without_strangers(mut topic: FetchedTopic, current: impl Fn(&str) -> Option<TopicId>) -> FetchedTopic {
    let id = current(topic.topic.as_str());
    for (_, position) in &mut topic.partitions {
        let stranger = |position: &Position| position.topic_id.zip(id).is_some_and(|(stored, id)| stored != id);
        if let Ok(found) = position
            && found.as_ref().is_some_and(stranger)
        {
            *found = None;
        }
    }
    topic
}

type Named = Option<Vec<(kafka_protocol::messages::TopicName, Vec<i32>)>>;

fn encode(version: i16, answers: Vec<(GroupId, Named, Answered)>) -> OffsetFetchResponse {
    if version >= MANY_SINCE {
        let groups = answers.into_iter().map(|(group, _, answered)| {
            let answer = OffsetFetchResponseGroup::default().with_group_id(group);
            match answered {
                Ok(topics) => answer.with_topics(topics.into_iter().map(topics_of_many).collect()),
                Err(code) => answer.with_error_code(code.number()),
            }
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let (_, named, answered) = answers
        .into_iter()
        .next()
        .expect("before version 8 there is exactly one group");
    match answered {
        Ok(topics) => OffsetFetchResponse::default().with_topics(topics.into_iter().map(topic_of_one).collect()),
        Err(code) if version >= GROUP_ERROR_SINCE => OffsetFetchResponse::default().with_error_code(code.number()),
        Err(code) => OffsetFetchResponse::default().with_topics(refused_one_by_one(named, code)),
    }
}

fn fields(position: Result<Option<Position>, ErrorCode>) -> (i64, i32, Option<StrBytes>, i16) {
    match position {
        Ok(Some(position)) => {
            let epoch = position.leader_epoch.map_or(-1, |epoch| epoch.0);
            (position.offset.0, epoch, Some(text(position.metadata)), 0)
        }
        Ok(None) => (-1, -1, Some(StrBytes::default()), 0),
        Err(code) => (-1, -1, Some(StrBytes::default()), code.number()),
    }
}

fn topic_of_one(topic: FetchedTopic) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|(index, position)| {
        let (offset, epoch, metadata, error) = fields(position);
        OffsetFetchResponsePartition::default()
            .with_partition_index(index.0)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(metadata)
            .with_error_code(error)
    });
    OffsetFetchResponseTopic::default()
        .with_name(name_of(&topic.topic))
        .with_partitions(partitions.collect())
}

fn topics_of_many(topic: FetchedTopic) -> OffsetFetchResponseTopics {
    let partitions = topic.partitions.into_iter().map(|(index, position)| {
        let (offset, epoch, metadata, error) = fields(position);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index.0)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(epoch)
            .with_metadata(metadata)
            .with_error_code(error)
    });
    OffsetFetchResponseTopics::default()
        .with_name(name_of(&topic.topic))
        .with_partitions(partitions.collect())
}

/// Version 1 has no place for a group's error: every partition asked for says it.
fn refused_one_by_one(named: Named, code: ErrorCode) -> Vec<OffsetFetchResponseTopic> {
    let topics = named.into_iter().flatten().map(|(name, partitions)| {
        let refused = partitions
            .into_iter()
            .map(|index| (PartitionIndex(index), Err(code)))
            .collect();
        topic_of_one(FetchedTopic {
            topic: topic_name(&name),
            partitions: refused,
        })
    });
    topics.collect()
}
