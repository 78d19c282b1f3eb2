//! The local media: a journal in preallocated files, segments in Kafka's own format, recovery and checkpoints.
//!
//! Start at [`LocalStore`]. Rules are steps that a caller may drive by hand (`flush_once`, `settle_once`,
//! `checkpoint_once`); threads are only in `driver`, files only behind [`vfs`].

mod block;
mod bulk;
mod checkpoint;
mod driver;
mod file_cache;
pub mod journal;
mod options;
mod partition_dir;
mod segment;
mod segments;
mod store;
mod text;
pub mod vfs;

pub use journal::scan::Damage;
pub use journal::{DiskJournal, Flushed, JournalLimits};
pub use options::{OpenFault, RecoveryReport, StoreOptions};
pub use segments::{DiskSegments, SegmentConfig};
pub use store::{LocalStore, PartitionOpening};
pub use text::Identity;
pub use vfs::{RealVfs, Vfs};
