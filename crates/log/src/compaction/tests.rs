//! Compaction, round by round.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use ottla_model::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId};
use proptest::prelude::*;

use super::*;
use crate::builder::Marker;
use crate::codec::Codec;
use crate::producers::Producers;
use crate::records::Batches;
use crate::{Lsn, SegmentInfo, StoredBatch};

mod rounds;

const DAY: i64 = 86_400_000;

/// A log as its batches, and the producers it makes.
#[derive(Clone, Debug, Default)]
struct Log {
    batches: Vec<Bytes>,
    next: i64,
    producers: Producers,
    aborted: Vec<EndedTransaction>,
    active_producers: bool,
}

impl Log {
    fn push(&mut self, batch: Bytes) -> &mut Log {
        let batch = StoredBatch::number(&batch, Offset(self.next), LeaderEpoch(0));
        let unpacked = Unpacked::of(&batch).unwrap();
        let marker = batch
            .header()
            .has(attributes::CONTROL)
            .then(|| Marker::read(&unpacked.records().next().unwrap().unwrap()).unwrap());
        let ended = self.producers.take(batch.header(), marker, Lsn(0), Millis(0));
        self.aborted.extend(ended.filter(|ended| ended.aborted));
        self.next = batch.next_offset().0;
        self.batches.push(batch.to_bytes());
        self
    }

    /// One round over everything; gives how many batches were touched.
    fn clean_at(&mut self, now: i64) -> usize {
        let mut keys = KeyMap::new(Offset(0), 1 << 20, &self.aborted);
        for batch in &self.batches {
            assert_eq!(keys.add(batch), Ok(Added::Whole));
        }
        self.clean_with(&keys, now)
    }

    fn clean_with(&mut self, keys: &KeyMap, now: i64) -> usize {
        let horizons = Horizons {
            now: Millis(now),
            delete_retention: Millis(DAY),
            last_batches: if self.active_producers {
                self.producers.last_batches()
            } else {
                BTreeMap::new()
            },
            aborted: self.aborted.clone(),
        };
        let mut cleaner = Cleaner::new(keys, horizons);
        let before = std::mem::take(&mut self.batches);
        let mut touched = 0;
        for batch in before {
            match cleaner.clean(&batch).unwrap() {
                Cleaned::Keep => self.batches.push(batch),
                Cleaned::Rewritten(other) => {
                    touched += 1;
                    assert_eq!(Batches::new(other.clone()).count(), 1, "a rewritten batch is one batch");
                    assert_eq!(crate::batch::crc_of(&other), BatchHeader::read(&other).unwrap().crc);
                    self.batches.push(other);
                }
                Cleaned::Drop => touched += 1,
            }
        }
        self.aborted = cleaner.finish();
        touched
    }

    /// Every record left: offset, key, value (a tombstone is "-"), timestamp.
    fn records(&self) -> Vec<(i64, String, String, i64)> {
        let text = |bytes: Option<&[u8]>| bytes.map_or("-".into(), |bytes| String::from_utf8_lossy(bytes).into());
        let mut all = Vec::new();
        for batch in &self.batches {
            let batch = Unpacked::open(batch).unwrap();
            for record in batch.records() {
                let record = record.unwrap();
                let timestamp = record.timestamp(batch.header.base_timestamp);
                let offset = record.offset(batch.header.base_offset);
                all.push((offset.0, text(record.key), text(record.value), timestamp.0));
            }
        }
        all
    }

    fn offsets(&self) -> Vec<i64> {
        self.records().iter().map(|record| record.0).collect()
    }

    fn headers(&self) -> Vec<BatchHeader> {
        self.batches
            .iter()
            .map(|batch| BatchHeader::read(batch).unwrap())
            .collect()
    }
}

/// `"a=1 b=2 c"`: keys with values, a key alone is a tombstone, `=1` has no key.
fn records(builder: BatchBuilder, text: &str) -> Bytes {
    let mut batch = builder;
    for (index, word) in text.split_whitespace().enumerate() {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        };
        let key = (!key.is_empty()).then_some(key.as_bytes());
        batch.push(Millis(1_000 + index as i64), key, value.map(str::as_bytes));
    }
    batch.build()
}

fn batch(text: &str) -> Bytes {
    records(BatchBuilder::new(), text)
}

fn by(producer: i64, sequence: i32) -> BatchBuilder {
    BatchBuilder::new().producer(ProducerId(producer), ProducerEpoch(0), sequence)
}

fn marker(producer: i64, committed: bool) -> Bytes {
    let marker = Marker {
        committed,
        coordinator_epoch: 0,
    };
    marker.build(ProducerId(producer), ProducerEpoch(0), Millis(1_000))
}

#[test]
fn the_last_record_of_each_key_stays_where_it_was() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut log = Log::default();
        log.push(records(BatchBuilder::new().codec(codec), "a=1 b=1 a=2"))
            .push(records(BatchBuilder::new().codec(codec), "c=1 b=2 =keyless"))
            .push(records(BatchBuilder::new().codec(codec), "d=1"));
        let last = log.batches[2].clone();
        log.clean_at(0);
        let expected = [
            (2, "a", "2", 1_002),
            (3, "c", "1", 1_000),
            (4, "b", "2", 1_001),
            (6, "d", "1", 1_000),
        ];
        let expected: Vec<_> = expected
            .map(|(offset, key, value, at)| (offset, key.into(), value.into(), at))
            .into();
        assert_eq!(log.records(), expected, "{codec:?}");
        assert_eq!(log.batches[2], last, "what loses nothing is not touched");
        let header = log.headers()[0];
        assert_eq!(Codec::of(header.attributes), Some(codec), "the codec stays");
        assert_eq!(
            (header.base_offset, header.last_offset()),
            (Offset(0), Offset(2)),
            "and so do the offsets"
        );
        assert_eq!((header.record_count, header.max_timestamp), (1, Millis(1_002)));
    }
}

#[test]
fn a_tombstone_stays_for_its_time_after_the_first_round() {
    let mut log = Log::default();
    log.push(batch("a=1 b=1")).push(batch("a")).push(batch("z=1"));
    log.clean_at(5 * DAY);
    assert_eq!(log.offsets(), [1, 2, 3]);
    let header = log.headers()[1];
    assert!(header.has(attributes::DELETE_HORIZON));
    assert_eq!(header.base_timestamp, Millis(6 * DAY));
    assert_eq!(log.records()[1].3, 1_000, "the record keeps its own time");
    assert_eq!(log.clean_at(6 * DAY - 1), 0);
    log.clean_at(6 * DAY);
    assert_eq!(log.offsets(), [1, 3]);
}

#[test]
fn an_active_producers_last_sequence_number_outlives_its_records() {
    let mut log = Log {
        active_producers: true,
        ..Log::default()
    };
    log.push(records(by(7, 0), "a=1"))
        .push(records(by(7, 1), "a=2 b=1"))
        .push(batch("a=3 b=2"));
    log.clean_at(0);
    assert_eq!(log.offsets(), [3, 4]);
    let header = log.headers()[0];
    assert_eq!(
        (header.record_count, header.base_sequence, header.last_sequence()),
        (0, 1, 2)
    );
    assert_eq!((header.base_offset, header.last_offset()), (Offset(1), Offset(2)));
    assert_eq!(log.clean_at(0), 0, "an emptied batch stays as it is");
    log.active_producers = false;
    log.clean_at(0);
    assert_eq!(log.headers().len(), 1, "an expired producer leaves nothing");
}

#[test]
fn the_last_batch_of_a_round_keeps_its_place() {
    let mut log = Log::default();
    log.push(batch("a=1")).push(batch("=keyless"));
    log.clean_at(0);
    assert_eq!(log.offsets(), [0]);
    assert_eq!(log.headers()[1].next_offset(), Offset(2));
    assert_eq!(log.clean_at(0), 0);
}

#[test]
fn what_lies_behind_the_map_is_not_judged() {
    let mut log = Log::default();
    log.push(batch("a=1 b=1")).push(batch("a=2")).push(batch("b=2 a=3"));
    let mut keys = KeyMap::new(Offset(0), 100, &[]);
    let added: Vec<Added> = log.batches.iter().map(|batch| keys.add(batch).unwrap()).collect();
    assert_eq!(
        added,
        [Added::Whole, Added::Whole, Added::Whole],
        "known keys need no room"
    );
    let mut keys = KeyMap::new(Offset(0), 1, &[]);
    assert_eq!(keys.add(&log.batches[0]), Ok(Added::Whole), "the first always fits");
    assert_eq!(keys.add(&batch_at(2, "c=1")), Ok(Added::Full));
    assert_eq!(keys.end(), Offset(2));
    log.clean_with(&keys, 0);
    assert_eq!(log.offsets(), [0, 1, 2, 3, 4]);
}

fn batch_at(offset: i64, text: &str) -> Bytes {
    StoredBatch::number(&batch(text), Offset(offset), LeaderEpoch(0)).to_bytes()
}

#[test]
fn aborted_records_go_then_their_marker() {
    let mut log = Log::default();
    log.push(batch("a=1"))
        .push(records(by(7, 0).transactional(), "a=2"))
        .push(marker(7, false))
        .push(batch("z=1"));
    log.clean_at(0);
    assert_eq!(
        log.offsets(),
        [0, 2, 3],
        "an aborted record does not count as its key's last"
    );
    assert_eq!(log.aborted.len(), 1, "readers are still told");
    log.clean_at(1);
    assert_eq!(log.offsets(), [0, 2, 3]);
    assert!(
        log.headers()[1].has(attributes::DELETE_HORIZON),
        "the marker's time begins when it is alone"
    );
    assert!(log.aborted.is_empty());
    log.clean_at(1 + DAY);
    assert_eq!(log.offsets(), [0, 3]);
}

#[test]
fn a_commit_marker_outlives_every_record_of_its_transaction() {
    let mut log = Log::default();
    log.push(records(by(7, 0).transactional(), "a=1"))
        .push(marker(7, true))
        .push(batch("z=1"));
    for round in 0..3 {
        log.clean_at(round * 2 * DAY);
        assert_eq!(log.offsets(), [0, 1, 2]);
    }
    log.push(batch("a=2"));
    log.clean_at(7 * DAY);
    assert_eq!(log.offsets(), [1, 2, 3]);
    log.clean_at(8 * DAY);
    log.clean_at(9 * DAY);
    assert_eq!(log.offsets(), [2, 3]);
}

#[test]
fn an_active_producers_last_marker_stays_to_fence() {
    let mut log = Log {
        active_producers: true,
        ..Log::default()
    };
    log.push(marker(7, true)).push(batch("z=1"));
    for round in 0..3 {
        log.clean_at(round * 2 * DAY);
    }
    assert_eq!(log.headers()[0].producer_id, ProducerId(7));
}

fn segment(base: i64, next: i64, size: u64, newest: i64) -> SegmentInfo {
    SegmentInfo {
        base_offset: Offset(base),
        next_offset: Offset(next),
        size,
        max_timestamp: Some((Millis(newest), Offset(base))),
        first_timestamp: Some(Millis(newest - 10)),
    }
}

const RULES: PlanRules = PlanRules {
    dirty_ratio_min: 0.5,
    lag_min: Millis(0),
    lag_max: Millis(i64::MAX),
};

#[test]
fn a_log_is_cleaned_when_enough_of_it_is_dirty() {
    let segments = [
        segment(0, 10, 100, 50),
        segment(10, 20, 300, 150),
        segment(20, 30, 500, 250),
    ];
    let plan = |cleaned: Option<i64>, stable, rules: &PlanRules, now| {
        Plan::of(&segments, cleaned.map(Offset), Offset(stable), rules, Millis(now))
    };
    let all = plan(None, 30, &RULES, 0).unwrap();
    assert_eq!(
        (all.dirty_start, all.dirty_end, all.dirty_ratio),
        (Offset(0), Offset(20), 1.0)
    );
    let half = plan(Some(10), 30, &RULES, 0).unwrap();
    assert_eq!((half.dirty_start, half.dirty_ratio), (Offset(10), 0.75));
    assert_eq!(
        plan(Some(20), 30, &RULES, 0),
        None,
        "nothing is dirty but what is written"
    );
    assert_eq!(plan(Some(10), 15, &RULES, 0), None, "an open transaction stops it");
    let choosy = PlanRules {
        dirty_ratio_min: 0.8,
        ..RULES
    };
    assert_eq!(plan(Some(10), 30, &choosy, 0), None);
    let overdue = PlanRules {
        lag_max: Millis(100),
        ..choosy
    };
    assert!(plan(Some(10), 30, &overdue, 241).unwrap().overdue);
    assert_eq!(plan(Some(10), 30, &overdue, 240), None);
    let patient = PlanRules {
        lag_min: Millis(100),
        ..RULES
    };
    assert_eq!(
        plan(None, 30, &patient, 200).unwrap().dirty_end,
        Offset(10),
        "young records are left"
    );
    assert_eq!(
        plan(Some(99), 30, &RULES, 0).unwrap().dirty_start,
        Offset(0),
        "a mark outside the log says nothing"
    );
}

#[test]
fn crumbs_are_written_into_one_segment() {
    let segments = [
        segment(0, 10, 40, 0),
        segment(10, 20, 40, 0),
        segment(20, 30, 40, 0),
        segment(30, 40, 200, 0),
    ];
    assert_eq!(group(&segments, 100), [0..2, 2..3, 3..4]);
    let far = [segment(0, 10, 1, 0), segment(10, i64::from(i32::MAX) + 2, 1, 0)];
    assert_eq!(group(&far, 100), [0..1, 1..2]);
}

fn logs() -> impl Strategy<Value = Log> {
    let record = (0..6u8, prop::option::weighted(0.8, 0..9u8));
    let batch = (prop::collection::vec(record, 1..6), 0..5i16, 0..3i64);
    prop::collection::vec(batch, 1..12).prop_map(|batches| {
        let mut log = Log {
            active_producers: true,
            ..Log::default()
        };
        let mut sequences = HashMap::new();
        for (records, codec, producer) in batches {
            let sequence = sequences.entry(producer).or_insert(0);
            let mut builder = by(producer, *sequence).codec(Codec::of(codec).unwrap());
            *sequence += records.len() as i32;
            for (key, value) in &records {
                builder.push(
                    Millis(5),
                    Some(&[b'a' + key]),
                    value.map(|value| vec![b'0' + value]).as_deref(),
                );
            }
            log.push(builder.build());
        }
        log
    })
}

proptest! {
    #[test]
    fn for_every_key_the_last_record_survives_at_its_offset(mut log in logs()) {
        let mut last = HashMap::new();
        for record in log.records() {
            last.insert(record.1.clone(), record);
        }
        let producers = log.producers.describe();
        log.clean_at(0);
        let mut expected: Vec<_> = last.into_values().collect();
        expected.sort_unstable();
        prop_assert_eq!(log.records(), expected);
        prop_assert_eq!(log.headers().last().unwrap().next_offset(), Offset(log.next));
        let mut again = Producers::default();
        for header in log.headers() {
            again.take(&header, None, Lsn(0), Millis(0));
        }
        let expected: Vec<_> = producers.iter().map(|producer| (producer.id, producer.last_sequence)).collect();
        let found: Vec<_> = again.describe().iter().map(|producer| (producer.id, producer.last_sequence)).collect();
        prop_assert_eq!(found, expected, "what is scanned of producers is what it was");
    }

    #[test]
    fn cleaning_twice_is_cleaning_once(mut log in logs()) {
        log.clean_at(0);
        let once = log.batches.clone();
        prop_assert_eq!(log.clean_at(DAY - 1), 0);
        prop_assert_eq!(log.batches, once);
    }

    #[test]
    fn any_bytes_are_cleaned_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), mut log in logs(), at in 0usize..300) {
        let keys = KeyMap::new(Offset(0), 1000, &[]);
        let horizons = Horizons { now: Millis(0), delete_retention: Millis(1), last_batches: BTreeMap::new(), aborted: Vec::new() };
        let mut cleaner = Cleaner::new(&keys, horizons);
        let _ = cleaner.clean(&bytes);
        let mut batch = log.batches.remove(0).to_vec();
        if let Some(byte) = batch.get_mut(at) {
            *byte ^= 0x81;
        }
        let _ = cleaner.clean(&batch);
        let _ = KeyMap::new(Offset(0), 1000, &[]).add(&batch);
    }
}
