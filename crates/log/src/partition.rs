//! One partition's log: the only writer of its batches and the only place that numbers them.
//!
//! State sits behind one short lock, held around pure code and the journal's queue, never around a segment read:
//!
//! ```text
//! log start          settled end        high watermark        log end
//!     │  in segments      │  in memory, durable │  in memory, on   │
//!     │  (and cached)     │  not yet settled    │  the way to disk │
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset, PartitionId, ProducerEpoch, ProducerId};

use crate::batch::{BatchHeader, HEADER_LENGTH};
use crate::builder::Marker;
use crate::config::PartitionConfig;
use crate::epochs::{EpochEnd, Epochs};
use crate::producers::{Judgement, ProducerRefusal, ProducerState, Producers, RememberedBatch};
use crate::records::Records;
use crate::tail::Tail;
use crate::validate::{CheckedBatch, Origin, Refusal};
use crate::{EntryBody, Journal, JournalEntry, JournalFault, Lsn, Segments, Watermark};

mod aborted;
mod lookup;
mod open;
mod read;
mod replay;
mod retain;
mod settle;

use aborted::AbortedIndex;

pub use lookup::{Lookup, OffsetSpec, TimestampedOffset};
pub use open::{KnownBatch, Opening};
pub use read::{AbortedTransaction, Isolation, Read, ReadFault, ReadLimit, Reading};
pub use replay::{Replayed, ReplayedMarker, ReplayedRecord, Unreadable};
pub use retain::TrimFault;
pub use settle::ProducerSnapshot;

/// One partition's log over its media.
pub struct Partition {
    id: PartitionId,
    segments: Arc<dyn Segments>,
    journal: Arc<dyn Journal>,
    watermark: Arc<Watermark>,
    config: RwLock<PartitionConfig>,
    state: Mutex<State>,
}

struct State {
    leader_epoch: LeaderEpoch,
    log_start: Offset,
    /// The entry that moved the log start last.
    log_start_lsn: Lsn,
    /// The entry of the last batch.
    last_batch: Lsn,
    settled_end: Offset,
    /// Bytes of the batches from the settled end on.
    unsettled_bytes: u64,
    /// Bytes of batches appended since opening.
    appended_bytes: u64,
    tail: Tail,
    producers: Producers,
    epochs: Epochs,
    aborted: AbortedIndex,
}

/// Where a partition's log begins, ends, and how far it may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The first offset that may be read.
    pub log_start: Offset,
    /// Everything below is in segments.
    pub settled_end: Offset,
    /// Everything below is durable.
    pub high_watermark: Offset,
    /// Everything below is durable and belongs to no open transaction; never below the log start.
    pub last_stable: Offset,
    /// The offset that the next record will get.
    pub log_end: Offset,
}

/// What became of an appended batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The broker's timestamp, on topics that use it. For a repeat: the largest timestamp of the batch it repeats, as
    /// Kafka answers.
    pub log_append_time: Option<Millis>,
    /// The first offset that may be read.
    pub log_start: Offset,
    /// The journal entry that must be durable before the batch is acknowledged; of a repeat: that of the batch it
    /// repeats.
    pub lsn: Lsn,
    /// Whether the batch repeats one that is in the log, so that nothing was written.
    pub duplicate: bool,
}

/// Why a batch was not appended. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendFault {
    /// The batch itself is at fault.
    #[error(transparent)]
    Batch(#[from] Refusal),
    /// The batch does not follow what its producer wrote before.
    #[error(transparent)]
    Producer(#[from] ProducerRefusal),
    /// The journal takes nothing.
    #[error(transparent)]
    Journal(#[from] JournalFault),
}

impl AppendFault {
    /// The answer to a producer.
    pub fn code(&self) -> ErrorCode {
        match self {
            AppendFault::Batch(refusal) => refusal.code(),
            AppendFault::Producer(refusal) => refusal.code(),
            AppendFault::Journal(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl Partition {
    /// Appends what was sent for this partition: judged, deduplicated, numbered and queued for the journal. `data` is
    /// shared, not copied, unless it is small.
    pub fn append(&self, data: Bytes, origin: Origin, now: Millis) -> Result<Appended, AppendFault> {
        let checked = CheckedBatch::check(&data, origin, &self.config(), now)?;
        let marker = Marker::of(checked.header(), checked.records());
        let mut state = self.lock();
        if let Judgement::Repeat(batch) = state.producers.judge(checked.header(), marker, origin)? {
            return Ok(state.repeated(&batch));
        }
        let batch = checked.number(state.tail.end(), state.leader_epoch);
        let lsn = self.journal.append(JournalEntry {
            partition: self.id,
            body: EntryBody::Batch(batch.clone()),
            watermark: Arc::clone(&self.watermark),
        })?;
        let appended = Appended {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            log_append_time: checked.log_append_time(),
            log_start: state.log_start,
            lsn,
            duplicate: false,
        };
        state.unsettled_bytes += batch.size() as u64;
        state.appended_bytes += batch.size() as u64;
        state.last_batch = lsn;
        state.learn(batch.header(), marker, lsn, now);
        state.tail.push(batch);
        Ok(appended)
    }

    /// Where the log begins, ends, and how far it may be read.
    pub fn offsets(&self) -> Offsets {
        let state = self.lock();
        let high_watermark = self.watermark.get();
        Offsets {
            log_start: state.log_start,
            settled_end: state.settled_end,
            high_watermark,
            last_stable: state.last_stable(high_watermark),
            log_end: state.tail.end(),
        }
    }

    /// Where a leader epoch ends (OffsetForLeaderEpoch).
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> EpochEnd {
        let state = self.lock();
        state.epochs.end_of(epoch, state.tail.end())
    }

    /// The epochs, for their checkpoint.
    pub fn epochs(&self) -> Epochs {
        self.lock().epochs.clone()
    }

    /// The epoch that appended batches are stamped with.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.lock().leader_epoch
    }

    /// The high watermark, to wait on.
    pub fn watermark(&self) -> &Arc<Watermark> {
        &self.watermark
    }

    /// Whether the journal would take an ordinary write now.
    pub fn has_room(&self) -> bool {
        self.journal.has_room()
    }

    /// Which partition this is.
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// The idempotent producers, by id (DescribeProducers).
    pub fn producers(&self) -> Vec<ProducerState> {
        self.lock().producers.describe()
    }

    /// A transactional batch was refused because its coordinator did not vouch for it: until it comes again, none behind it
    /// is taken. `data` is what was sent.
    pub fn refuse(&self, data: &[u8], now: Millis) {
        if let Some(header) = BatchHeader::read(data) {
            self.lock().producers.refuse(&header, now);
        }
    }

    /// Whether a transaction's marker would be taken now, and if not, why.
    pub fn check_marker(&self, marker: &Bytes, origin: Origin) -> Result<(), ProducerRefusal> {
        let header = BatchHeader::read(marker).expect("a marker is a whole batch");
        let said = Marker::of(&header, &marker[HEADER_LENGTH..]);
        self.lock().producers.judge(&header, said, origin).map(drop)
    }

    /// Whether a transaction of that producer and epoch is open here.
    pub fn is_open(&self, producer: ProducerId, epoch: ProducerEpoch) -> bool {
        self.lock().producers.is_open(producer, epoch)
    }

    /// Whether the log knows a newer epoch of that producer.
    pub fn is_superseded(&self, producer: ProducerId, epoch: ProducerEpoch) -> bool {
        self.lock().producers.is_superseded(producer, epoch)
    }

    /// The epoch of the coordinator that ended that producer's last transaction here; -1 if none did.
    pub fn coordinator_epoch(&self, producer: ProducerId) -> i32 {
        self.lock().producers.coordinator_epoch(producer)
    }

    /// Where a batch lies that was sent before and is remembered.
    pub fn repeat_of(&self, data: &[u8]) -> Option<Appended> {
        let header = BatchHeader::read(data)?;
        let state = self.lock();
        let batch = state.producers.repeat_of(&header)?;
        Some(state.repeated(batch))
    }

    /// The settings in force.
    pub fn config(&self) -> PartitionConfig {
        *self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other settings in force, for what is appended from now on.
    pub fn set_config(&self, config: PartitionConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partition")
            .field("id", &self.id)
            .field("offsets", &self.offsets())
            .finish_non_exhaustive()
    }
}

impl State {
    fn repeated(&self, batch: &RememberedBatch) -> Appended {
        Appended {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            log_append_time: Some(batch.timestamp()),
            log_start: self.log_start,
            lsn: batch.lsn(),
            duplicate: true,
        }
    }

    /// Nobody waits for the records of an open transaction that are deleted already.
    fn last_stable(&self, high_watermark: Offset) -> Offset {
        self.producers.last_stable(high_watermark).max(self.log_start)
    }

    /// What a batch in the log says about epochs and producers: live and when the log is scanned at opening.
    fn learn(&mut self, header: &BatchHeader, marker: Option<Marker>, lsn: Lsn, now: Millis) {
        // An epoch that is known began before this batch, even if a checkpoint says so and not the scan.
        if self
            .epochs
            .latest()
            .is_none_or(|latest| latest.epoch < header.leader_epoch)
        {
            self.epochs.assign(header.leader_epoch, header.base_offset);
        }
        if let Some(ended) = self.producers.take(header, marker, lsn, now)
            && ended.aborted
        {
            self.aborted.push(ended);
        }
    }
}

impl Marker {
    /// What a batch says if it is a control batch with a transaction marker.
    fn of(header: &BatchHeader, records: &[u8]) -> Option<Marker> {
        if !header.has(crate::batch::attributes::CONTROL) {
            return None;
        }
        let record = Records::new(records, header.record_count).next()?.ok()?;
        Marker::read(&record)
    }
}

#[cfg(test)]
mod tests;
