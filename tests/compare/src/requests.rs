//! Short ways to write the requests that many cases need.

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DescribeGroupsRequest, GroupId, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

/// A string of the protocol.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A JoinGroup as a consumer subscribed to `topic` sends it, its wait for the others well above any case's length.
pub fn join(group: &GroupId, member: &StrBytes, instance: Option<StrBytes>, topic: &TopicName) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_member_id(member.clone())
        .with_group_instance_id(instance)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol("range", topic), protocol("roundrobin", topic)])
}

/// A protocol whose metadata is a subscription to `topic`.
pub fn protocol(name: &str, topic: &TopicName) -> JoinGroupRequestProtocol {
    JoinGroupRequestProtocol::default()
        .with_name(text(name))
        .with_metadata(subscription(topic, b""))
}

/// A consumer's subscription (version 0) to `topic`.
pub fn subscription(topic: &TopicName, user_data: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(topic.0.len() as i16);
    bytes.extend(topic.0.bytes());
    bytes.put_i32(user_data.len() as i32);
    bytes.extend(user_data);
    bytes.into()
}

/// A SyncGroup that gives each of `assignments` some bytes.
pub fn sync(group: &GroupId, generation: i32, member: &StrBytes, assignments: &[&StrBytes]) -> SyncGroupRequest {
    let assignments = assignments.iter().enumerate().map(|(index, member)| {
        SyncGroupRequestAssignment::default()
            .with_member_id((*member).clone())
            .with_assignment(Bytes::from(format!("assignment {index}")))
    });
    SyncGroupRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(generation)
        .with_member_id(member.clone())
        .with_assignments(assignments.collect())
}

/// A LeaveGroup of one member, in the form of `version`.
pub fn leave(version: i16, group: &GroupId, member: &StrBytes) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group.clone());
    if version >= 3 {
        request.with_members(vec![MemberIdentity::default().with_member_id(member.clone())])
    } else {
        request.with_member_id(member.clone())
    }
}

/// An OffsetCommit of `offset` for one partition, without a member.
pub fn commit(group: &GroupId, topic: &TopicName, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic.clone())
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group.clone())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

/// An OffsetFetch in the form of `version`: of these partitions, or of all that are committed (from version 2).
pub fn offsets(version: i16, group: &GroupId, topics: Option<&[(&TopicName, &[i32])]>) -> OffsetFetchRequest {
    if version >= 8 {
        let topics = topics.map(|topics| {
            let topic = |(name, partitions): &(&TopicName, &[i32])| {
                OffsetFetchRequestTopics::default()
                    .with_name((*name).clone())
                    .with_partition_indexes(partitions.to_vec())
            };
            topics.iter().map(topic).collect()
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group.clone())
            .with_topics(topics);
        return OffsetFetchRequest::default()
            .with_topics(Some(vec![]))
            .with_groups(vec![group.with_member_id(None)]);
    }
    let topics = topics.map(|topics| {
        let topic = |(name, partitions): &(&TopicName, &[i32])| {
            OffsetFetchRequestTopic::default()
                .with_name((*name).clone())
                .with_partition_indexes(partitions.to_vec())
        };
        topics.iter().map(topic).collect()
    });
    OffsetFetchRequest::default()
        .with_group_id(group.clone())
        .with_topics(topics)
}

/// A DescribeGroups of one group.
pub fn describe(group: &GroupId) -> DescribeGroupsRequest {
    DescribeGroupsRequest::default().with_groups(vec![group.clone()])
}
