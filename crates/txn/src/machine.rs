//! The machine: which rule answers which command and which deadline.

use ottla_coordinator::{Entry, Machine, Output, Ticket};
use ottla_model::{Millis, TransactionalId};

use crate::command::Command;
use crate::effect::Effect;
use crate::record::Record;
use crate::reply::Reply;
use crate::session::Session;
use crate::state::State;
use crate::{add_partitions, describe, end, expire, init_producer_id, markers, timeout};

/// The transactions of one partition of `__transaction_state`.
#[derive(Debug)]
pub enum Transactions {}

/// The name of a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Transactions that take too long are looked for.
    AbortTimedOut,
    /// Ids out of use are looked for.
    ExpireIds,
    /// Markers that could not be written are tried again.
    Markers(TransactionalId),
}

impl Machine for Transactions {
    type State = State;
    type Session = Session;
    type Command = Command;
    type Reply = Reply;
    type Timer = Timer;
    type Record = Record;
    type Effect = Effect;

    fn decide(
        state: &State,
        session: &mut Session,
        now: Millis,
        ticket: Ticket,
        command: Command,
    ) -> Output<Transactions> {
        match command {
            Command::InitProducerId(command) => init_producer_id::decide(state, session, now, ticket, command),
            Command::AddPartitions(command) => add_partitions::add(state, session, now, ticket, command),
            Command::VerifyPartitions(command) => add_partitions::verify(state, ticket, command),
            Command::EndTransaction(command) => end::decide(state, session, now, ticket, command),
            Command::MarkersWritten(command) => markers::written(state, session, now, ticket, command),
            Command::Describe(id) => describe::one(state, ticket, id),
            Command::List(command) => describe::list(state, now, ticket, &command),
        }
    }

    fn expire(state: &State, session: &mut Session, now: Millis, timer: Timer) -> Output<Transactions> {
        match timer {
            Timer::AbortTimedOut => timeout::tick(state, session, now),
            Timer::ExpireIds => expire::tick(state, session, now),
            Timer::Markers(id) => markers::again(state, session, &id),
        }
    }

    fn loaded(state: &State, session: &mut Session, now: Millis) -> Output<Transactions> {
        let mut output = Output::default();
        output.arm(Timer::ExpireIds, now.plus(session.config.id_expiration_check_interval));
        for (id, transaction) in state.transactions() {
            markers::resume(id, transaction, session, now, &mut output);
            if transaction.deadline().is_some() {
                timeout::watch(session, now, &mut output);
            }
        }
        output
    }

    fn apply(state: &mut State, entry: &Entry<Record>) {
        state.apply(entry);
    }
}
