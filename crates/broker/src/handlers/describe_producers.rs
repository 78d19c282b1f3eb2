//! DescribeProducers (key 61), version 0: who writes to a partition, and since where a transaction is open there (KIP-664).

use kafka_protocol::messages::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use kafka_protocol::messages::describe_producers_response::{
    DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use crate::handlers::{Cx, text};
use crate::reply::Handled;
use crate::topics::TopicFault;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeProducersRequest) -> Handled<DescribeProducersResponse> {
    let topics = request.topics.into_iter().map(|topic| describe(cx, topic));
    Handled::Now(DescribeProducersResponse::default().with_topics(topics.collect()))
}

fn describe(cx: &Cx<'_>, asked: TopicRequest) -> TopicResponse {
    let partitions = asked.partition_indexes.iter().map(|index| {
        let answer = PartitionResponse::default().with_partition_index(*index);
        match producers(cx, &asked.name, *index) {
            Ok(producers) => answer.with_active_producers(producers),
            Err(fault) => answer
                .with_error_code(fault.code().number())
                .with_error_message(Some(text(fault.to_string()))),
        }
    });
    let partitions = partitions.collect();
    TopicResponse::default()
        .with_name(asked.name)
        .with_partitions(partitions)
}

fn producers(cx: &Cx<'_>, topic: &str, index: i32) -> Result<Vec<ProducerState>, TopicFault> {
    let partition = cx.broker.topics.by_name(topic)?.partition(index)?;
    let describe = |producer: ottla_log::ProducerState| {
        ProducerState::default()
            .with_producer_id(producer.id.0.into())
            .with_producer_epoch(i32::from(producer.epoch.0))
            .with_last_sequence(producer.last_sequence)
            .with_last_timestamp(producer.last_timestamp.0)
            .with_coordinator_epoch(producer.coordinator_epoch)
            .with_current_txn_start_offset(producer.transaction_start.map_or(-1, |start| start.0))
    };
    Ok(partition.producers().into_iter().map(describe).collect())
}
