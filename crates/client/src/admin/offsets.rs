//! Offsets: those of records, by time, and those that groups committed.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    BrokerId, GroupId, ListOffsetsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, TopicName,
};
use ottla_model::TopicPartition;
use ottla_wire::Api;

use super::Admin;
use crate::client::{Client, text};
use crate::connection::Connection;
use crate::error::Result;

/// Which offset of a partition is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that is there.
    Earliest,
    /// The one the next record gets.
    Latest,
    /// The first record at or after this time, in milliseconds since 1970.
    AtOrAfter(i64),
    /// The record with the largest timestamp (KIP-734).
    MaxTimestamp,
}

/// An offset that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset; `None` if no record fits.
    pub offset: Option<i64>,
    /// The record's timestamp, where one was looked for; else -1.
    pub timestamp: i64,
}

/// An offset that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the record before, or -1.
    pub leader_epoch: i32,
    /// What the group noted beside it.
    pub metadata: String,
}

/// Who commits: a member in its generation, or nobody in particular.
#[derive(Clone, Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) group: &'a str,
    /// -1 outside of a generation.
    pub(crate) generation: i32,
    /// Empty outside of a generation.
    pub(crate) member: &'a str,
    pub(crate) instance: Option<&'a str>,
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::AtOrAfter(time) => time,
        }
    }
}

impl Admin {
    /// Looks up an offset in each of `partitions`. With `committed_only`, as a read_committed consumer sees it.
    pub async fn list_offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        committed_only: bool,
    ) -> Result<BTreeMap<TopicPartition, FoundOffset>> {
        list_offsets(&self.client, partitions, spec, committed_only).await
    }

    /// The offsets a group committed: of `partitions`, or all with `None`. Partitions without one are left out.
    pub async fn committed(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
        committed(&self.client, group, partitions).await
    }

    /// Sets offsets of a group that has no members.
    pub async fn alter_offsets(&self, group: &str, offsets: &BTreeMap<TopicPartition, i64>) -> Result<()> {
        let commit = Commit {
            group,
            generation: -1,
            member: "",
            instance: None,
        };
        let client = &self.client;
        client.retry(|| commit_offsets(client, &commit, offsets)).await
    }

    /// Deletes a group's offsets of `partitions` (KIP-496); nobody in it may be subscribed to their topics.
    pub async fn delete_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<()> {
        let topic = |(topic, indexes): (&str, Vec<i32>)| {
            let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
            OffsetDeleteRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(indexes.into_iter().map(partition).collect())
        };
        let request = OffsetDeleteRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(by_topic(partitions).into_iter().map(topic).collect());
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = client.coordinator(group).await?;
                let response = connection.ask(request).await?;
                connection.accept(Api::OffsetDelete, response.error_code, format!("group {group}"))?;
                for topic in &response.topics {
                    for partition in &topic.partitions {
                        let subject = format!("{}-{}", topic.name.as_str(), partition.partition_index);
                        connection.accept(Api::OffsetDelete, partition.error_code, subject)?;
                    }
                }
                Ok(())
            })
            .await
    }
}

/// See [`Admin::list_offsets`].
pub(crate) async fn list_offsets(
    client: &Client,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
    committed_only: bool,
) -> Result<BTreeMap<TopicPartition, FoundOffset>> {
    let attempt = || async move {
        let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            let leader = client.leader(partition.topic.as_str(), partition.index.0).await?;
            by_leader.entry(leader).or_default().push(partition.clone());
        }
        let mut found = BTreeMap::new();
        for (leader, partitions) in by_leader {
            let connection = client.broker(leader).await?;
            let request = list_offsets_request(&partitions, spec, committed_only);
            found.extend(read_list_offsets(&connection, &request).await?);
        }
        Ok(found)
    };
    client.retry(attempt).await
}

fn list_offsets_request(partitions: &[TopicPartition], spec: OffsetSpec, committed_only: bool) -> ListOffsetsRequest {
    let topic = |(topic, indexes): (&str, Vec<i32>)| {
        let partition = |index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_timestamp(spec.timestamp())
        };
        ListOffsetsTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(indexes.into_iter().map(partition).collect())
    };
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(committed_only.into())
        .with_topics(by_topic(partitions).into_iter().map(topic).collect())
}

async fn read_list_offsets(
    connection: &Connection,
    request: &ListOffsetsRequest,
) -> Result<Vec<(TopicPartition, FoundOffset)>> {
    // Version 10 adds a time-out of its own that brokers take from their side.
    let version = connection.version(Api::ListOffsets, 9)?;
    let mut request = request.clone();
    if version < 2 {
        request.isolation_level = 0;
    }
    let response = connection.start(version, &request)?.answer(Default::default()).await?;
    let mut found = Vec::new();
    for topic in &response.topics {
        for answer in &topic.partitions {
            let partition = TopicPartition::new(topic.name.as_str(), answer.partition_index);
            connection.accept(Api::ListOffsets, answer.error_code, partition.to_string())?;
            let offset = FoundOffset {
                offset: (answer.offset >= 0).then_some(answer.offset),
                timestamp: answer.timestamp,
            };
            found.push((partition, offset));
        }
    }
    Ok(found)
}

/// See [`Admin::committed`].
pub(crate) async fn committed(
    client: &Client,
    group: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
    client
        .retry(|| async move {
            let connection = client.coordinator(group).await?;
            let version = connection.version(Api::OffsetFetch, i16::MAX)?;
            if version >= 8 {
                committed_in_groups(&connection, version, group, partitions).await
            } else {
                committed_in_one(&connection, version, group, partitions).await
            }
        })
        .await
}

async fn committed_in_groups(
    connection: &Connection,
    version: i16,
    group: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
    let topic = |(topic, indexes): (&str, Vec<i32>)| {
        OffsetFetchRequestTopics::default()
            .with_name(TopicName(text(topic)))
            .with_partition_indexes(indexes)
    };
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(partitions.map(|partitions| by_topic(partitions).into_iter().map(topic).collect()));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![asked])
        .with_require_stable(true);
    let response = connection.start(version, &request)?.answer(Default::default()).await?;
    let missing = || connection.missing(Api::OffsetFetch, format!("group {group}"));
    let answer = response.groups.first().ok_or_else(missing)?;
    connection.accept(Api::OffsetFetch, answer.error_code, format!("group {group}"))?;
    let mut offsets = BTreeMap::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            connection.accept(Api::OffsetFetch, partition.error_code, key.to_string())?;
            let metadata = partition.metadata.as_deref().unwrap_or_default();
            keep(
                &mut offsets,
                key,
                partition.committed_offset,
                partition.committed_leader_epoch,
                metadata,
            );
        }
    }
    Ok(offsets)
}

async fn committed_in_one(
    connection: &Connection,
    version: i16,
    group: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
    let topic = |(topic, indexes): (&str, Vec<i32>)| {
        OffsetFetchRequestTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partition_indexes(indexes)
    };
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(partitions.map(|partitions| by_topic(partitions).into_iter().map(topic).collect()))
        .with_require_stable(version >= 7);
    let response = connection.start(version, &request)?.answer(Default::default()).await?;
    connection.accept(Api::OffsetFetch, response.error_code, format!("group {group}"))?;
    let mut offsets = BTreeMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
            connection.accept(Api::OffsetFetch, partition.error_code, key.to_string())?;
            let metadata = partition.metadata.as_deref().unwrap_or_default();
            keep(
                &mut offsets,
                key,
                partition.committed_offset,
                partition.committed_leader_epoch,
                metadata,
            );
        }
    }
    Ok(offsets)
}

fn keep(
    offsets: &mut BTreeMap<TopicPartition, CommittedOffset>,
    partition: TopicPartition,
    offset: i64,
    leader_epoch: i32,
    metadata: &str,
) {
    if offset >= 0 {
        let metadata = metadata.to_owned();
        offsets.insert(
            partition,
            CommittedOffset {
                offset,
                leader_epoch,
                metadata,
            },
        );
    }
}

/// Commits once, without trying again: a member that is told of a rebalance must join first.
pub(crate) async fn commit_offsets(
    client: &Client,
    commit: &Commit<'_>,
    offsets: &BTreeMap<TopicPartition, i64>,
) -> Result<()> {
    let connection = client.coordinator(commit.group).await?;
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (partition, offset) in offsets {
        let committed = OffsetCommitRequestPartition::default()
            .with_partition_index(partition.index.0)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("")));
        topics.entry(partition.topic.as_str()).or_default().push(committed);
    }
    let topic = |(topic, partitions): (&str, Vec<_>)| {
        OffsetCommitRequestTopic::default()
            .with_name(TopicName(text(topic)))
            .with_partitions(partitions)
    };
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(commit.group)))
        .with_generation_id_or_member_epoch(commit.generation)
        .with_member_id(text(commit.member))
        .with_group_instance_id(commit.instance.map(text))
        .with_topics(topics.into_iter().map(topic).collect());
    let response = connection.ask(&request).await?;
    for topic in &response.topics {
        for partition in &topic.partitions {
            let subject = format!(
                "group {}, {}-{}",
                commit.group,
                topic.name.as_str(),
                partition.partition_index
            );
            connection.accept(Api::OffsetCommit, partition.error_code, subject)?;
        }
    }
    Ok(())
}

/// Indexes by topic, in order.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> BTreeMap<&str, Vec<i32>> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics
            .entry(partition.topic.as_str())
            .or_default()
            .push(partition.index.0);
    }
    topics
}
