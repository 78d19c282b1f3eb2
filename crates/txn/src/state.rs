//! What the log says about the transactional ids of one partition of `__transaction_state`.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use ottla_coordinator::Entry;
use ottla_model::TransactionalId;

use crate::record::Record;
use crate::transaction::Transaction;

/// All transactional ids of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    transactions: BTreeMap<TransactionalId, Transaction>,
}

impl State {
    /// What is known under an id.
    pub fn transaction(&self, id: &TransactionalId) -> Option<&Transaction> {
        self.transactions.get(id)
    }

    /// All ids with what is known under them, by id.
    pub fn transactions(&self) -> impl Iterator<Item = (&TransactionalId, &Transaction)> {
        self.transactions.iter()
    }

    /// The ids after `id`.
    pub(crate) fn transactions_after(
        &self,
        id: Option<&TransactionalId>,
    ) -> impl Iterator<Item = (&TransactionalId, &Transaction)> {
        self.transactions
            .range::<TransactionalId, _>((id.map_or(Unbounded, Excluded), Unbounded))
    }

    pub(crate) fn apply(&mut self, entry: &Entry<Record>) {
        let Record { id, value } = &entry.record;
        match value {
            Some(transaction) => {
                self.transactions.insert(id.clone(), transaction.clone());
            }
            None => {
                self.transactions.remove(id);
            }
        }
    }
}
