//! Batches on their way: grouped by leader, sent, and tried again where that can help.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse, TopicName};
use ottla_model::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use ottla_wire::Api;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Acks;
use super::queue::{Batch, Identity, Queues};
use crate::client::text;
use crate::connection::Connection;
use crate::error::{ClientError, Result};

type Batches = Vec<(TopicPartition, Batch)>;

/// Sends what is ready, for as long as the producer lives.
pub(super) async fn dispatch(queues: Arc<Queues>) {
    let slots = Arc::new(Semaphore::new(queues.config.requests_max.max(1)));
    loop {
        // First a slot, then the batches: what waits for a slot still grows.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let (ready, next) = queues.take_ready(Instant::now());
        if ready.is_empty() {
            drop(slot);
            wait(&queues, next).await;
            continue;
        }
        let identity = match identify(&queues).await {
            Ok(identity) => identity,
            Err(error) => {
                fail_all(&queues, ready, error);
                continue;
            }
        };
        send_by_leader(&queues, ready, identity, slot).await;
    }
}

async fn wait(queues: &Queues, until: Option<Instant>) {
    match until {
        Some(until) => {
            let _ = tokio::time::timeout_at(until.into(), queues.ready.notified()).await;
        }
        None => queues.ready.notified().await,
    }
}

/// The producer's identity, asked for if it has none.
async fn identify(queues: &Queues) -> Result<Option<Identity>> {
    if !queues.config.idempotent {
        return Ok(None);
    }
    if let Some(identity) = queues.identity() {
        return Ok(Some(identity));
    }
    let client = &queues.client;
    let attempt = || async {
        let connection = client.any().await?;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX);
        let response = connection.ask(&request).await?;
        connection.accept(Api::InitProducerId, response.error_code, "")?;
        Ok(Identity {
            id: ProducerId(response.producer_id.0),
            epoch: ProducerEpoch(response.producer_epoch),
        })
    };
    let identity = client.retry(attempt).await?;
    queues.set_identity(Some(identity));
    Ok(Some(identity))
}

async fn send_by_leader(queues: &Arc<Queues>, ready: Batches, identity: Option<Identity>, slot: OwnedSemaphorePermit) {
    let mut by_leader: BTreeMap<i32, Vec<Batches>> = BTreeMap::new();
    for (partition, mut batch) in ready {
        match queues.client.leader(partition.topic.as_str(), partition.index.0).await {
            Err(error) => retry_or_fail(queues, partition, batch, error),
            Ok(leader) => {
                let bytes = queues.encode(&partition, &mut batch, identity).len();
                let requests = by_leader.entry(leader).or_default();
                let fits =
                    |request: &&mut Batches| request.len() * queues.config.batch_bytes + bytes < REQUEST_BYTES_MAX;
                match requests.last_mut().filter(fits) {
                    Some(request) => request.push((partition, batch)),
                    None => requests.push(vec![(partition, batch)]),
                }
            }
        }
    }
    let slot = Arc::new(slot);
    for (leader, requests) in by_leader {
        for batches in requests {
            let (queues, slot) = (queues.clone(), slot.clone());
            tokio::spawn(async move {
                deliver(&queues, leader, batches, identity).await;
                drop(slot);
            });
        }
    }
}

async fn deliver(queues: &Queues, leader: i32, mut batches: Batches, identity: Option<Identity>) {
    let request = produce_request(queues, &mut batches, identity);
    let connection = match queues.client.broker(leader).await {
        Ok(connection) => connection,
        Err(error) => return fail_all(queues, batches, error),
    };
    match exchange(queues, &connection, &request).await {
        Ok(Some(response)) => settle(queues, &connection, batches, &response),
        Ok(None) => batches
            .into_iter()
            .for_each(|(partition, batch)| queues.settle(partition, batch, Ok(None))),
        Err(error) => fail_all(queues, batches, error),
    }
}

async fn exchange(
    queues: &Queues,
    connection: &Connection,
    request: &ProduceRequest,
) -> Result<Option<ProduceResponse>> {
    // From version 13 on topics are named by their ids.
    let version = connection.version(Api::Produce, 12)?;
    if queues.config.acks == Acks::None {
        connection.tell(version, request)?;
        return Ok(None);
    }
    connection
        .start(version, request)?
        .answer(Duration::ZERO)
        .await
        .map(Some)
}

fn produce_request(queues: &Queues, batches: &mut Batches, identity: Option<Identity>) -> ProduceRequest {
    let mut topics: BTreeMap<String, Vec<PartitionProduceData>> = BTreeMap::new();
    for (partition, batch) in batches {
        let data = PartitionProduceData::default()
            .with_index(partition.index.0)
            .with_records(Some(queues.encode(partition, batch, identity)));
        topics
            .entry(partition.topic.as_str().to_owned())
            .or_default()
            .push(data);
    }
    let topic = |(name, partitions): (String, Vec<_>)| {
        TopicProduceData::default()
            .with_name(TopicName(text(&name)))
            .with_partition_data(partitions)
    };
    let timeout = queues.client.config().connection.request_timeout;
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(match queues.config.acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        })
        .with_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(topics.into_iter().map(topic).collect())
}

fn settle(queues: &Queues, connection: &Connection, batches: Batches, response: &ProduceResponse) {
    let answers: BTreeMap<(&str, i32), _> = response
        .responses
        .iter()
        .flat_map(|topic| {
            let answers = topic.partition_responses.iter();
            answers.map(|answer| ((topic.name.as_str(), answer.index), answer))
        })
        .collect();
    for (partition, batch) in batches {
        let Some(answer) = answers.get(&(partition.topic.as_str(), partition.index.0)) else {
            let error = connection.missing(Api::Produce, partition.to_string());
            queues.settle(partition, batch, Err(error));
            continue;
        };
        let code = answer.error_code;
        if code == 0 || code == ErrorCode::DuplicateSequenceNumber.number() {
            let offset = (answer.base_offset >= 0).then_some(answer.base_offset);
            queues.settle(partition, batch, Ok(offset));
        } else {
            let message = answer.error_message.as_deref();
            let error = connection.refusal(Api::Produce, code, partition.to_string(), message);
            retry_or_fail(queues, partition, batch, error);
        }
    }
}

fn fail_all(queues: &Queues, batches: Batches, error: ClientError) {
    let error = Arc::new(error);
    for (partition, batch) in batches {
        retry_or_fail(queues, partition, batch, ClientError::Undelivered(error.clone()));
    }
}

fn retry_or_fail(queues: &Queues, partition: TopicPartition, batch: Batch, error: ClientError) {
    if error.is_retriable() && batch.since.elapsed() < queues.config.delivery_timeout {
        tracing::debug!(%partition, %error, "sending again");
        queues.client.forget_topic(partition.topic.as_str());
        queues.put_back(partition, batch, queues.client.config().retry_backoff);
    } else {
        queues.settle(partition, batch, Err(error));
    }
}

/// Well below the 100 MiB that brokers take.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
