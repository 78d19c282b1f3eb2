//! What the driver is to do beside answering.

use std::fmt;

use ottla_model::{LeaderEpoch, TopicPartition, TransactionalId};

use crate::identity::Identity;
use crate::session::Decision;
use crate::status::{Outcome, TransactionVersion};

/// Something to carry out, or worth a log line or a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write markers, and tell what became of them by a [`crate::MarkersWritten`].
    ///
    /// These are carried out in order, one at a time, each with its report before the next: by the rules of V1 a marker that
    /// is written later than its report says would end the next transaction. On a log that becomes durable in the order it
    /// was written, nothing else need be waited for: no marker can be durable without the decision before it.
    WriteMarkers(Markers),
    /// A transaction took too long and is being aborted; its producer is fenced.
    TimedOut {
        /// Whose.
        id: TransactionalId,
        /// Who fences the producer.
        identity: Identity,
    },
    /// A transaction is being aborted because another instance of its producer has come.
    Fenced {
        /// Whose.
        id: TransactionalId,
        /// Who fences the producer.
        identity: Identity,
    },
    /// Ids out of use were forgotten.
    IdsExpired {
        /// How many.
        count: usize,
    },
}

/// The end of a transaction, to be written to each of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// Names the decision that they carry out.
    pub decision: Decision,
    /// Whose transaction it is.
    pub id: TransactionalId,
    /// Who the markers name: the producer, with the raised epoch by the rules of V2.
    pub identity: Identity,
    /// The epoch of this coordinator.
    pub coordinator_epoch: LeaderEpoch,
    /// How it ended.
    pub outcome: Outcome,
    /// V2: the markers' epoch must be higher than that of what they end (KIP-1228).
    pub version: TransactionVersion,
    /// Where.
    pub partitions: Vec<TopicPartition>,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::WriteMarkers(markers) => {
                let end = match markers.outcome {
                    Outcome::Commit => "commits",
                    Outcome::Abort => "aborts",
                };
                let count = markers.partitions.len();
                write!(
                    f,
                    "transaction {} {end} in {count} partitions, {}",
                    markers.id, markers.identity
                )
            }
            Effect::TimedOut { id, identity } => {
                write!(
                    f,
                    "transaction {id} took longer than its time-out and is aborted, now {identity}"
                )
            }
            Effect::Fenced { id, identity } => {
                write!(
                    f,
                    "transaction {id} is aborted because its producer has a successor, now {identity}"
                )
            }
            Effect::IdsExpired { count } => write!(f, "{count} transactional ids expired"),
        }
    }
}
