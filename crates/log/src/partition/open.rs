//! Opening a partition: producers and epochs are learnt anew from the batches behind the last snapshot.

use std::sync::{Arc, Mutex, RwLock};

use bytes::Bytes;
use ottla_model::{LeaderEpoch, Millis, Offset, PartitionId};

use super::{AbortedIndex, Partition, State};
use crate::batch::BatchHeader;
use crate::builder::Marker;
use crate::config::PartitionConfig;
use crate::epochs::Epochs;
use crate::producers::{EndedTransaction, Producers};
use crate::records::Batches;
use crate::tail::Tail;
use crate::{Journal, Lsn, Patience, SegmentRead, Segments, StorageFault, StoredBatch, Watermark};

/// What a partition is opened with. All that was durable must be in the segments: what the journal holds of it is
/// settled first.
pub struct Opening {
    /// Which partition it is.
    pub id: PartitionId,
    /// Its settled batches.
    pub segments: Arc<dyn Segments>,
    /// Where its writes go.
    pub journal: Arc<dyn Journal>,
    /// The first offset that may be read, as last journaled.
    pub log_start: Offset,
    /// The epoch to write in from now on.
    pub leader_epoch: LeaderEpoch,
    /// The newest producer snapshot and the log end it is true for. Without one, or with one that is damaged or beyond
    /// the log end, all segments are scanned.
    pub producer_snapshot: Option<(Offset, Bytes)>,
    /// The epochs as last checkpointed; those of batches behind the snapshot are added.
    pub epochs: Epochs,
    /// The aborted transactions with a marker below the snapshot, by the offset of their marker.
    pub aborted: Vec<EndedTransaction>,
    /// What was read of the last batches already, up to the end and without a gap: they are not read again.
    pub known: Vec<KnownBatch>,
    /// The settings.
    pub config: PartitionConfig,
    /// The time now.
    pub now: Millis,
}

/// What opening needs to know of a batch.
#[derive(Clone, Copy, Debug)]
pub struct KnownBatch {
    header: BatchHeader,
    marker: Option<Marker>,
}

impl KnownBatch {
    /// Of a batch at hand.
    pub fn of(batch: &StoredBatch) -> KnownBatch {
        KnownBatch {
            header: *batch.header(),
            marker: Marker::of(batch.header(), batch.records()),
        }
    }
}

impl Partition {
    /// Opens a log over its media. Reads from the segments, so it may take disk reads: of the batches behind the
    /// producer snapshot, or of all if there is none.
    pub fn open(opening: Opening) -> Result<Partition, StorageFault> {
        let end = opening.segments.end().max(opening.log_start);
        let oldest = opening.segments.segments().first().map(|segment| segment.base_offset);
        let oldest = oldest.unwrap_or(end).min(end);
        let log_start = opening.log_start.max(oldest);
        let (scan_from, producers) = opening.restored(oldest, end);
        let mut epochs = opening.epochs;
        epochs.truncate_from_end(end);
        let mut state = State {
            leader_epoch: opening.leader_epoch,
            log_start,
            log_start_lsn: Lsn(0),
            last_batch: Lsn(0),
            settled_end: end,
            unsettled_bytes: 0,
            appended_bytes: 0,
            tail: Tail::new(end),
            producers,
            epochs,
            aborted: AbortedIndex::new(opening.aborted),
        };
        state.aborted.retain(|ended| ended.last < scan_from);
        let known_from = opening.known.first().map_or(end, |known| known.header.base_offset);
        state.scan(&*opening.segments, scan_from, known_from.min(end), opening.now)?;
        for known in &opening.known {
            if known.header.last_offset() >= scan_from {
                state.learn_old(known, opening.now);
            }
        }
        state.aborted.retain(|ended| ended.last >= oldest);
        state.producers.settle(end);
        state.epochs.truncate_from_start(log_start);
        state.epochs.assign(opening.leader_epoch, end);
        Ok(Partition {
            id: opening.id,
            segments: opening.segments,
            journal: opening.journal,
            watermark: Arc::new(Watermark::new(end)),
            config: RwLock::new(opening.config),
            state: Mutex::new(state),
        })
    }
}

impl Opening {
    /// Where to scan from, and the producers up to there. Batches below the log start count as long as they are there:
    /// deleting a producer's records does not make it a stranger.
    fn restored(&self, oldest: Offset, end: Offset) -> (Offset, Producers) {
        if let Some((at, bytes)) = &self.producer_snapshot
            && *at <= end
            && let Ok(producers) = Producers::restore(bytes, self.now)
        {
            return (oldest.max(*at), producers);
        }
        (oldest, Producers::default())
    }
}

impl State {
    fn learn_old(&mut self, known: &KnownBatch, now: Millis) {
        let timestamp = known.header.max_timestamp.min(now);
        self.learn(&known.header, known.marker, Lsn(0), timestamp);
    }

    fn scan(
        &mut self,
        segments: &dyn Segments,
        mut from: Offset,
        end: Offset,
        now: Millis,
    ) -> Result<(), StorageFault> {
        while from < end {
            let read = segments.read(from, end, SCAN_BYTES, Patience::Wait)?;
            let SegmentRead::Batches(bytes) = read else {
                return Ok(());
            };
            let before = from;
            for (header, batch) in Batches::new(bytes) {
                from = from.max(header.next_offset());
                let Some(batch) = StoredBatch::numbered(batch) else {
                    break;
                };
                self.learn_old(&KnownBatch::of(&batch), now);
            }
            if from == before {
                // Nothing but a gap that compaction left.
                return Ok(());
            }
        }
        Ok(())
    }
}

/// How much is read at a time.
const SCAN_BYTES: usize = 1024 * 1024;
