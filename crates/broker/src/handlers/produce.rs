//! Produce (key 0), versions 3 to 13: append batches, answer when they are as durable as `acks` asks.
//!
//! `acks=all` is answered after the journal's flush, `acks=1` after the append, `acks=0` never (an error then closes the
//! connection). One request's partitions are judged one by one; a partition named twice counts once, its last entry wins,
//! as on Kafka.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use ottla_log::{AppendFault, Lsn, Partition, batch::BatchHeader, batch::attributes};
use ottla_model::{ErrorCode, TopicId};
use tokio::time::Instant;

use crate::Broker;
use crate::handlers::{Cx, text};
use crate::reply::Handled;
use crate::topics::{Topic, TopicFault, is_internal};

mod announce;

use announce::{Announced, Transactional};

/// The first version that may carry zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// The first version that names topics by id (KIP-516).
const TOPIC_ID_SINCE: i16 = 13;
const CODEC_ZSTD: i16 = 4;
/// How long a flush is waited for at least: Kafka waits for replicas only, so that some clients ask for no patience at all.
const FLUSH_PATIENCE_MIN: Duration = Duration::from_secs(1);
/// How often a delayed request looks for room.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(1);

pub(crate) fn handle(cx: &Cx<'_>, request: ProduceRequest) -> Handled<ProduceResponse> {
    let (broker, version) = (Arc::clone(cx.broker), cx.version);
    // Counted from here: the answers before this one may have to wait as long.
    let patience = Duration::from_millis(request.timeout_ms.max(0) as u64).max(FLUSH_PATIENCE_MIN);
    let deadline = Instant::now() + patience;
    if !broker.store.is_behind() {
        return append(&broker, version, request, deadline);
    }
    // Memory for what is not settled is limited: a producer that is faster than the disk is slowed down here, and its
    // socket fills.
    Handled::Delayed(Box::pin(async move {
        while broker.store.is_behind() {
            if Instant::now() >= deadline {
                return too_late(request);
            }
            tokio::time::sleep(ROOM_CHECK_INTERVAL).await;
        }
        append(&broker, version, request, deadline)
    }))
}

fn append(broker: &Broker, version: i16, request: ProduceRequest, deadline: Instant) -> Handled<ProduceResponse> {
    let acks = request.acks;
    let transactional = match check_acks(acks) {
        Ok(()) => Transactional::of(broker, version, &request),
        Err(code) => Err(code),
    };
    let outcome = match transactional {
        Ok(None) => append_all(broker, version, request, &Announced::default()),
        Ok(Some(transactional)) => {
            transactional.announce(broker, |announced| append_all(broker, version, request, &announced))
        }
        Err(code) => append_all(broker, version, request, &Announced::refused(code)),
    };
    match acks {
        0 if outcome.failed => {
            Handled::Close("a batch sent with acks=0 was refused, and there is no other way to say so".into())
        }
        0 => Handled::Silent,
        -1 if outcome.lsn > Lsn::default() => {
            let wait = broker.store.durability().wait(outcome.lsn);
            Handled::Pipelined(Box::pin(async move {
                match tokio::time::timeout_at(deadline, wait).await {
                    Ok(Ok(())) => outcome.response,
                    Ok(Err(_)) => refuse_unflushed(outcome.response, ErrorCode::KafkaStorageError),
                    Err(_) => refuse_unflushed(outcome.response, ErrorCode::RequestTimedOut),
                }
            }))
        }
        _ => Handled::Now(outcome.response),
    }
}

/// There was no room for as long as the client waits: nothing of the request was appended.
fn too_late(request: ProduceRequest) -> Handled<ProduceResponse> {
    if request.acks == 0 {
        return Handled::Close("there was no room for a batch sent with acks=0 within its timeout".into());
    }
    let topics = request.topic_data.into_iter().map(|topic| {
        let refuse = |data: PartitionProduceData| answer_one(data.index, Err(ErrorCode::RequestTimedOut.into()));
        TopicProduceResponse::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partition_responses(last_of_each(topic.partition_data).into_iter().map(refuse).collect())
    });
    Handled::Now(ProduceResponse::default().with_responses(topics.collect()))
}

/// What became of one request's batches.
struct Outcome {
    response: ProduceResponse,
    /// The newest entry the answer rests on.
    lsn: Lsn,
    failed: bool,
}

fn append_all(broker: &Broker, version: i16, request: ProduceRequest, announced: &Announced) -> Outcome {
    let mut outcome = Outcome {
        response: ProduceResponse::default(),
        lsn: Lsn::default(),
        failed: false,
    };
    let refused = announced.refused_as_a_whole();
    for topic_data in request.topic_data {
        let topic = find_topic(broker, version, &topic_data);
        let mut answer = TopicProduceResponse::default()
            .with_name(topic_data.name)
            .with_topic_id(topic_data.topic_id);
        for data in last_of_each(topic_data.partition_data) {
            let appended = match (refused, &topic) {
                (Some(refused), _) => Err(refused.into()),
                (None, Err(fault)) => Err(fault.code().into()),
                (None, Ok(topic)) => append_one(broker, version, topic, &data, announced),
            };
            outcome.failed |= appended.is_err();
            if let Ok((_, lsn)) = &appended {
                outcome.lsn = outcome.lsn.max(*lsn);
            }
            answer.partition_responses.push(answer_one(data.index, appended));
        }
        outcome.response.responses.push(answer);
    }
    outcome
}

fn check_acks(acks: i16) -> Result<(), ErrorCode> {
    if (-1..=1).contains(&acks) {
        Ok(())
    } else {
        Err(ErrorCode::InvalidRequiredAcks)
    }
}

fn find_topic(broker: &Broker, version: i16, data: &TopicProduceData) -> Result<Arc<Topic>, TopicFault> {
    if version >= TOPIC_ID_SINCE {
        broker.topics.by_id(TopicId(data.topic_id))
    } else {
        broker.topics.by_name(&data.name)
    }
}

/// The last entry of each partition, in the order of their first mention.
fn last_of_each(data: Vec<PartitionProduceData>) -> Vec<PartitionProduceData> {
    let mut kept: Vec<PartitionProduceData> = Vec::with_capacity(data.len());
    for entry in data {
        match kept.iter_mut().find(|known| known.index == entry.index) {
            Some(known) => *known = entry,
            None => kept.push(entry),
        }
    }
    kept
}

/// Why one partition's data was refused.
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
    /// The record at fault, counted from 0 (KIP-467).
    record: Option<i32>,
    /// The log start offset, where the partition itself refused.
    log_start: i64,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal {
            code,
            message: None,
            record: None,
            log_start: -1,
        }
    }
}

fn append_one(
    broker: &Broker,
    version: i16,
    topic: &Topic,
    data: &PartitionProduceData,
    announced: &Announced,
) -> Result<(PartitionProduceResponse, Lsn), Refusal> {
    let partition = topic.partition(data.index).map_err(|fault| fault.code())?;
    // A coordinator is the only writer of its log.
    if is_internal(&topic.name) {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let batch = data.records.clone().unwrap_or_default();
    if version < ZSTD_SINCE && uses_zstd(&batch) {
        return Err(ErrorCode::UnsupportedCompressionType.into());
    }
    let now = broker.clock.wall();
    let appended = match announced.origin(&topic.name, data.index) {
        Ok(origin) => partition
            .append(batch, origin, now)
            .map_err(|fault| refusal(&partition, &fault))?,
        // What was taken before its transaction ended needs nobody to vouch for it.
        Err(code) => partition.repeat_of(&batch).ok_or_else(|| {
            partition.refuse(&batch, now);
            unvouched(code)
        })?,
    };
    let answer = PartitionProduceResponse::default()
        .with_base_offset(appended.base_offset.0)
        .with_log_append_time_ms(appended.log_append_time.map_or(-1, |at| at.0))
        .with_log_start_offset(appended.log_start.0);
    Ok((answer, appended.lsn))
}

/// The transaction's coordinator refused.
fn unvouched(code: ErrorCode) -> Refusal {
    let takes_no_part = matches!(code, ErrorCode::TransactionAbortable | ErrorCode::InvalidTxnState);
    let message = takes_no_part.then(|| "the partition takes no part in the producer's transaction".to_owned());
    Refusal { message, ..code.into() }
}

fn uses_zstd(batch: &[u8]) -> bool {
    BatchHeader::read(batch).is_some_and(|header| header.attributes & attributes::CODEC_MASK == CODEC_ZSTD)
}

/// The text is more than Kafka tells for most faults, and helps the person behind the client.
fn refusal(partition: &Partition, fault: &AppendFault) -> Refusal {
    Refusal {
        code: fault.code(),
        message: Some(fault.to_string()),
        record: match fault {
            AppendFault::Batch(refusal) => refusal.record(),
            AppendFault::Producer(_) | AppendFault::Journal(_) => None,
        },
        log_start: partition.offsets().log_start.0,
    }
}

fn answer_one(index: i32, appended: Result<(PartitionProduceResponse, Lsn), Refusal>) -> PartitionProduceResponse {
    match appended {
        Ok((answer, _)) => answer.with_index(index),
        Err(refusal) => PartitionProduceResponse::default()
            .with_index(index)
            .with_error_code(refusal.code.number())
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(refusal.log_start)
            .with_record_errors(record_errors(&refusal))
            .with_error_message(refusal.message.map(text)),
    }
}

fn record_errors(refusal: &Refusal) -> Vec<BatchIndexAndErrorMessage> {
    let at_fault = refusal.record.map(|index| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(index)
            .with_batch_index_error_message(refusal.message.clone().map(text))
    });
    at_fault.into_iter().collect()
}

/// The flush failed or takes longer than the client waits: none of the batches may be acknowledged.
fn refuse_unflushed(mut response: ProduceResponse, code: ErrorCode) -> ProduceResponse {
    for partition in response
        .responses
        .iter_mut()
        .flat_map(|topic| &mut topic.partition_responses)
    {
        if partition.error_code == ErrorCode::None.number() {
            *partition = answer_one(partition.index, Err(code.into()));
        }
    }
    response
}
