//! A partition's log: what may be appended, which numbers it gets, who may read it, when it may go.
//!
//! Everything Kafka-shaped lives here, once, above the media: batches and their checks, idempotent producers, leader
//! epochs, the high watermark, retention, compaction. The media are behind two ports: [`Journal`], where every write of
//! every partition becomes durable in one sequence, and [`Segments`], where each partition's batches are settled later in
//! Kafka's own file format.
//!
//! This crate knows no file, no clock, no runtime, and never decompresses a batch on the way in.

pub mod batch;
mod builder;
pub mod codec;
pub mod compaction;
mod config;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod durability;
mod epochs;
mod memory;
mod partition;
mod ports;
mod producers;
mod record;
mod records;
pub mod retention;
mod stored;
mod tail;
mod validate;
mod varint;
mod watermark;

pub use builder::{BatchBuilder, Marker};
pub use codec::Codec;
pub use config::{PartitionConfig, Retention, TimestampType};
pub use durability::{Durability, DurableWait};
pub use epochs::{EpochEnd, EpochStart, Epochs, EpochsFault};
pub use memory::{MemoryJournal, MemorySegments};
pub use partition::{
    AbortedTransaction, AppendFault, Appended, Isolation, KnownBatch, Lookup, OffsetSpec, Offsets, Opening, Partition,
    ProducerSnapshot, Read, ReadFault, ReadLimit, Reading, Replayed, ReplayedMarker, ReplayedRecord, TimestampedOffset,
    TrimFault, Unreadable,
};
pub use ports::{
    EntryBody, Journal, JournalEntry, JournalFault, Lsn, Patience, SegmentInfo, SegmentRead, Segments, StorageFault,
};
pub use producers::{EndedTransaction, LastBatch, ProducerRefusal, ProducerState, Producers, SnapshotFault};
pub use record::{HeadersView, RecordFault, RecordView};
pub use records::{Batches, Records, UnpackFault, Unpacked};
pub use stored::StoredBatch;
pub use validate::{CheckedBatch, Origin, Refusal};
pub use watermark::{Signal, Subscription, Watermark};
