//! Which transactions were aborted, followed along the log.
//!
//! An aborted transaction ends at the offset of its marker, whether the walk comes by the marker or not: a walk may begin
//! behind it, and compaction may have taken it away.

use std::collections::{HashMap, HashSet};

use ottla_model::{Offset, ProducerId};

use crate::batch::BatchHeader;
use crate::builder::Marker;
use crate::producers::EndedTransaction;
use crate::records::Unpacked;

/// The state of the transactions at one point of a walk through the log.
#[derive(Debug)]
pub(super) struct Transactions {
    /// Aborted ones not begun yet, the next one last.
    to_come: Vec<EndedTransaction>,
    /// Of each producer the aborted one begun last, as long as no batch told that it ended.
    aborted: HashMap<ProducerId, Aborted>,
    /// Aborted ones that ended and of which a batch was seen.
    seen: Vec<EndedTransaction>,
    /// Producers with records of a transaction that will be committed.
    committed: HashSet<ProducerId>,
    /// The offset after the last batch.
    at: Offset,
}

/// What is left of a transaction beside its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remains {
    /// At least a batch.
    Batches,
    /// Its name among the aborted ones: readers who are told it look for the marker that ends it.
    Name,
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Aborted {
    transaction: EndedTransaction,
    seen: bool,
}

impl Transactions {
    /// For a walk from `start` on.
    pub(super) fn new(start: Offset, aborted: &[EndedTransaction]) -> Transactions {
        let matters = |ended: &&EndedTransaction| ended.aborted && ended.last >= start;
        let mut to_come: Vec<EndedTransaction> = aborted.iter().filter(matters).copied().collect();
        to_come.sort_unstable_by_key(|ended| std::cmp::Reverse(ended.first));
        Transactions {
            to_come,
            aborted: HashMap::new(),
            seen: Vec::new(),
            committed: HashSet::new(),
            at: start,
        }
    }

    /// Walks over a data batch; whether it belongs to an aborted transaction.
    pub(super) fn pass_data(&mut self, header: &BatchHeader) -> bool {
        self.go_to(header);
        if !header.has(crate::batch::attributes::TRANSACTIONAL) {
            return false;
        }
        if let Some(aborted) = self.aborted.get_mut(&header.producer_id) {
            aborted.seen = true;
            return true;
        }
        self.committed.insert(header.producer_id);
        false
    }

    /// Walks over a control batch; what else is left of the transaction that it ends.
    pub(super) fn pass_marker(&mut self, header: &BatchHeader, batch: &Unpacked<'_>) -> Remains {
        self.go_to(header);
        if let Some(seen) = self.end_aborted(header.producer_id) {
            return if seen { Remains::Batches } else { Remains::Name };
        }
        let Some(Ok(record)) = batch.records().next() else {
            // Emptied by an earlier round.
            return Remains::Nothing;
        };
        match Marker::read(&record) {
            Some(marker) if marker.committed && self.committed.remove(&header.producer_id) => Remains::Batches,
            Some(_) => Remains::Nothing,
            // A control record of another kind is nobody's to remove.
            None => Remains::Batches,
        }
    }

    /// The aborted transactions of which something was seen, or whose end was not reached, by the offset of their marker.
    pub(super) fn left(self) -> Vec<EndedTransaction> {
        let at = self.at;
        let open = self.aborted.into_values();
        let open = open.filter(|aborted| aborted.seen || aborted.transaction.last >= at);
        let mut left: Vec<EndedTransaction> = self.seen;
        left.extend(open.map(|aborted| aborted.transaction));
        left.sort_unstable_by_key(|ended| ended.last);
        left
    }

    fn go_to(&mut self, header: &BatchHeader) {
        self.at = header.next_offset();
        while let Some(next) = self.to_come.pop_if(|next| next.first <= header.last_offset()) {
            self.begin(next);
        }
        let begun = self.aborted.get(&header.producer_id);
        if begun.is_some_and(|begun| begun.transaction.last < header.base_offset) {
            self.end_aborted(header.producer_id);
        }
    }

    fn begin(&mut self, transaction: EndedTransaction) {
        self.end_aborted(transaction.producer);
        let fresh = Aborted {
            transaction,
            seen: false,
        };
        self.aborted.insert(transaction.producer, fresh);
    }

    /// Whether a batch of it was seen; `None` if there is none.
    fn end_aborted(&mut self, producer: ProducerId) -> Option<bool> {
        let ended = self.aborted.remove(&producer)?;
        if ended.seen {
            self.seen.push(ended.transaction);
        }
        Some(ended.seen)
    }
}
