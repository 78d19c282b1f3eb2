//! The coordinators of this broker: pure machines, each driven over its own partition of an internal topic.

mod decisions;
mod driver;
mod groups;
mod metadata;
mod transactions;

pub(crate) use driver::{Driver, Logged, Pending, Unanswered};
pub(crate) use groups::GroupCoordinators;
pub use groups::LoadFault;
pub(crate) use metadata::ClusterMetadata;
pub(crate) use transactions::{Joining, TransactionCoordinators};
