//! A data directory: one journal, and the segments of every partition.
//!
//! ```text
//! lock                               held while a process has the directory
//! meta.properties                    who it belongs to
//! checkpoint                         where the replay of the journal begins
//! journal/<use>.journal              see `journal::frame`
//! quarantine/                        copies of damaged journal files
//! *-offset-checkpoint                Kafka's text files
//! <topic>-<partition>/               Kafka's segment files; made when the first batch is settled
//! <topic>-<partition>.<id>-delete/   on its way out
//! ```
//!
//! The order that keeps it whole: an entry is durable in the journal; then it is settled into a segment, not durable
//! there; a checkpoint flushes the segments touched, then says that the journal up to some entry is no longer needed;
//! only then are journal files used again. At opening, a partition that has journal entries is cut back to the first of
//! them and gets them again. So every step may be repeated, and stopped at any point.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use ottla_log::{Durability, KnownBatch, Lsn, Opening, Partition, PartitionConfig, Segments, StorageFault};
use ottla_model::{LeaderEpoch, Millis, Offset, PartitionId, TopicId, TopicName, TopicPartition};

use crate::checkpoint::Checkpoint;
use crate::driver::Driver;
use crate::file_cache::FileCache;
use crate::journal::DiskJournal;
use crate::options::{OpenFault, RecoveryReport, StoreOptions};
use crate::partition_dir::{DELETED, PartitionDir, STRAY, remove_dir};
use crate::segments::{DiskSegments, SegmentConfig, SegmentsOpening};
use crate::text::{self, Offsets};
use crate::vfs::{FileSystem, LockGuard, Vfs, fault};

mod aborted;
mod beside;
mod compact;
mod open;
mod pending;
mod settle;
mod snapshots;

#[cfg(test)]
mod committed;
#[cfg(test)]
mod compact_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod media_tests;
#[cfg(test)]
mod transaction_tests;

use aborted::AbortedFiles;
use beside::Beside;
use pending::{Pending, Replay};
use snapshots::Snapshots;

/// An open data directory. Dropping it without [`LocalStore::stop`] is a crash that loses nothing acknowledged.
pub struct LocalStore {
    shared: Arc<Shared>,
    driver: Mutex<Option<Driver>>,
}

/// What the steps work on.
pub(crate) struct Shared {
    pub(crate) options: StoreOptions,
    pub(crate) journal: Arc<DiskJournal>,
    vfs: Arc<dyn Vfs>,
    file_system: Arc<dyn FileSystem>,
    root: PathBuf,
    files: Arc<FileCache>,
    clean: bool,
    partitions: Mutex<HashMap<PartitionId, Arc<OpenPartition>>>,
    pending: Mutex<Pending>,
    /// Partitions with changes that no checkpoint covers.
    touched: Mutex<BTreeSet<PartitionId>>,
    log_starts: Mutex<Offsets>,
    /// The last settling failed; it is tried again.
    pub(crate) settling_fails: AtomicBool,
    /// Where the last round of compaction ended.
    cleaned: Mutex<Offsets>,
    /// One round of compaction at a time. Taken before `work`.
    cleaning: Mutex<()>,
    /// Settling, checkpoints, housekeeping and deletion come one at a time.
    work: Mutex<Work>,
    _lock: LockGuard,
}

/// What the worker remembers.
struct Work {
    checkpoint: Option<Checkpoint>,
    log_starts_written: Offsets,
    /// Settled batches still cached, oldest first: partition, end, bytes.
    cached: VecDeque<(PartitionId, Offset, usize)>,
    cached_bytes: usize,
    /// A flush of a segment failed: what is in memory and on disk may differ, so no checkpoint is true any more.
    flush_failed: bool,
    /// Directories to be removed.
    deleted: Vec<PathBuf>,
}

impl Work {
    /// The last entry that no opening replays.
    fn covered(&self) -> Lsn {
        self.checkpoint.map_or(Lsn(0), |checkpoint| checkpoint.lsn)
    }
}

/// Where a log begins, and where what the journal gives again.
struct Limits {
    log_start: Offset,
    /// The first batch that the journal gives again.
    replay_from: Option<Offset>,
    /// The last entry that it gives again.
    replayed: Lsn,
}

struct OpenPartition {
    name: TopicPartition,
    partition: Arc<Partition>,
    segments: Arc<DiskSegments>,
    written: Mutex<Beside>,
}

/// What a partition is opened with.
#[derive(Clone, Debug)]
pub struct PartitionOpening {
    /// Which partition.
    pub id: PartitionId,
    /// Its topic's name.
    pub topic: TopicName,
    /// The epoch to write in from now on.
    pub leader_epoch: LeaderEpoch,
    /// The topic's settings for segments.
    pub segments: SegmentConfig,
    /// The topic's settings for the log.
    pub config: PartitionConfig,
    /// The time now.
    pub now: Millis,
}

impl LocalStore {
    /// Opens a data directory, makes it if it is missing, and looks through its journal. Partitions are opened later,
    /// one by one.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        options: StoreOptions,
    ) -> Result<(LocalStore, RecoveryReport), OpenFault> {
        let threads = options.threads;
        let (shared, report) = open::open(vfs, root, options)?;
        let shared = Arc::new(shared);
        let driver = threads.then(|| Driver::start(&shared));
        let store = LocalStore {
            shared,
            driver: Mutex::new(driver),
        };
        Ok((store, report))
    }

    /// The journal, for [`Partition::open`] elsewhere.
    pub fn journal(&self) -> Arc<DiskJournal> {
        Arc::clone(&self.shared.journal)
    }

    /// The mark that answers wait for.
    pub fn durability(&self) -> &Arc<Durability> {
        self.shared.journal.durability()
    }

    /// Whether more is waiting to be settled than memory should hold, or more to be checkpointed than the journal has room
    /// for: a producer that can wait should. Not while settling fails, for then waiting helps nobody and an error is due.
    pub fn is_behind(&self) -> bool {
        let journal = &self.shared.journal;
        let behind = journal.unsettled_bytes() > self.shared.options.unsettled_bytes_max || journal.is_nearly_full();
        behind && journal.is_open() && !self.shared.settling_fails.load(Ordering::Acquire)
    }

    /// Partitions with journal entries that are not in their segments yet. Open each, or forget it: until then the
    /// journal keeps everything from their first entry on.
    pub fn partitions_with_pending(&self) -> Vec<PartitionId> {
        lock(&self.shared.pending).partitions()
    }

    /// Opens a partition, after replaying what the journal holds of it. Reads and may write files; an open one is given
    /// as it is.
    pub fn open_partition(&self, opening: PartitionOpening) -> Result<Arc<Partition>, StorageFault> {
        self.shared.open_partition(opening)
    }

    /// An open partition.
    pub fn partition(&self, id: PartitionId) -> Option<Arc<Partition>> {
        let partitions = lock(&self.shared.partitions);
        partitions.get(&id).map(|open| Arc::clone(&open.partition))
    }

    /// Puts other settings in force for an open partition's segments.
    pub fn set_segment_config(&self, id: PartitionId, config: SegmentConfig) {
        if let Some(open) = self.shared.open(id) {
            open.segments.set_config(config);
        }
    }

    /// Drops the journal entries of a topic that no longer exists.
    pub fn forget_topic(&self, topic: TopicId) {
        lock(&self.shared.pending).forget_topic(topic);
    }

    /// Deletes a partition, open or not. Its directory has another name on return and is removed in the background.
    /// Waits for a settle or checkpoint that is under way.
    pub fn delete_partition(&self, id: PartitionId, topic: &TopicName) -> Result<(), StorageFault> {
        self.shared.delete_partition(id, topic)
    }

    /// Bytes on disk of a partition's files, open or not (DescribeLogDirs).
    pub fn usage(&self, id: PartitionId, topic: &TopicName) -> Result<u64, StorageFault> {
        match self.shared.open(id) {
            Some(open) => Ok(open.segments.bytes()),
            None => self.shared.usage_on_disk(id, topic),
        }
    }

    /// Applies retention to the open partitions, compacts those that are worth it, and gives back memory that readers
    /// need no more. May take long; settling and
    /// checkpoints go on beside it.
    pub fn housekeep(&self, now: Millis) -> Result<(), StorageFault> {
        self.shared.files.bulk().release_unneeded();
        self.shared.retain(now)?;
        self.shared.compact(now)
    }

    /// One flush of the journal; for a store without threads.
    pub fn flush_once(&self) -> Result<crate::journal::Flushed, ottla_log::JournalFault> {
        self.shared.journal.flush_once()
    }

    /// Settles what is durable; for a store without threads.
    pub fn settle_once(&self) -> Result<(), StorageFault> {
        self.shared.settle_once()
    }

    /// Settles and frees the journal; for a store without threads.
    pub fn checkpoint_once(&self) -> Result<Lsn, StorageFault> {
        self.shared.checkpoint_once(false)
    }

    /// Makes the next journal file ready if it will be needed soon; for a store without threads.
    pub fn prepare_once(&self) -> Result<(), StorageFault> {
        self.shared.journal.prepare_once()
    }

    /// Removes one deleted partition's directory; `false` if there is none. For a store without threads.
    pub fn delete_once(&self) -> Result<bool, StorageFault> {
        self.shared.delete_once()
    }

    /// Stops cleanly: refuses appends, flushes, settles everything, so that the directory is complete in Kafka's format.
    pub fn stop(&self) -> Result<(), StorageFault> {
        self.shared.journal.stop();
        match lock(&self.driver).take() {
            Some(driver) => driver.join(),
            None => while matches!(self.shared.journal.flush_once(), Ok(crate::journal::Flushed::UpTo(_))) {},
        }
        self.shared.finish()
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        if let Some(driver) = lock(&self.driver).take() {
            self.shared.journal.stop();
            driver.join();
        }
    }
}

impl Shared {
    fn open(&self, id: PartitionId) -> Option<Arc<OpenPartition>> {
        lock(&self.partitions).get(&id).cloned()
    }

    fn open_partition(&self, opening: PartitionOpening) -> Result<Arc<Partition>, StorageFault> {
        if let Some(open) = self.open(opening.id) {
            return Ok(Arc::clone(&open.partition));
        }
        let id = opening.id;
        let name = TopicPartition {
            topic: opening.topic.clone(),
            index: id.index,
        };
        let dir = PartitionDir::new(Arc::clone(&self.vfs), &self.root, &name, id.topic);
        let ours = self.claim(&dir, id, &name)?;
        let replay = lock(&self.pending).of(id);
        let mut log_start = match ours {
            true => lock(&self.log_starts).get(&name).copied().unwrap_or_default(),
            false => Offset::ZERO,
        };
        log_start = log_start.max(replay.as_ref().and_then(Replay::log_start).unwrap_or_default());
        let replay_from = replay.as_ref().and_then(Replay::first_batch);
        self.limit_cleaned(&name, if ours { replay_from } else { Some(Offset::ZERO) });
        let segments = Arc::new(DiskSegments::open(
            dir.clone(),
            Arc::clone(&self.files),
            SegmentsOpening {
                config: opening.segments,
                start: log_start,
                replay_from,
                check: !self.clean,
            },
        )?);
        let known = match &replay {
            Some(replay) => replay_into(&segments, replay)?,
            None => Vec::new(),
        };
        let limits = Limits {
            log_start,
            replay_from,
            replayed: replay.as_ref().map(Replay::last).unwrap_or_default(),
        };
        let (partition, beside) = self.partition(&opening, &segments, limits, known)?;
        let partition = Arc::new(partition);
        let mut partitions = lock(&self.partitions);
        // Two callers may have come together; both read the same, the first one's counts.
        let open = partitions.entry(id).or_insert_with(|| {
            Arc::new(OpenPartition {
                name,
                partition,
                segments,
                written: Mutex::new(beside),
            })
        });
        let partition = Arc::clone(&open.partition);
        drop(partitions);
        // In this order: a checkpoint beside this either still sees the journal's entries as needed, or finds the open
        // partition among those it must flush.
        if replay.is_some() {
            lock(&self.touched).insert(id);
        }
        lock(&self.pending).remove(id);
        Ok(partition)
    }

    /// What is replayed was not cleaned, whatever was before.
    fn limit_cleaned(&self, name: &TopicPartition, replay_from: Option<Offset>) {
        if let (Some(from), Some(cleaned)) = (replay_from, lock(&self.cleaned).get_mut(name)) {
            *cleaned = from.min(*cleaned);
        }
    }

    /// Whether the directory exists and belongs to the topic. One that belongs to a deleted topic of that name goes.
    fn claim(&self, dir: &PartitionDir, id: PartitionId, name: &TopicPartition) -> Result<bool, StorageFault> {
        match dir.owner()? {
            Some(owner) if owner == id.topic => Ok(true),
            Some(owner) => {
                self.discard(dir, owner, name)?;
                Ok(false)
            }
            None if PartitionDir::offsets_of(&dir.names()?, "log").is_empty() => Ok(false),
            None => {
                let path = dir.set_aside(&self.root, id.topic, STRAY)?;
                tracing::error!(path = %path.display(), "segments without a partition.metadata are set aside");
                Ok(false)
            }
        }
    }

    /// The log over its segments, which hold what the journal gave again.
    fn partition(
        &self,
        opening: &PartitionOpening,
        segments: &Arc<DiskSegments>,
        limits: Limits,
        known: Vec<KnownBatch>,
    ) -> Result<(Partition, Beside), StorageFault> {
        let (dir, end) = (segments.dir(), segments.end());
        let names = dir.names()?;
        let usable_end = limits.replay_from.map_or(end, |from| from.min(end));
        let mut snapshots = dir.snapshots_below(&names, usable_end, end)?;
        let producer_snapshot = dir.newest_snapshot(&mut snapshots)?;
        let (files, aborted) = AbortedFiles::read(dir, &names)?;
        let partition = Partition::open(Opening {
            id: opening.id,
            segments: Arc::clone(segments) as Arc<dyn Segments>,
            journal: Arc::clone(&self.journal) as Arc<dyn ottla_log::Journal>,
            log_start: limits.log_start,
            leader_epoch: opening.leader_epoch,
            producer_snapshot,
            epochs: dir.epochs()?,
            aborted,
            known,
            config: opening.config,
            now: opening.now,
        })?;
        let beside = Beside {
            epochs: None,
            aborted: files,
            snapshots: Snapshots::found(&snapshots),
            replayed: limits.replayed,
            opened_end: end,
            snapshot_is_due: false,
            early: None,
        };
        Ok((partition, beside))
    }

    fn delete_partition(&self, id: PartitionId, topic: &TopicName) -> Result<(), StorageFault> {
        // No settle is under way, and none will find it.
        let work = lock(&self.work);
        lock(&self.partitions).remove(&id);
        lock(&self.pending).remove(id);
        lock(&self.touched).remove(&id);
        let name = TopicPartition {
            topic: topic.clone(),
            index: id.index,
        };
        let dir = PartitionDir::new(Arc::clone(&self.vfs), &self.root, &name, id.topic);
        if dir.owner()? != Some(id.topic) {
            return Ok(());
        }
        drop(work);
        self.discard(&dir, id.topic, &name)
    }

    /// Has a directory removed in the background.
    fn discard(&self, dir: &PartitionDir, owner: TopicId, name: &TopicPartition) -> Result<(), StorageFault> {
        let mut work = lock(&self.work);
        // First the line, then the directory: a topic of the same name must not begin where this one did.
        lock(&self.log_starts).remove(name);
        self.write_log_starts(&mut work)?;
        if lock(&self.cleaned).remove(name).is_some() {
            self.write_cleaned()?;
        }
        let path = dir.set_aside(&self.root, owner, DELETED)?;
        work.deleted.push(path);
        Ok(())
    }

    pub(crate) fn delete_once(&self) -> Result<bool, StorageFault> {
        let path = lock(&self.work).deleted.pop();
        let Some(path) = path else {
            return Ok(false);
        };
        remove_dir(&*self.vfs, &path).inspect_err(|_| lock(&self.work).deleted.push(path.clone()))?;
        Ok(true)
    }

    fn usage_on_disk(&self, id: PartitionId, topic: &TopicName) -> Result<u64, StorageFault> {
        let name = TopicPartition {
            topic: topic.clone(),
            index: id.index,
        };
        let dir = PartitionDir::new(Arc::clone(&self.vfs), &self.root, &name, id.topic);
        let mut bytes = 0;
        for file in dir.names()? {
            let path = dir.path().join(file);
            let length = self
                .vfs
                .open(&path, crate::vfs::Open::Existing)
                .and_then(|file| file.len());
            bytes += length.map_err(|error| fault("measure", &path, &error))?;
        }
        Ok(bytes)
    }

    /// Writes the log starts if they changed; durable on return.
    fn write_log_starts(&self, work: &mut Work) -> Result<(), StorageFault> {
        let log_starts = lock(&self.log_starts).clone();
        if log_starts != work.log_starts_written {
            text::write_offsets(&*self.vfs, &self.root, text::LOG_STARTS, &log_starts)?;
            self.sync_root()?;
            work.log_starts_written = log_starts;
        }
        Ok(())
    }

    fn sync_root(&self) -> Result<(), StorageFault> {
        let synced = self.vfs.sync_dir(&self.root);
        synced.map_err(|error| fault("sync", &self.root, &error))
    }
}

/// Brings journal entries back into segments, which were cut to where the first of them begins; gives the last of them.
fn replay_into(segments: &DiskSegments, replay: &Replay) -> Result<Vec<KnownBatch>, StorageFault> {
    let (mut at, mut known, mut buffer) = (0, Vec::new(), BytesMut::new());
    while at < replay.len() {
        let read = replay.batches(at, &mut buffer);
        let (batches, next) = read.map_err(|error| fault("replay", segments.dir().path(), &error))?;
        segments.append(&batches)?;
        if known.len() > KNOWN_MAX {
            known.drain(..KNOWN_MAX / 2);
        }
        known.extend(batches.iter().map(KnownBatch::of));
        at = next;
    }
    Ok(known)
}

/// Batches remembered from a replay, about 100 bytes each; those before are read again.
const KNOWN_MAX: usize = 1 << 18;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
