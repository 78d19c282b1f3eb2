//! What can be wrong with a history.

use std::fmt;

/// A kind of anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One offset, two values.
    InconsistentOffsets,
    /// One value, two offsets.
    Duplicate,
    /// A committed record was never read, though a later one of its partition was.
    LostWrite,
    /// A committed record was not read when everything was read at the end.
    Unseen,
    /// An aborted record was read.
    AbortedRead,
    /// A record was read before its transaction was asked to commit, or by its own transaction.
    PrecommittedRead,
    /// A poll left out records between those it gave.
    IntPollSkip,
    /// A poll gave records in another order than the partition's.
    IntNonmonotonicPoll,
    /// A process that read on left out records.
    PollSkip,
    /// A process that read on was given records again.
    NonmonotonicPoll,
    /// A process's records lie in another order than it sent them.
    NonmonotonicSend,
    /// Records of others lie between those of one operation.
    IntSendSkip,
    /// A cycle of writes that follow one another.
    G0,
    /// A cycle of reads of what was written.
    G1c,
    /// A cycle of reads and writes, in which the order of writes plays a part.
    G1cWithWrites,
    /// A cycle in which one read missed a write.
    GSingle,
    /// A record read in one place was never written in the other.
    TransferLost,
    /// A record was written that was never read.
    TransferInvented,
    /// A record was written more often than it was read.
    TransferRepeated,
}

impl Kind {
    /// Whether Kafka's transactions allow it: records of several transactions lie in a partition as they come, so that the
    /// order of writes is nobody's order of transactions. `subscribed` members may be moved at any time.
    pub fn is_allowed(self, subscribed: bool) -> bool {
        match self {
            Kind::G0 | Kind::IntSendSkip | Kind::G1cWithWrites => true,
            Kind::PollSkip | Kind::NonmonotonicPoll => subscribed,
            _ => false,
        }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What kind.
    pub kind: Kind,
    /// Where, in words.
    pub what: String,
}

impl Anomaly {
    pub(crate) fn new(kind: Kind, what: String) -> Anomaly {
        Anomaly { kind, what }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}
