//! DescribeTransactions and ListTransactions.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, Millis, TransactionalId};

use crate::command::ListTransactions;
use crate::machine::Transactions;
use crate::reply::{Described, Listed, Listing, Reply};
use crate::state::State;
use crate::status::{PASSING_NAMES, Status};
use crate::transaction::Transaction;

/// What is known under one id.
pub(crate) fn one(state: &State, ticket: Ticket, id: TransactionalId) -> Output<Transactions> {
    let result = match state.transaction(&id) {
        _ if id.as_str().is_empty() => Err(ErrorCode::InvalidRequest),
        None => Err(ErrorCode::TransactionalIdNotFound),
        Some(transaction) => Ok(Described {
            id,
            transaction: transaction.clone(),
        }),
    };
    Output::reply(ticket, Reply::Describe(result))
}

/// The ids that pass the filters.
pub(crate) fn list(state: &State, now: Millis, ticket: Ticket, asked: &ListTransactions) -> Output<Transactions> {
    let passes = |(id, transaction): (&TransactionalId, &Transaction)| {
        asked.lets_through(transaction, now).then(|| Listed {
            id: id.clone(),
            producer: transaction.identity.producer,
            status: transaction.status,
        })
    };
    let listing = Listing {
        unknown_states: asked.states.iter().filter(|name| !is_known(name)).cloned().collect(),
        transactions: state.transactions().filter_map(passes).collect(),
    };
    Output::reply(ticket, Reply::List(listing))
}

fn is_known(name: &str) -> bool {
    PASSING_NAMES.contains(&name) || Status::ALL.iter().any(|status| status.name() == name)
}

impl ListTransactions {
    fn lets_through(&self, transaction: &Transaction, now: Millis) -> bool {
        let of_producer = self.producers.is_empty() || self.producers.contains(&transaction.identity.producer);
        let in_state = self.states.is_empty() || self.states.iter().any(|name| name == transaction.status.name());
        let is_older = match (self.older_than, transaction.started) {
            (Some(age), Some(started)) => now.since(started) > age,
            _ => true,
        };
        of_producer && in_state && is_older
    }
}
