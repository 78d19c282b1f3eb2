//! What callers ask of a transactional id's coordinator.
//!
//! Plain owned values: version differences of the wire end at the handler. Where a version changes what a transaction
//! *does*, the command has a [`TransactionVersion`] that says so.

use std::collections::BTreeSet;

use ottla_model::{Millis, ProducerId, TopicPartition, TransactionalId};

use crate::identity::Identity;
use crate::session::Decision;
use crate::status::{Outcome, TransactionVersion};

/// One request to the transactions of a shard.
#[derive(Clone, Debug)]
pub enum Command {
    /// A producer asks who it is; whoever was the producer before is fenced.
    InitProducerId(InitProducerId),
    /// Partitions take part in the producer's transaction.
    AddPartitions(AddPartitions),
    /// Whether partitions take part.
    VerifyPartitions(VerifyPartitions),
    /// The producer commits or aborts.
    EndTransaction(EndTransaction),
    /// What became of markers that were to be written.
    MarkersWritten(MarkersWritten),
    /// What is known under an id.
    Describe(TransactionalId),
    /// All ids of the shard.
    List(ListTransactions),
}

/// InitProducerId.
#[derive(Clone, Debug)]
pub struct InitProducerId {
    /// The producer's name.
    pub id: TransactionalId,
    /// How long a transaction may take from now on.
    pub timeout: Millis,
    /// Who the producer thinks it is, if it asks to go on with a higher epoch (v3, KIP-360).
    pub expected: Option<Identity>,
    /// A producer id nobody has had, for the case that one is needed. Asked without, the answer may be
    /// [`crate::Refused::NeedsProducerId`].
    pub fresh: Option<ProducerId>,
}

/// AddPartitionsToTxn; AddOffsetsToTxn, with the partition of `__consumer_offsets`; and, by the rules of V2, whatever adds
/// partitions on the way to writing to them.
#[derive(Clone, Debug)]
pub struct AddPartitions {
    /// The producer's name.
    pub id: TransactionalId,
    /// Who it is.
    pub identity: Identity,
    /// What takes part.
    pub partitions: BTreeSet<TopicPartition>,
    /// The rules it works by.
    pub version: TransactionVersion,
}

/// AddPartitionsToTxn that only asks (v4, KIP-890).
#[derive(Clone, Debug)]
pub struct VerifyPartitions {
    /// The producer's name.
    pub id: TransactionalId,
    /// Who it is.
    pub identity: Identity,
    /// What should take part.
    pub partitions: BTreeSet<TopicPartition>,
}

/// EndTxn.
#[derive(Clone, Debug)]
pub struct EndTransaction {
    /// The producer's name.
    pub id: TransactionalId,
    /// Who it is.
    pub identity: Identity,
    /// Commit or abort.
    pub outcome: Outcome,
    /// The rules it works by: V2 from EndTxn v5 on, whatever the cluster's features say.
    pub version: TransactionVersion,
    /// A producer id nobody has had, for the case that one is needed. Asked without, the answer may be
    /// [`crate::Refused::NeedsProducerId`].
    pub fresh: Option<ProducerId>,
}

/// The answer to [`crate::Markers`], in one or more parts.
#[derive(Clone, Debug)]
pub struct MarkersWritten {
    /// Whose transaction it was.
    pub id: TransactionalId,
    /// Which decision they carry out. A report about an earlier one comes late and is left alone.
    pub decision: Decision,
    /// What became of each.
    pub answers: Vec<(TopicPartition, MarkerAnswer)>,
}

/// What became of one marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerAnswer {
    /// It is in the partition's log, before anything that is written there from now on.
    Written,
    /// It will never be: the partition is gone, or somebody else has ended the transaction there.
    Unneeded,
    /// The partition takes nothing now.
    NotNow,
}

/// ListTransactions. Empty filters let everything through. Patterns of ids are the handler's affair.
#[derive(Clone, Debug, Default)]
pub struct ListTransactions {
    /// Names of states.
    pub states: Vec<String>,
    /// Producer ids.
    pub producers: Vec<ProducerId>,
    /// Only what is older (v1). Without a beginning there is no age, and whatever has none is let through.
    pub older_than: Option<Millis>,
}
