//! The steps in the background: settling, checkpoints, retention, the clean stop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_log::{Lsn, Segments, StorageFault, StoredBatch, TrimFault};
use ottla_model::{Millis, Offset, PartitionId};

use super::{OpenPartition, Shared, Work, lock, open};
use crate::checkpoint::Checkpoint;
use crate::text::{self, Offsets};
use crate::vfs::{Replacements, final_fault, replace_file};

/// Bytes of producer snapshots held in memory at the beginning of a checkpoint; of further partitions they are taken later.
const EARLY_SNAPSHOT_BYTES_MAX: usize = 64 << 20;
/// How long a step waits at most for what was on its way to the disk when it began: a flush takes some milliseconds.
const FLUSH_WAIT_MAX: Duration = Duration::from_millis(200);
/// Bytes written to one partition's segment at once.
const PIECE_BYTES: usize = 4 << 20;

impl Shared {
    /// Brings what is durable in the journal into segments. What fails is tried again next time.
    pub(crate) fn settle_once(&self) -> Result<(), StorageFault> {
        let mut work = lock(&self.work);
        self.settle(&mut work)
    }

    fn settle(&self, work: &mut Work) -> Result<(), StorageFault> {
        let written = self.journal.take_written();
        self.make_dirs(written.partitions.keys());
        let mut result = Ok(());
        for (id, bytes) in written.partitions {
            if let Some(open) = self.open(id) {
                lock(&self.touched).insert(id);
                if let Err(fault) = self.settle_partition(work, id, &open) {
                    self.journal.put_back(id, bytes);
                    result = Err(fault);
                }
            }
            self.journal.settled(bytes);
        }
        for id in written.log_starts {
            lock(&self.touched).insert(id);
            if let Some(open) = self.open(id) {
                let durable = self.journal.durability().durable();
                result = result.and(open.drop_old(durable, work.covered()).map(drop));
            }
        }
        result
    }

    /// Makes the directories of many new partitions at once: one by one each costs three syncs.
    fn make_dirs<'a>(&self, ids: impl Iterator<Item = &'a PartitionId>) {
        let opens = ids.filter_map(|id| self.open(*id));
        let new = opens.filter(|open| open.segments.lacks_dir()).collect::<Vec<_>>();
        if new.len() < self.options.sync_together_min {
            return;
        }
        let mut files = Replacements::together(&*self.vfs);
        let make = || {
            new.iter().try_for_each(|open| open.segments.dir().make(&mut files))?;
            self.sync_file_system()?;
            files.put_in_place()?;
            self.sync_file_system()
        };
        match make() {
            Ok(()) => new.iter().for_each(|open| open.segments.dir_was_made()),
            // What is wrong shows itself again when they are made one by one.
            Err(fault) => tracing::debug!(%fault, "directories were not made together"),
        }
    }

    fn sync_file_system(&self) -> Result<(), StorageFault> {
        let synced = self.file_system.sync();
        synced.map_err(|error| final_fault("flush", &self.root, &error))
    }

    fn settle_partition(&self, work: &mut Work, id: PartitionId, open: &OpenPartition) -> Result<(), StorageFault> {
        loop {
            let batches = open.partition.unsettled(PIECE_BYTES);
            let Some(last) = batches.last() else {
                return Ok(());
            };
            let end = last.next_offset();
            open.segments.append(&batches)?;
            open.partition.settled(end);
            let bytes = batches.iter().map(StoredBatch::size).sum();
            work.cached.push_back((id, end, bytes));
            work.cached_bytes += bytes;
            drop(batches);
            self.evict(work);
        }
    }

    /// Drops the batches from memory that were settled longest ago, as far as there are too many.
    fn evict(&self, work: &mut Work) {
        while work.cached_bytes > self.options.tail_cache_bytes {
            let Some((id, end, bytes)) = work.cached.pop_front() else {
                return;
            };
            work.cached_bytes -= bytes;
            if let Some(open) = self.open(id) {
                open.partition.evict(end);
            }
        }
    }

    /// Makes everything up to some entry durable in segments and frees the journal up to there.
    pub(crate) fn checkpoint_once(&self, closing: bool) -> Result<Lsn, StorageFault> {
        let mut work = lock(&self.work);
        let work = &mut *work;
        self.settle(work)?;
        self.take_snapshots(closing);
        let durable = self.journal.durability().durable();
        let upto = match lock(&self.pending).first() {
            Some(first) => durable.min(Lsn(first.0 - 1)),
            None => durable,
        };
        self.settle(work)?;
        if work.flush_failed {
            return Err(StorageFault::Io {
                operation: "checkpoint",
                path: self.root.display().to_string(),
                cause: "a flush of a segment failed before; restart the broker to go on".to_owned(),
                out_of_space: false,
            });
        }
        let touched = std::mem::take(&mut *lock(&self.touched));
        let synced = self.sync_all(work, &touched);
        if synced.is_err() {
            lock(&self.touched).extend(&touched);
        }
        synced?;
        if closing {
            self.journal.close();
        }
        let checkpoint = self.journal.replay_from(upto);
        if work.checkpoint != Some(checkpoint) {
            let written = self.write_checkpoint(work, checkpoint);
            if written.is_err() {
                lock(&self.touched).extend(&touched);
            }
            written?;
        }
        for id in &touched {
            if let Some(open) = self.open(*id) {
                open.prune_snapshots(work.covered())?;
                if !open.drop_old(durable, work.covered())? {
                    lock(&self.touched).insert(*id);
                }
            }
        }
        self.journal.recycle(upto);
        Ok(upto)
    }

    /// Takes the producers of the partitions that the checkpoint is about before it is known how far it reaches, and
    /// waits a little for their last batches to be durable: it then covers the snapshots, and an opening need not look at
    /// all that was written since the checkpoint before.
    fn take_snapshots(&self, closing: bool) {
        let (mut newest, mut bytes) = (Lsn(0), 0);
        for open in self.plan_snapshots(closing) {
            if bytes > EARLY_SNAPSHOT_BYTES_MAX {
                break;
            }
            let (last, more) = open.take_snapshot();
            (newest, bytes) = (newest.max(last), bytes + more);
        }
        self.wait_durable(newest);
    }

    /// Whether an entry is durable, perhaps after waiting a little for a flush that is under way.
    pub(super) fn wait_durable(&self, entry: Lsn) -> bool {
        let durability = self.journal.durability();
        let waits = || durability.durable() < entry && !durability.has_failed();
        let begin = Instant::now();
        while self.options.threads && waits() && begin.elapsed() < FLUSH_WAIT_MAX {
            std::thread::sleep(Duration::from_millis(1));
        }
        durability.durable() >= entry
    }

    /// The partitions whose producers the checkpoint is to write down; the last one leaves nothing to be scanned.
    fn plan_snapshots(&self, closing: bool) -> Vec<Arc<OpenPartition>> {
        let bytes_min = if closing { 0 } else { self.options.snapshot_bytes_min };
        let mut opens: Vec<_> = if closing {
            lock(&self.partitions).values().cloned().collect()
        } else {
            let touched = lock(&self.touched).clone();
            touched.iter().filter_map(|id| self.open(*id)).collect()
        };
        opens.retain(|open| open.plan_snapshot(bytes_min));
        lock(&self.touched).extend(opens.iter().map(|open| open.partition.id()));
        opens
    }

    fn sync_all(&self, work: &mut Work, touched: &BTreeSet<PartitionId>) -> Result<(), StorageFault> {
        let opens = touched.iter().filter_map(|id| self.open(*id)).collect::<Vec<_>>();
        let synced = if opens.len() >= self.options.sync_together_min {
            self.sync_together(work, &opens)
        } else {
            self.sync_one_by_one(work, &opens)
        };
        opens.iter().for_each(|open| open.beside_is_placed(synced.is_ok()));
        if let Err(fault) = synced {
            if !matches!(fault, StorageFault::Io { out_of_space: true, .. }) {
                tracing::error!(%fault, "a flush of segments failed; the journal keeps everything from here on");
                work.flush_failed = true;
            }
            return Err(fault);
        }
        for open in &opens {
            let start = open.partition.offsets().log_start;
            if start > Offset::ZERO {
                lock(&self.log_starts).insert(open.name.clone(), start);
            }
        }
        if !touched.is_empty() {
            self.sync_root()?;
        }
        self.write_log_starts(work)
    }

    fn sync_one_by_one(&self, work: &mut Work, opens: &[Arc<OpenPartition>]) -> Result<(), StorageFault> {
        for open in opens {
            let dir = open.segments.dir();
            if open.write_beside(&mut dir.replacements())? {
                dir.sync()?;
            }
            open.segments.sync()?;
            self.settle_meanwhile(work)?;
        }
        Ok(())
    }

    fn sync_together(&self, work: &mut Work, opens: &[Arc<OpenPartition>]) -> Result<(), StorageFault> {
        let mut files = Replacements::together(&*self.vfs);
        let prepare = |open: &Arc<OpenPartition>| {
            open.write_beside(&mut files)?;
            open.segments.prepare_sync()?;
            self.settle_meanwhile(work)
        };
        let synced = opens.iter().try_for_each(prepare).and_then(|()| {
            self.sync_file_system()?;
            files.put_in_place()?;
            self.sync_file_system()
        });
        if synced.is_err() {
            opens.iter().for_each(|open| open.segments.not_synced());
        }
        synced
    }

    /// Syncs take long; what producers wrote meanwhile must not pile up in memory.
    fn settle_meanwhile(&self, work: &mut Work) -> Result<(), StorageFault> {
        if self.journal.wants_settling() {
            self.settle(work)?;
        }
        Ok(())
    }

    fn write_checkpoint(&self, work: &mut Work, checkpoint: Checkpoint) -> Result<(), StorageFault> {
        checkpoint.write(&*self.vfs, &self.root)?;
        work.checkpoint = Some(checkpoint);
        Ok(())
    }

    /// Retention: log starts move, and what lies below them goes once that is durable.
    pub(crate) fn retain(&self, now: Millis) -> Result<(), StorageFault> {
        let _work = lock(&self.work);
        let all = lock(&self.partitions)
            .values()
            .cloned()
            .collect::<Vec<Arc<OpenPartition>>>();
        for open in all {
            match open.partition.retain(now) {
                Ok(_) | Err(TrimFault::OutOfRange { .. }) => {}
                // Once the journal takes entries again, the next round catches up.
                Err(TrimFault::Journal(_)) => return Ok(()),
            }
        }
        Ok(())
    }

    /// The clean stop, after the last flush.
    pub(crate) fn finish(&self) -> Result<(), StorageFault> {
        self.checkpoint_once(true)?;
        if !lock(&self.pending).partitions().is_empty() {
            // Not all of the journal is in segments: for Kafka's own eyes that is no clean stop.
            return Ok(());
        }
        let mut points = text::read_offsets(&*self.vfs, &self.root, text::RECOVERY_POINTS).unwrap_or_default();
        let mut marks = text::read_offsets(&*self.vfs, &self.root, text::HIGH_WATERMARKS).unwrap_or_default();
        for open in lock(&self.partitions).values() {
            let offsets = open.partition.offsets();
            points.insert(open.name.clone(), offsets.settled_end);
            marks.insert(open.name.clone(), offsets.high_watermark);
        }
        let exists = |offsets: Offsets| {
            let kept = offsets.into_iter().filter(|(name, _)| self.has_dir(name));
            kept.collect::<Offsets>()
        };
        text::write_offsets(&*self.vfs, &self.root, text::RECOVERY_POINTS, &exists(points))?;
        text::write_offsets(&*self.vfs, &self.root, text::HIGH_WATERMARKS, &exists(marks))?;
        replace_file(&*self.vfs, &self.root.join(text::CLEAN_SHUTDOWN), open::clean_mark())?;
        self.sync_root()
    }

    fn has_dir(&self, name: &ottla_model::TopicPartition) -> bool {
        self.vfs.read_dir(&self.root.join(name.to_string())).is_ok()
    }
}
