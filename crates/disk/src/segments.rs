//! The segments of one partition: which there are, which takes the next batch, which goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ottla_log::compaction::PlanRules;
use ottla_log::retention::{ActiveSegment, RollRules, should_roll};
use ottla_log::{Patience, SegmentInfo, SegmentRead, Segments, StorageFault, StoredBatch};
use ottla_model::{Millis, Offset};

use crate::file_cache::FileCache;
use crate::partition_dir::PartitionDir;
use crate::segment::Segment;
use crate::segment::swap::{self, CleanedFile};

/// A topic's settings for its segments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentConfig {
    /// `segment.bytes`, `segment.ms`.
    pub roll: RollRules,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `segment.index.bytes`.
    pub index_bytes_max: u64,
    /// `min.cleanable.dirty.ratio`, `min.compaction.lag.ms`, `max.compaction.lag.ms`; for compacted topics.
    pub compaction: PlanRules,
    /// `delete.retention.ms`; for compacted topics.
    pub delete_retention: Millis,
}

impl Default for SegmentConfig {
    /// Kafka's defaults.
    fn default() -> SegmentConfig {
        SegmentConfig {
            roll: RollRules {
                bytes_max: 1 << 30,
                time_max: Millis(604_800_000),
                jitter: Millis(0),
            },
            index_interval_bytes: 4096,
            index_bytes_max: 10 << 20,
            compaction: PlanRules {
                dirty_ratio_min: 0.5,
                lag_min: Millis(0),
                lag_max: Millis(i64::MAX),
            },
            delete_retention: Millis(86_400_000),
        }
    }
}

/// See the module's head.
pub struct DiskSegments {
    dir: PartitionDir,
    files: Arc<FileCache>,
    config: RwLock<SegmentConfig>,
    list: Mutex<List>,
    /// Held while something is changed: appends, syncs and removals come one at a time.
    change: Mutex<()>,
}

struct List {
    segments: Vec<Arc<Segment>>,
    /// Where the next segment begins if there is none.
    start: Offset,
    dir_exists: bool,
    names_dirty: bool,
    /// A swap that was begun: those that it replaces, neighbours.
    swap: Option<Vec<Arc<Segment>>>,
}

/// How a partition's segments are opened.
#[derive(Clone, Copy, Debug)]
pub struct SegmentsOpening {
    /// The topic's settings.
    pub config: SegmentConfig,
    /// Where the log begins if there is no segment.
    pub start: Offset,
    /// Everything from this offset on comes from the journal again and is cut; `None` if nothing does.
    pub replay_from: Option<Offset>,
    /// The last stop was not clean: check what stands at the end.
    pub check: bool,
}

impl DiskSegments {
    /// Opens the segments of a directory, which may not exist.
    pub fn open(
        dir: PartitionDir,
        files: Arc<FileCache>,
        opening: SegmentsOpening,
    ) -> Result<DiskSegments, StorageFault> {
        swap::resolve(&**files.vfs(), &dir, opening.config.index_interval_bytes)?;
        let names = dir.names()?;
        let mut bases = PartitionDir::offsets_of(&names, "log");
        let mut names_dirty = false;
        if let Some(from) = opening.replay_from {
            // From the last one down, so that a stop on the way leaves a log without a hole.
            while let Some(base) = bases.pop_if(|base| *base >= from && *base > Offset(0)) {
                for suffix in ["index", "timeindex", "txnindex", "log"] {
                    dir.remove(base, suffix)?;
                }
                names_dirty = true;
            }
        }
        let mut segments = Vec::with_capacity(bases.len());
        for (index, base) in bases.iter().enumerate() {
            let next = bases.get(index + 1).copied();
            let segment = Segment::open(Arc::clone(&files), dir.path(), *base, next, opening.check)?;
            if let (None, Some(from)) = (next, opening.replay_from) {
                segment.truncate(from, opening.config.index_interval_bytes)?;
            }
            segment.release();
            segments.push(Arc::new(segment));
        }
        let list = List {
            dir_exists: names.iter().any(|name| name == "partition.metadata"),
            segments,
            start: opening.start,
            names_dirty,
            swap: None,
        };
        Ok(DiskSegments {
            dir,
            files,
            config: RwLock::new(opening.config),
            list: Mutex::new(list),
            change: Mutex::new(()),
        })
    }

    /// Puts other settings in force.
    pub fn set_config(&self, config: SegmentConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The directory.
    pub fn dir(&self) -> &PartitionDir {
        &self.dir
    }

    /// Whether the directory is still to be made.
    pub fn lacks_dir(&self) -> bool {
        !self.list().dir_exists
    }

    /// The directory was made, durably.
    pub fn dir_was_made(&self) {
        self.list().dir_exists = true;
    }

    /// Gets ready for a sync of the whole file system, after which everything appended until now is durable. Where that
    /// fails, [`DiskSegments::not_synced`] takes it back.
    pub fn prepare_sync(&self) -> Result<(), StorageFault> {
        let _change = self.lock_change();
        let segments = self.list().segments.clone();
        segments.iter().try_for_each(|segment| segment.prepare_sync())?;
        self.list().names_dirty = false;
        Ok(())
    }

    /// Everything is to be synced again.
    pub fn not_synced(&self) {
        let mut list = self.list();
        list.names_dirty = true;
        list.segments.iter().for_each(|segment| segment.not_synced());
    }

    /// Bytes of the files.
    pub fn bytes(&self) -> u64 {
        let list = self.list();
        let bytes = |segment: &Arc<Segment>| segment.size() + segment.index_bytes();
        list.segments.iter().map(bytes).sum()
    }

    /// The segments that take no more batches and end at or below `end`, oldest first.
    pub fn complete_below(&self, end: Offset) -> Vec<Arc<Segment>> {
        let list = self.list();
        let closed = list.segments.split_last().map_or(&[][..], |(_, closed)| closed);
        let below = closed.iter().take_while(|segment| segment.next() <= end);
        below.cloned().collect()
    }

    /// Begins a new segment if the last one is so old that the next batch would, by the clock instead of the batch's
    /// timestamp: compaction touches no segment that is written. Not durable before the next sync.
    pub fn roll_old(&self, now: Millis) -> Result<bool, StorageFault> {
        let _change = self.lock_change();
        let rules = self.config().roll;
        let Some(last) = self.list().segments.last().cloned() else {
            return Ok(false);
        };
        let info = last.info();
        let age = info.first_timestamp.map_or(Millis(0), |first| now.since(first));
        let old = age > rules.time_max.since(rules.jitter) && info.first_timestamp >= Some(Millis(0));
        if info.size == 0 || !(old || info.size >= rules.bytes_max) {
            return Ok(false);
        }
        last.close();
        last.sync()?;
        last.release();
        self.begin(last.next())?;
        Ok(true)
    }

    /// Puts a cleaned segment in the place of those it was made of, neighbours; `false` if they are not all there any
    /// more. Readers see the old ones or the new one. What fails half way is finished before anything else is done to the
    /// segments.
    pub fn replace(&self, old: &[Arc<Segment>], cleaned: CleanedFile) -> Result<bool, StorageFault> {
        let _change = self.lock_change();
        if let Err(fault) = self.finish_swap() {
            cleaned.discard();
            return Err(fault);
        }
        if old.is_empty() || !old.iter().all(|segment| self.still_has(segment)) {
            cleaned.discard();
            return Ok(false);
        }
        for segment in old {
            segment.pin()?;
        }
        cleaned.begin()?;
        self.list().swap = Some(old.to_vec());
        self.finish_swap()?;
        Ok(true)
    }

    /// Finishes a swap that was begun.
    fn finish_swap(&self) -> Result<(), StorageFault> {
        let Some(old) = self.list().swap.clone() else {
            return Ok(());
        };
        let [first, others @ ..] = &old[..] else { return Ok(()) };
        let next = others.last().unwrap_or(first).next();
        let bases = others.iter().map(|segment| segment.base()).collect::<Vec<_>>();
        let index_interval = self.config().index_interval_bytes;
        swap::finish(&**self.files.vfs(), &self.dir, first.base(), &bases, index_interval)?;
        let (files, dir) = (Arc::clone(&self.files), self.dir.path());
        let new = Segment::open(files, dir, first.base(), Some(next), false)?;
        new.release();
        let mut list = self.list();
        if let Some(at) = list.segments.iter().position(|segment| Arc::ptr_eq(segment, first)) {
            list.segments.splice(at..at + old.len(), [Arc::new(new)]);
        }
        list.swap = None;
        drop(list);
        old.iter().for_each(|segment| segment.release());
        Ok(())
    }

    /// The segment that takes the next batch: the last, or a new one if that is full.
    fn active(&self, next: &StoredBatch, config: &SegmentConfig) -> Result<Arc<Segment>, StorageFault> {
        let last = self.list().segments.last().cloned();
        if let Some(last) = last {
            let info = last.info();
            let active = ActiveSegment {
                base_offset: info.base_offset,
                size: info.size,
                first_timestamp: info.first_timestamp,
                created: Millis(0),
                index_full: last.is_index_full(config.index_bytes_max),
            };
            // Positions in the index are 32 bits wide, whatever the settings say.
            let too_large = info.size + next.size() as u64 > i32::MAX as u64 && info.size > 0;
            if !too_large && !should_roll(&active, next.header(), &config.roll, Millis(0)) {
                return Ok(last);
            }
            last.close();
            last.release();
        }
        self.begin(next.base_offset())
    }

    /// A new segment at the end.
    fn begin(&self, base: Offset) -> Result<Arc<Segment>, StorageFault> {
        if !self.list().dir_exists {
            self.dir.create()?;
            self.list().dir_exists = true;
        }
        let segment = Arc::new(Segment::create(Arc::clone(&self.files), self.dir.path(), base)?);
        let mut list = self.list();
        list.names_dirty = true;
        // An empty last segment whose base is of no use (a gap too wide) is of the same name or stays below.
        list.segments.retain(|old| old.base() != base);
        list.segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_change(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings in force.
    pub fn config(&self) -> SegmentConfig {
        *self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that holds `from`, or the first behind it.
    fn holding(&self, from: Offset) -> Option<Arc<Segment>> {
        let list = self.list();
        let after = list.segments.partition_point(|segment| segment.base() <= from);
        list.segments.get(after.saturating_sub(1)).cloned()
    }

    fn still_has(&self, segment: &Arc<Segment>) -> bool {
        self.list().segments.iter().any(|other| Arc::ptr_eq(other, segment))
    }
}

impl Segments for DiskSegments {
    fn append(&self, batches: &[StoredBatch]) -> Result<(), StorageFault> {
        let _change = self.lock_change();
        let config = self.config();
        // An append that failed half way is tried again as a whole: what it wrote before it rolled is there.
        let written = self.list().segments.last().map_or(Offset::ZERO, |last| last.next());
        let mut rest = &batches[batches.partition_point(|batch| batch.next_offset() <= written)..];
        while let Some(first) = rest.first() {
            let segment = self.active(first, &config)?;
            let info = segment.info();
            let mut filled = ActiveSegment {
                base_offset: info.base_offset,
                size: info.size,
                first_timestamp: info.first_timestamp.or(Some(first.header().max_timestamp)),
                created: Millis(0),
                index_full: false,
            };
            // Index entries to come are not known here; an index may get longer than its limit by those of one append.
            let fits = |batch: &&StoredBatch| {
                let roll = filled.size > 0 && should_roll(&filled, batch.header(), &config.roll, Millis(0));
                filled.size += batch.size() as u64;
                !roll && filled.size <= i32::MAX as u64
            };
            let count = rest.iter().take_while(fits).count().max(1);
            segment.append(&rest[..count], config.index_interval_bytes)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageFault> {
        let _change = self.lock_change();
        let dirty = self
            .list()
            .segments
            .iter()
            .filter(|segment| segment.is_dirty())
            .cloned()
            .collect::<Vec<_>>();
        for segment in dirty {
            segment.sync()?;
        }
        if self.list().names_dirty {
            self.dir.sync()?;
            self.list().names_dirty = false;
        }
        Ok(())
    }

    fn read(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
        patience: Patience,
    ) -> Result<SegmentRead, StorageFault> {
        let mut at = from;
        loop {
            let Some(segment) = self.holding(at) else {
                return Ok(SegmentRead::Batches(bytes::Bytes::new()));
            };
            match segment.read(from, before, bytes_max, patience) {
                Ok(SegmentRead::Batches(bytes)) if bytes.is_empty() => {
                    let next = segment.next();
                    // Empty: all of the segment lies before `from`, or all that follows lies behind `before`.
                    if next <= at || next >= before || self.list().segments.last().is_none_or(|last| last.base() < next)
                    {
                        return Ok(SegmentRead::Batches(bytes));
                    }
                    at = next;
                }
                // It was dropped or replaced in the meantime.
                Err(StorageFault::Io { .. }) if !self.still_has(&segment) => {}
                result => return result,
            }
        }
    }

    fn position_of_timestamp(&self, at: Millis) -> Result<Option<Offset>, StorageFault> {
        let segments = self.list().segments.clone();
        for segment in segments {
            if let Some(offset) = segment.position_of_timestamp(at)? {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    fn segments(&self) -> Vec<SegmentInfo> {
        let list = self.list();
        list.segments.iter().map(|segment| segment.info()).collect()
    }

    fn end(&self) -> Offset {
        let list = self.list();
        list.segments.last().map_or(list.start, |segment| segment.next())
    }

    fn drop_below(&self, start: Offset) -> Result<(), StorageFault> {
        let _change = self.lock_change();
        self.finish_swap()?;
        let last = self.list().segments.last().cloned();
        if let Some(last) = last
            && last.next() <= start
            && last.size() > 0
        {
            // The end of the log lives on as the name of an empty segment, which must be there before the others go.
            last.close();
            last.sync()?;
            self.begin(last.next())?;
            self.dir.sync()?;
        }
        let gone = {
            let mut list = self.list();
            let keep = list.segments.len().saturating_sub(1);
            let gone = list.segments[..keep].partition_point(|segment| segment.next() <= start);
            list.names_dirty |= gone > 0;
            list.segments.drain(..gone).collect::<Vec<_>>()
        };
        for segment in gone {
            segment.remove()?;
        }
        Ok(())
    }
}
