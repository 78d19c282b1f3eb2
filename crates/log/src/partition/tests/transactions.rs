//! What readers see of transactions, whatever is interleaved, flushed, settled or opened again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::partition::replay::Replayed;

#[derive(Clone, Debug)]
enum Step {
    Plain(i32),
    /// A producer writes in its transaction.
    Write(i64, i32),
    /// A producer's transaction ends, by the rules of V2 or V1.
    End {
        producer: i64,
        committed: bool,
        raises: bool,
    },
    Flush,
    Settle,
    Evict(i64),
    /// The log is opened again from its segments; with the producers as they were some steps before, or without.
    Reopen {
        with_snapshot: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (1..4i32).prop_map(Step::Plain),
        4 => (0..4i64, 1..4i32).prop_map(|(producer, count)| Step::Write(producer, count)),
        3 => (0..4i64, any::<bool>(), any::<bool>()).prop_map(|(producer, committed, raises)| Step::End {
            producer,
            committed,
            raises,
        }),
        2 => Just(Step::Flush),
        2 => Just(Step::Settle),
        1 => (0..60i64).prop_map(Step::Evict),
        1 => any::<bool>().prop_map(|with_snapshot| Step::Reopen { with_snapshot }),
    ];
    prop::collection::vec(step, 1..60)
}

/// What should be so.
#[derive(Default)]
struct Model {
    /// Each batch: base offset, how many records, whose transaction.
    batches: Vec<(i64, i32, Option<usize>)>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<i64, (i16, i32)>,
    next: i64,
    durable: i64,
}

struct Transaction {
    producer: i64,
    first: i64,
    /// Where its marker is, and whether it commits.
    ended: Option<(i64, bool)>,
}

impl Model {
    fn open(&self, producer: i64) -> Option<usize> {
        self.transactions
            .iter()
            .position(|known| known.producer == producer && known.ended.is_none())
    }

    fn last_stable(&self) -> i64 {
        let unstable = self.transactions.iter().filter(|known| match known.ended {
            None => true,
            Some((marker, _)) => marker >= self.durable,
        });
        unstable
            .map(|known| known.first)
            .min()
            .unwrap_or(self.durable)
            .min(self.durable)
    }

    fn committed(&self) -> Vec<i64> {
        let counts = |transaction: &Option<usize>| match transaction {
            None => true,
            Some(index) => self.transactions[*index].ended.is_some_and(|(_, committed)| committed),
        };
        let stable = self.last_stable();
        let visible = self.batches.iter().filter(|(base, ..)| *base < stable);
        visible
            .filter(|(.., transaction)| counts(transaction))
            .map(|(base, ..)| *base)
            .collect()
    }
}

/// A log, what should be in it, and the producer snapshot last taken.
struct Run {
    log: Fixture,
    model: Model,
    snapshot: Option<(Offset, Bytes)>,
}

impl Run {
    fn new() -> Run {
        Run {
            log: Fixture::over(Arc::new(MemorySegments::new(Offset(0), 300)), None, Vec::new()),
            model: Model::default(),
            snapshot: None,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Plain(count) => self.wrote(plain(count), count, None),
            Step::Write(producer, count) => self.write(producer, count),
            Step::End {
                producer,
                committed,
                raises,
            } => self.end(producer, committed, raises),
            Step::Flush => self.flush(),
            Step::Settle => {
                self.log.settle();
                self.snapshot = self.log.partition.producer_snapshot();
            }
            Step::Evict(before) => {
                self.log.partition.evict(Offset(before));
            }
            Step::Reopen { with_snapshot } => self.reopen(with_snapshot),
        }
    }

    fn write(&mut self, producer: i64, count: i32) {
        let (epoch, sequence) = *self.model.producers.entry(producer).or_insert((0, 0));
        let batch = numbered(BatchBuilder::new().transactional(), producer, epoch, sequence, count);
        self.model.producers.insert(producer, (epoch, sequence + count));
        let transaction = self.model.open(producer).unwrap_or_else(|| {
            self.model.transactions.push(Transaction {
                producer,
                first: self.model.next,
                ended: None,
            });
            self.model.transactions.len() - 1
        });
        self.wrote(batch, count, Some(transaction));
    }

    fn wrote(&mut self, batch: Bytes, count: i32, transaction: Option<usize>) {
        let appended = self.log.append(batch).unwrap();
        assert_eq!(appended.base_offset.0, self.model.next);
        self.model.batches.push((self.model.next, count, transaction));
        self.model.next += i64::from(count);
    }

    fn end(&mut self, producer: i64, committed: bool, raises: bool) {
        let Some(transaction) = self.model.open(producer) else {
            return;
        };
        let (epoch, sequence) = self.model.producers[&producer];
        let (epoch, sequence, origin) = match raises {
            true => (epoch + 1, 0, Origin::RaisingCoordinator),
            false => (epoch, sequence, Origin::Coordinator),
        };
        let marker = Marker {
            committed,
            coordinator_epoch: 0,
        };
        let batch = marker.build(ProducerId(producer), ProducerEpoch(epoch), NOW);
        self.log.partition.append(batch, origin, NOW).unwrap();
        self.model.producers.insert(producer, (epoch, sequence));
        self.model.transactions[transaction].ended = Some((self.model.next, committed));
        self.model.next += 1;
    }

    fn flush(&mut self) {
        self.log.journal.flush();
        self.model.durable = self.model.next;
    }

    fn reopen(&mut self, with_snapshot: bool) {
        self.flush();
        self.log.settle();
        let snapshot = self.snapshot.take().filter(|_| with_snapshot);
        let below = snapshot.as_ref().map_or(Offset(0), |(at, _)| *at);
        // What `.txnindex` files hold.
        let mut aborted = self.log.partition.aborted();
        aborted.retain(|ended| ended.last < below);
        self.log = Fixture::over(self.log.segments.clone(), snapshot, aborted);
    }

    /// The base offsets that a client sees which reads committed records from `from` on.
    fn seen(&self, from: i64) -> Vec<i64> {
        let read = self
            .log
            .read_with(from, |limit| limit.isolation = Isolation::ReadCommitted);
        let mut to_come: VecDeque<AbortedTransaction> = {
            let mut aborted = read.aborted.clone();
            aborted.sort_by_key(|aborted| aborted.first_offset);
            aborted.into()
        };
        let mut skipped = BTreeSet::new();
        let mut seen = Vec::new();
        let bytes: Vec<u8> = read.chunks.iter().flatten().copied().collect();
        for (header, batch) in Batches::new(bytes.into()) {
            while to_come
                .front()
                .is_some_and(|next| next.first_offset <= header.last_offset())
            {
                skipped.extend(to_come.pop_front().map(|aborted| aborted.producer));
            }
            if header.has(crate::batch::attributes::CONTROL) {
                let unpacked = Unpacked::open(&batch).unwrap();
                let record = unpacked.records().next().unwrap().unwrap();
                if !Marker::read(&record).unwrap().committed {
                    skipped.remove(&header.producer_id);
                }
            } else if !header.has(crate::batch::attributes::TRANSACTIONAL) || !skipped.contains(&header.producer_id) {
                seen.push(header.base_offset.0);
            }
        }
        seen
    }
}

proptest! {
    #[test]
    fn the_last_stable_offset_never_passes_an_open_transaction(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            let offsets = run.log.partition.offsets();
            prop_assert_eq!(offsets.last_stable.0, run.model.last_stable(), "after {:?}", step);
            prop_assert!(offsets.last_stable <= offsets.high_watermark);
        }
    }

    #[test]
    fn a_reader_of_committed_sees_all_that_is_and_nothing_else(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        let expected = run.model.committed();
        prop_assert_eq!(run.seen(0), &expected[..]);
        for (base, count, _) in &run.model.batches {
            let rest: Vec<i64> = expected.iter().copied().filter(|at| at >= base).collect();
            if *base <= run.model.last_stable() && *count > 0 {
                prop_assert_eq!(run.seen(*base), rest, "from {}", base);
            }
        }
    }
}

#[test]
fn a_replay_names_transactions_and_their_markers() {
    let log = Fixture::new();
    log.write(plain(1));
    log.write(transactional(7, 0, 2));
    log.mark(7, false);
    let mut seen = Vec::new();
    log.partition.replay(|entry| seen.push(entry.unwrap())).unwrap();
    let told: Vec<_> = seen
        .iter()
        .map(|entry| match entry {
            Replayed::Record(record) => (
                record.offset.0,
                record.transaction.map(|(producer, _)| producer.0),
                None,
            ),
            Replayed::Marker(marker) => (marker.offset.0, Some(marker.producer.0), Some(marker.marker.committed)),
        })
        .collect();
    let expected = [
        (0, None, None),
        (1, Some(7), None),
        (2, Some(7), None),
        (3, Some(7), Some(false)),
    ];
    assert_eq!(told, expected);
}
