//! The markers that end a transaction in its partitions: asked for, reported, tried again, until all are written.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{LeaderEpoch, Millis, TransactionalId};

use crate::command::{MarkerAnswer, MarkersWritten};
use crate::effect::{Effect, Markers};
use crate::machine::{Timer, Transactions};
use crate::record::Record;
use crate::reply::Reply;
use crate::session::{Decided, Session};
use crate::state::State;
use crate::status::{Outcome, Status};
use crate::transaction::Transaction;

/// How long to wait before a partition that took no marker is asked again.
const RETRY_AFTER: Millis = Millis(100);

/// Asks for all markers of a transaction whose outcome is decided. One without partitions is complete at once.
pub(crate) fn resume(
    id: &TransactionalId,
    transaction: &Transaction,
    session: &mut Session,
    now: Millis,
    output: &mut Output<Transactions>,
) {
    let Status::Prepare(outcome) = transaction.status else {
        return;
    };
    if transaction.partitions.is_empty() {
        output.record(Record {
            id: id.clone(),
            value: Some(transaction.completed(outcome, now)),
        });
        return;
    }
    let decided = Decided {
        decision: session.next_decision(),
        unmarked: transaction.partitions.clone(),
    };
    output.effect(markers(id, transaction, outcome, &decided, session.coordinator_epoch));
    session.decided.insert(id.clone(), decided);
}

fn markers(
    id: &TransactionalId,
    transaction: &Transaction,
    outcome: Outcome,
    decided: &Decided,
    coordinator_epoch: LeaderEpoch,
) -> Effect {
    Effect::WriteMarkers(Markers {
        decision: decided.decision,
        id: id.clone(),
        identity: transaction.identity,
        coordinator_epoch,
        outcome,
        version: transaction.version,
        partitions: decided.unmarked.iter().cloned().collect(),
    })
}

/// Some markers are written, or need not be; the last of them completes the transaction.
pub(crate) fn written(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    report: MarkersWritten,
) -> Output<Transactions> {
    let mut output = Output::reply(ticket, Reply::MarkersWritten);
    let Some((transaction, outcome)) = decided(state, &report.id) else {
        return output;
    };
    let Some(decided) = session.decided.get_mut(&report.id) else {
        return output;
    };
    if report.decision != decided.decision {
        return output;
    }
    let mut tries_again = false;
    for (partition, answer) in &report.answers {
        match answer {
            MarkerAnswer::Written | MarkerAnswer::Unneeded => {
                decided.unmarked.remove(partition);
            }
            MarkerAnswer::NotNow => tries_again = true,
        }
    }
    if decided.unmarked.is_empty() {
        session.decided.remove(&report.id);
        output.disarm(Timer::Markers(report.id.clone()));
        output.record(Record {
            id: report.id,
            value: Some(transaction.completed(outcome, now)),
        });
    } else if tries_again {
        output.arm(Timer::Markers(report.id), now.plus(RETRY_AFTER));
    }
    output
}

/// Asks once more for the markers that could not be written.
pub(crate) fn again(state: &State, session: &Session, id: &TransactionalId) -> Output<Transactions> {
    let mut output = Output::default();
    if let (Some((transaction, outcome)), Some(decided)) = (decided(state, id), session.decided.get(id)) {
        output.effect(markers(id, transaction, outcome, decided, session.coordinator_epoch));
    }
    output
}

/// What is known under an id, if its outcome is decided and it is not complete.
fn decided<'a>(state: &'a State, id: &TransactionalId) -> Option<(&'a Transaction, Outcome)> {
    let transaction = state.transaction(id)?;
    match transaction.status {
        Status::Prepare(outcome) => Some((transaction, outcome)),
        Status::Empty | Status::Ongoing | Status::Complete(_) => None,
    }
}
