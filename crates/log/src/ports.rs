//! The two media every log stands on. Each has an implementation in memory and one per real medium; one conformance
//! suite runs over all of them.

use std::sync::Arc;

use bytes::Bytes;
use ottla_model::{Millis, Offset, PartitionId};

use crate::{StoredBatch, Watermark};

/// The sequence number of a journal entry: one order for all partitions of a broker. The first entry has 1; 0 stands for
/// "nothing", which is durable from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

/// One write of one partition, on its way to stable storage.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// Whose write it is.
    pub partition: PartitionId,
    /// What is written.
    pub body: EntryBody,
    /// To be moved to the batch's next offset once the entry is durable.
    pub watermark: Arc<Watermark>,
}

/// What a journal entry holds.
#[derive(Clone, Debug)]
pub enum EntryBody {
    /// A numbered batch.
    Batch(StoredBatch),
    /// The log start offset moved up (DeleteRecords, retention).
    LogStart(Offset),
}

/// Why the journal takes no entry, or will never make one durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// A flush failed: what is in memory and what is on disk may differ, so nothing more is accepted until a restart.
    #[error("a flush of the journal failed; restart the broker to go on")]
    Failed,
    /// There is no space for more; taken up again when there is.
    #[error("no space left for the journal")]
    Full,
}

/// Where every write of every partition becomes durable, in one sequence.
pub trait Journal: Send + Sync {
    /// Takes an entry and gives it the next number. Called under the partition's lock, so it must only copy or queue.
    fn append(&self, entry: JournalEntry) -> Result<Lsn, JournalFault>;

    /// Whether an entry of ordinary size would be taken now.
    fn has_room(&self) -> bool {
        true
    }
}

/// A fault of a medium. It ends in a log line and `KAFKA_STORAGE_ERROR`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageFault {
    /// The medium failed, is full, or refused.
    #[error("{operation} {path}: {cause}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or object.
        path: String,
        /// What the system said.
        cause: String,
        /// Whether the cause is a lack of space, which may pass.
        out_of_space: bool,
    },
    /// Bytes that were durable are not what was written; the range is unreadable, the rest is served.
    #[error("{path}: {what} at byte {position}")]
    Corrupt {
        /// The file or object.
        path: String,
        /// Where the damage begins.
        position: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Whether a read may wait for the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Answer from memory or the page cache, or say that it would take time.
    Now,
    /// Wait for the disk.
    Wait,
}

/// What a segment read found.
#[derive(Clone, Debug)]
pub enum SegmentRead {
    /// Whole batches, in offset order, the first of which holds or follows the asked offset; empty if there is none.
    Batches(Bytes),
    /// It would take a disk read; ask again with [`Patience::Wait`] where waiting is allowed.
    WouldWait,
}

/// What retention and describing need to know of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The offset its file is named after.
    pub base_offset: Offset,
    /// The base offset of the segment after it, or the settled end for the last.
    pub next_offset: Offset,
    /// Bytes of records.
    pub size: u64,
    /// The largest record timestamp and the offset of (the batch that holds) it; `None` while it holds no batch.
    pub max_timestamp: Option<(Millis, Offset)>,
    /// When its first batch was appended, by the records' own timestamps; for rolling by time.
    pub first_timestamp: Option<Millis>,
}

/// One partition's settled batches, in Kafka's own segment format.
///
/// Only the settler and the housekeeper call the methods that change something, one at a time; reads may run beside them.
pub trait Segments: Send + Sync {
    /// Appends numbered batches in offset order; readable on return, durable after [`Segments::sync`].
    fn append(&self, batches: &[StoredBatch]) -> Result<(), StorageFault>;

    /// Makes all that was appended durable.
    fn sync(&self) -> Result<(), StorageFault>;

    /// Reads whole batches from the one that holds `from` (or the first after it), up to `bytes_max` but at least one
    /// batch, never one that starts at or beyond `before`.
    fn read(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
        patience: Patience,
    ) -> Result<SegmentRead, StorageFault>;

    /// Where to start scanning for the first record with a timestamp of at least `at`: the base offset of a batch at or
    /// before it; `None` if every settled record is older.
    fn position_of_timestamp(&self, at: Millis) -> Result<Option<Offset>, StorageFault>;

    /// All segments, oldest first.
    fn segments(&self) -> Vec<SegmentInfo>;

    /// The offset after the last settled batch; the log start offset if nothing is settled.
    fn end(&self) -> Offset;

    /// Drops the whole segments that lie below `start`.
    fn drop_below(&self, start: Offset) -> Result<(), StorageFault>;
}
