//! InitProducerId: a producer asks who it is. Whoever had the transactional id before is fenced, and its open transaction
//! aborted.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, Millis, ProducerEpoch, ProducerId};

use crate::command::InitProducerId;
use crate::effect::Effect;
use crate::end;
use crate::identity::Identity;
use crate::machine::Transactions;
use crate::record::{self, Record};
use crate::reply::{Refused, Reply};
use crate::session::Session;
use crate::state::State;
use crate::status::Status;
use crate::transaction::Transaction;

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    init: InitProducerId,
) -> Output<Transactions> {
    let known = state.transaction(&init.id);
    match judge(known, &init, session, now) {
        Ok(Step::Initialize(next)) => {
            let mut output = Output::reply(ticket, Reply::InitProducerId(Ok(next.identity)));
            output.record(Record {
                id: init.id,
                value: Some(*next),
            });
            output
        }
        // The transaction has to end before a new producer may begin; its answer is to come again.
        Ok(Step::Fence(open)) => {
            let refused = Refused::Code(ErrorCode::ConcurrentTransactions);
            let mut output = Output::reply(ticket, Reply::InitProducerId(Err(refused)));
            let fenced = end::fence(&init.id, open, session, now, &mut output);
            output.effect(Effect::Fenced {
                id: init.id,
                identity: fenced,
            });
            output
        }
        Err(refused) => Output::reply(ticket, Reply::InitProducerId(Err(refused))),
    }
}

/// What an InitProducerId leads to.
enum Step<'a> {
    /// The producer is initialized.
    Initialize(Box<Transaction>),
    /// A transaction is open and is aborted first.
    Fence(&'a Transaction),
}

fn judge<'a>(
    known: Option<&'a Transaction>,
    init: &InitProducerId,
    session: &Session,
    now: Millis,
) -> Result<Step<'a>, Refused> {
    if !record::fits(&init.id) {
        return Err(ErrorCode::InvalidRequest.into());
    }
    if init.timeout <= Millis(0) || init.timeout > session.config.timeout_max {
        return Err(ErrorCode::InvalidTransactionTimeout.into());
    }
    let Some(known) = known else {
        let producer = init.fresh.ok_or(Refused::NeedsProducerId)?;
        return Ok(Step::Initialize(Box::new(Transaction::first(
            producer,
            init.timeout,
            now,
        ))));
    };
    if let Status::Prepare(_) = known.status {
        return Err(ErrorCode::ConcurrentTransactions.into());
    }
    if init.expected.is_some_and(|expected| !known.is_or_was(expected)) {
        return Err(ErrorCode::ProducerFenced.into());
    }
    if known.status == Status::Ongoing {
        return Ok(Step::Fence(known));
    }
    let next = match init.expected {
        None => known.with_next_epoch(None, init, now)?,
        Some(expected) if expected == known.identity => known.with_next_epoch(Some(expected.epoch), init, now)?,
        Some(expected) if Some(expected) == known.preceding() => known.with_same_epoch(expected, init, now)?,
        Some(_) => return Err(ErrorCode::ProducerFenced.into()),
    };
    Ok(Step::Initialize(Box::new(next)))
}

impl Transaction {
    /// Whether the producer id is the present one; or the one before, in which case its epochs have been used up.
    fn is_or_was(&self, expected: Identity) -> bool {
        let was = self.previous_producer == Some(expected.producer) && expected.is_exhausted();
        self.identity.producer == expected.producer || was
    }

    fn with_next_epoch(
        &self,
        raised_from: Option<ProducerEpoch>,
        init: &InitProducerId,
        now: Millis,
    ) -> Result<Transaction, Refused> {
        let identity = if self.identity.is_exhausted() {
            Identity::first(fresh(init)?)
        } else {
            self.identity.raised()
        };
        Ok(self.initialized(identity, raised_from, init.timeout, now))
    }

    /// The request is a repeat, or what it asks for has happened on the way: the transaction was aborted with a higher epoch.
    /// The highest epoch only fences and is never given to a producer.
    fn with_same_epoch(&self, expected: Identity, init: &InitProducerId, now: Millis) -> Result<Transaction, Refused> {
        if self.identity.epoch > Identity::EPOCH_LAST {
            return self.with_next_epoch(Some(expected.epoch), init, now);
        }
        Ok(self.initialized_again(expected, init.timeout, now))
    }
}

fn fresh(init: &InitProducerId) -> Result<ProducerId, Refused> {
    init.fresh.ok_or(Refused::NeedsProducerId)
}
