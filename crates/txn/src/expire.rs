//! Transactional ids that nobody has used for long are forgotten.

use ottla_coordinator::Output;
use ottla_model::Millis;

use crate::effect::Effect;
use crate::machine::{Timer, Transactions};
use crate::record::Record;
use crate::session::Session;
use crate::state::State;
use crate::transaction::Transaction;

/// How many bytes of ids one step may write tombstones for before it makes way for others.
const BYTES_PER_STEP_MAX: usize = 256 * 1024;

/// Looks through the ids; goes on at once where it stopped, or after the interval once it is through.
pub(crate) fn tick(state: &State, session: &mut Session, now: Millis) -> Output<Transactions> {
    let mut output = Output::default();
    let resume_after = session.expired_up_to.take();
    let mut next = now.plus(session.config.id_expiration_check_interval);
    let mut bytes = 0;
    for (id, transaction) in state.transactions_after(resume_after.as_ref()) {
        if !transaction.is_out_of_use(now, session.config.id_expiration) {
            continue;
        }
        output.record(Record {
            id: id.clone(),
            value: None,
        });
        bytes += id.as_str().len();
        if bytes >= BYTES_PER_STEP_MAX {
            session.expired_up_to = Some(id.clone());
            next = now;
            break;
        }
    }
    output.arm(Timer::ExpireIds, next);
    if !output.records.is_empty() {
        let count = output.records.len();
        output.effect(Effect::IdsExpired { count });
    }
    output
}

impl Transaction {
    /// Only what is at rest can be forgotten.
    fn is_out_of_use(&self, now: Millis, expiration: Millis) -> bool {
        self.status.is_at_rest() && now.since(self.updated) >= expiration
    }
}
