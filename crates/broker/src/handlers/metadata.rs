//! Metadata (key 3), versions 0 to 13: brokers, topics, leaders; and the door through which topics are created on first
//! use.
//!
//! A topic created on first use is in the same answer. Kafka says UNKNOWN_TOPIC_OR_PARTITION there and lets the client
//! ask again, which several clients take for an end.

use std::sync::Arc;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::metadata_request::MetadataRequest;
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_model::{ErrorCode, TopicId, TopicName};

use crate::Broker;
use crate::handlers::{Cx, authorized, name_of, text};
use crate::reply::Handled;
use crate::topics::Topic;

/// Before this version an empty list of topics means all of them.
const NULL_MEANS_ALL_SINCE: i16 = 1;
/// Before this version a client cannot refuse auto-creation.
const MAY_REFUSE_CREATION_SINCE: i16 = 4;
/// Topics can be asked for by id from this version; 10 and 11 have the field, but Kafka refuses its use there.
const TOPIC_ID_SINCE: i16 = 12;

/// How a request asks for one topic.
enum Asked {
    Name(TopicName),
    Id(TopicId),
    /// Neither a name nor an id that this version may use.
    Nothing,
}

pub(crate) fn handle(cx: &Cx<'_>, request: MetadataRequest) -> Handled<MetadataResponse> {
    let wanted = match &request.topics {
        None if cx.version < NULL_MEANS_ALL_SINCE => {
            return Handled::Close("Metadata, version 0, with null for its topics".into());
        }
        None => None,
        Some(topics) if topics.is_empty() && cx.version < NULL_MEANS_ALL_SINCE => None,
        Some(topics) => Some(topics),
    };
    let authorized_for_topics = request.include_topic_authorized_operations;
    let answer = envelope(cx, request.include_cluster_authorized_operations);
    let Some(wanted) = wanted else {
        let topics = cx.broker.topics.all();
        return Handled::Now(
            answer.with_topics(
                topics
                    .iter()
                    .map(|topic| describe(cx.broker, topic, authorized_for_topics))
                    .collect(),
            ),
        );
    };
    let asked: Vec<Asked> = wanted
        .iter()
        .map(|topic| match &topic.name {
            _ if !topic.topic_id.is_nil() && cx.version < TOPIC_ID_SINCE => Asked::Nothing,
            _ if !topic.topic_id.is_nil() => Asked::Id(TopicId(topic.topic_id)),
            Some(name) => Asked::Name(TopicName::new(name.as_str())),
            None => Asked::Nothing,
        })
        .collect();
    if asked.iter().any(|asked| matches!(asked, Asked::Nothing)) {
        return Handled::Now(refuse_all(&request));
    }
    let missing = missing_names(cx, &request, &asked);
    if missing.is_empty() {
        return Handled::Now(answer.with_topics(describe_all(cx.broker, &asked, authorized_for_topics)));
    }
    let broker = Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        // A refused creation shows as an unknown topic in the answer.
        broker.metadata.create_on_first_use(missing).await;
        answer.with_topics(describe_all(&broker, &asked, authorized_for_topics))
    }))
}

fn envelope(cx: &Cx<'_>, include_cluster_operations: bool) -> MetadataResponse {
    let (host, port) = cx.broker.endpoint(cx.peer);
    let node = BrokerId(cx.broker.config.node_id);
    let broker = MetadataResponseBroker::default()
        .with_node_id(node)
        .with_host(text(host))
        .with_port(port);
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(cx.broker.metadata.cluster_id())))
        .with_controller_id(node)
        .with_cluster_authorized_operations(authorized::cluster(include_cluster_operations))
}

/// What Kafka answers to topics named by id in versions 10 and 11: no broker, every topic refused.
fn refuse_all(request: &MetadataRequest) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| {
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.number())
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
            .with_topic_authorized_operations(authorized::NOT_ASKED)
    });
    MetadataResponse::default()
        .with_controller_id(BrokerId(-1))
        .with_topics(topics.collect())
        .with_cluster_authorized_operations(authorized::NOT_ASKED)
}

/// The names to create before answering.
fn missing_names(cx: &Cx<'_>, request: &MetadataRequest, asked: &[Asked]) -> Vec<TopicName> {
    let allowed = cx.version < MAY_REFUSE_CREATION_SINCE || request.allow_auto_topic_creation;
    if !allowed || !cx.broker.config.topics.auto_create_topics_enable {
        return Vec::new();
    }
    let mut missing: Vec<TopicName> = asked
        .iter()
        .filter_map(|asked| match asked {
            Asked::Name(name) => Some(name.clone()),
            Asked::Id(_) | Asked::Nothing => None,
        })
        .filter(|name| TopicName::check(name.as_str()).is_ok() && cx.broker.topics.by_name(name.as_str()).is_err())
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

fn describe_all(broker: &Broker, asked: &[Asked], operations: bool) -> Vec<MetadataResponseTopic> {
    let describe_one = |asked: &Asked| match asked {
        Asked::Name(name) => match broker.topics.by_name(name.as_str()) {
            Ok(topic) => describe(broker, &topic, operations),
            Err(_) => unknown_name(name),
        },
        Asked::Id(id) => match broker.topics.by_id(*id) {
            Ok(topic) => describe(broker, &topic, operations),
            Err(fault) => MetadataResponseTopic::default()
                .with_error_code(fault.code().number())
                .with_topic_id(id.0)
                .with_name(None)
                .with_topic_authorized_operations(authorized::NOT_ASKED),
        },
        Asked::Nothing => unreachable!("such a request was refused as a whole"),
    };
    asked.iter().map(describe_one).collect()
}

fn unknown_name(name: &TopicName) -> MetadataResponseTopic {
    let code = match TopicName::check(name.as_str()) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    MetadataResponseTopic::default()
        .with_error_code(code.number())
        .with_name(Some(name_of(name)))
        .with_topic_authorized_operations(authorized::NOT_ASKED)
}

fn describe(broker: &Broker, topic: &Topic, operations: bool) -> MetadataResponseTopic {
    let node = BrokerId(broker.config.node_id);
    let partitions = (0..topic.partition_count() as i32).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(node)
            .with_leader_epoch(crate::LEADER_EPOCH.0)
            .with_replica_nodes(vec![node])
            .with_isr_nodes(vec![node])
    });
    MetadataResponseTopic::default()
        .with_name(Some(name_of(&topic.name)))
        .with_topic_id(topic.id.0)
        .with_is_internal(crate::topics::is_internal(&topic.name))
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(authorized::topic(operations))
}
