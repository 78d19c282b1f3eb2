//! The local media: a journal in preallocated files, segments in Kafka's own format, recovery and checkpoints.
pub mod block;
pub mod checkpoint;
pub mod journal;
pub mod vfs;
