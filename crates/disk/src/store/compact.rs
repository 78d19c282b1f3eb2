//! Compaction rounds: which partition is cleaned, from which segments into which.
//!
//! Only what a checkpoint covers is cleaned, so that the replay of the journal never reaches into it. Reading and writing
//! happen beside settling; the work lock is held to put a cleaned segment in place, and not longer.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ottla_log::batch::{BatchHeader, crc_of};
use ottla_log::compaction::{Added, Cleaned, Cleaner, Horizons, KeyMap, Plan, group};
use ottla_log::{Batches, Lsn, Patience, SegmentRead, Segments, StorageFault};
use ottla_model::{Millis, Offset, PartitionId};

use super::{OpenPartition, Shared, lock};
use crate::segment::Segment;
use crate::segment::swap::CleanedFile;
use crate::text;

/// Bytes read from a segment at once.
const READ_BYTES: usize = 1 << 20;

/// A partition that is worth cleaning.
struct Due {
    id: PartitionId,
    open: Arc<OpenPartition>,
    /// Nothing from here on is touched.
    limit: Offset,
    plan: Plan,
}

/// The round over one partition.
struct Round<'a> {
    due: &'a Due,
    segments: Vec<Arc<Segment>>,
    cleaner: Cleaner<'a>,
    /// What the cleaner goes by is true after a crash only if this entry is durable.
    rests_on: Lsn,
}

impl Shared {
    /// One round for each partition that is worth it, the dirtiest first.
    pub(crate) fn compact(&self, now: Millis) -> Result<(), StorageFault> {
        let Some(dedupe_bytes) = self.options.dedupe_bytes else {
            return Ok(());
        };
        let _cleaning = lock(&self.cleaning);
        let mut due = self.due(now)?;
        // What waits to be replayed holds the checkpoint back.
        if due.is_empty() || !lock(&self.pending).partitions().is_empty() {
            return Ok(());
        }
        self.checkpoint_once(false)?;
        due.sort_by(|one, other| {
            let rank = |due: &Due| (due.plan.overdue, due.plan.dirty_ratio);
            rank(other).partial_cmp(&rank(one)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut result = Ok(());
        for due in &due {
            match self.clean(due, dedupe_bytes, now) {
                // Deleted in the meantime, or cut by retention: the next round sees what is left.
                Err(_) if !self.is_open(due) || !has_all(due) => {}
                Err(fault) => {
                    tracing::warn!(partition = %due.open.name, %fault, "compaction leaves the partition as it is");
                    result = Err(fault);
                }
                Ok(()) => {}
            }
        }
        result
    }

    /// Rolls what is old, then looks which partitions are worth a round.
    fn due(&self, now: Millis) -> Result<Vec<Due>, StorageFault> {
        let _work = lock(&self.work);
        let mut due = Vec::new();
        let mut all = lock(&self.partitions)
            .iter()
            .map(|(id, open)| (*id, Arc::clone(open)))
            .collect::<Vec<_>>();
        all.retain(|(_, open)| open.partition.config().compacted);
        for (id, open) in all {
            if open.segments.roll_old(now)? {
                lock(&self.touched).insert(id);
            }
            let offsets = open.partition.offsets();
            // The last stable offset is never below the log start. One that a crash may take back must not let compaction
            // into open transactions.
            let (_, log_start_lsn) = open.partition.log_start();
            if log_start_lsn > self.journal.durability().durable() {
                continue;
            }
            let limit = offsets.last_stable.min(open.segments.end());
            let cleaned = lock(&self.cleaned).get(&open.name).copied();
            let rules = open.segments.config().compaction;
            let plan = Plan::of(&open.segments.segments(), cleaned, limit, &rules, now);
            // The checkpoint before the round is to write its producers down.
            if plan.is_some() {
                lock(&self.touched).insert(id);
            }
            due.extend(plan.map(|plan| Due { id, open, limit, plan }));
        }
        Ok(due)
    }

    fn is_open(&self, due: &Due) -> bool {
        self.open(due.id).is_some_and(|open| Arc::ptr_eq(&open, &due.open))
    }

    fn clean(&self, due: &Due, dedupe_bytes: usize, now: Millis) -> Result<(), StorageFault> {
        let partition = &due.open.partition;
        // What goes may be all that the log tells of a producer, such as the epoch of a marker: a snapshot must know of it.
        let known_end = due.open.usable_snapshot(lock(&self.work).covered());
        let limit = due.limit.min(due.plan.dirty_end).min(known_end);
        if limit <= due.plan.dirty_start {
            return Ok(());
        }
        let mut segments = due.open.segments.complete_below(limit);
        let aborted = partition.aborted();
        let keys = keys_of(
            due,
            &segments,
            KeyMap::new(due.plan.dirty_start, dedupe_bytes, &aborted),
        )?;
        segments.retain(|segment| segment.base() < keys.end());
        let config = due.open.segments.config();
        let last_batches = partition.last_batches();
        let mut round = Round {
            due,
            rests_on: partition.last_batch(),
            cleaner: Cleaner::new(
                &keys,
                Horizons {
                    now,
                    delete_retention: config.delete_retention,
                    last_batches,
                    aborted,
                },
            ),
            segments,
        };
        let infos = round.segments.iter().map(|segment| segment.info()).collect::<Vec<_>>();
        for range in group(&infos, config.roll.bytes_max) {
            if !self.clean_group(&mut round, range)? {
                return Ok(());
            }
        }
        let work = lock(&self.work);
        if self.is_open(due) {
            let left = round.cleaner.finish();
            // Durable first: what is not listed here any more may lose its marker in the next round.
            due.open
                .rewrite_aborted(&partition.aborted_once_cleaned(keys.end(), &left))?;
            partition.cleaned(keys.end(), &left);
            lock(&self.cleaned).insert(due.open.name.clone(), keys.end());
            self.write_cleaned()?;
        }
        drop(work);
        Ok(())
    }

    /// Writes neighbouring segments into one; `false` if they are not all there any more, or the journal does not get on.
    fn clean_group(&self, round: &mut Round<'_>, range: Range<usize>) -> Result<bool, StorageFault> {
        let old = &round.segments[range];
        let Some(first) = old.first() else {
            return Ok(true);
        };
        let dir = round.due.open.segments.dir();
        let mut file = CleanedFile::create(Arc::clone(&self.vfs), dir.path(), first.base())?;
        let changed = match write(&mut round.cleaner, old, &mut file) {
            Ok(changed) => changed,
            Err(fault) => {
                file.discard();
                return Err(fault);
            }
        };
        if !changed && old.len() == 1 {
            file.discard();
            return Ok(true);
        }
        file.flush()?;
        // A producer's last batch is dropped for the sake of a later one, which must not be lost.
        if !self.wait_durable(round.rests_on) {
            file.discard();
            return Ok(false);
        }
        // Neither retention nor a deletion comes in between.
        let _work = lock(&self.work);
        if !self.is_open(round.due) {
            file.discard();
            return Ok(false);
        }
        round.due.open.segments.replace(old, file)
    }

    pub(super) fn write_cleaned(&self) -> Result<(), StorageFault> {
        let cleaned = lock(&self.cleaned).clone();
        text::write_offsets(&*self.vfs, &self.root, text::CLEANED, &cleaned)?;
        self.sync_root()
    }
}

/// Whether retention has left the dirty part alone.
fn has_all(due: &Due) -> bool {
    due.open.partition.offsets().log_start <= due.plan.dirty_start
}

fn keys_of(due: &Due, segments: &[Arc<Segment>], mut keys: KeyMap) -> Result<KeyMap, StorageFault> {
    for segment in segments {
        let mut full = false;
        each_batch(segment, due.plan.dirty_start, |header, batch| {
            let added = keys.add(&batch);
            full = added.map_err(|_| corrupt(segment, header))? == Added::Full;
            Ok(!full)
        })?;
        if full {
            return Ok(keys);
        }
        if segment.next() > due.plan.dirty_start {
            keys.reach(segment.next());
        }
    }
    Ok(keys)
}

/// Writes what stays of the segments; whether anything is not as it was.
fn write(cleaner: &mut Cleaner<'_>, old: &[Arc<Segment>], into: &mut CleanedFile) -> Result<bool, StorageFault> {
    let mut changed = false;
    for segment in old {
        each_batch(segment, segment.base(), |header, batch| {
            let cleaned = cleaner.clean(&batch).map_err(|_| corrupt(segment, header))?;
            changed |= cleaned != Cleaned::Keep;
            match cleaned {
                Cleaned::Keep => into.push(batch)?,
                Cleaned::Rewritten(other) => into.push(other)?,
                Cleaned::Drop => {}
            }
            Ok(true)
        })?;
    }
    Ok(changed)
}

/// Visits the batches of a segment from the one that holds `from`, until `visit` says `false`.
fn each_batch(
    segment: &Segment,
    from: Offset,
    mut visit: impl FnMut(&BatchHeader, Bytes) -> Result<bool, StorageFault>,
) -> Result<(), StorageFault> {
    let (mut at, end) = (from.max(segment.base()), segment.next());
    while at < end {
        let SegmentRead::Batches(bytes) = segment.read(at, end, READ_BYTES, Patience::Wait)? else {
            return Ok(());
        };
        if bytes.is_empty() {
            return Ok(());
        }
        for (header, batch) in Batches::new(bytes) {
            // What is damaged must not be written anew with a sum that says it is whole.
            if crc_of(&batch) != header.crc {
                return Err(corrupt(segment, &header));
            }
            at = header.next_offset();
            if !visit(&header, batch)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn corrupt(segment: &Segment, header: &BatchHeader) -> StorageFault {
    segment.corrupt_batch(header.base_offset, "a batch cannot be read by compaction")
}
