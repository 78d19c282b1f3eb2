//! CreateTopics (key 19), versions 2 to 7.

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use ottla_cluster::{Assignment, CreatedTopic, Layout, NewTopic, Refusal, Reply, Request, TopicAnswer};
use ottla_model::{ErrorCode, TopicId};
use uuid::Uuid;

use crate::handlers::{Cx, name_of, text, topic_name};
use crate::reply::Handled;

/// The first version that tells partitions, replicas and configs of what it made (KIP-525).
const DETAILS_SINCE: i16 = 5;

pub(crate) fn handle(cx: &Cx<'_>, request: CreateTopicsRequest) -> Handled<CreateTopicsResponse> {
    let broker = std::sync::Arc::clone(cx.broker);
    let version = cx.version;
    Handled::Parked(Box::pin(async move {
        let names: Vec<_> = request.topics.iter().map(|topic| topic_name(&topic.name)).collect();
        let topics = request.topics.into_iter().map(new_topic).collect();
        let answers = match broker
            .metadata
            .ask(Request::CreateTopics {
                topics,
                validate_only: request.validate_only,
            })
            .await
        {
            Ok(Reply::CreateTopics(answers)) => answers,
            Ok(other) => unreachable!("CreateTopics is answered as such, not with {other:?}"),
            Err(code) => names
                .into_iter()
                .map(|name| TopicAnswer {
                    name,
                    result: Err(Refusal::new(code, "the change was not stored")),
                })
                .collect(),
        };
        CreateTopicsResponse::default().with_topics(answers.into_iter().map(|answer| result(version, answer)).collect())
    }))
}

fn new_topic(asked: CreatableTopic) -> NewTopic {
    let assignments = asked.assignments.iter().map(|assignment| Assignment {
        partition: assignment.partition_index,
        brokers: assignment.broker_ids.iter().map(|broker| broker.0).collect(),
    });
    let configs = asked.configs.iter();
    NewTopic {
        name: topic_name(&asked.name),
        id: TopicId(Uuid::new_v4()),
        layout: Layout {
            partitions: asked.num_partitions,
            replication_factor: asked.replication_factor,
            assignments: assignments.collect(),
        },
        configs: configs
            .map(|config| {
                (
                    config.name.to_string(),
                    config.value.as_ref().map(|value| value.to_string()),
                )
            })
            .collect(),
    }
}

fn result(version: i16, answer: TopicAnswer) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(name_of(&answer.name));
    match answer.result {
        Ok(created) => made(version, result, created),
        Err(refusal) => result
            .with_error_code(refusal.code.number())
            .with_error_message(Some(text(refusal.message)))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_configs((version >= DETAILS_SINCE).then(Vec::new)),
    }
}

fn made(version: i16, result: CreatableTopicResult, created: CreatedTopic) -> CreatableTopicResult {
    let result = result
        .with_topic_id(created.id.0)
        .with_error_message(None)
        .with_topic_config_error_code(ErrorCode::None.number());
    if version < DETAILS_SINCE {
        return result;
    }
    let configs = created.configs.into_iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(text(entry.name))
            .with_value(entry.value.map(text))
            .with_read_only(entry.read_only)
            .with_config_source(entry.source.number())
            .with_is_sensitive(entry.sensitive)
    });
    result
        .with_num_partitions(created.partitions)
        .with_replication_factor(created.replication_factor)
        .with_configs(Some(configs.collect()))
}
