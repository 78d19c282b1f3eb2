//! Records that wait, by partition, in batches.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_log::BatchBuilder;
use ottla_model::{Millis, ProducerEpoch, ProducerId, TopicPartition};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Delivered, ProducerConfig, ProducerRecord};
use crate::client::Client;
use crate::error::{ClientError, Result};

/// Everything that waits, and what the sending side needs to know.
pub(super) struct Queues {
    pub(super) client: Client,
    pub(super) config: ProducerConfig,
    state: Mutex<State>,
    room: Arc<Semaphore>,
    /// Something became ready, or may have.
    pub(super) ready: Notify,
    /// A batch was settled.
    settled: Notify,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<TopicPartition, Queue>,
    sticky: HashMap<String, Sticky>,
    identity: Option<Identity>,
    flushes: usize,
    is_closed: bool,
}

/// The batches of one partition, oldest first.
#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    is_under_way: bool,
    not_before: Option<Instant>,
    /// Whose sequence numbers these are, and the next one.
    sequence: Option<(Identity, i32)>,
}

/// Records without a key keep to one partition until they fill a batch (KIP-794).
#[derive(Default)]
struct Sticky {
    partition: usize,
    bytes: usize,
}

/// Who an idempotent producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: ProducerId,
    pub(super) epoch: ProducerEpoch,
}

/// Records that travel together.
pub(super) struct Batch {
    builder: BatchBuilder,
    /// Built at the first attempt; every other one sends the same bytes.
    encoded: Option<Bytes>,
    bytes: usize,
    room: Option<OwnedSemaphorePermit>,
    askers: Vec<oneshot::Sender<Result<Delivered>>>,
    pub(super) since: Instant,
}

impl Queues {
    pub(super) fn new(client: Client, config: ProducerConfig) -> Queues {
        Queues {
            client,
            state: Mutex::default(),
            room: Arc::new(Semaphore::new(config.buffer_bytes)),
            config,
            ready: Notify::new(),
            settled: Notify::new(),
        }
    }

    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        // A record larger than the buffer may still go, alone.
        let bytes = bytes.min(self.config.buffer_bytes) as u32;
        let closed = |_| ClientError::Closed("the producer");
        self.room.clone().acquire_many_owned(bytes).await.map_err(closed)
    }

    /// The partition that records without a key go to now.
    pub(super) fn sticky(&self, topic: &str, partitions: usize, bytes: usize) -> i32 {
        let mut state = self.lock();
        if !state.sticky.contains_key(topic) {
            state.sticky.insert(topic.to_owned(), Sticky::default());
        }
        let Some(sticky) = state.sticky.get_mut(topic) else {
            return 0;
        };
        sticky.bytes += bytes;
        if sticky.bytes > self.config.batch_bytes {
            sticky.partition += 1;
            sticky.bytes = bytes;
        }
        (sticky.partition % partitions.max(1)) as i32
    }

    pub(super) fn push(
        &self,
        partition: TopicPartition,
        record: &ProducerRecord,
        timestamp: i64,
        (bytes, room): (usize, OwnedSemaphorePermit),
        asker: oneshot::Sender<Result<Delivered>>,
    ) -> Result<()> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(ClientError::Closed("the producer"));
        }
        let queue = state.queues.entry(partition).or_default();
        let batch_bytes = self.config.batch_bytes;
        let open = |batch: &&mut Batch| batch.encoded.is_none() && batch.bytes + bytes <= batch_bytes;
        let is_idle = queue.batches.is_empty();
        match queue.batches.back_mut().filter(open) {
            Some(batch) => batch.push(record, timestamp, (bytes, room), asker),
            None => {
                let mut batch = Batch::new();
                batch.push(record, timestamp, (bytes, room), asker);
                queue.batches.push_back(batch);
            }
        }
        let is_full = queue.batches.len() > 1 || queue.batches.back().is_some_and(|batch| batch.bytes >= batch_bytes);
        drop(state);
        if is_idle || is_full {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Takes the first batch of every partition that may send one now; otherwise says when to look again.
    pub(super) fn take_ready(&self, now: Instant) -> (Vec<(TopicPartition, Batch)>, Option<Instant>) {
        let mut state = self.lock();
        let is_flushing = state.flushes > 0;
        let mut taken = Vec::new();
        let mut next: Option<Instant> = None;
        for (partition, queue) in &mut state.queues {
            match queue.ready_at(&self.config, is_flushing) {
                Some(at) if at <= now => {
                    if let Some(batch) = queue.batches.pop_front() {
                        queue.is_under_way = true;
                        taken.push((partition.clone(), batch));
                    }
                }
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
        }
        (taken, next)
    }

    /// The bytes of a batch: built once, with the next sequence numbers of `identity`.
    pub(super) fn encode(&self, partition: &TopicPartition, batch: &mut Batch, identity: Option<Identity>) -> Bytes {
        if let Some(encoded) = &batch.encoded {
            return encoded.clone();
        }
        let mut builder = std::mem::take(&mut batch.builder);
        if let Some(identity) = identity {
            let mut state = self.lock();
            let queue = state.queues.entry(partition.clone()).or_default();
            let base = match queue.sequence {
                Some((whose, next)) if whose == identity => next,
                _ => 0,
            };
            let next = base.wrapping_add(builder.len() as i32) & i32::MAX;
            queue.sequence = Some((identity, next));
            builder = builder.producer(identity.id, identity.epoch, base);
        }
        batch.encoded.insert(builder.build()).clone()
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.lock().identity
    }

    pub(super) fn set_identity(&self, identity: Option<Identity>) {
        self.lock().identity = identity;
    }

    /// Puts a batch back for another attempt after `pause`.
    pub(super) fn put_back(&self, partition: TopicPartition, batch: Batch, pause: Duration) {
        let mut state = self.lock();
        let queue = state.queues.entry(partition).or_default();
        queue.batches.push_front(batch);
        queue.is_under_way = false;
        queue.not_before = Some(Instant::now() + pause);
        drop(state);
        self.ready.notify_one();
    }

    /// Tells everyone who waits for a batch what became of it: its first offset, or why it failed.
    pub(super) fn settle(&self, partition: TopicPartition, batch: Batch, outcome: Result<Option<i64>>) {
        {
            let mut state = self.lock();
            if outcome.is_err() {
                // The broker may or may not have the batch, so its sequence numbers are spent: start anew.
                state.identity = None;
            }
            let queue = state.queues.entry(partition.clone()).or_default();
            queue.is_under_way = false;
            queue.not_before = None;
        }
        batch.settle(&partition, outcome);
        self.settled.notify_waiters();
        self.ready.notify_one();
    }

    pub(super) async fn flush(&self) {
        self.lock().flushes += 1;
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            self.ready.notify_one();
            let is_done = |queue: &Queue| queue.batches.is_empty() && !queue.is_under_way;
            if self.lock().queues.values().all(is_done) {
                break;
            }
            settled.await;
        }
        self.lock().flushes -= 1;
    }

    pub(super) fn close(&self) {
        self.room.close();
        let mut state = self.lock();
        state.is_closed = true;
        // Dropping the batches tells everyone who waits for them.
        state.queues.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queues")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// When the first batch may go; `None` if there is none, or one is under way.
    fn ready_at(&self, config: &ProducerConfig, is_flushing: bool) -> Option<Instant> {
        let first = self.batches.front().filter(|_| !self.is_under_way)?;
        let is_full = self.batches.len() > 1 || first.bytes >= config.batch_bytes || first.encoded.is_some();
        let lingered = if is_full || is_flushing {
            first.since
        } else {
            first.since + config.linger
        };
        Some(self.not_before.map_or(lingered, |not_before| not_before.max(lingered)))
    }
}

impl Batch {
    fn new() -> Batch {
        Batch {
            builder: BatchBuilder::new(),
            encoded: None,
            bytes: 0,
            room: None,
            askers: Vec::new(),
            since: Instant::now(),
        }
    }

    fn push(
        &mut self,
        record: &ProducerRecord,
        timestamp: i64,
        (bytes, room): (usize, OwnedSemaphorePermit),
        asker: oneshot::Sender<Result<Delivered>>,
    ) {
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_deref()))
            .collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        self.builder.push_with_headers(Millis(timestamp), key, value, &headers);
        self.bytes += bytes;
        match &mut self.room {
            Some(held) => held.merge(room),
            None => self.room = Some(room),
        }
        self.askers.push(asker);
    }

    fn settle(self, partition: &TopicPartition, outcome: Result<Option<i64>>) {
        let outcome = outcome.map_err(Arc::new);
        for (position, asker) in self.askers.into_iter().enumerate() {
            let told = match &outcome {
                Ok(base) => Ok(Delivered {
                    partition: partition.clone(),
                    offset: base.map(|base| base + position as i64),
                }),
                Err(reason) => Err(ClientError::Undelivered(reason.clone())),
            };
            // Whoever does not wait need not be told.
            let _ = asker.send(told);
        }
    }
}
