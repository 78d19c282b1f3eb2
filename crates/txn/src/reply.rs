//! What callers are told.

use std::collections::BTreeSet;

use ottla_model::{ErrorCode, ProducerId, TopicPartition, TransactionalId};

use crate::identity::Identity;
use crate::status::Status;
use crate::transaction::Transaction;

/// The answer to a [`crate::Command`]; each command has the variant of its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To an InitProducerId: who the producer is.
    InitProducerId(Result<Identity, Refused>),
    /// To an AddPartitions.
    AddPartitions(Result<(), ErrorCode>),
    /// To a VerifyPartitions: those that do not take part, which is TRANSACTION_ABORTABLE for each.
    VerifyPartitions(Result<BTreeSet<TopicPartition>, ErrorCode>),
    /// To an EndTransaction: who the producer is from now on. By the rules of V1 that is who it was.
    EndTransaction(Result<Identity, Refused>),
    /// To a MarkersWritten.
    MarkersWritten,
    /// To a Describe.
    Describe(Result<Described, ErrorCode>),
    /// To a List.
    List(Listing),
}

/// Why a producer has no new identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would be one with a fresh producer id: ask again with one. Nothing has changed.
    NeedsProducerId,
    /// It may not have one.
    Code(ErrorCode),
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Refused {
        Refused::Code(code)
    }
}

/// A transactional id as DescribeTransactions shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The id.
    pub id: TransactionalId,
    /// What is known.
    pub transaction: Transaction,
}

/// The transactional ids of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The names among the asked states that stand for none.
    pub unknown_states: Vec<String>,
    /// Those that passed the filters, by id.
    pub transactions: Vec<Listed>,
}

/// A transactional id as ListTransactions shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The id.
    pub id: TransactionalId,
    /// Its producer.
    pub producer: ProducerId,
    /// Where its transaction stands.
    pub status: Status,
}
