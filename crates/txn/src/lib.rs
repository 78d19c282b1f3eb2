//! The transaction coordinator: who may write under a transactional id, and whether what was written counts.
//!
//! [`Transactions`] is the machine of one partition of `__transaction_state`. The driver hands it [`Command`]s and expired
//! [`Timer`]s; out come [`Record`]s to append (in Kafka's own bytes, see [`record`]), [`Reply`]s and [`Effect`]s, the most
//! important of which is to write the markers that end a transaction in its partitions.
//!
//! ```text
//!  InitProducerId ─▶ Empty ─▶ Ongoing ─▶ Prepare(outcome) ─▶ Complete(outcome)
//!                      ▲     (the first   (decided, in the    (every partition
//!                      │      partition)   log: no way back)   has its marker)
//!                      └────────── InitProducerId ──────────────────┘
//! ```
//!
//! The outcome is decided by one record, Prepare. Markers are written after it, as often as needed, always with the same
//! outcome; a coordinator that finds Prepare in its log writes them again. With KIP-890 every end also raises the producer's
//! epoch, so that a late request of one transaction can never be taken for one of the next.
//!
//! What the log says is [`State`]; which markers are still to be written is [`Session`] and is found anew after a failover.
//! This crate knows no wire format beside its log's records, no clock, no partition's contents.

mod add_partitions;
mod command;
mod config;
mod describe;
mod effect;
mod end;
mod expire;
mod identity;
mod init_producer_id;
mod machine;
mod markers;
pub mod record;
mod reply;
mod session;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod timeout;
mod transaction;

pub use command::{
    AddPartitions, Command, EndTransaction, InitProducerId, ListTransactions, MarkerAnswer, MarkersWritten,
    VerifyPartitions,
};
pub use config::TransactionConfig;
pub use effect::{Effect, Markers};
pub use identity::Identity;
pub use machine::{Timer, Transactions};
pub use record::{Record, RecordFault};
pub use reply::{Described, Listed, Listing, Refused, Reply};
pub use session::{Decision, Session};
pub use state::State;
pub use status::{Outcome, Status, TransactionVersion};
pub use transaction::Transaction;
