//! Compaction (KIP-58, KIP-98, KIP-534): of the records with one key only the last stays.
//!
//! A round has three steps, driven by whoever owns the segments:
//!
//! 1. [`Plan::of`] says whether a log is worth cleaning, and which part of it is dirty.
//! 2. [`KeyMap::add`] takes the dirty batches in order, until the map is full.
//! 3. [`Cleaner::clean`] judges every batch from the log start to the map's end.
//!
//! Offsets never change, nor do the first and last offset and sequence number of a batch that stays.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_model::{Millis, Offset, ProducerId};

use crate::batch::{BatchHeader, attributes};
use crate::builder::{BatchBuilder, NO_TIMESTAMP};
use crate::producers::{EndedTransaction, LastBatch};
use crate::record::{RecordFault, RecordView};
use crate::records::{UnpackFault, Unpacked};

mod keys;
mod plan;
mod transactions;

pub use keys::{Added, KeyMap};
pub use plan::{Plan, PlanRules, group};

use transactions::{Remains, Transactions};

/// What a round goes by beside the keys.
#[derive(Clone, Debug)]
pub struct Horizons {
    /// The time of the round.
    pub now: Millis,
    /// `delete.retention.ms`: how long tombstones and markers stay after the round that first saw them clean.
    pub delete_retention: Millis,
    /// What must stay of the producers that are active: [`crate::Producers::last_batches`].
    pub last_batches: BTreeMap<ProducerId, LastBatch>,
    /// The aborted transactions of the log, by the offset of their first record or marker: their records go.
    pub aborted: Vec<EndedTransaction>,
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// It stays, byte for byte.
    Keep,
    /// This takes its place.
    Rewritten(Bytes),
    /// It goes.
    Drop,
}

/// Why a batch cannot be cleaned. The log is then left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CleanFault {
    /// The batch cannot be opened.
    #[error(transparent)]
    Unpack(#[from] UnpackFault),
    /// Its records make no sense.
    #[error(transparent)]
    Record(#[from] RecordFault),
}

/// Judges the batches of a log, one after the other, from the log start to the end of the key map.
#[derive(Debug)]
pub struct Cleaner<'a> {
    keys: &'a KeyMap,
    horizons: Horizons,
    transactions: Transactions,
}

/// What is known of a batch before its records are looked at.
struct Verdict {
    /// None of the records stays.
    discard: bool,
    /// The header stays even if no record does.
    keep_header: bool,
    /// It is the marker of a transaction of which nothing else is left.
    lone_marker: bool,
}

/// The records that stay.
struct Kept<'a> {
    records: Vec<RecordView<'a>>,
    all: bool,
    tombstones: bool,
}

impl<'a> Cleaner<'a> {
    /// Begins a round.
    pub fn new(keys: &'a KeyMap, horizons: Horizons) -> Cleaner<'a> {
        let transactions = Transactions::new(Offset::ZERO, &horizons.aborted);
        Cleaner {
            keys,
            horizons,
            transactions,
        }
    }

    /// Judges the next batch, given whole and as it is stored.
    pub fn clean(&mut self, batch: &[u8]) -> Result<Cleaned, CleanFault> {
        let unpacked = Unpacked::open(batch)?;
        let verdict = self.judge(&unpacked);
        if verdict.discard && !verdict.keep_header {
            return Ok(Cleaned::Drop);
        }
        let header = &unpacked.header;
        let kept = self.kept(&unpacked, &verdict)?;
        if kept.records.is_empty() {
            return Ok(match (verdict.keep_header, header.record_count) {
                (false, _) => Cleaned::Drop,
                (true, 0) => Cleaned::Keep,
                (true, _) => Cleaned::Rewritten(emptied(header)),
            });
        }
        let sets_horizon = (kept.tombstones || verdict.lone_marker) && delete_horizon(header).is_none();
        if kept.all && !sets_horizon {
            return Ok(Cleaned::Keep);
        }
        let horizon = sets_horizon.then(|| self.horizons.now.plus(self.horizons.delete_retention));
        Ok(Cleaned::Rewritten(rewritten(&unpacked, &kept.records, horizon)))
    }

    /// Ends the round: the aborted transactions that readers of the cleaned part must still be told of, by the offset
    /// of their marker ([`crate::Partition::cleaned`]).
    pub fn finish(self) -> Vec<EndedTransaction> {
        self.transactions.left()
    }

    fn judge(&mut self, batch: &Unpacked<'_>) -> Verdict {
        let header = &batch.header;
        let keep_header = self.is_last_of_producer(header) || header.next_offset() == self.keys.end();
        if !header.has(attributes::CONTROL) {
            return Verdict {
                discard: self.transactions.pass_data(header),
                keep_header,
                lone_marker: false,
            };
        }
        let remains = self.transactions.pass_marker(header, batch);
        // A marker outlives its transaction's records by the same horizon as tombstones outlive their key's.
        let due = delete_horizon(header).is_some_and(|horizon| horizon <= self.horizons.now);
        Verdict {
            discard: remains == Remains::Nothing && due,
            keep_header,
            lone_marker: remains != Remains::Batches,
        }
    }

    /// An active producer's last sequence number, or failing that its epoch, must survive in the log.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        match self.horizons.last_batches.get(&header.producer_id) {
            _ if !header.has_producer() => false,
            Some(LastBatch::Data(last)) => header.last_offset() == *last,
            Some(LastBatch::Marker(epoch)) => header.has(attributes::CONTROL) && header.producer_epoch == *epoch,
            None => false,
        }
    }

    fn kept<'b>(&self, batch: &'b Unpacked<'_>, verdict: &Verdict) -> Result<Kept<'b>, RecordFault> {
        let mut kept = Kept {
            records: Vec::new(),
            all: true,
            tombstones: false,
        };
        for record in batch.records() {
            let record = record?;
            if verdict.discard || !self.keeps(&batch.header, &record) {
                kept.all = false;
                continue;
            }
            kept.tombstones |= record.value.is_none();
            kept.records.push(record);
        }
        Ok(kept)
    }

    fn keeps(&self, header: &BatchHeader, record: &RecordView<'_>) -> bool {
        let offset = record.offset(header.base_offset);
        if header.has(attributes::CONTROL) || offset >= self.keys.end() {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_last = self.keys.last(key).is_none_or(|last| offset >= last);
        let is_due = delete_horizon(header).is_some_and(|horizon| horizon <= self.horizons.now);
        is_last && (record.value.is_some() || !is_due)
    }
}

/// The time after which the tombstones of a batch may go.
fn delete_horizon(header: &BatchHeader) -> Option<Millis> {
    header.has(attributes::DELETE_HORIZON).then_some(header.base_timestamp)
}

/// A batch without records, which keeps its place, its producer and its last sequence number.
fn emptied(header: &BatchHeader) -> Bytes {
    let kept = attributes::LOG_APPEND_TIME | attributes::TRANSACTIONAL | attributes::CONTROL;
    BatchBuilder::like(header, NO_TIMESTAMP, header.attributes & kept)
        .max_timestamp(header.max_timestamp)
        .build()
}

fn rewritten(batch: &Unpacked<'_>, records: &[RecordView<'_>], horizon: Option<Millis>) -> Bytes {
    let header = &batch.header;
    let base_timestamp = horizon.unwrap_or(header.base_timestamp);
    let attributes = match horizon {
        Some(_) => header.attributes | attributes::DELETE_HORIZON,
        None => header.attributes,
    };
    let mut builder = BatchBuilder::like(header, base_timestamp, attributes);
    for record in records {
        builder.push_at(record, record.offset_delta, record.timestamp(header.base_timestamp));
    }
    if header.has(attributes::LOG_APPEND_TIME) {
        builder = builder.max_timestamp(header.max_timestamp);
    }
    builder.build()
}

#[cfg(test)]
mod tests;
