//! The aborted transactions of one log, which readers of committed records must be told of.

use ottla_model::Offset;

use super::read::AbortedTransaction;
use crate::producers::EndedTransaction;

/// Aborted transactions by the offset of their marker. An entry stays as long as the segment that its marker lies in, or
/// until compaction has left nothing of its records: not only until the log start has passed it, for a log start that is
/// not durable may be taken back, and readers who began before read on.
#[derive(Debug, Default)]
pub(super) struct AbortedIndex {
    ended: Vec<EndedTransaction>,
    forgotten: u64,
}

impl AbortedIndex {
    /// Of what was aborted, by the offset of the markers.
    pub(super) fn new(ended: Vec<EndedTransaction>) -> AbortedIndex {
        AbortedIndex { ended, forgotten: 0 }
    }

    /// Adds one whose marker lies behind those of the others.
    pub(super) fn push(&mut self, ended: EndedTransaction) {
        self.ended.push(ended);
    }

    /// All of them.
    pub(super) fn all(&self) -> &[EndedTransaction] {
        &self.ended
    }

    /// Forgets all but those to be kept.
    pub(super) fn retain(&mut self, keep: impl FnMut(&EndedTransaction) -> bool) {
        let before = self.ended.len();
        self.ended.retain(keep);
        self.forgotten += u64::from(self.ended.len() < before);
    }

    /// How often some were forgotten: what was read in between may have lacked them.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Those that a reader of `from` to `end` must be told of: a transaction is named as long as its marker is at or after
    /// the first offset read.
    pub(super) fn between(&self, from: Offset, end: Offset) -> Vec<AbortedTransaction> {
        let after = self.ended.partition_point(|ended| ended.last < from);
        let touching = self.ended[after..].iter().filter(|ended| ended.first < end);
        touching
            .map(|ended| AbortedTransaction {
                producer: ended.producer,
                first_offset: ended.first,
            })
            .collect()
    }
}
