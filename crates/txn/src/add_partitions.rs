//! AddPartitionsToTxn and AddOffsetsToTxn: partitions take part in a transaction; or, are asked about.

use std::collections::BTreeSet;

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, Millis, TopicPartition, TransactionalId};

use crate::command::{AddPartitions, VerifyPartitions};
use crate::identity::Identity;
use crate::machine::Transactions;
use crate::record::{self, Record};
use crate::reply::Reply;
use crate::session::Session;
use crate::state::State;
use crate::status::Status;
use crate::timeout;
use crate::transaction::Transaction;

pub(crate) fn add(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    add: AddPartitions,
) -> Output<Transactions> {
    let answer = |result| Output::reply(ticket, Reply::AddPartitions(result));
    let known = match find(state, &add.id) {
        // While an end is carried out the producer may be on its way to another id, so this comes before who it is.
        Ok(known) if matches!(known.status, Status::Prepare(_)) => {
            return answer(Err(ErrorCode::ConcurrentTransactions));
        }
        Ok(known) => known,
        Err(error) => return answer(Err(error)),
    };
    if let Err(error) = known.check_identity(add.identity) {
        return answer(Err(error));
    }
    if known.status == Status::Ongoing && known.partitions.is_superset(&add.partitions) {
        return answer(Ok(()));
    }
    let mut output = answer(Ok(()));
    output.record(Record {
        id: add.id,
        value: Some(known.joined_by(add.partitions, add.version, now)),
    });
    timeout::watch(session, now, &mut output);
    output
}

/// Asked by whoever is about to take a batch of a producer that announces its partitions.
pub(crate) fn verify(state: &State, ticket: Ticket, verify: VerifyPartitions) -> Output<Transactions> {
    Output::reply(ticket, Reply::VerifyPartitions(missing(state, verify)))
}

fn missing(state: &State, mut verify: VerifyPartitions) -> Result<BTreeSet<TopicPartition>, ErrorCode> {
    let known = find(state, &verify.id)?;
    known.check_identity(verify.identity)?;
    if let Status::Prepare(_) = known.status {
        return Err(ErrorCode::ConcurrentTransactions);
    }
    verify
        .partitions
        .retain(|partition| !known.partitions.contains(partition));
    Ok(verify.partitions)
}

/// What is known under an id that somebody writes under.
pub(crate) fn find<'a>(state: &'a State, id: &TransactionalId) -> Result<&'a Transaction, ErrorCode> {
    if !record::fits(id) {
        return Err(ErrorCode::InvalidRequest);
    }
    state.transaction(id).ok_or(ErrorCode::InvalidProducerIdMapping)
}

impl Transaction {
    /// Whether the producer is the present one. The highest epoch is nobody's.
    pub(crate) fn check_identity(&self, identity: Identity) -> Result<(), ErrorCode> {
        if identity.producer != self.identity.producer {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if identity.epoch != self.identity.epoch || identity.epoch > Identity::EPOCH_LAST {
            return Err(ErrorCode::ProducerFenced);
        }
        Ok(())
    }
}
