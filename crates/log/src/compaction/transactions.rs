//! Which transactions were aborted, followed along the log.

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
    /// Aborted ones begun and not ended.
    aborted: HashMap<ProducerId, Aborted>,
    /// Aborted ones that ended and of which a batch was seen.
    seen: Vec<EndedTransaction>,
    /// Producers with records of a transaction that will be committed.
    committed: HashSet<ProducerId>,
}

#[derive(Debug)]
struct Aborted {
    transaction: EndedTransaction,
    seen: bool,
}

impl Transactions {
    pub(super) fn new(aborted: &[EndedTransaction]) -> Transactions {
        let mut to_come: Vec<EndedTransaction> = aborted.iter().filter(|ended| ended.aborted).copied().collect();
        to_come.sort_unstable_by_key(|ended| std::cmp::Reverse(ended.first));
        Transactions {
            to_come,
            aborted: HashMap::new(),
            seen: Vec::new(),
            committed: HashSet::new(),
        }
    }

    /// Walks over a data batch; whether it belongs to an aborted transaction.
    pub(super) fn pass_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
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

    /// Walks over a control batch; whether nothing else is left of the transaction that it ends.
    pub(super) fn pass_marker(&mut self, header: &BatchHeader, batch: &Unpacked<'_>) -> bool {
        self.begin_up_to(header.last_offset());
        let Some(Ok(record)) = batch.records().next() else {
            // Emptied by an earlier round.
            return true;
        };
        match Marker::read(&record) {
            Some(marker) if marker.committed => !self.committed.remove(&header.producer_id),
            Some(_) => !self.end_aborted(header.producer_id),
            // A control record of another kind is nobody's to remove.
            None => false,
        }
    }

    /// The aborted transactions of which something was seen, ended or not, by the offset of their marker.
    pub(super) fn left(self) -> Vec<EndedTransaction> {
        let open = self.aborted.into_values().map(|aborted| aborted.transaction);
        let mut left: Vec<EndedTransaction> = self.seen.into_iter().chain(open).collect();
        left.sort_unstable_by_key(|ended| ended.last);
        left
    }

    /// Whether a batch of it was seen.
    fn end_aborted(&mut self, producer: ProducerId) -> bool {
        match self.aborted.remove(&producer) {
            Some(aborted) if aborted.seen => {
                self.seen.push(aborted.transaction);
                true
            }
            _ => false,
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(next) = self.to_come.pop_if(|next| next.first <= offset) {
            self.aborted.entry(next.producer).or_insert(Aborted {
                transaction: next,
                seen: false,
            });
        }
    }
}
