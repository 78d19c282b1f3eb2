//! EndTxn: the outcome of a transaction is decided, by its producer or for it.
//!
//! By the rules of V2 the epoch tells a repeat from the end of the next transaction (KIP-890):
//!
//! | at rest as | abort, repeated | abort | commit, repeated | commit |
//! |---|---|---|---|---|
//! | Empty | fenced | aborted | fenced | refused |
//! | Complete(Abort) | done | aborted | refused | refused |
//! | Complete(Commit) | refused | aborted | done | refused |
//!
//! *Done* changes nothing, *aborted* raises the epoch: a producer that aborts nothing leaves late requests behind all the
//! same. By the rules of V1 a repeat looks like the request it repeats, so only what fits the outcome is *done*.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, Millis, ProducerId, TransactionalId};

use crate::add_partitions::find;
use crate::command::EndTransaction;
use crate::identity::Identity;
use crate::machine::Transactions;
use crate::markers;
use crate::record::Record;
use crate::reply::{Refused, Reply};
use crate::session::Session;
use crate::state::State;
use crate::status::{Outcome, Status, TransactionVersion};
use crate::transaction::Transaction;

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    end: EndTransaction,
) -> Output<Transactions> {
    let answer = |result| Output::reply(ticket, Reply::EndTransaction(result));
    let judged = find(state, &end.id).map_err(Refused::Code).and_then(|known| {
        let step = match end.version {
            TransactionVersion::V1 => known.judge_end_v1(&end)?,
            TransactionVersion::V2 => known.judge_end_v2(&end)?,
        };
        Ok((known, step))
    });
    match judged {
        Ok((known, Step::Done)) => answer(Ok(known.identity)),
        Ok((known, Step::Decide(next_producer))) => {
            let decided = known.decided(end.outcome, end.version, next_producer, now);
            let mut output = answer(Ok(decided.completed(end.outcome, now).identity));
            carry_out(&end.id, decided, session, now, &mut output);
            output
        }
        Err(refused) => answer(Err(refused)),
    }
}

/// What an EndTxn that is not refused leads to.
enum Step {
    /// Nothing: it repeats one that was carried out.
    Done,
    /// The outcome is decided, with the producer id to go on with if there is no epoch left.
    Decide(Option<ProducerId>),
}

impl Transaction {
    fn judge_end_v1(&self, end: &EndTransaction) -> Result<Step, Refused> {
        self.check_identity(end.identity)?;
        match self.status {
            Status::Ongoing => Ok(Step::Decide(None)),
            Status::Prepare(_) => Err(ErrorCode::ConcurrentTransactions.into()),
            Status::Complete(outcome) if outcome == end.outcome => Ok(Step::Done),
            Status::Empty | Status::Complete(_) => Err(ErrorCode::InvalidTxnState.into()),
        }
    }

    fn judge_end_v2(&self, end: &EndTransaction) -> Result<Step, Refused> {
        // While an end is carried out the producer may be on its way to another id, so this comes before who it is.
        if let Status::Prepare(_) = self.status {
            return Err(ErrorCode::ConcurrentTransactions.into());
        }
        if let (Status::Complete(outcome), TransactionVersion::V2) = (self.status, self.version)
            && Some(end.identity) == self.preceding()
        {
            return match outcome == end.outcome {
                // It would be given the highest epoch, which only fences.
                true if self.identity.epoch > Identity::EPOCH_LAST => Err(ErrorCode::ProducerFenced.into()),
                true => Ok(Step::Done),
                false => Err(ErrorCode::InvalidTxnState.into()),
            };
        }
        self.check_identity(end.identity)?;
        if self.status.is_at_rest() && end.outcome == Outcome::Commit {
            return Err(ErrorCode::InvalidTxnState.into());
        }
        if !self.identity.is_exhausted() {
            return Ok(Step::Decide(None));
        }
        let next_producer = end.fresh.ok_or(Refused::NeedsProducerId)?;
        Ok(Step::Decide(Some(next_producer)))
    }
}

/// Aborts an open transaction in such a way that its producer can write no more. Gives the identity that fences it.
///
/// The producer id is not changed even if this takes its last epoch: whoever comes next will be given another one.
pub(crate) fn fence(
    id: &TransactionalId,
    open: &Transaction,
    session: &mut Session,
    now: Millis,
    output: &mut Output<Transactions>,
) -> Identity {
    let decided = open.decided(Outcome::Abort, TransactionVersion::V2, None, now);
    let identity = decided.identity;
    carry_out(id, decided, session, now, output);
    identity
}

/// Writes the decision, and asks for the markers that follow from it.
fn carry_out(
    id: &TransactionalId,
    decided: Transaction,
    session: &mut Session,
    now: Millis,
    output: &mut Output<Transactions>,
) {
    output.record(Record {
        id: id.clone(),
        value: Some(decided.clone()),
    });
    markers::resume(id, &decided, session, now, output);
}
