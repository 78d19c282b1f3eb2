//! A producer: records gather in batches by partition, and each partition has one batch under way at most.
//!
//! One batch at a time keeps a partition's records in order through any retry, without a limit on requests in flight,
//! and while it travels the next one fills. With idempotence the broker drops what a retry repeats (KIP-98).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ottla_model::TopicPartition;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::error::{ClientError, Result};
use crate::partitioner::partition_of_key;

mod delivery;
mod queue;

use delivery::dispatch;
use queue::Queues;

/// Which brokers must have a record before it counts as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// None: there is no answer, and no offset.
    None,
    /// The leader, before it is durable.
    Leader,
    /// All that are in sync, durably.
    All,
}

/// How a producer behaves. The defaults are those of Kafka's producer unless a field says otherwise.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// Which brokers must have a record.
    pub acks: Acks,
    /// Whether retries may not repeat records (KIP-98). Needs [`Acks::All`].
    pub idempotent: bool,
    /// How long a batch waits for company.
    pub linger: Duration,
    /// The size at which a batch goes out without waiting.
    pub batch_bytes: usize,
    /// The most bytes that may wait; [`Producer::send`] waits for room.
    pub buffer_bytes: usize,
    /// The largest record (`max.request.size`).
    pub record_bytes_max: usize,
    /// The most produce requests on their way at once (Kafka: 5 for each broker, here for all).
    pub requests_max: usize,
    /// How long a record may take, retries included.
    pub delivery_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> ProducerConfig {
        ProducerConfig {
            acks: Acks::All,
            idempotent: true,
            linger: Duration::from_millis(5),
            batch_bytes: 16 * 1024,
            buffer_bytes: 32 * 1024 * 1024,
            record_bytes_max: 1024 * 1024,
            requests_max: 5,
            delivery_timeout: Duration::from_secs(120),
        }
    }
}

/// A record to be sent.
#[derive(Clone, Debug, Default)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: String,
    /// The partition; `None` chooses by the key, or keeps to one partition for a while if there is no key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Milliseconds since 1970; `None` takes the clock.
    pub timestamp: Option<i64>,
}

/// Where a record came to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset; `None` with [`Acks::None`].
    pub offset: Option<i64>,
}

/// A record under way. Dropping it does not take the record back.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Delivered>>);

impl Delivery {
    /// Waits until the record is acknowledged or given up.
    pub async fn wait(self) -> Result<Delivered> {
        self.0.await.unwrap_or(Err(ClientError::Closed("the producer")))
    }
}

/// A producer. Dropping it gives up what was not flushed.
#[derive(Debug)]
pub struct Producer {
    queues: Arc<Queues>,
    dispatcher: JoinHandle<()>,
}

impl Producer {
    /// Starts a producer over `client`.
    pub fn start(client: Client, config: ProducerConfig) -> Result<Producer> {
        if config.idempotent && config.acks != Acks::All {
            return Err(ClientError::Misuse("an idempotent producer needs acks all".to_owned()));
        }
        let queues = Arc::new(Queues::new(client, config));
        let dispatcher = tokio::spawn(dispatch(queues.clone()));
        Ok(Producer { queues, dispatcher })
    }

    /// Hands a record over; it goes out with its batch. Waits for room in the buffer and, once a topic, for metadata.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery> {
        let bytes = bytes_of(&record);
        let bytes_max = self.queues.config.record_bytes_max;
        if bytes > bytes_max {
            return Err(ClientError::RecordTooLarge { bytes, bytes_max });
        }
        let partition = self.partition_of(&record, bytes).await?;
        let room = self.queues.room(bytes).await?;
        let timestamp = record.timestamp.unwrap_or_else(now_millis);
        let (sender, receiver) = oneshot::channel();
        self.queues.push(partition, &record, timestamp, (bytes, room), sender)?;
        Ok(Delivery(receiver))
    }

    /// Waits until everything handed over is acknowledged or given up.
    pub async fn flush(&self) {
        self.queues.flush().await;
    }

    /// Flushes and ends.
    pub async fn close(self) {
        self.flush().await;
    }

    async fn partition_of(&self, record: &ProducerRecord, bytes: usize) -> Result<TopicPartition> {
        let client = &self.queues.client;
        let topic = client.retry(|| client.topic(&record.topic, true)).await?;
        let count = topic.partitions.len();
        let index = match (record.partition, &record.key) {
            (Some(index), _) => index,
            (None, Some(key)) => partition_of_key(key, count) as i32,
            (None, None) => self.queues.sticky(&record.topic, count, bytes),
        };
        Ok(TopicPartition::new(record.topic.as_str(), index))
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.queues.close();
        self.dispatcher.abort();
    }
}

/// An upper bound of what a record takes in a batch.
fn bytes_of(record: &ProducerRecord) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + length(value) + 10);
    RECORD_OVERHEAD + length(&record.key) + length(&record.value) + headers.sum::<usize>()
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// The longest varints of a record, as Kafka counts them.
const RECORD_OVERHEAD: usize = 21;
