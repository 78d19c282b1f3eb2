//! What a client may send, and the answer to what it may not.

use ottla_model::{ProducerEpoch, ProducerId};
use proptest::prelude::*;

use super::*;
use crate::BatchBuilder;
use crate::records::Unpacked;

const NOW: Millis = Millis(10_000_000);

fn config() -> PartitionConfig {
    PartitionConfig::default()
}

fn batch(count: i32) -> Bytes {
    let mut batch = BatchBuilder::new();
    for index in 0..count {
        batch.push(NOW.plus(Millis(i64::from(index))), Some(b"key"), Some(b"value"));
    }
    batch.build()
}

/// The batch with bytes changed, and a CRC that fits.
fn changed(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc_of(&batch);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

fn joined(parts: &[&[u8]]) -> Bytes {
    parts.concat().into()
}

fn check(data: &Bytes) -> Result<CheckedBatch, Refusal> {
    CheckedBatch::check(data, Origin::Client, &config(), NOW)
}

/// The answer's number; 0 if the batch is taken.
fn answer(data: &Bytes) -> i16 {
    check(data).map_or_else(|refusal| refusal.code().number(), |_| 0)
}

const ATTRIBUTES: usize = 22;
const LAST_OFFSET_DELTA: usize = 23;
const MAX_TIMESTAMP: usize = 35;
const COUNT: usize = 57;

#[test]
fn exactly_one_whole_batch_is_taken() {
    let good = batch(3);
    assert_eq!(answer(&good), 0);
    assert_eq!(answer(&Bytes::new()), 87, "no bytes");
    assert_eq!(answer(&joined(&[&good, &good])), 87, "two batches");
    assert_eq!(answer(&good.slice(..40)), 87, "half a batch is no batch");
    let half_behind = joined(&[&good, &good[..good.len() - 1]]);
    let taken = check(&half_behind).unwrap();
    assert_eq!(
        taken.number(Offset(0), LeaderEpoch(0)).size(),
        good.len(),
        "the half is dropped"
    );
    assert_eq!(answer(&joined(&[&good, b"rest"])), 0);
}

#[test]
fn the_magic_is_2() {
    let good = batch(1);
    for (magic, expected) in [(0, 87), (1, 87), (3, 2), (-1i8 as u8, 2)] {
        assert_eq!(answer(&changed(&good, MAGIC_AT, &[magic])), expected, "magic {magic}");
    }
}

#[test]
fn damage_is_a_corrupt_message() {
    let good = batch(1);
    let mut flipped = good.to_vec();
    flipped[65] ^= 1;
    assert_eq!(answer(&flipped.into()), 2);
    assert_eq!(
        answer(&changed(&good, 8, &5i32.to_be_bytes())),
        2,
        "a length too small for anything"
    );
    assert_eq!(answer(&changed(&good, 8, &(-1i32).to_be_bytes())), 2);
    let short = changed(&good, 8, &20i32.to_be_bytes());
    assert_eq!(answer(&short.slice(..32)), 2, "a length too small for a header");
}

#[test]
fn the_header_counts_what_is_there() {
    let good = batch(3);
    assert_eq!(answer(&changed(&good, 0, &1i64.to_be_bytes())), 87, "a base offset");
    assert_eq!(answer(&changed(&good, LAST_OFFSET_DELTA, &3i32.to_be_bytes())), 87);
    assert_eq!(answer(&changed(&good, COUNT, &2i32.to_be_bytes())), 87);
    for count in [0, 2, 4, -1, i32::MIN, i32::MAX] {
        let batch = changed(&good, COUNT, &count.to_be_bytes());
        let batch = changed(&batch, LAST_OFFSET_DELTA, &count.wrapping_sub(1).to_be_bytes());
        assert_eq!(answer(&batch), 87, "{count} records, of which there are 3");
    }
}

#[test]
fn even_a_coordinator_writes_no_empty_batch() {
    let empty = BatchBuilder::new().build();
    let refusal = CheckedBatch::check(&empty, Origin::Coordinator, &config(), NOW).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::InvalidRecord);
}

#[test]
fn a_record_that_makes_no_sense_is_named() {
    let good = batch(3);
    let at = HEADER_LENGTH + (good.len() - HEADER_LENGTH) / 3;
    let cut = check(&changed(&good, at, &[0x7e])).unwrap_err();
    assert_eq!((cut.code().number(), cut.record()), (87, Some(1)));
    let misplaced = check(&changed(&good, at + 3, &[0x04])).unwrap_err();
    assert_eq!(
        misplaced,
        Refusal::OffsetDelta {
            index: 1,
            offset_delta: 2
        }
    );
    assert_eq!(misplaced.code(), ErrorCode::InvalidRecord);
}

#[test]
fn clients_write_no_control_batches() {
    let mut control = BatchBuilder::new().control();
    control.push(NOW, Some(b"\0\0\0\0"), Some(b"\0\0\0\0\0\0"));
    let control = control.build();
    assert_eq!(answer(&control), 87);
    assert!(CheckedBatch::check(&control, Origin::Coordinator, &config(), NOW).is_ok());
}

#[test]
fn a_producer_id_needs_a_sequence_number() {
    let mut batch = BatchBuilder::new().producer(ProducerId(1), ProducerEpoch(0), -1);
    batch.push(NOW, None, None);
    assert_eq!(answer(&batch.build()), 87);
}

#[test]
fn the_size_limit_is_that_of_the_topic_and_not_for_coordinators() {
    let good = batch(3);
    let limited = |max_message_bytes, origin| {
        let config = PartitionConfig {
            max_message_bytes,
            ..config()
        };
        CheckedBatch::check(&good, origin, &config, NOW).map(|_| ())
    };
    assert_eq!(limited(good.len(), Origin::Client), Ok(()));
    let refusal = limited(good.len() - 1, Origin::Client).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::MessageTooLarge);
    assert_eq!(limited(1, Origin::Coordinator), Ok(()));
}

#[test]
fn an_unknown_codec_is_answered_as_kafka_does() {
    let good = batch(1);
    assert_eq!(answer(&changed(&good, ATTRIBUTES, &[6])), -1);
}

#[test]
fn a_compacted_topic_needs_keys() {
    let config = PartitionConfig {
        compacted: true,
        ..config()
    };
    let mut keyless = BatchBuilder::new();
    keyless.push(NOW, Some(b"key"), None);
    keyless.push(NOW, None, Some(b"value"));
    let refusal = CheckedBatch::check(&keyless.build(), Origin::Client, &config, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::NoKey { index: 1 });
    assert_eq!(refusal.code(), ErrorCode::InvalidRecord);
}

#[test]
fn timestamps_lie_within_the_topics_bounds() {
    let config = PartitionConfig {
        timestamp_before_max: Millis(100),
        timestamp_after_max: Millis(10),
        ..config()
    };
    for codec in [Codec::None, Codec::Gzip] {
        let at = |shift| {
            let mut batch = BatchBuilder::new().codec(codec);
            batch.push(Millis(NOW.0 + shift), None, None);
            let checked = CheckedBatch::check(&batch.build(), Origin::Client, &config, NOW);
            checked.map_or_else(|refusal| refusal.code().number(), |_| 0)
        };
        assert_eq!([at(-101), at(-100), at(10), at(11)], [32, 0, 0, 32], "{codec:?}");
    }
    let mut without = BatchBuilder::new();
    without.push(NO_TIMESTAMP, None, None);
    assert!(CheckedBatch::check(&without.build(), Origin::Client, &config, NOW).is_ok());
}

#[test]
fn a_wrong_max_timestamp_is_corrected() {
    let good = batch(3);
    let wrong = changed(&good, MAX_TIMESTAMP, &77i64.to_be_bytes());
    let stored = check(&wrong).unwrap().number(Offset(0), LeaderEpoch(-1));
    assert_eq!(stored.to_bytes(), good, "CRC included");
}

#[test]
fn a_claimed_log_append_time_is_corrected_or_refused_where_it_is_the_brokers() {
    let good = batch(3);
    let claimed = changed(&good, ATTRIBUTES, &[attributes::LOG_APPEND_TIME as u8]);
    let stored = check(&claimed).unwrap().number(Offset(0), LeaderEpoch(-1));
    assert_eq!(stored.to_bytes(), good);
    let config = PartitionConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..config()
    };
    let refusal = CheckedBatch::check(&claimed, Origin::Client, &config, NOW).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::InvalidTimestamp);
}

#[test]
fn a_topic_with_log_append_time_stamps_the_batch() {
    let config = PartitionConfig {
        timestamp_type: TimestampType::LogAppendTime,
        ..config()
    };
    for size in [1, 20_000] {
        let mut batch = BatchBuilder::new();
        batch.push(Millis(5), None, Some(&vec![0; size]));
        let checked = CheckedBatch::check(&batch.build(), Origin::Client, &config, NOW).unwrap();
        assert_eq!(checked.log_append_time(), Some(NOW));
        let stored = checked.number(Offset(9), LeaderEpoch(2));
        let bytes = stored.to_bytes();
        let header = BatchHeader::read(&bytes).unwrap();
        assert!(header.has(attributes::LOG_APPEND_TIME));
        assert_eq!((header.max_timestamp, header.crc), (NOW, crc_of(&bytes)));
        assert_eq!((header.base_offset, header.leader_epoch), (Offset(9), LeaderEpoch(2)));
    }
}

#[test]
fn a_claimed_delete_horizon_is_kept() {
    let good = batch(1);
    let claimed = changed(&good, ATTRIBUTES, &[attributes::DELETE_HORIZON as u8]);
    let header = *check(&claimed).unwrap().header();
    assert!(header.has(attributes::DELETE_HORIZON));
}

#[test]
fn large_batches_are_shared_not_copied() {
    let mut batch = BatchBuilder::new();
    batch.push(NOW, None, Some(&[0; 100_000]));
    let sent = batch.build();
    let stored = check(&sent).unwrap().number(Offset(4), LeaderEpoch(1));
    let [head, body] = stored.parts();
    assert_eq!(head.len(), HEADER_LENGTH);
    assert_eq!(body.as_ptr(), sent[HEADER_LENGTH..].as_ptr());
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes.into());
    }

    #[test]
    fn a_changed_batch_with_a_fitting_crc_is_taken_or_refused(
        at in 0usize..120,
        bytes in prop::collection::vec(any::<u8>(), 1..9),
        count in 1..6i32,
    ) {
        let good = batch(count);
        let at = at.min(good.len() - bytes.len());
        let batch = changed(&good, at, &bytes);
        if let Ok(checked) = check(&batch) {
            let stored = checked.number(Offset(0), LeaderEpoch(0));
            let bytes = stored.to_bytes();
            prop_assert_eq!(crc_of(&bytes), stored.header().crc);
            if Codec::of(stored.header().attributes) == Some(Codec::None) {
                let records = Unpacked::of(&stored).unwrap().records().filter(Result::is_ok).count();
                prop_assert_eq!(records as i64, stored.last_offset().0 + 1);
            }
        }
    }
}
