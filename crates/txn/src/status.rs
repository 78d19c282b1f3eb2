//! Where a transaction stands, by Kafka's names and numbers.

use std::fmt;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// What was written counts.
    Commit,
    /// It does not.
    Abort,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The producer has an identity and has not begun.
    Empty,
    /// It writes.
    Ongoing,
    /// The outcome is decided; markers are being written.
    Prepare(Outcome),
    /// Every partition has its marker.
    Complete(Outcome),
}

impl Status {
    /// All of them, by number.
    pub const ALL: [Status; 6] = [
        Status::Empty,
        Status::Ongoing,
        Status::Prepare(Outcome::Commit),
        Status::Prepare(Outcome::Abort),
        Status::Complete(Outcome::Commit),
        Status::Complete(Outcome::Abort),
    ];

    /// The number in the log.
    pub const fn number(self) -> i8 {
        match self {
            Status::Empty => 0,
            Status::Ongoing => 1,
            Status::Prepare(Outcome::Commit) => 2,
            Status::Prepare(Outcome::Abort) => 3,
            Status::Complete(Outcome::Commit) => 4,
            Status::Complete(Outcome::Abort) => 5,
        }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Empty => "Empty",
            Status::Ongoing => "Ongoing",
            Status::Prepare(Outcome::Commit) => "PrepareCommit",
            Status::Prepare(Outcome::Abort) => "PrepareAbort",
            Status::Complete(Outcome::Commit) => "CompleteCommit",
            Status::Complete(Outcome::Abort) => "CompleteAbort",
        }
    }

    /// The status with that number.
    pub fn from_number(number: i8) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.number() == number)
    }

    /// Whether no transaction is under way.
    pub const fn is_at_rest(self) -> bool {
        matches!(self, Status::Empty | Status::Complete(_))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names on the wire that stand for no status in the log: ListTransactions may ask for them and finds nothing.
pub(crate) const PASSING_NAMES: [&str; 2] = ["Dead", "PrepareEpochFence"];

/// By which rules a producer ends its transactions: Kafka's feature `transaction.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionVersion {
    /// The epoch stays the same from one transaction to the next (KIP-98).
    V1,
    /// Every end raises the epoch (KIP-890).
    V2,
}

impl TransactionVersion {
    /// The number in the log. Levels 0 and 1 of the feature differ only in the version of the log's own values.
    pub const fn number(self) -> i16 {
        match self {
            TransactionVersion::V1 => 0,
            TransactionVersion::V2 => 2,
        }
    }

    /// The rules behind a number in the log; `None` for one that was unknown when this was written.
    pub const fn from_number(number: i16) -> Option<TransactionVersion> {
        match number {
            0 | 1 => Some(TransactionVersion::V1),
            2 => Some(TransactionVersion::V2),
            _ => None,
        }
    }
}
