//! What a store is opened with, and why it cannot be.

use std::path::PathBuf;
use std::time::Duration;

use ottla_log::{Lsn, StorageFault};
use ottla_model::PartitionId;

use crate::journal::JournalLimits;
use crate::journal::scan::Damage;
use crate::text::Identity;

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Who a new data directory belongs to; an existing one says so itself.
    pub identity: Identity,
    /// The journal's limits.
    pub journal: JournalLimits,
    /// Unsettled bytes at which the settler sets to work.
    pub settle_bytes: u64,
    /// Unsettled bytes beyond which producers are to wait: they are all in memory.
    pub unsettled_bytes_max: u64,
    /// How long durable batches wait for it at most.
    pub settle_age: Duration,
    /// Journal bytes since the last checkpoint that make another one due.
    pub checkpoint_bytes: u64,
    /// How long settled batches wait for a checkpoint at most.
    pub checkpoint_age: Duration,
    /// `ottla.tail.cache.bytes`: settled batches kept in memory for readers near the end.
    pub tail_cache_bytes: usize,
    /// `ottla.segment.direct.bytes.min`: pieces of segments of at least so many bytes are written and read past the page cache.
    pub bulk_bytes_min: usize,
    /// `ottla.producer.snapshot.bytes`: how much is appended to a partition before a checkpoint writes its producers down
    /// again. Openings scan as much.
    pub snapshot_bytes_min: u64,
    /// From how many partitions on a checkpoint syncs the whole file system instead of each of their files.
    pub sync_together_min: usize,
    /// Segment files open at a time.
    pub open_files_max: usize,
    /// `log.cleaner.dedupe.buffer.size`: memory for the keys of one round of compaction; `None` if nothing is compacted.
    pub dedupe_bytes: Option<usize>,
    /// Whether threads flush, settle and prepare. Without, the owner calls the steps.
    pub threads: bool,
}

impl StoreOptions {
    /// The defaults, for a directory that belongs to `identity` if it is new.
    pub fn new(identity: Identity) -> StoreOptions {
        StoreOptions {
            identity,
            journal: JournalLimits::default(),
            settle_bytes: 8 << 20,
            unsettled_bytes_max: 32 << 20,
            settle_age: Duration::from_secs(5),
            checkpoint_bytes: 256 << 20,
            checkpoint_age: Duration::from_secs(60),
            tail_cache_bytes: 16 << 20,
            bulk_bytes_min: 128 << 10,
            snapshot_bytes_min: 1 << 20,
            sync_together_min: 64,
            open_files_max: 256,
            dedupe_bytes: Some(128 << 20),
            threads: true,
        }
    }
}

/// Why a data directory cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// Another process has it.
    #[error("the data directory {0} is in use by another process")]
    InUse(PathBuf),
    /// `meta.properties` is there but does not say who it belongs to.
    #[error("{0} does not name cluster.id, node.id and directory.id")]
    NoIdentity(PathBuf),
    /// The medium failed.
    #[error(transparent)]
    Storage(#[from] StorageFault),
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Who the directory belongs to.
    pub identity: Identity,
    /// The last stop was a clean one: nothing is to be replayed.
    pub clean: bool,
    /// The last journal entry.
    pub last: Lsn,
    /// Journal entries to be replayed.
    pub entries: usize,
    /// Partitions that have some.
    pub partitions: Vec<PartitionId>,
    /// Ranges that were durable once and are unreadable now.
    pub damages: Vec<Damage>,
}
