//! DeleteTopics (key 20), versions 1 to 6; by id from version 6 on (KIP-516).

use kafka_protocol::messages::delete_topics_request::DeleteTopicsRequest;
use kafka_protocol::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use ottla_cluster::{DeletedTopic, Refusal, Reply, Request, TopicSelector};
use ottla_model::{ErrorCode, TopicId};

use crate::handlers::{Cx, name_of, text, topic_name};
use crate::reply::Handled;

/// The first version in which a topic may be named by id.
const TOPIC_ID_SINCE: i16 = 6;
/// The first version with a message beside the error.
const MESSAGE_SINCE: i16 = 5;

pub(crate) fn handle(cx: &Cx<'_>, request: DeleteTopicsRequest) -> Handled<DeleteTopicsResponse> {
    let broker = std::sync::Arc::clone(cx.broker);
    let version = cx.version;
    let selectors: Vec<TopicSelector> = if version >= TOPIC_ID_SINCE {
        let topics = request.topics.iter();
        topics
            .map(|topic| TopicSelector {
                name: topic.name.as_ref().map(topic_name),
                id: TopicId(topic.topic_id),
            })
            .collect()
    } else {
        request
            .topic_names
            .iter()
            .map(|name| TopicSelector {
                name: Some(topic_name(name)),
                id: TopicId::ZERO,
            })
            .collect()
    };
    Handled::Parked(Box::pin(async move {
        let asked = selectors.clone();
        let answers = match broker.metadata.ask(Request::DeleteTopics { topics: selectors }).await {
            Ok(Reply::DeleteTopics(answers)) => answers,
            Ok(other) => unreachable!("DeleteTopics is answered as such, not with {other:?}"),
            Err(code) => asked
                .into_iter()
                .map(|TopicSelector { name, id }| DeletedTopic {
                    name,
                    id,
                    result: Err(Refusal::new(code, "the change was not stored")),
                })
                .collect(),
        };
        DeleteTopicsResponse::default()
            .with_responses(answers.into_iter().map(|answer| result(version, answer)).collect())
    }))
}

fn result(version: i16, answer: DeletedTopic) -> DeletableTopicResult {
    let (code, message) = match answer.result {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, Some(text(refusal.message))),
    };
    DeletableTopicResult::default()
        .with_name(answer.name.as_ref().map(name_of))
        .with_topic_id(if version >= TOPIC_ID_SINCE {
            answer.id.0
        } else {
            TopicId::ZERO.0
        })
        .with_error_code(code.number())
        .with_error_message(message.filter(|_| version >= MESSAGE_SINCE))
}
