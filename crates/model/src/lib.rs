//! The words of the field, as types: offsets, epochs, ids, names, time and the protocol's error codes.
//!
//! This crate holds values only. It knows no wire format, no file and no clock.

mod error_code;
mod ids;
mod names;
mod numbers;

pub use error_code::ErrorCode;
pub use ids::{PartitionId, TopicId};
pub use names::{GroupId, MemberId, TopicName, TopicNameFault, TopicPartition, TransactionalId};
pub use numbers::{Generation, LeaderEpoch, Millis, Offset, PartitionIndex, ProducerEpoch, ProducerId};
