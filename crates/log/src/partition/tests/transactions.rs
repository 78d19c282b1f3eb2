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
    /// The log start moves up, if so much is durable; what lies below may go from the segments.
    Delete {
        before: i64,
        drops: bool,
    },
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
        1 => (0..60i64, any::<bool>()).prop_map(|(before, drops)| Step::Delete { before, drops }),
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
    start: i64,
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
            .max(self.start)
    }

    fn committed(&self) -> Vec<i64> {
        let counts = |transaction: &Option<usize>| match transaction {
            None => true,
            Some(index) => self.transactions[*index].ended.is_some_and(|(_, committed)| committed),
        };
        let stable = self.last_stable();
        let is_visible = |(base, count, _): &&(i64, i32, _)| {
            *base < stable && self.start < stable && base + i64::from(*count) > self.start
        };
        let visible = self.batches.iter().filter(is_visible);
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
                self.snapshot = Some(taken(&self.log.partition));
            }
            Step::Evict(before) => {
                self.log.partition.evict(Offset(before));
            }
            Step::Delete { before, drops } => self.delete(before, drops),
            Step::Reopen { with_snapshot } => self.reopen(with_snapshot),
        }
    }

    fn delete(&mut self, before: i64, drops: bool) {
        let before = before.min(self.model.durable);
        let (start, _) = self.log.partition.delete_records(Offset(before)).unwrap();
        self.model.start = self.model.start.max(before);
        assert_eq!(start.0, self.model.start);
        // The disk keeps what no snapshot stands for.
        let known = self.snapshot.as_ref().map_or(Offset(0), |(at, _)| *at);
        let settled = self.log.partition.offsets().settled_end;
        if drops {
            let below = start.min(known).min(settled);
            self.log.partition.drop_segments_below(below).unwrap();
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
        let is_cut = self.log.segments.segments()[0].base_offset > Offset(0);
        let snapshot = self.snapshot.clone().filter(|_| with_snapshot || is_cut);
        let below = snapshot.as_ref().map_or(Offset(0), |(at, _)| *at);
        // What `.txnindex` files hold.
        let mut aborted = self.log.partition.aborted();
        aborted.retain(|ended| ended.last < below);
        let start = self.log.partition.offsets().log_start;
        self.log = Fixture::over(self.log.segments.clone(), snapshot, aborted);
        self.log.partition.delete_records(start).unwrap();
        self.log.journal.flush();
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
            prop_assert!(offsets.last_stable >= offsets.log_start);
        }
    }

    #[test]
    fn a_reader_of_committed_sees_all_that_is_and_nothing_else(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        let expected = run.model.committed();
        prop_assert_eq!(run.seen(run.model.start), &expected[..]);
        for (base, count, _) in &run.model.batches {
            let rest: Vec<i64> = expected.iter().copied().filter(|at| at >= base).collect();
            if *base >= run.model.start && *base <= run.model.last_stable() && *count > 0 {
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

#[test]
fn deleting_records_lifts_the_last_stable_offset_above_an_open_transaction() {
    let log = Fixture::new();
    log.write(plain(1));
    log.write(transactional(7, 0, 2));
    log.write(plain(4));
    log.partition.delete_records(Offset(5)).unwrap();
    let latest = || {
        let found = log
            .partition
            .offset_for(OffsetSpec::Latest, Isolation::ReadCommitted, Patience::Now);
        let Ok(Lookup::Done(Some(found))) = found else {
            panic!("{found:?}")
        };
        found.offset
    };
    assert_eq!((log.partition.offsets().last_stable, latest()), (Offset(5), Offset(5)));
    let read = log.read_with(5, |limit| limit.isolation = Isolation::ReadCommitted);
    assert_eq!((read.last_stable, read.bytes), (Offset(5), 0));
    log.mark(7, true);
    assert_eq!(latest(), Offset(8));
}

/// Segments during whose next read something else happens, once their bytes are read.
struct Interrupted {
    inner: Arc<MemorySegments>,
    then: std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Segments for Interrupted {
    fn append(&self, batches: &[StoredBatch]) -> Result<(), crate::StorageFault> {
        self.inner.append(batches)
    }

    fn sync(&self) -> Result<(), crate::StorageFault> {
        self.inner.sync()
    }

    fn read(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
        patience: Patience,
    ) -> Result<crate::SegmentRead, crate::StorageFault> {
        let read = self.inner.read(from, before, bytes_max, patience);
        let then = self.then.lock().unwrap().take();
        then.into_iter().for_each(|then| then());
        read
    }

    fn position_of_timestamp(&self, at: Millis) -> Result<Option<Offset>, crate::StorageFault> {
        self.inner.position_of_timestamp(at)
    }

    fn segments(&self) -> Vec<crate::SegmentInfo> {
        self.inner.segments()
    }

    fn end(&self) -> Offset {
        self.inner.end()
    }

    fn drop_below(&self, start: Offset) -> Result<(), crate::StorageFault> {
        self.inner.drop_below(start)
    }
}

/// Reads committed records from 0 on, where an aborted transaction lies, while `meanwhile` happens.
fn read_while(
    meanwhile: impl FnOnce(&Partition, &MemorySegments) + Send + 'static,
) -> Result<(Vec<i64>, Vec<AbortedTransaction>), ReadFault> {
    let log = Fixture::over(Arc::new(MemorySegments::new(Offset(0), 1)), None, Vec::new());
    log.write(transactional(7, 0, 2));
    log.mark(7, false);
    log.write(plain(1));
    log.settle();
    let (inner, aborted) = (Arc::clone(&log.segments), log.partition.aborted());
    let segments = Arc::new(Interrupted {
        inner: Arc::clone(&inner),
        then: Default::default(),
    });
    let partition = Arc::new(opened(segments.clone(), &log.journal, None, aborted));
    partition.evict(Offset(4));
    let beside = Arc::clone(&partition);
    *segments.then.lock().unwrap() = Some(Box::new(move || meanwhile(&beside, &inner)));
    let limit = ReadLimit {
        bytes_max: usize::MAX,
        at_least_one: true,
        isolation: Isolation::ReadCommitted,
        patience: Patience::Wait,
        before: None,
    };
    let Reading::Done(read) = partition.read(Offset(0), limit)? else {
        panic!("a patient read never waits")
    };
    assert!(segments.then.lock().unwrap().is_none(), "it happened");
    Ok((offsets(&read), read.aborted))
}

const NAMED: [AbortedTransaction; 1] = [AbortedTransaction {
    producer: ProducerId(7),
    first_offset: Offset(0),
}];

#[test]
fn a_reader_is_told_of_what_was_aborted_though_the_log_start_passes_it_meanwhile() {
    let moved = read_while(|partition, _| {
        partition.delete_records(Offset(3)).unwrap();
    });
    assert_eq!(moved, Ok((vec![0, 2, 3], NAMED.to_vec())));
}

#[test]
fn a_read_is_begun_anew_if_what_was_aborted_goes_meanwhile() {
    let dropped = read_while(|partition, _| {
        partition.delete_records(Offset(3)).unwrap();
        partition.drop_segments_below(Offset(3)).unwrap();
    });
    assert!(
        matches!(
            dropped,
            Err(ReadFault::OutOfRange {
                log_start: Offset(3),
                ..
            })
        ),
        "{dropped:?}"
    );
    let compacted = read_while(|partition, segments| {
        let last = StoredBatch::number(&plain(1), Offset(3), LeaderEpoch(3)).to_bytes();
        segments.replace([last]);
        partition.cleaned(Offset(4), &[]);
    });
    assert_eq!(compacted, Ok((vec![3], Vec::new())));
}
