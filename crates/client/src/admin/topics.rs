//! Topics: create, describe, grow, delete, and cut off their old records.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, TopicName,
};
use ottla_model::TopicPartition;
use ottla_wire::Api;

use super::Admin;
use crate::client::text;
use crate::cluster::Cluster;
use crate::error::{ClientError, Result};

/// A topic to be created.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` leaves it to the broker (KIP-464).
    pub partitions: Option<i32>,
    /// How many replicas of each; `None` leaves it to the broker.
    pub replication_factor: Option<i16>,
    /// Which brokers hold which partition, instead of the two above.
    pub assignment: Vec<(i32, Vec<i32>)>,
    /// Its own configuration.
    pub configs: Vec<(String, String)>,
}

/// What became of each topic in a call about several: its name and, if it failed, why.
pub type TopicOutcome = Vec<(String, Result<()>)>;

impl Admin {
    /// Describes `topics`, or all with `None`, and the brokers. A topic that cannot be described has its error inside.
    pub async fn describe(&self, topics: Option<&[&str]>) -> Result<Cluster> {
        let client = &self.client;
        client.retry(|| client.metadata(topics, false)).await
    }

    /// Creates topics, or with `validate_only` says whether it would.
    pub async fn create_topics(&self, topics: &[NewTopic], validate_only: bool) -> Result<TopicOutcome> {
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(self.timeout_ms())
            .with_validate_only(validate_only);
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = client.any().await?;
                let response = connection.ask(request).await?;
                let outcomes = response.topics.iter().map(|topic| {
                    let message = topic.error_message.as_deref();
                    let name = topic.name.to_string();
                    (topic.error_code, name, message)
                });
                settle(&connection, Api::CreateTopics, outcomes)
            })
            .await
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<TopicOutcome> {
        let (client, timeout_ms) = (&self.client, self.timeout_ms());
        client
            .retry(|| async move {
                let connection = client.any().await?;
                let version = connection.version(Api::DeleteTopics, i16::MAX)?;
                let mut request = DeleteTopicsRequest::default().with_timeout_ms(timeout_ms);
                if version >= 6 {
                    let state = |name: &&str| DeleteTopicState::default().with_name(Some(TopicName(text(name))));
                    request.topics = names.iter().map(state).collect();
                } else {
                    request.topic_names = names.iter().map(|name| TopicName(text(name))).collect();
                }
                let response = connection.start(version, &request)?.answer(Default::default()).await?;
                let outcomes = response.responses.iter().map(|topic| {
                    let name = topic.name.as_ref().map_or_else(String::new, |name| name.to_string());
                    (topic.error_code, name, topic.error_message.as_deref())
                });
                settle(&connection, Api::DeleteTopics, outcomes)
            })
            .await
    }

    /// Grows a topic to `total` partitions.
    pub async fn create_partitions(&self, topic: &str, total: i32) -> Result<()> {
        let topic_request = CreatePartitionsTopic::default()
            .with_name(TopicName(text(topic)))
            .with_count(total)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic_request])
            .with_timeout_ms(self.timeout_ms());
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = client.any().await?;
                let response = connection.ask(request).await?;
                let outcomes = response.results.iter().map(|result| {
                    let message = result.error_message.as_deref();
                    (result.error_code, result.name.to_string(), message)
                });
                let outcome = settle(&connection, Api::CreatePartitions, outcomes)?;
                outcome.into_iter().try_for_each(|(_, result)| result)
            })
            .await?;
        self.client.forget_topic(topic);
        Ok(())
    }

    /// Deletes the records before `offset` (-1: all that are acknowledged). Returns the new first offset of each.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut starts = BTreeMap::new();
        for (partition, offset) in before {
            let start = self.client.retry(|| self.delete_records_of(partition, *offset)).await?;
            starts.insert(partition.clone(), start);
        }
        Ok(starts)
    }

    async fn delete_records_of(&self, partition: &TopicPartition, offset: i64) -> Result<i64> {
        let index = partition.index.0;
        let leader = self.client.leader(partition.topic.as_str(), index).await?;
        let connection = self.client.broker(leader).await?;
        let asked = DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(TopicName(text(partition.topic.as_str())))
            .with_partitions(vec![asked]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.timeout_ms());
        let response = connection.ask(&request).await?;
        let mut answers = response.topics.iter().flat_map(|topic| &topic.partitions);
        let missing = || connection.missing(Api::DeleteRecords, partition.to_string());
        let answer = answers.next().ok_or_else(missing)?;
        connection.accept(Api::DeleteRecords, answer.error_code, partition.to_string())?;
        Ok(answer.low_watermark)
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let config = |(name, value): &(String, String)| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    };
    let assignment = |(partition, brokers): &(i32, Vec<i32>)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*partition)
            .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
    };
    CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
        .with_assignments(topic.assignment.iter().map(assignment).collect())
        .with_configs(topic.configs.iter().map(config).collect())
}

/// Turns per-topic answers into outcomes; a retriable one fails the whole call, so that it is made again.
fn settle<'a>(
    connection: &crate::connection::Connection,
    api: Api,
    answers: impl Iterator<Item = (i16, String, Option<&'a str>)>,
) -> Result<TopicOutcome> {
    let mut outcomes = Vec::new();
    for (code, name, message) in answers {
        let outcome = match code {
            0 => Ok(()),
            code => Err(connection.refusal(api, code, format!("topic {name}"), message)),
        };
        match outcome {
            // Unknown topics stay unknown; only the cluster's own troubles pass.
            Err(error) if error.is_retriable() && !is_unknown_topic(&error) => return Err(error),
            outcome => outcomes.push((name, outcome)),
        }
    }
    Ok(outcomes)
}

fn is_unknown_topic(error: &ClientError) -> bool {
    use ottla_model::ErrorCode::{UnknownTopicId, UnknownTopicOrPartition};
    matches!(error.code(), Some(UnknownTopicOrPartition | UnknownTopicId))
}
