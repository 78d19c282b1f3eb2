//! The recent batches of one log, in memory: from the first not yet evicted to the log end, without a gap.

use std::collections::VecDeque;

use ottla_model::Offset;

use crate::StoredBatch;

/// Consecutive batches, the last of which ends the log.
#[derive(Debug)]
pub struct Tail {
    batches: VecDeque<StoredBatch>,
    bytes: usize,
    end: Offset,
}

impl Tail {
    /// No batch, in a log that ends at `end`.
    pub fn new(end: Offset) -> Tail {
        Tail {
            batches: VecDeque::new(),
            bytes: 0,
            end,
        }
    }

    /// The offset of the first record held here; the log end if none is.
    pub fn start(&self) -> Offset {
        self.batches.front().map_or(self.end, StoredBatch::base_offset)
    }

    /// The offset the next record will get.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Bytes of the batches held here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the next batch.
    pub fn push(&mut self, batch: StoredBatch) {
        assert_eq!(batch.base_offset(), self.end, "offsets are gapless");
        assert!(
            batch.last_offset() >= batch.base_offset(),
            "a batch takes at least one offset"
        );
        self.end = batch.next_offset();
        self.bytes += batch.size();
        self.batches.push_back(batch);
    }

    /// The batches from the one that holds `from` (or the first after it).
    pub fn from(&self, from: Offset) -> impl Iterator<Item = &StoredBatch> {
        let first = self.batches.partition_point(|batch| batch.last_offset() < from);
        self.batches.range(first..)
    }

    /// Drops the batches that end at or below `before`; gives the bytes freed.
    pub fn evict(&mut self, before: Offset) -> usize {
        let gone = self.batches.partition_point(|batch| batch.next_offset() <= before);
        let freed = self.batches.drain(..gone).map(|batch| batch.size()).sum();
        self.bytes -= freed;
        freed
    }
}

#[cfg(test)]
mod tests {
    use ottla_model::{LeaderEpoch, Millis};

    use super::*;
    use crate::BatchBuilder;

    fn tail(counts: &[i64]) -> Tail {
        let mut tail = Tail::new(Offset(10));
        for count in counts {
            let mut batch = BatchBuilder::new();
            (0..*count).for_each(|_| batch.push(Millis(0), None, None));
            tail.push(StoredBatch::number(&batch.build(), tail.end(), LeaderEpoch(0)));
        }
        tail
    }

    #[test]
    fn the_batch_that_holds_an_offset_is_found() {
        let tail = tail(&[2, 3, 1]);
        let first = |from| tail.from(Offset(from)).next().map(|batch| batch.base_offset().0);
        assert_eq!([9, 10, 11, 12, 14, 15].map(first), [10, 10, 10, 12, 12, 15].map(Some));
        assert_eq!(first(16), None);
        assert_eq!((tail.start(), tail.end()), (Offset(10), Offset(16)));
    }

    #[test]
    fn only_whole_batches_are_evicted() {
        let mut tail = tail(&[2, 3]);
        let bytes = tail.bytes();
        assert_eq!(tail.evict(Offset(11)), 0);
        assert_eq!(tail.evict(Offset(14)) + tail.bytes(), bytes);
        assert_eq!(tail.start(), Offset(12));
        tail.evict(Offset(99));
        assert_eq!((tail.start(), tail.bytes()), (Offset(15), 0));
    }

    #[test]
    #[should_panic(expected = "offsets are gapless")]
    fn a_gap_is_a_broken_rule() {
        let mut tail = tail(&[1]);
        let batch = tail.from(Offset(10)).next().unwrap().clone();
        tail.push(batch);
    }
}
