//! Offsets by name or by time (ListOffsets). Timestamps are those of the records, so batches are decompressed if need be.

use ottla_model::{LeaderEpoch, Millis, Offset};

use super::{Isolation, Partition, ReadFault, State};
use crate::batch::attributes;
use crate::records::{Batches, Unpacked};
use crate::{Patience, SegmentRead, StorageFault, StoredBatch};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first offset that may be read (-2).
    Earliest,
    /// The end of what may be read (-1).
    Latest,
    /// The first record with the largest timestamp (-3, KIP-734).
    MaxTimestamp,
    /// The first record with at least this timestamp.
    At(Millis),
    /// The first offset on local disks (-4, KIP-405): with one tier, the earliest.
    EarliestLocal,
    /// The last offset on remote storage (-5, KIP-1005): with one tier, none.
    LatestTiered,
    /// The first offset not yet on remote storage (-6, KIP-1023): with one tier, none.
    EarliestPendingUpload,
}

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The offset, or that there is none.
    Done(Option<TimestampedOffset>),
    /// It would take a disk read: ask again with [`Patience::Wait`] where waiting is allowed.
    WouldWait,
}

/// An offset and what the answer says beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp; -1 for the ends of the log.
    pub timestamp: Millis,
    /// The epoch it was written in; -1 if unknown.
    pub leader_epoch: LeaderEpoch,
}

impl Partition {
    /// Looks up an offset. A record at or beyond what `isolation` lets be read counts as none.
    pub fn offset_for(&self, spec: OffsetSpec, isolation: Isolation, patience: Patience) -> Result<Lookup, ReadFault> {
        let found = match spec {
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => Lookup::Done(Some(self.lock().earliest())),
            OffsetSpec::Latest => Lookup::Done(Some(self.latest(isolation))),
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => Lookup::Done(None),
            OffsetSpec::MaxTimestamp => self.readable(self.largest_timestamp(patience)?, isolation),
            OffsetSpec::At(at) => self.readable(self.first_at(at, patience)?, isolation),
        };
        Ok(found)
    }

    fn latest(&self, isolation: Isolation) -> TimestampedOffset {
        TimestampedOffset {
            offset: self.readable_end(isolation),
            timestamp: Millis(-1),
            leader_epoch: self.leader_epoch(),
        }
    }

    fn readable_end(&self, isolation: Isolation) -> Offset {
        let offsets = self.offsets();
        match isolation {
            Isolation::ReadUncommitted => offsets.high_watermark,
            Isolation::ReadCommitted => offsets.last_stable,
        }
    }

    fn readable(&self, found: Lookup, isolation: Isolation) -> Lookup {
        match found {
            Lookup::Done(Some(at)) if at.offset >= self.readable_end(isolation) => Lookup::Done(None),
            other => other,
        }
    }

    fn first_at(&self, at: Millis, patience: Patience) -> Result<Lookup, ReadFault> {
        let (settled_end, log_start) = {
            let state = self.lock();
            (state.settled_end, state.log_start)
        };
        let wanted = Wanted::AtLeast(at);
        let holds = |segment: &crate::SegmentInfo| segment.max_timestamp.is_some_and(|(largest, _)| largest >= at);
        if self.segments.segments().iter().any(holds) {
            if patience == Patience::Now {
                return Ok(Lookup::WouldWait);
            }
            if let Some(from) = self.segments.position_of_timestamp(at)?
                && let Some(found) = self.scan_segments(from.max(log_start), settled_end, wanted, log_start)?
            {
                return Ok(Lookup::Done(Some(found)));
            }
        }
        let mut from = settled_end;
        while let Some(batch) = self.lock().next_in_tail(from, self.watermark.get(), at) {
            from = batch.next_offset();
            let unpacked = Unpacked::of(&batch).map_err(|_| self.corrupt(batch.base_offset(), UNREADABLE))?;
            if let Some(found) = wanted.in_batch(&unpacked, log_start) {
                return Ok(Lookup::Done(Some(found)));
            }
        }
        Ok(Lookup::Done(None))
    }

    /// The first wanted record in segments, from the batch that holds `from` on.
    fn scan_segments(
        &self,
        mut from: Offset,
        end: Offset,
        wanted: Wanted,
        log_start: Offset,
    ) -> Result<Option<TimestampedOffset>, StorageFault> {
        while from < end {
            let SegmentRead::Batches(bytes) = self.segments.read(from, end, SCAN_BYTES, Patience::Wait)? else {
                return Ok(None);
            };
            let before = from;
            for (header, batch) in Batches::new(bytes) {
                from = from.max(header.next_offset());
                if header.max_timestamp < wanted.least() {
                    continue;
                }
                let unpacked = Unpacked::open(&batch).map_err(|_| self.corrupt(header.base_offset, UNREADABLE))?;
                if let Some(found) = wanted.in_batch(&unpacked, log_start) {
                    return Ok(Some(found));
                }
            }
            if from == before {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn largest_timestamp(&self, patience: Patience) -> Result<Lookup, ReadFault> {
        let settled = self.segments.segments();
        let settled = settled.iter().filter_map(|segment| segment.max_timestamp);
        // Of equals the first: the comparison is strict.
        let settled = settled.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let unsettled = self.lock().largest_in_tail(self.watermark.get());
        if let Some((largest, offset)) = settled
            && largest >= Millis(0)
            && unsettled
                .as_ref()
                .is_none_or(|batch| batch.header().max_timestamp <= largest)
        {
            if patience == Patience::Now {
                return Ok(Lookup::WouldWait);
            }
            // Only the batch that the index names. As in Kafka its record counts even if DeleteRecords has passed it.
            let found = self.scan_segments(offset, offset.next(), Wanted::Largest, Offset::ZERO)?;
            return Ok(Lookup::Done(found));
        }
        let Some(batch) = unsettled else {
            return Ok(Lookup::Done(None));
        };
        let unpacked = Unpacked::of(&batch).map_err(|_| self.corrupt(batch.base_offset(), UNREADABLE))?;
        Ok(Lookup::Done(Wanted::Largest.in_batch(&unpacked, Offset::ZERO)))
    }
}

/// Which record of a batch.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(Millis),
    Largest,
}

impl Wanted {
    fn least(self) -> Millis {
        match self {
            Wanted::AtLeast(at) => at,
            Wanted::Largest => Millis(0),
        }
    }

    /// The first such record at or after `log_start`. Damaged records end the search as if there were none.
    fn in_batch(self, batch: &Unpacked<'_>, log_start: Offset) -> Option<TimestampedOffset> {
        let header = &batch.header;
        let found = |offset, timestamp| TimestampedOffset {
            offset,
            timestamp,
            leader_epoch: header.leader_epoch,
        };
        let mut records = batch.records().map_while(Result::ok).map(|record| {
            let timestamp = if header.has(attributes::LOG_APPEND_TIME) {
                header.max_timestamp
            } else {
                record.timestamp(header.base_timestamp)
            };
            found(record.offset(header.base_offset), timestamp)
        });
        match self {
            Wanted::AtLeast(at) => records.find(|record| record.timestamp >= at && record.offset >= log_start),
            // Of equals the first: the comparison is strict.
            Wanted::Largest => records.reduce(|best, next| if next.timestamp > best.timestamp { next } else { best }),
        }
    }
}

impl State {
    fn earliest(&self) -> TimestampedOffset {
        TimestampedOffset {
            offset: self.log_start,
            timestamp: Millis(-1),
            leader_epoch: self.epochs.epoch_at(self.log_start).unwrap_or(LeaderEpoch::UNKNOWN),
        }
    }

    fn next_in_tail(&self, from: Offset, high_watermark: Offset, at: Millis) -> Option<StoredBatch> {
        self.durable_from(from, high_watermark)
            .find(|batch| batch.header().max_timestamp >= at)
            .cloned()
    }

    fn largest_in_tail(&self, high_watermark: Offset) -> Option<StoredBatch> {
        self.durable_from(self.settled_end, high_watermark)
            .filter(|batch| batch.header().max_timestamp >= Millis(0))
            .reduce(|best, next| {
                let larger = next.header().max_timestamp > best.header().max_timestamp;
                if larger { next } else { best }
            })
            .cloned()
    }

    fn durable_from(&self, from: Offset, high_watermark: Offset) -> impl Iterator<Item = &StoredBatch> {
        self.tail
            .from(from)
            .take_while(move |batch| batch.next_offset() <= high_watermark)
    }
}

const UNREADABLE: &str = "the batch's records cannot be read";
/// How much is read at a time.
const SCAN_BYTES: usize = 256 * 1024;
