//! What the settler and the cache's housekeeper need. One thread calls these.

use bytes::Bytes;
use ottla_model::Offset;

use super::Partition;
use crate::{Lsn, StoredBatch};

impl Partition {
    /// The next batches to settle, in order: durable and not in segments yet. At least one if there is any, else up to
    /// `bytes_max`.
    pub fn unsettled(&self, bytes_max: usize) -> Vec<StoredBatch> {
        let state = self.lock();
        let high_watermark = self.watermark.get();
        let mut bytes = 0;
        state
            .tail
            .from(state.settled_end)
            .take_while(|batch| {
                let first = bytes == 0;
                bytes += batch.size();
                batch.next_offset() <= high_watermark && (first || bytes <= bytes_max)
            })
            .cloned()
            .collect()
    }

    /// Bytes that the journal holds and the segments do not, durable or not.
    pub fn unsettled_bytes(&self) -> u64 {
        self.lock().unsettled_bytes
    }

    /// Everything below `end` is durable in segments now. It stays cached until evicted.
    pub fn settled(&self, end: Offset) {
        let high_watermark = self.watermark.get();
        assert!(end <= high_watermark, "only what is durable is settled");
        let mut state = self.lock();
        let settled: usize = state
            .tail
            .from(state.settled_end)
            .take_while(|batch| batch.next_offset() <= end)
            .map(StoredBatch::size)
            .sum();
        state.unsettled_bytes -= settled as u64;
        state.settled_end = state.settled_end.max(end);
        state.producers.settle(high_watermark);
    }

    /// Drops the cached batches that are settled and end at or below `before`; gives the bytes freed.
    pub fn evict(&self, before: Offset) -> usize {
        let mut state = self.lock();
        let before = before.min(state.settled_end);
        state.tail.evict(before)
    }

    /// Bytes of batches held in memory, settled or not.
    pub fn cached_bytes(&self) -> usize {
        self.lock().tail.bytes()
    }

    /// Bytes of batches appended since opening.
    pub fn appended_bytes(&self) -> u64 {
        self.lock().appended_bytes
    }

    /// The producers at the log end. Also given without any: it says from where the next opening must scan.
    pub fn producer_snapshot(&self) -> ProducerSnapshot {
        let state = self.lock();
        ProducerSnapshot {
            at: state.tail.end(),
            last: state.last_batch,
            appended_bytes: state.appended_bytes,
            bytes: state.producers.snapshot(),
        }
    }
}

/// What the producers of a log were at one offset. An opening may use it only if all below that offset survived, and only
/// with the aborted transactions that ended below it ([`super::Opening::aborted`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// The log end it is true for.
    pub at: Offset,
    /// The entry of the last batch below it; 0 if that was in the log at opening.
    pub last: Lsn,
    /// Bytes of batches that were appended below it since opening.
    pub appended_bytes: u64,
    /// Kafka's `.snapshot` format.
    pub bytes: Bytes,
}
