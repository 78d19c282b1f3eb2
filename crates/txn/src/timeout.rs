//! Transactions that take longer than their producer said are aborted, and the producer is fenced.

use ottla_coordinator::Output;
use ottla_model::Millis;

use crate::effect::Effect;
use crate::end;
use crate::machine::{Timer, Transactions};
use crate::session::Session;
use crate::state::State;

/// How many transactions one step may abort before it makes way for others.
const ABORTS_PER_STEP_MAX: usize = 100;

/// A transaction is open, so that from time to time somebody has to look for those that take too long.
pub(crate) fn watch(session: &mut Session, now: Millis, output: &mut Output<Transactions>) {
    if !session.watches_timeouts {
        session.watches_timeouts = true;
        output.arm(Timer::AbortTimedOut, now.plus(session.config.timeout_check_interval));
    }
}

/// Aborts what takes too long, and looks again later if anything is still open.
pub(crate) fn tick(state: &State, session: &mut Session, now: Millis) -> Output<Transactions> {
    let mut output = Output::default();
    session.watches_timeouts = false;
    let mut aborted = 0;
    for (id, transaction) in state.transactions() {
        let Some(deadline) = transaction.deadline() else {
            continue;
        };
        if deadline >= now {
            watch(session, now, &mut output);
            continue;
        }
        if aborted == ABORTS_PER_STEP_MAX {
            session.watches_timeouts = true;
            output.arm(Timer::AbortTimedOut, now);
            return output;
        }
        aborted += 1;
        let identity = end::fence(id, transaction, session, now, &mut output);
        output.effect(Effect::TimedOut {
            id: id.clone(),
            identity,
        });
    }
    output
}
