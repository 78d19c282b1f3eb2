//! Reading: from memory where the offset is there, else from segments, and on from segments into memory.

use bytes::Bytes;
use ottla_model::{ErrorCode, Offset, ProducerId};

use super::{Partition, State};
use crate::records::Batches;
use crate::{Patience, SegmentRead, StorageFault};

/// How much a read may take, and what it may see.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// The most bytes of batches.
    pub bytes_max: usize,
    /// Whether one batch is given even if it alone is larger than `bytes_max` (KIP-74): so that a consumer can go on.
    pub at_least_one: bool,
    /// What may be seen of transactions.
    pub isolation: Isolation,
    /// Whether the medium may be waited for.
    pub patience: Patience,
    /// Batches that begin at or beyond this offset are left out.
    pub before: Option<Offset>,
}

/// What may be seen of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything durable.
    ReadUncommitted,
    /// Only what lies below the first open transaction; the aborted ones are named beside it.
    ReadCommitted,
}

/// What a read came to.
#[derive(Clone, Debug)]
pub enum Reading {
    /// What could be read, perhaps nothing.
    Done(Read),
    /// Everything asked for would take a disk read: ask again with [`Patience::Wait`] where waiting is allowed.
    WouldWait,
}

/// Batches and the offsets at the time of reading.
#[derive(Clone, Debug)]
pub struct Read {
    /// Whole batches, in order; a chunk may be a part of one or hold several. The first holds the asked offset, if
    /// compaction has left it.
    pub chunks: Vec<Bytes>,
    /// The sum of their lengths.
    pub bytes: usize,
    /// Everything below is durable.
    pub high_watermark: Offset,
    /// Everything below is durable and belongs to no open transaction; never below the log start.
    pub last_stable: Offset,
    /// The first offset that may be read.
    pub log_start: Offset,
    /// The aborted transactions that the batches hold records of; empty unless reading committed.
    pub aborted: Vec<AbortedTransaction>,
    /// Where to read on.
    pub next: Offset,
}

/// A transaction whose records, from its first offset to its marker, a reader must skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose records.
    pub producer: ProducerId,
    /// The first of them.
    pub first_offset: Offset,
}

/// Why nothing can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// The offset is not in the log.
    #[error("the offset is out of range, the log has [{log_start}, {log_end})")]
    OutOfRange {
        /// The first offset that may be read.
        log_start: Offset,
        /// The offset that the next record will get.
        log_end: Offset,
    },
    /// The medium failed.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

impl ReadFault {
    /// The answer to a consumer.
    pub fn code(&self) -> ErrorCode {
        match self {
            ReadFault::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadFault::Storage(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl Partition {
    /// Reads whole batches from the one that holds `from` on, up to the high watermark or the last stable offset.
    pub fn read(&self, from: Offset, limit: ReadLimit) -> Result<Reading, ReadFault> {
        loop {
            let forgotten = self.lock().aborted.forgotten();
            let reading = self.read_batches(from, &limit)?;
            let Reading::Done(mut read) = reading else {
                return Ok(reading);
            };
            if limit.isolation == Isolation::ReadUncommitted {
                return Ok(Reading::Done(read));
            }
            let state = self.lock();
            // Else segments went meanwhile, or compaction ended, and it is not known any more what was aborted of all
            // that was read. That is rare.
            if state.aborted.forgotten() == forgotten {
                read.aborted = state.aborted.between(from, read.next);
                return Ok(Reading::Done(read));
            }
        }
    }

    /// The batches, without what must be known of transactions.
    fn read_batches(&self, from: Offset, limit: &ReadLimit) -> Result<Reading, ReadFault> {
        let (mut read, end) = self.lock().begin_read(from, limit, self)?;
        while read.next < end && read.takes_more(limit) {
            let settled_before = {
                let state = self.lock();
                let start = state.tail.start();
                if read.next >= start {
                    read.fill_from(&state, end, limit);
                    break;
                }
                start.min(end)
            };
            let found = self
                .segments
                .read(read.next, settled_before, read.room(limit), limit.patience)?;
            match found {
                SegmentRead::WouldWait if read.bytes == 0 => return Ok(Reading::WouldWait),
                SegmentRead::WouldWait => break,
                // A gap that compaction left: what follows is in memory.
                SegmentRead::Batches(bytes) if bytes.is_empty() => read.next = settled_before,
                SegmentRead::Batches(bytes) if !read.accepts(bytes.len(), limit) => break,
                SegmentRead::Batches(bytes) => {
                    read.next = self.end_of(&bytes, read.next)?;
                    read.bytes += bytes.len();
                    read.chunks.push(bytes);
                }
            }
        }
        Ok(Reading::Done(read))
    }

    /// The offset after the last batch in bytes that segments gave.
    fn end_of(&self, bytes: &Bytes, from: Offset) -> Result<Offset, StorageFault> {
        let mut batches = Batches::new(bytes.clone());
        let last = batches.by_ref().last().map(|(header, _)| header.next_offset());
        match last {
            Some(end) if end > from && batches.rest().is_empty() => Ok(end),
            _ => Err(self.corrupt(from, "what segments gave is not whole batches")),
        }
    }

    pub(super) fn corrupt(&self, at: Offset, what: &'static str) -> StorageFault {
        StorageFault::Corrupt {
            path: format!("partition {}-{} from offset {at}", self.id.topic, self.id.index),
            position: 0,
            what,
        }
    }
}

impl Read {
    fn takes_more(&self, limit: &ReadLimit) -> bool {
        // A last segment read for little would often be a batch too large, and read again by the next fetch.
        self.bytes == 0 || self.room(limit) > limit.bytes_max / 2
    }

    fn room(&self, limit: &ReadLimit) -> usize {
        limit.bytes_max.saturating_sub(self.bytes)
    }

    fn accepts(&self, size: usize, limit: &ReadLimit) -> bool {
        size <= self.room(limit) || (self.bytes == 0 && limit.at_least_one)
    }

    fn fill_from(&mut self, state: &State, end: Offset, limit: &ReadLimit) {
        for batch in state.tail.from(self.next) {
            if batch.base_offset() >= end || !self.accepts(batch.size(), limit) {
                return;
            }
            let parts = batch.parts().into_iter().filter(|part| !part.is_empty());
            self.chunks.extend(parts.cloned());
            self.bytes += batch.size();
            self.next = batch.next_offset();
        }
    }
}

impl State {
    fn begin_read(&self, from: Offset, limit: &ReadLimit, partition: &Partition) -> Result<(Read, Offset), ReadFault> {
        let high_watermark = partition.watermark.get();
        let last_stable = self.last_stable(high_watermark);
        if from < self.log_start || from > self.tail.end() {
            return Err(ReadFault::OutOfRange {
                log_start: self.log_start,
                log_end: self.tail.end(),
            });
        }
        let readable = match limit.isolation {
            Isolation::ReadUncommitted => high_watermark,
            Isolation::ReadCommitted => last_stable,
        };
        let read = Read {
            chunks: Vec::new(),
            bytes: 0,
            high_watermark,
            last_stable,
            log_start: self.log_start,
            aborted: Vec::new(),
            next: from,
        };
        Ok((read, limit.before.map_or(readable, |before| before.min(readable))))
    }
}
