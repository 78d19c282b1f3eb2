//! Transactions in the crash runs. The rule: a reader of committed records sees what the batches that are there say, all
//! that was committed and nothing that was aborted, up to the first open transaction; the producers go on where they were.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_log::{Marker, Partition, ProducerState};
use ottla_model::{Offset, ProducerEpoch, ProducerId};

use super::*;
use crate::store::committed::{Record, committed_records, rebuilt};

/// What was appended, in order.
#[derive(Clone, Default)]
pub(super) struct Written(Vec<Batch>);

#[derive(Clone)]
struct Batch {
    base: Offset,
    next: Offset,
    /// Whose, if it is part of a transaction.
    producer: Option<i64>,
    what: What,
}

#[derive(Clone)]
enum What {
    Records(Vec<Record>),
    End { committed: bool },
}

/// What the batches below some offset say.
#[derive(Default)]
struct State {
    /// Where the open transactions begin.
    open: BTreeMap<i64, Offset>,
    /// The last sequence number of each producer.
    sequences: BTreeMap<i64, i32>,
    aborted: BTreeSet<Offset>,
}

/// With transactions, by several producers.
pub(super) fn is_transactional(id: PartitionId) -> bool {
    id.index >= PartitionIndex(3)
}

impl Written {
    /// Forgets what did not survive.
    pub(super) fn cut(&mut self, end: Offset) {
        self.0.retain(|batch| batch.next <= end);
    }

    fn state_at(&self, end: Offset) -> State {
        let (mut state, mut batches) = (State::default(), BTreeMap::<i64, Vec<Offset>>::new());
        for batch in self.0.iter().filter(|batch| batch.next <= end) {
            let Some(producer) = batch.producer else { continue };
            match &batch.what {
                What::Records(records) => {
                    state.open.entry(producer).or_insert(batch.base);
                    *state.sequences.entry(producer).or_insert(-1) += records.len() as i32;
                    batches.entry(producer).or_default().push(batch.base);
                }
                What::End { committed } => {
                    state.open.remove(&producer);
                    let ended = batches.remove(&producer).unwrap_or_default();
                    state.aborted.extend(ended.into_iter().filter(|_| !committed));
                }
            }
        }
        state
    }

    /// Compares what a reader of committed records is given with what was written.
    pub(super) fn check(&self, partition: &Partition, compacted: bool) {
        let offsets = partition.offsets();
        let (start, end) = (offsets.log_start, offsets.high_watermark);
        let state = self.state_at(end);
        let stable = state.open.values().copied().min().unwrap_or(end).max(start);
        assert_eq!(offsets.last_stable, stable, "the last stable offset, {offsets:?}");
        let committed = self.0.iter().filter(|batch| batch.base < stable);
        let committed = committed.filter(|batch| !state.aborted.contains(&batch.base));
        let expected = committed.filter_map(|batch| match &batch.what {
            What::Records(records) => Some(records.iter().cloned()),
            What::End { .. } => None,
        });
        let expected = expected
            .flatten()
            .filter(|(offset, ..)| *offset >= start && *offset < stable);
        let expected = expected.collect::<Vec<_>>();
        let found = committed_records(partition);
        if compacted {
            let written = |record| expected.binary_search(record).is_ok();
            assert!(found.iter().all(written), "nothing is read that was not committed");
            assert!(
                rebuilt(&found) == rebuilt(&expected),
                "what a reader rebuilds from {found:?} is what was written, {expected:?}"
            );
        } else {
            let offsets_of = |records: &[Record]| records.iter().map(|(offset, ..)| *offset).collect::<Vec<_>>();
            assert_eq!(offsets_of(&found), offsets_of(&expected), "what is committed");
            assert!(
                found == expected,
                "what a reader of committed records sees is what was written"
            );
        }
    }

    /// Compares the producers with what was written.
    pub(super) fn check_producers(&self, producers: &[ProducerState], end: Offset) {
        let state = self.state_at(end);
        let found = producers
            .iter()
            .map(|known| (known.id.0, known.last_sequence, known.transaction_start));
        let expected = state.sequences.iter();
        let expected = expected.map(|(id, last)| (*id, *last, state.open.get(id).copied()));
        assert_eq!(
            found.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "each producer goes on where it was"
        );
    }
}

impl Run {
    /// Writes a plain batch, or one of a transaction, or ends a transaction.
    pub(super) fn append_in_transaction(&mut self, id: PartitionId) {
        let state = self.known[&id].written.state_at(self.known[&id].end);
        let producer = (self.random.below(5) > 0).then(|| 20 + self.random.below(2) as i64);
        let is_open = producer.is_some_and(|producer| state.open.contains_key(&producer));
        let (batch, what, origin) = if is_open && self.random.below(2) == 0 {
            let committed = self.random.below(2) == 0;
            self.note(if committed { "commit" } else { "abort" });
            let marker = Marker {
                committed,
                coordinator_epoch: 0,
            };
            let batch = marker.build(ProducerId(producer.unwrap_or_default()), ProducerEpoch(0), NOW);
            (batch, What::End { committed }, Origin::Coordinator)
        } else {
            let (batch, records) = self.some_records(self.known[&id].end, producer, &state);
            (
                batch,
                What::Records(records),
                Origin::Participant { begins_at_zero: false },
            )
        };
        let partition = self.store().partition(id).unwrap();
        let Ok(appended) = partition.append(batch, origin, NOW) else {
            self.note("refused");
            return;
        };
        trace(|| format!("append {id:?} {producer:?} {appended:?}"));
        let known = self.known.get_mut(&id).unwrap();
        assert_eq!(appended.base_offset, known.end, "offsets run on");
        known.end = appended.last_offset.next();
        known
            .batches
            .push((appended.base_offset, known.end, appended.lsn, Bytes::new()));
        known.written.0.push(Batch {
            base: appended.base_offset,
            next: known.end,
            producer,
            what,
        });
    }

    fn some_records(&mut self, base: Offset, producer: Option<i64>, state: &State) -> (Bytes, Vec<Record>) {
        let mut batch = BatchBuilder::new();
        if let Some(producer) = producer {
            let last = state.sequences.get(&producer).copied().unwrap_or(-1);
            batch = batch
                .producer(ProducerId(producer), ProducerEpoch(0), last + 1)
                .transactional();
        }
        let mut records = Vec::new();
        for offset in 0..=self.random.below(3) as i64 {
            let key = b'a' + self.random.below(6) as u8;
            let value = vec![self.random.next() as u8; self.random.below(300) as usize];
            let value = (self.random.below(6) > 0).then(|| Bytes::from(value));
            batch.push(NOW, Some(&[key]), value.as_deref());
            records.push((base.plus(offset), key, value));
        }
        (batch.build(), records)
    }
}
