//! A partition's log: what may be appended, which numbers it gets, who may read it, when it may go.
//!
//! Everything Kafka-shaped lives here, once, above the media: batches and their checks, idempotent producers, leader
//! epochs, the high watermark, retention, compaction. The media are behind two ports: [`Journal`], where every write of
//! every partition becomes durable in one sequence, and [`Segments`], where each partition's batches are settled later in
//! Kafka's own file format.
//!
//! This crate knows no file, no clock, no runtime, and never decompresses a batch on the way in.

pub mod batch;
mod durability;
mod ports;
mod stored;
mod watermark;

pub use durability::{Durability, DurableWait};
pub use ports::{
    EntryBody, Journal, JournalEntry, JournalFault, Lsn, Patience, SegmentInfo, SegmentRead, Segments, StorageFault,
};
pub use stored::StoredBatch;
pub use watermark::{Signal, Subscription, Watermark};
