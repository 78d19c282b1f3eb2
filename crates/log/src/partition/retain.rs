//! How the beginning of a log goes: by DeleteRecords, by retention.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_model::{ErrorCode, Millis, Offset, ProducerId};

use super::{Partition, State};
use crate::producers::{EndedTransaction, LastBatch};
use crate::retention::{self, Log};
use crate::{EntryBody, JournalEntry, JournalFault, Lsn, StorageFault};

/// Why the log start was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrimFault {
    /// Only what is durable can be deleted.
    #[error("the offset is above the high watermark {high_watermark}")]
    OutOfRange {
        /// Where the high watermark stands.
        high_watermark: Offset,
    },
    /// The journal takes nothing.
    #[error(transparent)]
    Journal(#[from] JournalFault),
}

impl TrimFault {
    /// The answer to DeleteRecords.
    pub fn code(&self) -> ErrorCode {
        match self {
            TrimFault::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            TrimFault::Journal(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl Partition {
    /// Makes `before` the first offset that may be read (DeleteRecords, KIP-107). At or below the log start nothing
    /// changes. Gives the log start, and the entry that must be durable before it is acknowledged.
    pub fn delete_records(&self, before: Offset) -> Result<(Offset, Lsn), TrimFault> {
        let mut state = self.lock();
        let high_watermark = self.watermark.get();
        if before > high_watermark {
            return Err(TrimFault::OutOfRange { high_watermark });
        }
        if before <= state.log_start {
            return Ok((state.log_start, state.log_start_lsn));
        }
        let lsn = self.journal.append(JournalEntry {
            partition: self.id,
            body: EntryBody::LogStart(before),
            watermark: Arc::clone(&self.watermark),
        })?;
        state.start_at(before, lsn);
        Ok((before, lsn))
    }

    /// Moves the log start up past the segments that the topic's settings no longer keep, and forgets producers that
    /// have sent nothing for long. Gives the new log start and the entry that must be durable before
    /// [`Partition::drop_segments_below`]; `None` if nothing goes.
    pub fn retain(&self, now: Millis) -> Result<Option<(Offset, Lsn)>, TrimFault> {
        let config = self.config();
        let segments = self.segments.segments();
        let log = {
            let mut state = self.lock();
            state.producers.expire(now, config.producer_expiry);
            Log {
                start: state.log_start,
                unsettled_bytes: state.unsettled_bytes,
            }
        };
        match retention::new_log_start(&segments, log, config.retention, now) {
            Some(start) if start > log.start => self.delete_records(start).map(Some),
            _ => Ok(None),
        }
    }

    /// The first offset that may be read, and the entry that must be durable before anything below it may go.
    pub fn log_start(&self) -> (Offset, Lsn) {
        let state = self.lock();
        (state.log_start, state.log_start_lsn)
    }

    /// Deletes the segments that lie below `start`, and below the log start; what was aborted in them is forgotten. Call it once the journal entry that moved the
    /// log start is durable.
    pub fn drop_segments_below(&self, start: Offset) -> Result<(), StorageFault> {
        let start = start.min(self.lock().log_start);
        self.segments.drop_below(start)?;
        let oldest = self.segments.segments().first().map(|segment| segment.base_offset);
        if let Some(oldest) = oldest {
            self.lock().aborted.retain(|ended| ended.last >= oldest);
        }
        Ok(())
    }

    /// Bytes of records: those in segments and those not settled yet.
    pub fn size(&self) -> u64 {
        let settled: u64 = self.segments.segments().iter().map(|segment| segment.size).sum();
        settled + self.lock().unsettled_bytes
    }

    /// Compaction has cleaned everything below `end`: of the aborted transactions that ended there, readers need to be
    /// told of `left` only, which come by the offset of their marker. What memory holds below `end` goes: it is as it was
    /// written, with the records of all others.
    pub fn cleaned(&self, end: Offset, left: &[EndedTransaction]) {
        let mut state = self.lock();
        let settled = end.min(state.settled_end);
        state.tail.evict(settled);
        state.aborted.retain(|ended| is_left(ended, end, left));
    }

    /// What [`Partition::cleaned`] would leave: to be made durable before it is called, for once an entry is forgotten,
    /// its marker may go too, and an entry without its marker has readers skip what was committed behind it.
    pub fn aborted_once_cleaned(&self, end: Offset, left: &[EndedTransaction]) -> Vec<EndedTransaction> {
        let state = self.lock();
        let all = state.aborted.all().iter();
        all.filter(|ended| is_left(ended, end, left)).copied().collect()
    }

    /// The entry of the last batch; 0 if that was in the log at opening.
    pub fn last_batch(&self) -> Lsn {
        self.lock().last_batch
    }

    /// What compaction must keep of the producers that are active. Some of it may lie in batches that are not durable yet:
    /// what they stand for must not go before [`Partition::last_batch`], asked after this, is durable.
    pub fn last_batches(&self) -> BTreeMap<ProducerId, LastBatch> {
        self.lock().producers.last_batches()
    }

    /// The aborted transactions whose marker lies in a segment or behind them, by its offset: what `.txnindex` files hold.
    pub fn aborted(&self) -> Vec<EndedTransaction> {
        self.lock().aborted.all().to_vec()
    }
}

impl State {
    fn start_at(&mut self, start: Offset, lsn: Lsn) {
        self.log_start = start;
        self.log_start_lsn = lsn;
        self.epochs.truncate_from_start(start);
    }
}

fn is_left(ended: &EndedTransaction, end: Offset, left: &[EndedTransaction]) -> bool {
    ended.last >= end || left.binary_search_by_key(&ended.last, |other| other.last).is_ok()
}
