//! The small files beside a partition's segments: epochs, producers, aborted transactions.

use ottla_log::{EndedTransaction, Epochs, Lsn, ProducerSnapshot, SegmentInfo, Segments, StorageFault};
use ottla_model::Offset;

use super::aborted::AbortedFiles;
use super::snapshots::Snapshots;
use super::{OpenPartition, lock};
use crate::vfs::Replacements;

/// What is known to be in the files.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) epochs: Option<Epochs>,
    pub(super) aborted: AbortedFiles,
    pub(super) snapshots: Snapshots,
    /// The last entry that the journal gave again at opening.
    pub(super) replayed: Lsn,
    /// The log end at opening, up to which batches were scanned if no snapshot told of them.
    pub(super) opened_end: Offset,
    /// Whether the checkpoint under way is to write the producers down.
    pub(super) snapshot_is_due: bool,
    /// The producers as they were when it began.
    pub(super) early: Option<ProducerSnapshot>,
}

impl Beside {
    /// What was written is durable.
    fn placed(&mut self) {
        self.snapshots.placed();
    }

    /// What was written may not be there.
    fn not_placed(&mut self) {
        self.epochs = None;
        self.aborted.not_placed();
        self.snapshots.not_placed();
    }
}

impl OpenPartition {
    /// Writes the files beside the segments as far as they changed; whether there were any. Once they are durable, or it is
    /// not known whether they are, [`OpenPartition::beside_is_placed`] is to be told.
    pub(super) fn write_beside(&self, files: &mut Replacements<'_>) -> Result<bool, StorageFault> {
        let dir = self.segments.dir();
        let infos = self.segments.segments();
        if infos.is_empty() {
            return Ok(false);
        }
        let mut beside = lock(&self.written);
        let mut names = false;
        let epochs = self.partition.epochs();
        if beside.epochs.as_ref() != Some(&epochs) {
            dir.write_epochs(&epochs, files)?;
            beside.epochs = Some(epochs);
            names = true;
        }
        let early = beside.early.take();
        if std::mem::take(&mut beside.snapshot_is_due) {
            let snapshot = early.unwrap_or_else(|| self.partition.producer_snapshot());
            dir.write_producer_snapshot(snapshot.at, snapshot.bytes.clone(), files)?;
            let replayed = beside.replayed;
            beside.snapshots.wrote(&snapshot, replayed);
            names = true;
        }
        // After the infos: what is in a segment is known here.
        let aborted = self.partition.aborted();
        names |= beside.aborted.write(dir, &infos, &aborted, files)?;
        Ok(names)
    }

    /// Decides whether the checkpoint that begins writes the producers down, and says so: not before `bytes_min` were
    /// appended, for with many partitions a new small file for each costs more than all else. What the last opening had to
    /// scan is not left to the next one; segments that are to go wait for a snapshot above them, and so does compaction.
    pub(super) fn plan_snapshot(&self, bytes_min: u64) -> bool {
        let (log_start, _) = self.partition.log_start();
        let end = self.partition.offsets().log_end;
        let appended = self.partition.appended_bytes();
        let mut beside = lock(&self.written);
        let newest = beside.snapshots.newest().unwrap_or_default();
        let is_far = appended - beside.snapshots.appended_bytes() >= bytes_min || newest < beside.opened_end;
        let is_waited_for = (newest < log_start && self.has_old_segments()) || self.partition.config().compacted;
        beside.snapshot_is_due = newest < end && (is_far || is_waited_for);
        beside.snapshot_is_due
    }

    /// The snapshot that an opening would use, `checkpoint` being the last entry that it does not replay.
    pub(super) fn usable_snapshot(&self, checkpoint: Lsn) -> Offset {
        lock(&self.written).snapshots.usable(checkpoint).unwrap_or_default()
    }

    fn has_old_segments(&self) -> bool {
        let (log_start, _) = self.partition.log_start();
        let is_old = |info: &SegmentInfo| info.size > 0 && info.next_offset <= log_start;
        self.segments.segments().iter().any(is_old)
    }

    /// Takes the producers as they are now for the snapshot that [`OpenPartition::write_beside`] writes; gives the entry of
    /// the last batch below it, and its bytes.
    pub(super) fn take_snapshot(&self) -> (Lsn, usize) {
        let snapshot = self.partition.producer_snapshot();
        let (last, bytes) = (snapshot.last, snapshot.bytes.len());
        lock(&self.written).early = Some(snapshot);
        (last, bytes)
    }

    /// What was written beside the segments is durable, or else it may not be there.
    pub(super) fn beside_is_placed(&self, placed: bool) {
        let mut beside = lock(&self.written);
        if placed { beside.placed() } else { beside.not_placed() }
    }

    /// Removes the producer snapshots that no opening needs, `checkpoint` being the last entry that none replays.
    pub(super) fn prune_snapshots(&self, checkpoint: Lsn) -> Result<(), StorageFault> {
        let needless = lock(&self.written).snapshots.take_needless(checkpoint);
        let dir = self.segments.dir();
        needless.into_iter().try_for_each(|at| dir.remove(at, "snapshot"))
    }

    /// Drops the segments below the log start, as far as a producer snapshot stands for them that the next opening would
    /// use; `false` if some must wait for one. `checkpoint` is the last entry that no opening replays.
    pub(super) fn drop_old(&self, durable: Lsn, checkpoint: Lsn) -> Result<bool, StorageFault> {
        let (log_start, lsn) = self.partition.log_start();
        // A log start that is still on its way to the disk is settled later.
        if lsn > durable || !self.has_old_segments() {
            return Ok(true);
        }
        let safe = self.usable_snapshot(checkpoint);
        self.partition.drop_segments_below(log_start.min(safe))?;
        Ok(!self.has_old_segments())
    }

    /// Has the `.txnindex` files hold these transactions; durable on return.
    pub(super) fn rewrite_aborted(&self, aborted: &[EndedTransaction]) -> Result<(), StorageFault> {
        let dir = self.segments.dir();
        let mut beside = lock(&self.written);
        let infos = self.segments.segments();
        if beside.aborted.write(dir, &infos, aborted, &mut dir.replacements())? {
            dir.sync()?;
        }
        Ok(())
    }
}
