//! Which batch of a producer follows, repeats, or is refused.

use bytes::Bytes;
use ottla_model::LeaderEpoch;
use proptest::prelude::*;

use super::*;
use crate::BatchBuilder;

/// One that announces its partitions (V1).
const PARTICIPANT: Origin = Origin::Participant { begins_at_zero: false };

/// A log of one producer's batches: what is judged new is taken.
#[derive(Default)]
struct Log {
    producers: Producers,
    next: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    New(i64),
    Repeat(i64),
    Refused(i16),
}
use Answer::{New, Refused, Repeat};

impl Log {
    /// A batch of `count` records whose first has `sequence`.
    fn send(&mut self, epoch: i16, sequence: i32, count: i32) -> Answer {
        self.take(header(epoch, sequence, count, 0), None, Origin::Client)
    }

    fn send_in_transaction(&mut self, sequence: i32, count: i32) -> Answer {
        let header = header(0, sequence, count, attributes::TRANSACTIONAL);
        self.take(header, None, PARTICIPANT)
    }

    fn mark(&mut self, epoch: i16, coordinator_epoch: i32, committed: bool) -> Answer {
        let bits = attributes::TRANSACTIONAL | attributes::CONTROL;
        let marker = Marker {
            committed,
            coordinator_epoch,
        };
        self.take(header(epoch, -1, 1, bits), Some(marker), Origin::Coordinator)
    }

    fn take(&mut self, mut header: BatchHeader, marker: Option<Marker>, origin: Origin) -> Answer {
        match self.producers.judge(&header, marker, origin) {
            Err(refusal) => Refused(refusal.code().number()),
            Ok(Judgement::Repeat(batch)) => {
                assert_eq!(batch.timestamp(), header.max_timestamp);
                Repeat(batch.base_offset().0)
            }
            Ok(Judgement::New) => {
                header.base_offset = Offset(self.next);
                self.next = header.next_offset().0;
                self.producers.take(&header, marker, Lsn(1), Millis(1_000));
                New(header.base_offset.0)
            }
        }
    }

    fn stable(&self) -> i64 {
        self.producers.last_stable(Offset(self.next)).0
    }
}

fn header(epoch: i16, sequence: i32, count: i32, bits: i16) -> BatchHeader {
    let mut batch = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(epoch), sequence);
    batch.push(Millis(500), None, None);
    let mut header = BatchHeader::read(&batch.build()).unwrap();
    header.last_offset_delta = count - 1;
    header.record_count = count;
    header.leader_epoch = LeaderEpoch(0);
    header.attributes |= bits;
    header
}

#[test]
fn the_next_sequence_number_follows_the_last() {
    let mut log = Log::default();
    assert_eq!(log.send(0, 0, 3), New(0));
    assert_eq!(log.send(0, 3, 2), New(3));
    assert_eq!(log.send(0, 6, 1), Refused(45), "a gap");
    assert_eq!(log.send(0, 4, 2), Refused(45), "an overlap");
    assert_eq!(log.send(0, 5, 1), New(5));
}

#[test]
fn five_batches_are_remembered() {
    let mut log = Log::default();
    for sequence in 0..6 {
        assert_eq!(log.send(0, sequence, 1), New(i64::from(sequence)));
    }
    assert_eq!(
        log.send(0, 0, 1),
        Refused(45),
        "an older repeat is out of order, never 46"
    );
    for sequence in 1..6 {
        assert_eq!(log.send(0, sequence, 1), Repeat(i64::from(sequence)));
    }
    assert_eq!(
        log.send(0, 4, 2),
        Refused(45),
        "a repeat has the same first and last number"
    );
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut log = Log::default();
    assert_eq!(log.send(4, 99, 1), New(0));
    assert_eq!(log.send(4, 100, 1), New(1));
}

#[test]
fn a_new_epoch_begins_at_0_and_fences_the_old_one() {
    let mut log = Log::default();
    log.send(1, 0, 5);
    assert_eq!(log.send(0, 5, 1), Refused(47));
    assert_eq!(log.send(2, 5, 1), Refused(45));
    assert_eq!(log.send(2, 0, 5), New(5));
    assert_eq!(log.send(1, 0, 5), Refused(47), "a repeat of an old epoch is fenced");
    assert_eq!(log.send(2, 0, 5), Repeat(5));
}

#[test]
fn sequence_numbers_wrap_to_0() {
    let mut log = Log::default();
    assert_eq!(log.send(0, i32::MAX - 1, 4), New(0));
    assert_eq!(log.send(0, i32::MAX - 1, 4), Repeat(0));
    assert_eq!(log.send(0, 2, 1), New(4));
    let mut log = Log::default();
    assert_eq!(log.send(0, i32::MAX, 1), New(0));
    assert_eq!(log.send(0, 0, 1), New(1));
}

#[test]
fn an_open_transaction_holds_the_last_stable_offset() {
    let mut log = Log::default();
    log.send(0, 0, 2);
    assert_eq!(log.send_in_transaction(2, 2), New(2));
    assert_eq!(log.stable(), 2);
    assert_eq!(log.send(0, 4, 1), Refused(48), "a plain batch amid the transaction");
    assert_eq!(log.mark(0, 1, true), New(4));
    assert_eq!(log.stable(), 5);
    assert_eq!(
        log.send(0, 4, 1),
        New(5),
        "sequence numbers go on after a marker of the same epoch"
    );
}

#[test]
fn a_marker_needs_a_coordinator_and_an_epoch_no_older_than_the_last() {
    let mut log = Log::default();
    log.send_in_transaction(0, 1);
    assert_eq!(log.mark(0, 3, true), New(1));
    log.send_in_transaction(1, 1);
    assert_eq!(log.mark(0, 2, true), Refused(52));
    assert_eq!(log.mark(1, 3, true), New(3), "a marker may raise the epoch (KIP-890)");
    assert_eq!(log.send(0, 2, 1), Refused(47));
    assert_eq!(log.send(1, 2, 1), Refused(45));
    assert_eq!(log.send(1, 0, 1), New(4));
}

#[test]
fn an_unannounced_transactional_batch_needs_an_open_transaction_of_its_epoch() {
    let mut log = Log::default();
    let batch = |epoch, sequence| header(epoch, sequence, 1, attributes::TRANSACTIONAL);
    assert_eq!(log.take(batch(0, 0), None, Origin::Client), Refused(48));
    assert_eq!(log.take(batch(0, 0), None, PARTICIPANT), New(0));
    assert_eq!(log.take(batch(0, 0), None, Origin::Client), Repeat(0));
    assert_eq!(log.take(batch(0, 1), None, Origin::Client), New(1));
    assert_eq!(
        log.take(batch(1, 0), None, Origin::Client),
        Refused(48),
        "another epoch's"
    );
    log.mark(0, 1, true);
    assert_eq!(
        log.take(batch(0, 1), None, Origin::Client),
        Repeat(1),
        "a late repeat is one"
    );
    assert_eq!(
        log.take(batch(0, 2), None, Origin::Client),
        Refused(48),
        "it would open the next"
    );
}

#[test]
fn none_comes_before_a_batch_that_was_refused_for_want_of_an_announcement() {
    let mut log = Log::default();
    let batch = |epoch, sequence| header(epoch, sequence, 1, attributes::TRANSACTIONAL);
    log.producers.refuse(&batch(0, 4), Millis(0));
    log.producers.refuse(&batch(0, 3), Millis(0));
    log.producers.refuse(&batch(0, 5), Millis(0));
    assert_eq!(log.take(batch(0, 4), None, PARTICIPANT), Refused(45));
    assert_eq!(log.take(batch(0, 3), None, PARTICIPANT), New(0));
    assert_eq!(log.take(batch(0, 4), None, PARTICIPANT), New(1));
    log.producers.refuse(&batch(0, 5), Millis(0));
    log.mark(1, 0, true);
    assert_eq!(
        log.take(batch(1, 0), None, PARTICIPANT),
        New(3),
        "another epoch begins anew"
    );
}

#[test]
fn an_old_epoch_is_told_so_also_behind_a_batch_that_was_refused() {
    let mut log = Log::default();
    let batch = |epoch, sequence| header(epoch, sequence, 1, attributes::TRANSACTIONAL);
    assert_eq!(log.take(batch(1, 0), None, PARTICIPANT), New(0));
    log.producers.refuse(&batch(0, 0), Millis(0));
    assert_eq!(log.take(batch(0, 1), None, PARTICIPANT), Refused(47));
    assert_eq!(log.send(0, 1, 1), Refused(47));
}

#[test]
fn by_the_rules_of_v2_an_unknown_producer_begins_at_zero() {
    let mut log = Log::default();
    let origin = Origin::Participant { begins_at_zero: true };
    let batch = |sequence| header(0, sequence, 1, attributes::TRANSACTIONAL);
    assert_eq!(log.take(batch(1), None, origin), Refused(45));
    assert_eq!(log.take(batch(0), None, origin), New(0));
    assert_eq!(log.take(batch(1), None, origin), New(1));
}

#[test]
fn by_the_rules_of_v2_a_marker_raises_the_epoch() {
    let mut log = Log::default();
    let bits = attributes::TRANSACTIONAL | attributes::CONTROL;
    let mark = |log: &mut Log, epoch| {
        let marker = Marker {
            committed: true,
            coordinator_epoch: 0,
        };
        log.take(header(epoch, -1, 1, bits), Some(marker), Origin::RaisingCoordinator)
    };
    assert_eq!(mark(&mut log, 4), New(0), "a producer that wrote nothing here");
    log.take(header(4, 0, 1, attributes::TRANSACTIONAL), None, PARTICIPANT);
    assert_eq!(mark(&mut log, 3), Refused(47));
    assert_eq!(
        mark(&mut log, 4),
        Refused(47),
        "the marker of the transaction before comes late"
    );
    assert_eq!(log.stable(), 1, "the transaction is open still");
    assert_eq!(mark(&mut log, 5), New(2));
    assert_eq!(mark(&mut log, 5), New(3), "a repeat ends nothing");
}

#[test]
fn an_aborted_transaction_is_told_with_its_offsets() {
    let mut log = Log::default();
    log.send_in_transaction(0, 3);
    let mut marker = header(0, -1, 1, attributes::CONTROL);
    marker.base_offset = Offset(3);
    let said = Marker {
        committed: false,
        coordinator_epoch: 0,
    };
    let ended = log.producers.take(&marker, Some(said), Lsn(2), Millis(0)).unwrap();
    assert_eq!((ended.first, ended.last, ended.aborted), (Offset(0), Offset(3), true));
    assert_eq!(ended.last_stable, Offset(4));
    assert_eq!(
        log.producers.last_stable(Offset(3)),
        Offset(0),
        "the marker is not durable"
    );
    assert_eq!(log.producers.last_stable(Offset(4)), Offset(4));
}

#[test]
fn a_silent_producer_is_forgotten_unless_its_transaction_is_open() {
    let mut log = Log::default();
    log.send(0, 0, 1);
    assert_eq!(log.producers.expire(Millis(1_099), Millis(100)), 0);
    assert_eq!(log.producers.expire(Millis(1_100), Millis(100)), 1);
    assert_eq!(log.send(0, 5, 1), New(1), "and may then go on anywhere");
    log.send_in_transaction(6, 1);
    assert_eq!(log.producers.expire(Millis(9_999), Millis(100)), 0);
}

#[test]
fn the_snapshot_is_kafkas_file() {
    let mut log = Log::default();
    log.send(2, 10, 3);
    let bytes = log.producers.snapshot();
    let entry = [
        &7i64.to_be_bytes()[..],
        &2i16.to_be_bytes(),
        &12i32.to_be_bytes(),
        &2i64.to_be_bytes(),
        &2i32.to_be_bytes(),
        &500i64.to_be_bytes(),
        &(-1i32).to_be_bytes(),
        &(-1i64).to_be_bytes(),
    ]
    .concat();
    assert_eq!(bytes[..2], [0, 1]);
    assert_eq!(bytes[6..10], [0, 0, 0, 1]);
    assert_eq!(bytes[10..], entry);
    let again = Producers::restore(&bytes, Millis(2_000)).unwrap();
    assert_eq!(again.describe(), log.producers.describe());
}

#[test]
fn all_five_batches_are_remembered_over_a_restart() {
    let mut log = Log::default();
    for sequence in 0..7 {
        log.send(0, sequence, 1);
    }
    log.producers = Producers::restore(&log.producers.snapshot(), Millis(2_000)).unwrap();
    for sequence in 2..7 {
        assert_eq!(log.send(0, sequence, 1), Repeat(i64::from(sequence)));
    }
    assert_eq!(log.send(0, 1, 1), Refused(45), "the sixth was forgotten before");
    assert_eq!(log.send(0, 7, 1), New(7));
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let mut log = Log::default();
    log.send(0, 0, 1);
    let good = log.producers.snapshot().to_vec();
    let restored = |bytes: &[u8]| Producers::restore(bytes, Millis(0)).map(|_| ()).unwrap_err();
    assert_eq!(restored(&good[..9]), SnapshotFault::Length);
    assert_eq!(restored(&good[..good.len() - 1]), SnapshotFault::Crc);
    let mut other = good.clone();
    other[1] = 9;
    assert_eq!(restored(&other), SnapshotFault::Version(9));
    let mut other = good;
    other[20] ^= 1;
    assert_eq!(restored(&other), SnapshotFault::Crc);
}

proptest! {
    #[test]
    fn a_restored_table_judges_the_last_batch_as_the_live_one(batches in prop::collection::vec((0..3i16, 1..5i32, any::<bool>()), 1..20)) {
        let mut log = Log::default();
        let (mut epoch, mut sequence, mut open) = (0, 0, false);
        for (raise, count, transactional) in batches {
            if raise == 2 {
                log.mark(epoch, 0, count % 2 == 0);
                open = false;
            } else if open || transactional {
                prop_assert!(matches!(log.take(header(epoch, sequence, count, attributes::TRANSACTIONAL), None, PARTICIPANT), New(_)));
                (sequence, open) = (sequence + count, true);
            } else {
                (epoch, sequence) = if raise == 1 { (epoch + 1, 0) } else { (epoch, sequence) };
                prop_assert!(matches!(log.send(epoch, sequence, count), New(_)));
                sequence += count;
            }
        }
        let bytes = log.producers.snapshot();
        let restored = Producers::restore(&bytes, Millis(1_000)).unwrap();
        prop_assert_eq!(restored.snapshot(), bytes);
        prop_assert_eq!(restored.describe(), log.producers.describe());
        prop_assert_eq!(restored.last_stable(Offset(log.next)).0, log.stable());
        let next = header(epoch, sequence, 1, if open { attributes::TRANSACTIONAL } else { 0 });
        prop_assert!(matches!(restored.judge(&next, None, PARTICIPANT), Ok(Judgement::New)));
    }

    #[test]
    fn any_bytes_are_restored_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Producers::restore(&bytes, Millis(0));
        let mut framed = vec![0, 1];
        framed.extend_from_slice(&(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes) as u32).to_be_bytes());
        framed.extend_from_slice(&bytes);
        let _ = Producers::restore(&Bytes::from(framed), Millis(0));
    }
}
