//! What a partition promises, over memory media.

use std::sync::Arc;

use bytes::Bytes;
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset, PartitionId, ProducerEpoch, ProducerId};
use proptest::prelude::*;

use super::*;
use crate::StoredBatch;
use crate::config::Retention;
use crate::producers::EndedTransaction;
use crate::records::{Batches, Unpacked};
use crate::{BatchBuilder, Codec, Durability, MemoryJournal, MemorySegments, Patience};

mod transactions;

const NOW: Millis = Millis(1_000_000);

/// A partition with its media in hand.
struct Fixture {
    partition: Partition,
    journal: Arc<MemoryJournal>,
    segments: Arc<MemorySegments>,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::over(Arc::new(MemorySegments::new(Offset(0), 1 << 20)), None, Vec::new())
    }

    fn over(
        segments: Arc<MemorySegments>,
        producer_snapshot: Option<(Offset, Bytes)>,
        aborted: Vec<EndedTransaction>,
    ) -> Fixture {
        let journal = Arc::new(MemoryJournal::manual());
        let partition = opened(segments.clone(), &journal, producer_snapshot, aborted);
        Fixture {
            partition,
            journal,
            segments,
        }
    }

    fn append(&self, batch: Bytes) -> Result<Appended, AppendFault> {
        let origin = Origin::Participant { begins_at_zero: false };
        self.partition.append(batch, origin, NOW)
    }

    /// Appends, and makes it durable.
    fn write(&self, batch: Bytes) -> Appended {
        let appended = self.append(batch).unwrap();
        self.journal.flush();
        appended
    }

    fn mark(&self, producer: i64, committed: bool) -> Appended {
        let marker = Marker {
            committed,
            coordinator_epoch: 1,
        };
        let batch = marker.build(ProducerId(producer), ProducerEpoch(0), NOW);
        let appended = self.partition.append(batch, Origin::Coordinator, NOW).unwrap();
        self.journal.flush();
        appended
    }

    fn settle(&self) {
        loop {
            let batches = self.partition.unsettled(1);
            let Some(last) = batches.last() else { return };
            self.segments.append(&batches).unwrap();
            self.partition.settled(last.next_offset());
        }
    }

    fn read(&self, from: i64) -> Read {
        self.read_with(from, |_| {})
    }

    fn read_with(&self, from: i64, change: impl FnOnce(&mut ReadLimit)) -> Read {
        match self.try_read(from, change) {
            Ok(Reading::Done(read)) => read,
            other => panic!("{other:?}"),
        }
    }

    fn try_read(&self, from: i64, change: impl FnOnce(&mut ReadLimit)) -> Result<Reading, ReadFault> {
        let mut limit = ReadLimit {
            bytes_max: usize::MAX,
            at_least_one: true,
            isolation: Isolation::ReadUncommitted,
            patience: Patience::Wait,
            before: None,
        };
        change(&mut limit);
        self.partition.read(Offset(from), limit)
    }

    fn lookup(&self, spec: OffsetSpec) -> Option<(i64, i64)> {
        match self
            .partition
            .offset_for(spec, Isolation::ReadUncommitted, Patience::Wait)
        {
            Ok(Lookup::Done(found)) => found.map(|found| (found.offset.0, found.timestamp.0)),
            other => panic!("{other:?}"),
        }
    }
}

fn opened(
    segments: Arc<dyn Segments>,
    journal: &Arc<MemoryJournal>,
    producer_snapshot: Option<(Offset, Bytes)>,
    aborted: Vec<EndedTransaction>,
) -> Partition {
    Partition::open(Opening {
        id: PartitionId::METADATA,
        segments,
        journal: journal.clone(),
        log_start: Offset(0),
        leader_epoch: LeaderEpoch(3),
        producer_snapshot,
        epochs: Epochs::default(),
        aborted,
        known: Vec::new(),
        config: PartitionConfig::default(),
        now: NOW,
    })
    .unwrap()
}

/// The producer snapshot, as an opening takes it.
fn taken(partition: &Partition) -> (Offset, Bytes) {
    let ProducerSnapshot { at, bytes, .. } = partition.producer_snapshot();
    (at, bytes)
}

/// A batch of `count` records without a producer.
fn plain(count: i32) -> Bytes {
    timed(&vec![NOW.0; count as usize], Codec::None)
}

fn timed(timestamps: &[i64], codec: Codec) -> Bytes {
    let mut batch = BatchBuilder::new().codec(codec);
    for timestamp in timestamps {
        batch.push(Millis(*timestamp), Some(b"key"), Some(b"value"));
    }
    batch.build()
}

fn idempotent(producer: i64, epoch: i16, sequence: i32, count: i32) -> Bytes {
    numbered(BatchBuilder::new(), producer, epoch, sequence, count)
}

fn transactional(producer: i64, sequence: i32, count: i32) -> Bytes {
    numbered(BatchBuilder::new().transactional(), producer, 0, sequence, count)
}

fn numbered(batch: BatchBuilder, producer: i64, epoch: i16, sequence: i32, count: i32) -> Bytes {
    let mut batch = batch.producer(ProducerId(producer), ProducerEpoch(epoch), sequence);
    for _ in 0..count {
        batch.push(NOW, None, Some(b"value"));
    }
    batch.build()
}

/// The base offsets of the batches read.
fn offsets(read: &Read) -> Vec<i64> {
    let bytes: Vec<u8> = read.chunks.iter().flatten().copied().collect();
    let mut batches = Batches::new(Bytes::from(bytes));
    let offsets = batches.by_ref().map(|(header, _)| header.base_offset.0).collect();
    assert!(batches.rest().is_empty(), "only whole batches are read");
    offsets
}

#[test]
fn a_batch_gets_the_next_offsets_and_the_leaders_epoch() {
    let log = Fixture::new();
    let first = log.write(plain(3));
    assert_eq!((first.base_offset, first.last_offset), (Offset(0), Offset(2)));
    assert_eq!(first.log_append_time, None);
    let second = log.write(plain(2));
    assert_eq!((second.base_offset, second.lsn), (Offset(3), Lsn(2)));
    let read = log.read(0);
    assert_eq!(offsets(&read), [0, 3]);
    assert_eq!(read.next, Offset(5));
    let header = crate::batch::BatchHeader::read(&read.chunks[1]).unwrap();
    assert_eq!(header.leader_epoch, LeaderEpoch(3));
}

#[test]
fn what_is_not_durable_is_not_read() {
    let log = Fixture::new();
    log.append(plain(2)).unwrap();
    assert!(log.read(0).chunks.is_empty());
    assert_eq!(log.read(2).next, Offset(2));
    log.journal.flush();
    assert_eq!(offsets(&log.read(0)), [0]);
}

#[test]
fn an_offset_outside_the_log_is_out_of_range() {
    let log = Fixture::new();
    log.write(plain(2));
    let fault = log.try_read(3, |_| {}).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::OffsetOutOfRange);
    assert!(matches!(fault, ReadFault::OutOfRange { log_end: Offset(2), .. }));
    log.partition.delete_records(Offset(1)).unwrap();
    assert!(log.try_read(0, |_| {}).is_err());
    assert_eq!(offsets(&log.read(1)), [0], "a batch that spans the offset is whole");
}

#[test]
fn a_refused_journal_entry_changes_nothing() {
    let log = Fixture::new();
    log.journal.refuse(Some(JournalFault::Full));
    let fault = log.append(idempotent(7, 0, 0, 2)).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::KafkaStorageError);
    log.journal.refuse(None);
    let again = log.write(idempotent(7, 0, 0, 2));
    assert!(!again.duplicate);
    assert_eq!(again.base_offset, Offset(0));
}

#[test]
fn a_repeat_is_answered_with_its_first_offsets_and_its_own_journal_entry() {
    let log = Fixture::new();
    let first = log.append(idempotent(7, 0, 0, 2)).unwrap();
    log.append(plain(1)).unwrap();
    let repeat = log.append(idempotent(7, 0, 0, 2)).unwrap();
    assert_eq!(
        repeat,
        Appended {
            log_append_time: Some(NOW),
            duplicate: true,
            ..first
        }
    );
    assert_eq!(log.partition.offsets().log_end, Offset(3));
}

#[test]
fn reads_go_from_segments_into_memory() {
    let log = Fixture::new();
    for _ in 0..3 {
        log.write(plain(2));
    }
    log.settle();
    log.partition.evict(Offset(4));
    log.write(plain(2));
    assert_eq!(offsets(&log.read(1)), [0, 2, 4, 6]);
    assert_eq!(
        offsets(&log.read_with(1, |limit| limit.before = Some(Offset(4)))),
        [0, 2]
    );
    log.segments.set_slow(true);
    let now = |limit: &mut ReadLimit| limit.patience = Patience::Now;
    assert!(matches!(log.try_read(1, now), Ok(Reading::WouldWait)));
    assert_eq!(offsets(&log.read_with(4, now)), [4, 6]);
}

#[test]
fn the_byte_limit_gives_way_only_for_the_first_batch() {
    let log = Fixture::new();
    let size = plain(2).len();
    for _ in 0..3 {
        log.write(plain(2));
    }
    let limited = |bytes_max, at_least_one| {
        let read = log.read_with(0, |limit| {
            limit.bytes_max = bytes_max;
            limit.at_least_one = at_least_one;
        });
        offsets(&read)
    };
    assert_eq!(limited(1, true), [0]);
    assert!(limited(1, false).is_empty());
    assert_eq!(limited(2 * size, false), [0, 2]);
    log.settle();
    log.partition.evict(Offset(6));
    assert_eq!(limited(1, true), [0]);
    assert!(limited(1, false).is_empty());
    assert_eq!(limited(2 * size, false), [0, 2]);
}

#[test]
fn only_durable_batches_are_settled_and_only_settled_ones_evicted() {
    let log = Fixture::new();
    log.write(plain(2));
    log.append(plain(2)).unwrap();
    assert_eq!(log.partition.unsettled(usize::MAX).len(), 1);
    assert_eq!(log.partition.evict(Offset(4)), 0);
    let size = log.partition.size();
    log.settle();
    assert_eq!(log.partition.size(), size, "settling moves bytes, it makes none");
    assert!(log.partition.evict(Offset(4)) > 0);
    assert_eq!(log.partition.offsets().settled_end, Offset(2));
    assert_eq!(log.partition.unsettled_bytes(), plain(2).len() as u64);
    assert_eq!(log.partition.cached_bytes(), plain(2).len());
}

#[test]
fn offsets_by_name() {
    let log = Fixture::new();
    assert_eq!(log.lookup(OffsetSpec::Earliest), Some((0, -1)));
    assert_eq!(log.lookup(OffsetSpec::MaxTimestamp), None);
    log.write(plain(4));
    log.append(plain(1)).unwrap();
    log.partition.delete_records(Offset(2)).unwrap();
    assert_eq!(log.lookup(OffsetSpec::Earliest), Some((2, -1)));
    assert_eq!(log.lookup(OffsetSpec::EarliestLocal), Some((2, -1)));
    assert_eq!(log.lookup(OffsetSpec::Latest), Some((4, -1)));
    assert_eq!(log.lookup(OffsetSpec::LatestTiered), None);
    assert_eq!(log.lookup(OffsetSpec::EarliestPendingUpload), None);
}

#[test]
fn offsets_by_time_are_exact_in_segments_and_in_memory() {
    for codec in [Codec::None, Codec::Zstd] {
        let log = Fixture::new();
        log.write(timed(&[10, 30, 20], codec));
        log.write(timed(&[40, 70, 60], codec));
        let check = |when: &str| {
            assert_eq!(log.lookup(OffsetSpec::At(Millis(0))), Some((0, 10)), "{when}");
            assert_eq!(log.lookup(OffsetSpec::At(Millis(11))), Some((1, 30)), "{when}");
            assert_eq!(log.lookup(OffsetSpec::At(Millis(31))), Some((3, 40)), "{when}");
            assert_eq!(log.lookup(OffsetSpec::At(Millis(41))), Some((4, 70)), "{when}");
            assert_eq!(log.lookup(OffsetSpec::At(Millis(71))), None, "{when}");
            assert_eq!(log.lookup(OffsetSpec::MaxTimestamp), Some((4, 70)), "{when}");
        };
        check("in memory");
        log.settle();
        check("settled");
        log.partition.evict(Offset(6));
        check("evicted");
        log.write(timed(&[5, 70, 65], codec));
        check("more in memory");
        log.write(timed(&[80], codec));
        assert_eq!(log.lookup(OffsetSpec::MaxTimestamp), Some((9, 80)));
    }
}

#[test]
fn a_reader_of_committed_stops_at_an_open_transaction_and_learns_of_aborted_ones() {
    let log = Fixture::new();
    log.write(transactional(7, 0, 2));
    log.write(plain(1));
    let committed = |from| log.read_with(from, |limit| limit.isolation = Isolation::ReadCommitted);
    assert_eq!(log.partition.offsets().last_stable, Offset(0));
    assert!(committed(0).chunks.is_empty());
    assert_eq!(offsets(&log.read(0)), [0, 2]);
    log.mark(7, false);
    assert_eq!(log.partition.offsets().last_stable, Offset(4));
    let read = committed(0);
    assert_eq!(offsets(&read), [0, 2, 3]);
    let expected = [AbortedTransaction {
        producer: ProducerId(7),
        first_offset: Offset(0),
    }];
    assert_eq!(read.aborted, expected);
    assert_eq!(committed(3).aborted, expected, "named until its marker is passed");
    assert!(committed(4).aborted.is_empty());
    assert!(log.read(0).aborted.is_empty(), "who reads uncommitted does not ask");
}

#[test]
fn the_last_stable_offset_waits_for_a_marker_to_be_durable() {
    let log = Fixture::new();
    log.write(transactional(7, 0, 1));
    let marker = Marker {
        committed: true,
        coordinator_epoch: 1,
    };
    let batch = marker.build(ProducerId(7), ProducerEpoch(0), NOW);
    log.partition.append(batch, Origin::Coordinator, NOW).unwrap();
    assert_eq!(log.partition.offsets().last_stable, Offset(0));
    log.journal.flush();
    assert_eq!(log.partition.offsets().last_stable, Offset(2));
}

#[test]
fn opening_again_finds_producers_transactions_and_epochs() {
    let log = Fixture::new();
    log.write(idempotent(5, 0, 0, 3));
    log.write(transactional(7, 0, 2));
    log.mark(7, false);
    log.write(transactional(8, 0, 1));
    log.settle();
    let again = Fixture::over(log.segments.clone(), None, Vec::new());
    assert_eq!(again.partition.offsets(), log.partition.offsets());
    assert_eq!(again.partition.producers(), log.partition.producers());
    assert_eq!(again.partition.aborted(), log.partition.aborted());
    assert_eq!(again.partition.epochs(), log.partition.epochs());
    let repeat = again.append(idempotent(5, 0, 0, 3)).unwrap();
    assert!(repeat.duplicate);
    assert_eq!(repeat.lsn, Lsn(0), "durable from the start");
}

#[test]
fn a_snapshot_saves_the_scan_and_a_bad_one_is_no_harm() {
    let log = Fixture::new();
    log.write(idempotent(5, 0, 0, 3));
    let ProducerSnapshot { at, bytes, .. } = log.partition.producer_snapshot();
    log.write(idempotent(5, 0, 3, 3));
    log.settle();
    let mut damaged = bytes.to_vec();
    damaged[9] ^= 1;
    for snapshot in [(at, bytes.clone()), (at, damaged.into()), (Offset(99), bytes)] {
        let again = Fixture::over(log.segments.clone(), Some(snapshot), Vec::new());
        assert_eq!(again.partition.producers(), log.partition.producers());
    }
}

#[test]
fn epochs_of_a_checkpoint_are_not_moved_by_the_scan() {
    let segments = Arc::new(MemorySegments::new(Offset(0), 1 << 20));
    for (base, epoch) in [(0, 1), (5, 2), (10, 2), (15, 4)] {
        let batch = StoredBatch::number(&plain(5), Offset(base), LeaderEpoch(epoch));
        segments.append(&[batch]).unwrap();
    }
    let epochs = |text: &str| Epochs::from_checkpoint(text).unwrap();
    let snapshot = (Offset(10), Producers::default().snapshot());
    for (checkpoint, snapshot) in [
        (Epochs::default(), None),
        (epochs("0\n2\n1 0\n2 5\n"), Some(snapshot.clone())),
        (epochs("0\n3\n1 0\n2 5\n4 15\n"), Some(snapshot)),
    ] {
        let partition = Partition::open(Opening {
            id: PartitionId::METADATA,
            segments: segments.clone(),
            journal: Arc::new(MemoryJournal::immediate()),
            log_start: Offset(7),
            leader_epoch: LeaderEpoch(6),
            producer_snapshot: snapshot,
            epochs: checkpoint,
            aborted: Vec::new(),
            known: Vec::new(),
            config: PartitionConfig::default(),
            now: NOW,
        })
        .unwrap();
        assert_eq!(partition.epochs(), epochs("0\n3\n2 7\n4 15\n6 20\n"));
        let end = |epoch| partition.epoch_end(LeaderEpoch(epoch));
        let at = |epoch, end| EpochEnd::At {
            epoch: LeaderEpoch(epoch),
            end: Offset(end),
        };
        assert_eq!([end(3), end(4), end(6)], [at(2, 15), at(4, 20), at(6, 20)]);
        assert_eq!(end(7), EpochEnd::Unknown);
    }
}

#[test]
fn deleting_records_is_journaled_and_stops_at_the_high_watermark() {
    let log = Fixture::new();
    log.write(plain(3));
    log.append(plain(3)).unwrap();
    let fault = log.partition.delete_records(Offset(4)).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::OffsetOutOfRange);
    let moved = log.partition.delete_records(Offset(2)).unwrap();
    assert_eq!(moved, (Offset(2), Lsn(3)));
    assert_eq!(log.partition.delete_records(Offset(1)).unwrap(), moved, "never back");
    assert_eq!(log.partition.offsets().log_start, Offset(2));
    assert_eq!(log.append(plain(1)).unwrap().log_start, Offset(2));
}

#[test]
fn retention_moves_the_log_start_then_segments_go() {
    let segments = Arc::new(MemorySegments::new(Offset(0), 1));
    let log = Fixture::over(segments, None, Vec::new());
    for _ in 0..4 {
        log.write(plain(2));
    }
    log.settle();
    let size = plain(2).len() as u64;
    log.partition.set_config(PartitionConfig {
        retention: Retention::Delete {
            time: None,
            bytes: Some(2 * size),
        },
        ..PartitionConfig::default()
    });
    let (start, _) = log.partition.retain(NOW).unwrap().unwrap();
    assert_eq!(start, Offset(4));
    log.partition.drop_segments_below(start).unwrap();
    assert_eq!(log.partition.size(), 2 * size);
    assert_eq!(log.partition.retain(NOW).unwrap(), None);
    assert_eq!(offsets(&log.read(4)), [4, 6]);
}

#[test]
fn an_acknowledgement_waits_for_its_journal_entry() {
    let log = Fixture::new();
    let appended = log.append(plain(1)).unwrap();
    let durability: &Arc<Durability> = log.journal.durability();
    assert!(durability.durable() < appended.lsn);
    log.journal.flush();
    assert_eq!(durability.durable(), appended.lsn);
}

/// Readers beside the writer, the flusher and the settler: what they see is always whole, in order and durable.
#[test]
fn readers_never_see_a_gap_while_batches_move_from_memory_to_segments() {
    const BATCHES: i64 = 2_000;
    let log = Fixture::over(Arc::new(MemorySegments::new(Offset(0), 2_000)), None, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..BATCHES {
                log.write(plain(2));
            }
        });
        scope.spawn(|| {
            while log.partition.offsets().settled_end < Offset(2 * BATCHES) {
                log.settle();
                let end = log.partition.offsets().settled_end;
                log.partition.evict(Offset(end.0 - end.0 % 64));
            }
        });
        for bytes_max in [1, 500, 5_000] {
            let log = &log;
            scope.spawn(move || {
                let mut next = 0;
                while next < 2 * BATCHES {
                    let read = log.read_with(next, |limit| limit.bytes_max = bytes_max);
                    for start in offsets(&read) {
                        assert_eq!(start, next);
                        next += 2;
                    }
                    assert!(read.next == Offset(next) && read.next <= read.high_watermark);
                }
            });
        }
    });
}

#[derive(Clone, Debug)]
enum Step {
    Plain(i32),
    Idempotent(i64, i32),
    Repeat(i64),
    Flush,
    Settle,
    Evict(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..5i32).prop_map(Step::Plain),
        (0..3i64, 1..5i32).prop_map(|(producer, count)| Step::Idempotent(producer, count)),
        (0..3i64).prop_map(Step::Repeat),
        Just(Step::Flush),
        Just(Step::Settle),
        (0..60i64).prop_map(Step::Evict),
    ];
    prop::collection::vec(step, 1..60)
}

/// Runs the steps; gives the log and each record's offset as answered.
fn run(steps: &[Step]) -> (Fixture, Vec<Appended>) {
    let log = Fixture::over(Arc::new(MemorySegments::new(Offset(0), 300)), None, Vec::new());
    let mut answers = Vec::new();
    let mut last = std::collections::HashMap::<i64, (i32, i32, Appended)>::new();
    for step in steps {
        match *step {
            Step::Plain(count) => answers.push(log.append(plain(count)).unwrap()),
            Step::Idempotent(producer, count) => {
                let sequence = last.get(&producer).map_or(0, |(sequence, count, _)| sequence + count);
                let appended = log.append(idempotent(producer, 0, sequence, count)).unwrap();
                last.insert(producer, (sequence, count, appended));
                answers.push(appended);
            }
            Step::Repeat(producer) => {
                if let Some((sequence, count, first)) = last.get(&producer) {
                    let repeat = log.append(idempotent(producer, 0, *sequence, *count)).unwrap();
                    assert!(repeat.duplicate);
                    assert_eq!(repeat.base_offset, first.base_offset);
                }
            }
            Step::Flush => log.journal.flush(),
            Step::Settle => log.settle(),
            Step::Evict(before) => {
                log.partition.evict(Offset(before));
            }
        }
    }
    log.journal.flush();
    (log, answers)
}

proptest! {
    #[test]
    fn offsets_are_gapless_whatever_is_repeated(steps in steps()) {
        let (log, answers) = run(&steps);
        let mut next = Offset(0);
        for answer in answers {
            prop_assert!(!answer.duplicate);
            prop_assert_eq!(answer.base_offset, next);
            next = answer.last_offset.next();
        }
        prop_assert_eq!(log.partition.offsets().log_end, next);
    }

    #[test]
    fn a_read_at_any_offset_begins_with_the_batch_that_holds_it(steps in steps(), bytes_max in 1usize..1000) {
        let (log, _) = run(&steps);
        for from in 0..log.partition.offsets().log_end.0 {
            let read = log.read_with(from, |limit| limit.bytes_max = bytes_max);
            let bytes: Vec<u8> = read.chunks.iter().flatten().copied().collect();
            prop_assert_eq!(bytes.len(), read.bytes);
            let (header, batch) = Batches::new(bytes.into()).next().unwrap();
            prop_assert!(header.base_offset.0 <= from && from <= header.last_offset().0);
            prop_assert!(read.bytes <= bytes_max || read.bytes == batch.len());
        }
    }

    #[test]
    fn reads_one_after_the_other_give_everything_once(steps in steps(), bytes_max in 1usize..1000) {
        let (log, answers) = run(&steps);
        let (mut next, mut seen) = (Offset(0), Vec::new());
        while next < log.partition.offsets().high_watermark {
            let read = log.read_with(next.0, |limit| limit.bytes_max = bytes_max);
            prop_assert!(read.next > next);
            next = read.next;
            let bytes: Vec<u8> = read.chunks.iter().flatten().copied().collect();
            for (header, batch) in Batches::new(bytes.into()) {
                prop_assert_eq!(Unpacked::open(&batch).unwrap().records().filter(Result::is_ok).count(), header.record_count as usize);
                seen.push(header.base_offset);
            }
        }
        let expected: Vec<Offset> = answers.iter().map(|answer| answer.base_offset).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_scanned_is_what_was_live(steps in steps(), at in 0usize..60) {
        let (before, after) = steps.split_at(at.min(steps.len()));
        let (log, _) = run(before);
        let snapshot = taken(&log.partition);
        let (log, _) = {
            let mut all = before.to_vec();
            all.push(Step::Flush);
            all.extend_from_slice(after);
            run(&all)
        };
        log.settle();
        for snapshot in [None, Some(snapshot)] {
            let again = Fixture::over(log.segments.clone(), snapshot, Vec::new());
            prop_assert_eq!(again.partition.producers(), log.partition.producers());
            prop_assert_eq!(taken(&again.partition), taken(&log.partition));
        }
        let again = Fixture::over(log.segments.clone(), None, Vec::new());
        prop_assert_eq!(again.partition.epochs(), log.partition.epochs());
    }
}
