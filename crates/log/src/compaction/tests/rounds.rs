//! Round after round over a log of transactions: what a reader of committed records rebuilds from it stays the same.

use std::collections::{BTreeSet, VecDeque};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Keys, with a value or none, outside of any transaction or in that of a producer.
    Write(Option<i64>, Vec<(u8, Option<u8>)>),
    /// A producer's transaction ends: committed or not.
    End(i64, bool),
    /// A round with room for so many bytes of keys, so many hours after the one before. It may break off after some
    /// batches were put in place, as it does when a later segment cannot be read, or the power goes.
    Round {
        room: usize,
        hours: i64,
        breaks_after: Option<usize>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = prop::collection::vec((0..4u8, prop::option::weighted(0.7, 0..9u8)), 1..4);
    let producer = prop::option::weighted(0.8, 0..2i64);
    let round = (prop_oneof![Just(1 << 20), 1..400usize], 0..40i64);
    let breaks_after = prop::option::weighted(0.2, 0..20usize);
    let step = prop_oneof![
        5 => (producer, records).prop_map(|(producer, records)| Step::Write(producer, records)),
        3 => (0..2i64, any::<bool>()).prop_map(|(producer, committed)| Step::End(producer, committed)),
        2 => (round, breaks_after)
            .prop_map(|((room, hours), breaks_after)| Step::Round { room, hours, breaks_after }),
    ];
    prop::collection::vec(step, 1..80)
}

/// A record as it was written: offset, key, value, the transaction it belongs to.
type Written = (i64, u8, Option<u8>, Option<usize>);

#[derive(Default)]
struct Run {
    log: Log,
    written: Vec<Written>,
    /// Where each transaction begins, and whether it was committed, once it ended.
    transactions: Vec<(i64, Option<bool>)>,
    open: BTreeMap<i64, usize>,
    sequences: BTreeMap<i64, i32>,
    cleaned: Offset,
    now: i64,
}

impl Run {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(producer, records) => self.write(*producer, records),
            Step::End(producer, committed) => {
                if let Some(transaction) = self.open.remove(producer) {
                    self.transactions[transaction].1 = Some(*committed);
                    self.log.push(marker(*producer, *committed));
                }
            }
            Step::Round {
                room,
                hours,
                breaks_after,
            } => {
                self.now += hours * DAY / 24;
                self.round(*room, *breaks_after);
            }
        }
    }

    fn write(&mut self, producer: Option<i64>, records: &[(u8, Option<u8>)]) {
        let (next, count) = (self.log.next, self.transactions.len());
        let transaction = producer.map(|producer| *self.open.entry(producer).or_insert(count));
        if transaction == Some(count) {
            self.transactions.push((next, None));
        }
        let mut batch = match producer {
            Some(producer) => {
                let sequence = self.sequences.entry(producer).or_default();
                let batch = by(producer, *sequence).transactional();
                *sequence += records.len() as i32;
                batch
            }
            None => BatchBuilder::new(),
        };
        for (offset, (key, value)) in (next..).zip(records) {
            let value_bytes = value.map(|value| [value]);
            let value_bytes = value_bytes.as_ref().map(|value| &value[..]);
            batch.push(Millis(1_000), Some(&[*key]), value_bytes);
            self.written.push((offset, *key, *value, transaction));
        }
        self.log.push(batch.build());
    }

    fn last_stable(&self) -> i64 {
        let open = self.open.values().map(|transaction| self.transactions[*transaction].0);
        open.min().unwrap_or(self.log.next)
    }

    /// What the owner of the segments does.
    fn round(&mut self, room: usize, breaks_after: Option<usize>) {
        let stable = self.last_stable();
        let is_stable = |batch: &Bytes| BatchHeader::read(batch).unwrap().next_offset().0 <= stable;
        let rest = self.log.batches.split_off(self.log.batches.partition_point(is_stable));
        let mut keys = KeyMap::new(self.cleaned, room, &self.log.aborted);
        for batch in &self.log.batches {
            let is_dirty = BatchHeader::read(batch).unwrap().next_offset() > self.cleaned;
            if is_dirty && keys.add(batch) == Ok(Added::Full) {
                break;
            }
        }
        let (aborted, end) = (self.log.aborted.clone(), keys.end());
        match breaks_after {
            Some(count) => {
                let count = count.min(self.log.batches.len());
                let untouched = self.log.batches.split_off(count);
                self.log.clean_with(&keys, self.now);
                self.log.batches.extend(untouched);
                self.log.aborted = aborted;
            }
            None => {
                self.log.clean_with(&keys, self.now);
                let left = std::mem::take(&mut self.log.aborted);
                let is_left = |ended: &EndedTransaction| ended.last >= end || left.contains(ended);
                self.log.aborted = aborted.into_iter().filter(is_left).collect();
                self.cleaned = end;
            }
        }
        self.log.batches.extend(rest);
    }

    /// The last committed value of each key that has one.
    fn expected(&self) -> BTreeMap<u8, u8> {
        let stable = self.last_stable();
        let counts = |transaction: &Option<usize>| match transaction {
            None => true,
            Some(index) => self.transactions[*index].1 == Some(true),
        };
        let committed = self.written.iter().filter(|(.., transaction)| counts(transaction));
        let readable = committed.filter(|(offset, ..)| *offset < stable);
        rebuilt(readable.map(|(_, key, value, _)| (*key, *value)))
    }

    /// The same, as a client makes it of what is in the log.
    fn read(&self) -> BTreeMap<u8, u8> {
        let mut to_come = VecDeque::from(self.log.aborted.clone());
        to_come.make_contiguous().sort_by_key(|ended| ended.first);
        let (mut skipped, mut records) = (BTreeSet::new(), Vec::new());
        for batch in &self.log.batches {
            let batch = Unpacked::open(batch).unwrap();
            let header = batch.header;
            if header.base_offset.0 >= self.last_stable() {
                break;
            }
            while let Some(ended) = to_come.pop_front_if(|ended| ended.first <= header.last_offset()) {
                skipped.insert(ended.producer);
            }
            if header.has(attributes::CONTROL) {
                let said = batch.records().next().map(|record| Marker::read(&record.unwrap()));
                if said.flatten().is_some_and(|marker| !marker.committed) {
                    skipped.remove(&header.producer_id);
                }
            } else if !header.has(attributes::TRANSACTIONAL) || !skipped.contains(&header.producer_id) {
                let of = |record: crate::record::RecordView<'_>| {
                    (record.key.unwrap()[0], record.value.map(|value| value[0]))
                };
                records.extend(batch.records().map(|record| of(record.unwrap())));
            }
        }
        rebuilt(records)
    }
}

fn rebuilt(records: impl IntoIterator<Item = (u8, Option<u8>)>) -> BTreeMap<u8, u8> {
    let mut values = BTreeMap::new();
    for (key, value) in records {
        match value {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_readers_of_committed_rebuild_is_the_same_after_every_round(steps in steps(), active in any::<bool>()) {
        let mut run = Run::default();
        run.log.active_producers = active;
        for (at, step) in steps.iter().enumerate() {
            run.step(step);
            prop_assert_eq!(run.read(), run.expected(), "after step {}: {:?}", at, step);
        }
    }
}

#[test]
fn a_committed_tombstone_counts_after_an_abort_in_the_clean_part() {
    let mut run = Run::default();
    let round = |hours| Step::Round {
        room: 1 << 20,
        hours,
        breaks_after: None,
    };
    let steps = [
        Step::Write(None, vec![(1, Some(1))]),
        Step::Write(Some(7), vec![(2, Some(2))]),
        Step::End(7, false),
        round(0),
        Step::Write(Some(7), vec![(1, None)]),
        Step::End(7, true),
        Step::Write(None, vec![(3, Some(3))]),
        round(1),
        round(30),
        round(30),
    ];
    for step in &steps {
        run.step(step);
    }
    assert_eq!(
        run.read(),
        BTreeMap::from([(3, 3)]),
        "the deleted key does not come back"
    );
}

#[test]
fn an_entry_without_its_marker_takes_nothing_that_was_committed() {
    let mut log = Log::default();
    log.push(batch("a=1"))
        .push(records(by(7, 0).transactional(), "b=1"))
        .push(marker(7, false))
        .push(records(by(7, 1).transactional(), "c=1"))
        .push(marker(7, true))
        .push(batch("z=1"));
    log.batches.drain(1..3);
    let stale = log.aborted.clone();
    assert_eq!(stale.len(), 1);
    log.clean_at(0);
    assert_eq!(log.offsets(), [0, 3, 4, 5]);
    assert!(log.aborted.is_empty(), "an entry of which nothing is left goes");
}

#[test]
fn a_marker_stays_as_long_as_readers_are_told_of_its_transaction() {
    let mut log = Log::default();
    log.push(records(by(7, 0).transactional(), "a=1"))
        .push(marker(7, false))
        .push(batch("z=1"));
    let named = log.aborted.clone();
    for round in 0..4 {
        log.aborted = named.clone();
        log.clean_at(round * 2 * DAY);
        assert_eq!(log.offsets(), [1, 2], "round {round}");
    }
    assert!(log.aborted.is_empty());
    log.clean_at(8 * DAY);
    assert_eq!(log.offsets(), [2]);
}
