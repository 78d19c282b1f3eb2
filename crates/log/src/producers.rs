//! The idempotent and transactional producers of one partition (KIP-98, KIP-360): which batch may follow, which is a
//! repeat, which transactions are open.
//!
//! The state is a function of the batches in the log: [`Producers::judge`] decides before an append without changing
//! anything, [`Producers::take`] applies a batch that is in the log, live and when the log is scanned at opening.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use ottla_model::{ErrorCode, Millis, Offset, ProducerEpoch, ProducerId};

use crate::Lsn;
use crate::batch::{BatchHeader, attributes, sequence_after};
use crate::builder::Marker;
use crate::validate::Origin;

mod snapshot;

pub use snapshot::SnapshotFault;

/// How many of a producer's batches are remembered to tell a repeat: as many as clients keep in flight.
pub const BATCHES_MAX: usize = 5;

/// How many producers with a refused batch are remembered; beyond that the one refused longest ago is forgotten.
const REFUSED_MAX: usize = 1_000;

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    entries: HashMap<ProducerId, Entry>,
    /// Open transactions by the offset of their first record.
    open: BTreeMap<Offset, ProducerId>,
    /// Ended transactions whose marker may not be durable yet.
    ended: Vec<EndedTransaction>,
    /// Who was refused a batch for want of an announcement: not in the log, and not for ever.
    refused: BTreeMap<ProducerId, RefusedBatch>,
}

/// A batch that was refused because nobody vouched for it. It may come again, and until then none behind it may be taken.
#[derive(Clone, Copy, Debug)]
struct RefusedBatch {
    epoch: ProducerEpoch,
    sequence: i32,
    seen: Millis,
}

#[derive(Clone, Debug)]
struct Entry {
    epoch: ProducerEpoch,
    /// Oldest first; all of the current epoch.
    batches: VecDeque<RememberedBatch>,
    coordinator_epoch: i32,
    last_timestamp: Millis,
    transaction_start: Option<Offset>,
    /// When it last sent something, by the broker's clock; no later than that for what was scanned at opening.
    seen: Millis,
}

/// A batch that a repeat is answered with.
#[derive(Clone, Copy, Debug)]
pub struct RememberedBatch {
    last_sequence: i32,
    last_offset: Offset,
    offset_delta: i32,
    timestamp: Millis,
    lsn: Lsn,
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug)]
pub enum Judgement {
    /// It may be appended.
    New,
    /// It is in the log already.
    Repeat(RememberedBatch),
}

/// Why a producer's batch is not taken. [`ProducerRefusal::code`] is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerRefusal {
    /// A newer instance of the producer has written.
    #[error("producer {producer}: epoch {epoch} is older than {current}")]
    OldEpoch {
        /// Whose batch it is.
        producer: ProducerId,
        /// The batch's epoch.
        epoch: ProducerEpoch,
        /// The newest epoch seen.
        current: ProducerEpoch,
    },
    /// The batch leaves a gap, or overlaps what was written, or is a repeat too old to be remembered.
    #[error("producer {producer}: sequence {sequence} does not follow {last}")]
    OutOfOrder {
        /// Whose batch it is.
        producer: ProducerId,
        /// The batch's first sequence number.
        sequence: i32,
        /// The last one written; -1 if the epoch is new.
        last: i32,
    },
    /// A plain batch inside the producer's own open transaction.
    #[error("producer {producer}: a transaction is open since offset {since}, the batch is not part of it")]
    OutsideTransaction {
        /// Whose batch it is.
        producer: ProducerId,
        /// Where the transaction begins.
        since: Offset,
    },
    /// A transactional batch of which nobody has said that its transaction is open. Ask its coordinator, then append it as
    /// [`Origin::Participant`].
    #[error("producer {producer}: no transaction of epoch {epoch} is open, and none was announced")]
    Unannounced {
        /// Whose batch it is.
        producer: ProducerId,
        /// The batch's epoch.
        epoch: ProducerEpoch,
    },
    /// A marker of a transaction coordinator that was replaced.
    #[error("producer {producer}: coordinator epoch {epoch} is older than {current}")]
    OldCoordinator {
        /// Whose transaction it is.
        producer: ProducerId,
        /// The marker's coordinator epoch.
        epoch: i32,
        /// The newest seen.
        current: i32,
    },
}

impl ProducerRefusal {
    /// The answer the protocol defines for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            ProducerRefusal::OldEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerRefusal::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerRefusal::OutsideTransaction { .. } | ProducerRefusal::Unannounced { .. } => {
                ErrorCode::InvalidTxnState
            }
            ProducerRefusal::OldCoordinator { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

/// One producer, as DescribeProducers shows it (KIP-664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub id: ProducerId,
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// The sequence number of its last record; -1 if none is remembered.
    pub last_sequence: i32,
    /// The largest timestamp of its last batch, or that of its last marker.
    pub last_timestamp: Millis,
    /// The epoch of the coordinator that ended its last transaction; -1 if none did.
    pub coordinator_epoch: i32,
    /// The first offset of its open transaction.
    pub transaction_start: Option<Offset>,
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedTransaction {
    /// Whose it was.
    pub producer: ProducerId,
    /// The offset of its first record.
    pub first: Offset,
    /// The offset of its marker.
    pub last: Offset,
    /// Whether its records must not be read.
    pub aborted: bool,
    /// The last stable offset once the marker is durable.
    pub last_stable: Offset,
}

impl RememberedBatch {
    /// The offset of the batch's first record.
    pub fn base_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }

    /// The offset of its last record.
    pub fn last_offset(&self) -> Offset {
        self.last_offset
    }

    /// Its largest timestamp.
    pub fn timestamp(&self) -> Millis {
        self.timestamp
    }

    /// The journal entry that made it durable; 0 if it was so at opening.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn first_sequence(&self) -> i32 {
        sequence_after(self.last_sequence, -self.offset_delta)
    }
}

impl Producers {
    /// Decides on a batch about to be appended. `marker` is what a control batch says.
    pub fn judge(
        &self,
        header: &BatchHeader,
        marker: Option<Marker>,
        origin: Origin,
    ) -> Result<Judgement, ProducerRefusal> {
        if !header.has_producer() {
            return Ok(Judgement::New);
        }
        let known = self.entries.get(&header.producer_id);
        if origin.is_client()
            && let Some(batch) = known.and_then(|entry| entry.repeat_of(header))
        {
            return Ok(Judgement::Repeat(*batch));
        }
        if origin == Origin::Client
            && header.has(attributes::TRANSACTIONAL)
            && !self.is_open(header.producer_id, header.producer_epoch)
        {
            return Err(ProducerRefusal::Unannounced {
                producer: header.producer_id,
                epoch: header.producer_epoch,
            });
        }
        let Some(entry) = known else {
            self.check_refused(header, origin)?;
            return check_beginning(header, origin).map(|()| Judgement::New);
        };
        entry.check_epoch(header)?;
        self.check_refused(header, origin)?;
        if let Some(marker) = marker {
            entry.check_raised(header, origin)?;
            return entry.check_coordinator(header, marker).map(|()| Judgement::New);
        }
        if origin.is_client() {
            entry.check_sequence(header)?;
        }
        match entry.transaction_start {
            Some(since) if !header.has(attributes::TRANSACTIONAL) && !header.has(attributes::CONTROL) => {
                Err(ProducerRefusal::OutsideTransaction {
                    producer: header.producer_id,
                    since,
                })
            }
            _ => Ok(Judgement::New),
        }
    }

    /// A transactional batch was refused because its coordinator did not vouch for it. Its producer may have sent others
    /// behind it, and will send it again: those must not come first.
    pub fn refuse(&mut self, header: &BatchHeader, now: Millis) {
        let refused = self.refused.entry(header.producer_id).or_insert(RefusedBatch {
            epoch: header.producer_epoch,
            sequence: header.base_sequence,
            seen: now,
        });
        // What an older instance sends is refused for good and holds nobody up.
        if (header.producer_epoch, Reverse(header.base_sequence)) > (refused.epoch, Reverse(refused.sequence)) {
            (refused.epoch, refused.sequence) = (header.producer_epoch, header.base_sequence);
        }
        refused.seen = now;
        if self.refused.len() > REFUSED_MAX {
            let oldest = self.refused.iter().min_by_key(|(_, refused)| refused.seen);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.refused.remove(&oldest);
            }
        }
    }

    fn check_refused(&self, header: &BatchHeader, origin: Origin) -> Result<(), ProducerRefusal> {
        match self.refused.get(&header.producer_id) {
            Some(refused)
                if origin.is_client()
                    && refused.epoch >= header.producer_epoch
                    && refused.sequence < header.base_sequence =>
            {
                Err(ProducerRefusal::OutOfOrder {
                    producer: header.producer_id,
                    sequence: header.base_sequence,
                    last: refused.sequence.saturating_sub(1),
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether a transaction of that producer and epoch is open.
    pub fn is_open(&self, producer: ProducerId, epoch: ProducerEpoch) -> bool {
        let entry = self.entries.get(&producer);
        entry.is_some_and(|entry| entry.epoch == epoch && entry.transaction_start.is_some())
    }

    /// Whether a newer epoch of that producer is known.
    pub fn is_superseded(&self, producer: ProducerId, epoch: ProducerEpoch) -> bool {
        let entry = self.entries.get(&producer);
        entry.is_some_and(|entry| entry.epoch > epoch)
    }

    /// The epoch of the coordinator that ended that producer's last transaction; -1 if none did.
    pub fn coordinator_epoch(&self, producer: ProducerId) -> i32 {
        self.entries.get(&producer).map_or(-1, |entry| entry.coordinator_epoch)
    }

    /// The remembered batch that this one repeats.
    pub fn repeat_of(&self, header: &BatchHeader) -> Option<&RememberedBatch> {
        self.entries.get(&header.producer_id)?.repeat_of(header)
    }

    /// Applies a numbered batch that is in the log. Gives the transaction that it ended.
    pub fn take(
        &mut self,
        header: &BatchHeader,
        marker: Option<Marker>,
        lsn: Lsn,
        now: Millis,
    ) -> Option<EndedTransaction> {
        if !header.has_producer() {
            return None;
        }
        if header.has(attributes::CONTROL) {
            return marker.and_then(|marker| self.take_marker(header, marker, now));
        }
        self.refused.remove(&header.producer_id);
        let entry = self.entries.entry(header.producer_id).or_insert_with(Entry::new);
        entry.remember(header, lsn);
        entry.seen = now;
        if header.has(attributes::TRANSACTIONAL) && entry.transaction_start.is_none() {
            entry.transaction_start = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
        None
    }

    fn take_marker(&mut self, header: &BatchHeader, marker: Marker, now: Millis) -> Option<EndedTransaction> {
        self.refused.remove(&header.producer_id);
        let entry = self.entries.entry(header.producer_id).or_insert_with(Entry::new);
        entry.renew(header.producer_epoch);
        entry.coordinator_epoch = marker.coordinator_epoch;
        entry.last_timestamp = header.max_timestamp;
        entry.seen = now;
        let first = entry.transaction_start.take()?;
        self.open.remove(&first);
        let ended = EndedTransaction {
            producer: header.producer_id,
            first,
            last: header.last_offset(),
            aborted: !marker.committed,
            last_stable: self.first_open().unwrap_or(header.next_offset()),
        };
        self.ended.push(ended);
        Some(ended)
    }

    /// The offset below which every transaction has ended, durably: the last stable offset.
    pub fn last_stable(&self, high_watermark: Offset) -> Offset {
        let undurable = self.ended.iter().filter(|ended| ended.last >= high_watermark);
        let first = undurable.map(|ended| ended.first).chain(self.first_open()).min();
        first.map_or(high_watermark, |first| first.min(high_watermark))
    }

    /// Forgets the ended transactions whose markers are durable.
    pub fn settle(&mut self, high_watermark: Offset) {
        if !self.ended.is_empty() {
            self.ended.retain(|ended| ended.last >= high_watermark);
        }
    }

    fn first_open(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(first, _)| *first)
    }

    /// Forgets the producers that have sent nothing for `expiry` and have no open transaction; says how many.
    pub fn expire(&mut self, now: Millis, expiry: Millis) -> usize {
        self.refused.retain(|_, refused| now.since(refused.seen) < expiry);
        let before = self.entries.len();
        self.entries
            .retain(|_, entry| entry.transaction_start.is_some() || now.since(entry.seen) < expiry);
        before - self.entries.len()
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, by id.
    pub fn describe(&self) -> Vec<ProducerState> {
        let mut all: Vec<ProducerState> = self.entries.iter().map(|(id, entry)| entry.describe(*id)).collect();
        all.sort_unstable_by_key(|producer| producer.id);
        all
    }

    /// Where each producer's last data batch ends, or with no data its epoch: what compaction must keep.
    pub fn last_batches(&self) -> BTreeMap<ProducerId, LastBatch> {
        let last = |entry: &Entry| match entry.batches.back() {
            Some(batch) => LastBatch::Data(batch.last_offset),
            None => LastBatch::Marker(entry.epoch),
        };
        self.entries.iter().map(|(id, entry)| (*id, last(entry))).collect()
    }
}

/// The last that the log holds of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastBatch {
    /// The last offset of a data batch, whose header holds the last sequence number.
    Data(Offset),
    /// Only a marker of this epoch, which fences older ones.
    Marker(ProducerEpoch),
}

impl Entry {
    fn new() -> Entry {
        Entry {
            epoch: NO_EPOCH,
            batches: VecDeque::new(),
            coordinator_epoch: -1,
            last_timestamp: Millis(-1),
            transaction_start: None,
            seen: Millis(0),
        }
    }

    fn repeat_of(&self, header: &BatchHeader) -> Option<&RememberedBatch> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.batches
            .iter()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
    }

    fn check_epoch(&self, header: &BatchHeader) -> Result<(), ProducerRefusal> {
        if header.producer_epoch >= self.epoch {
            return Ok(());
        }
        Err(ProducerRefusal::OldEpoch {
            producer: header.producer_id,
            epoch: header.producer_epoch,
            current: self.epoch,
        })
    }

    /// A marker by the rules of V2 has the producer's next epoch; the same only if it repeats one that is here.
    fn check_raised(&self, header: &BatchHeader, origin: Origin) -> Result<(), ProducerRefusal> {
        if origin == Origin::RaisingCoordinator
            && header.producer_epoch == self.epoch
            && self.transaction_start.is_some()
        {
            return Err(ProducerRefusal::OldEpoch {
                producer: header.producer_id,
                epoch: header.producer_epoch,
                current: self.epoch,
            });
        }
        Ok(())
    }

    fn check_coordinator(&self, header: &BatchHeader, marker: Marker) -> Result<(), ProducerRefusal> {
        if marker.coordinator_epoch >= self.coordinator_epoch {
            return Ok(());
        }
        Err(ProducerRefusal::OldCoordinator {
            producer: header.producer_id,
            epoch: marker.coordinator_epoch,
            current: self.coordinator_epoch,
        })
    }

    fn check_sequence(&self, header: &BatchHeader) -> Result<(), ProducerRefusal> {
        // The records of a new epoch are numbered anew, and so are those after a marker that raised the epoch.
        let last = match self.batches.back() {
            Some(batch) if header.producer_epoch == self.epoch => batch.last_sequence,
            _ => -1,
        };
        if self.epoch == NO_EPOCH || header.base_sequence == sequence_after(last, 1) {
            return Ok(());
        }
        Err(ProducerRefusal::OutOfOrder {
            producer: header.producer_id,
            sequence: header.base_sequence,
            last,
        })
    }

    fn renew(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn remember(&mut self, header: &BatchHeader, lsn: Lsn) {
        self.renew(header.producer_epoch);
        if self.batches.len() == BATCHES_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back(RememberedBatch {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
            lsn,
        });
        self.last_timestamp = header.max_timestamp;
    }

    fn describe(&self, id: ProducerId) -> ProducerState {
        ProducerState {
            id,
            epoch: self.epoch,
            last_sequence: self.batches.back().map_or(-1, |batch| batch.last_sequence),
            last_timestamp: self.last_timestamp,
            coordinator_epoch: self.coordinator_epoch,
            transaction_start: self.transaction_start,
        }
    }
}

/// Of a producer that is unknown here.
fn check_beginning(header: &BatchHeader, origin: Origin) -> Result<(), ProducerRefusal> {
    let begins_at_zero = origin == Origin::Participant { begins_at_zero: true };
    if begins_at_zero && header.base_sequence != 0 {
        return Err(ProducerRefusal::OutOfOrder {
            producer: header.producer_id,
            sequence: header.base_sequence,
            last: -1,
        });
    }
    Ok(())
}

const NO_EPOCH: ProducerEpoch = ProducerEpoch(-1);

#[cfg(test)]
mod tests;
