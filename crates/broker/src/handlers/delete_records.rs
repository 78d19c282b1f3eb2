//! DeleteRecords (key 21), versions 0 to 2: move a partition's log start up. Answered once the journal has it.

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsRequest};
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use ottla_log::Lsn;
use ottla_model::{ErrorCode, Offset};

use crate::handlers::Cx;
use crate::reply::Handled;

/// The offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

pub(crate) fn handle(cx: &Cx<'_>, request: DeleteRecordsRequest) -> Handled<DeleteRecordsResponse> {
    let mut newest = Lsn::default();
    let mut topics = Vec::with_capacity(request.topics.len());
    // As on Kafka, a topic without partitions is left out.
    for topic in request.topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        let mut results = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            results.push(match delete(cx, &topic.name, asked) {
                Ok((start, lsn)) => {
                    newest = newest.max(lsn);
                    result.with_low_watermark(start.0)
                }
                Err(code) => result.with_low_watermark(-1).with_error_code(code.number()),
            });
        }
        topics.push(
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(results),
        );
    }
    let response = DeleteRecordsResponse::default().with_topics(topics);
    let wait = cx.broker.store.durability().wait(newest);
    Handled::Pipelined(Box::pin(async move {
        match wait.await {
            Ok(()) => response,
            Err(_) => refuse_unflushed(response),
        }
    }))
}

fn delete(cx: &Cx<'_>, topic: &str, asked: &DeleteRecordsPartition) -> Result<(Offset, Lsn), ErrorCode> {
    let topic = cx.broker.topics.by_name(topic).map_err(|fault| fault.code())?;
    let partition = topic.partition(asked.partition_index).map_err(|fault| fault.code())?;
    if crate::topics::is_internal(&topic.name) {
        return Err(ErrorCode::InvalidTopicException);
    }
    if !topic.config().cleanup_policy.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let before = match asked.offset {
        HIGH_WATERMARK => partition.offsets().high_watermark,
        negative if negative < 0 => return Err(ErrorCode::OffsetOutOfRange),
        offset => Offset(offset),
    };
    partition.delete_records(before).map_err(|fault| fault.code())
}

fn refuse_unflushed(mut response: DeleteRecordsResponse) -> DeleteRecordsResponse {
    for result in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if result.error_code == ErrorCode::None.number() {
            result.error_code = ErrorCode::KafkaStorageError.number();
            result.low_watermark = -1;
        }
    }
    response
}
