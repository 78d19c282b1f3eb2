//! DescribeTopicPartitions (key 75), version 0: topics page by page (KIP-966).

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use ottla_model::{ErrorCode, TopicName};

use crate::handlers::{Cx, authorized, name_of};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeTopicPartitionsRequest) -> Handled<DescribeTopicPartitionsResponse> {
    let mut names: Vec<TopicName> = if request.topics.is_empty() {
        cx.broker.topics.all().iter().map(|topic| topic.name.clone()).collect()
    } else {
        request
            .topics
            .iter()
            .map(|topic| TopicName::new(topic.name.as_str()))
            .collect()
    };
    names.sort();
    names.dedup();
    let cursor = request
        .cursor
        .as_ref()
        .map(|cursor| (TopicName::new(cursor.topic_name.as_str()), cursor.partition_index));
    if cursor.as_ref().is_some_and(|(_, partition)| *partition < 0) {
        return Handled::Close("DescribeTopicPartitions with a negative partition in its cursor".into());
    }
    let limit = (cx.broker.config.network.max_request_partition_size_limit as usize)
        .min(request.response_partition_limit.max(1) as usize);
    Handled::Now(page(cx, &names, cursor, limit))
}

fn page(
    cx: &Cx<'_>,
    names: &[TopicName],
    cursor: Option<(TopicName, i32)>,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let mut response = DescribeTopicPartitionsResponse::default();
    let mut left = limit;
    let wanted = names
        .iter()
        .filter(|name| cursor.as_ref().is_none_or(|(first, _)| *name >= first));
    for name in wanted {
        let first = cursor
            .as_ref()
            .filter(|(topic, _)| topic == name)
            .map_or(0, |(_, partition)| *partition);
        let topic = DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(name_of(name)))
            .with_topic_authorized_operations(authorized::topic(true));
        let Ok(known) = cx.broker.topics.by_name(name.as_str()) else {
            let code = match TopicName::check(name.as_str()) {
                Ok(()) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            response.topics.push(topic.with_error_code(code.number()));
            continue;
        };
        if left == 0 {
            response.next_cursor = Some(
                Cursor::default()
                    .with_topic_name(name_of(name))
                    .with_partition_index(first),
            );
            return response;
        }
        let count = known.partition_count() as i32;
        let last = count.min(first.saturating_add(left as i32));
        let partitions = (first..last).map(|index| describe(cx, index));
        response.topics.push(
            topic
                .with_topic_id(known.id.0)
                .with_is_internal(crate::topics::is_internal(name))
                .with_partitions(partitions.collect()),
        );
        if last < count {
            response.next_cursor = Some(
                Cursor::default()
                    .with_topic_name(name_of(name))
                    .with_partition_index(last),
            );
            return response;
        }
        left -= (last - first).max(0) as usize;
    }
    response
}

fn describe(cx: &Cx<'_>, index: i32) -> DescribeTopicPartitionsResponsePartition {
    let node = BrokerId(cx.broker.config.node_id);
    DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(index)
        .with_leader_id(node)
        .with_leader_epoch(crate::LEADER_EPOCH.0)
        .with_replica_nodes(vec![node])
        .with_isr_nodes(vec![node])
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
}
