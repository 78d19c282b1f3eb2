//! WriteTxnMarkers (key 27), version 1: ends transactions in partitions. Coordinators of other brokers would ask for it, and
//! administrators do, to end a transaction that was left open (KIP-664).

use std::sync::Arc;

use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WriteTxnMarkersRequest};
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult, WriteTxnMarkersResponse,
};
use ottla_group::{EndTransaction, Producer};
use ottla_log::Lsn;
use ottla_model::{ErrorCode, LeaderEpoch, PartitionIndex, ProducerEpoch, ProducerId, TopicPartition};

use crate::handlers::{Cx, topic_name};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: WriteTxnMarkersRequest) -> Handled<WriteTxnMarkersResponse> {
    let mut newest = Lsn::default();
    let markers = request.markers.iter().map(|marker| write(cx, marker, &mut newest));
    let response = WriteTxnMarkersResponse::default().with_markers(markers.collect());
    let durability = Arc::clone(cx.broker.store.durability());
    Handled::Pipelined(Box::pin(async move {
        match durability.wait(newest).await {
            Ok(()) => response,
            Err(_) => refuse_unflushed(response),
        }
    }))
}

fn write(cx: &Cx<'_>, marker: &WritableTxnMarker, newest: &mut Lsn) -> WritableTxnMarkerResult {
    let end = EndTransaction {
        producer: Producer {
            id: ProducerId(marker.producer_id.0),
            epoch: ProducerEpoch(marker.producer_epoch),
        },
        coordinator_epoch: LeaderEpoch(marker.coordinator_epoch),
        committed: marker.transaction_result,
        // This version does not say by which rules the producer works.
        raises_epoch: false,
    };
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in &marker.topics {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let partition = TopicPartition {
                topic: topic_name(&topic.name),
                index: PartitionIndex(*index),
            };
            let code = match cx.broker.transactions.write_marker(&partition, end) {
                Ok(lsn) => {
                    *newest = (*newest).max(lsn);
                    ErrorCode::None
                }
                Err(fault) => fault.code(),
            };
            WritableTxnMarkerPartitionResult::default()
                .with_partition_index(*index)
                .with_error_code(code.number())
        });
        let partitions = partitions.collect();
        topics.push(
            WritableTxnMarkerTopicResult::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions),
        );
    }
    WritableTxnMarkerResult::default()
        .with_producer_id(marker.producer_id)
        .with_topics(topics)
}

/// The flush failed: no marker may be reported as written.
fn refuse_unflushed(mut response: WriteTxnMarkersResponse) -> WriteTxnMarkersResponse {
    let topics = response.markers.iter_mut().flat_map(|marker| &mut marker.topics);
    for partition in topics.flat_map(|topic| &mut topic.partitions) {
        if partition.error_code == ErrorCode::None.number() {
            partition.error_code = ErrorCode::KafkaStorageError.number();
        }
    }
    response
}
