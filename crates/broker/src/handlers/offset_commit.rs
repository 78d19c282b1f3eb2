//! OffsetCommit (key 8), versions 2 to 9. Answered once the journal has the positions.
//!
//! What does not exist is answered here, partition by partition; the rest goes to the group's coordinator. With nothing
//! left to store the group is not even looked at, as on Kafka.

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_group::{Command, CommitPartition, CommitTopic, InstanceId, OffsetCommit, Reply, TopicAnswers};
use ottla_model::{ErrorCode, Generation, LeaderEpoch, Millis, Offset, PartitionIndex, TopicName};

use crate::handlers::{Cx, ask, group_id, member_id, topic_name};
use crate::reply::Handled;

/// The versions that could name an expiry (KIP-211 took it away).
const RETENTION_UNTIL: i16 = 4;
/// The first version with the errors of KIP-848.
const NEW_ERRORS_SINCE: i16 = 9;

pub(crate) fn handle(cx: &Cx<'_>, request: OffsetCommitRequest) -> Handled<OffsetCommitResponse> {
    let topics: Vec<CommitTopic> = request
        .topics
        .iter()
        .filter_map(|topic| known_part(cx, topic))
        .collect();
    if topics.iter().all(|topic| topic.partitions.is_empty()) {
        return Handled::Now(answer(&request, |_, _| ErrorCode::UnknownTopicOrPartition));
    }
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(answer(&request, |_, _| code)),
    };
    let retention =
        (cx.version <= RETENTION_UNTIL && request.retention_time_ms >= 0).then_some(Millis(request.retention_time_ms));
    let generation = request.generation_id_or_member_epoch;
    let command = Command::OffsetCommit(OffsetCommit {
        group: group_id(&request.group_id),
        member: member_id(&request.member_id),
        instance: request
            .group_instance_id
            .as_ref()
            .map(|id| InstanceId::new(id.as_str())),
        generation: (generation >= 0).then_some(Generation(generation)),
        retention,
        topics,
        errors_since_v9: cx.version >= NEW_ERRORS_SINCE,
    });
    ask(&driver, command, move |reply| match reply {
        Ok(Reply::OffsetCommit(Ok(answers))) => answer(&request, |topic, index| answered(&answers, topic, index)),
        Ok(Reply::OffsetCommit(Err(code))) | Err(code) => answer(&request, |_, _| code),
        Ok(other) => unreachable!("an OffsetCommit is answered as one, not with {other:?}"),
    })
}

/// The partitions of a topic that exist; `None` if the topic does not.
fn known_part(cx: &Cx<'_>, asked: &OffsetCommitRequestTopic) -> Option<CommitTopic> {
    let topic = cx.broker.topics.by_name(&asked.name).ok()?;
    let count = topic.partition_count() as i32;
    let partitions = asked
        .partitions
        .iter()
        .filter(|asked| (0..count).contains(&asked.partition_index));
    Some(CommitTopic {
        topic: topic.name.clone(),
        id: Some(topic.id),
        partitions: partitions.map(commit_of).collect(),
    })
}

fn commit_of(asked: &OffsetCommitRequestPartition) -> CommitPartition {
    let epoch = LeaderEpoch(asked.committed_leader_epoch);
    CommitPartition {
        index: PartitionIndex(asked.partition_index),
        offset: Offset(asked.committed_offset),
        leader_epoch: (epoch != LeaderEpoch::UNKNOWN).then_some(epoch),
        metadata: asked
            .committed_metadata
            .as_ref()
            .map(|text| text.to_string())
            .unwrap_or_default(),
    }
}

/// What the coordinator said of one partition; what it was not asked about does not exist.
fn answered(answers: &[TopicAnswers], topic: &TopicName, index: PartitionIndex) -> ErrorCode {
    let partitions = answers
        .iter()
        .filter(|answer| answer.topic == *topic)
        .flat_map(|answer| &answer.partitions);
    let outcome = partitions.into_iter().find(|(known, _)| *known == index);
    match outcome {
        Some((_, Ok(()))) => ErrorCode::None,
        Some((_, Err(code))) => *code,
        None => ErrorCode::UnknownTopicOrPartition,
    }
}

fn answer(
    request: &OffsetCommitRequest,
    code: impl Fn(&TopicName, PartitionIndex) -> ErrorCode,
) -> OffsetCommitResponse {
    // As on Kafka, a topic without partitions is left out.
    let topics = request.topics.iter().filter(|topic| !topic.partitions.is_empty());
    let topics = topics.map(|topic| {
        let name = topic_name(&topic.name);
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(&name, PartitionIndex(partition.partition_index)).number())
        });
        let partitions = partitions.collect();
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
