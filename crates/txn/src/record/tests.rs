//! Bytes taken from the `__transaction_state` of a Kafka 4.3.1, and what hostile bytes lead to.

use proptest::prelude::*;

use super::*;
use crate::status::Outcome;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn identity(producer: i64, epoch: i16) -> Identity {
    Identity {
        producer: ProducerId(producer),
        epoch: ProducerEpoch(epoch),
    }
}

fn partitions(all: &[(&str, i32)]) -> BTreeSet<TopicPartition> {
    let partition = |(topic, index): &(&str, i32)| TopicPartition::new(*topic, *index);
    all.iter().map(partition).collect()
}

fn record(id: &str, value: Transaction) -> Record {
    Record {
        id: id.into(),
        value: Some(value),
    }
}

/// What a producer is given first.
fn empty() -> Transaction {
    Transaction {
        identity: identity(0, 0),
        previous_producer: Some(ProducerId(0)),
        next_producer: None,
        raised_from: None,
        timeout: Millis(60_000),
        status: Status::Empty,
        partitions: BTreeSet::new(),
        started: None,
        updated: Millis(0x01a1_ff2c_2059),
        version: TransactionVersion::V1,
    }
}

const JAVA_KEY: &str = "0000  0008 6a6176612d747632";
const OVERFLOW_KEY: &str = "0000  0008 6f766572666c6f77";
const OLD_KEY: &str = "0000  0003 6f6c64";

/// Written as these bytes, and read back from them.
fn check(record: &Record, key: &str, value: &str) {
    let (encoded_key, encoded_value) = encode(record);
    assert_eq!(encoded_key, hex(key));
    assert_eq!(encoded_value.as_deref(), Some(&hex(value)[..]));
    assert_eq!(decode(&encoded_key, encoded_value.as_deref()), Ok(Some(record.clone())));
}

/// Read from these bytes.
fn reads(key: &str, value: &str, record: &Record) {
    assert_eq!(decode(&hex(key), Some(&hex(value))), Ok(Some(record.clone())));
}

#[test]
fn a_producer_that_has_not_begun() {
    let value = "0001 0000000000000000 0000 0000ea60 00 00 000001a1ff2c2059 ffffffffffffffff
        01 00 08 0000000000000000";
    check(&record("java-tv2", empty()), JAVA_KEY, value);
}

#[test]
fn an_open_transaction() {
    let transaction = Transaction {
        status: Status::Ongoing,
        partitions: partitions(&[("t", 0)]),
        started: Some(Millis(0x01a1_ff2c_20b9)),
        updated: Millis(0x01a1_ff2c_20b9),
        version: TransactionVersion::V2,
        ..empty()
    };
    let value = "0001 0000000000000000 0000 0000ea60 01 02 02 74 02 00000000 00 000001a1ff2c20b9 000001a1ff2c20b9
        02 00 08 0000000000000000 02 02 0002";
    check(&record("java-tv2", transaction), JAVA_KEY, value);
}

#[test]
fn a_decided_one_and_its_completion() {
    let decided = Transaction {
        identity: identity(0, 2),
        status: Status::Prepare(Outcome::Abort),
        partitions: partitions(&[("t", 1)]),
        started: Some(Millis(0x01a1_ff2c_22a2)),
        updated: Millis(0x01a1_ff2c_22a8),
        version: TransactionVersion::V2,
        ..empty()
    };
    let value = "0001 0000000000000000 0002 0000ea60 03 02 02 74 02 00000001 00 000001a1ff2c22a8 000001a1ff2c22a2
        02 00 08 0000000000000000 02 02 0002";
    check(&record("java-tv2", decided.clone()), JAVA_KEY, value);
    let completed = decided.completed(Outcome::Abort, Millis(0x01a1_ff2c_22a9));
    let value = "0001 0000000000000000 0002 0000ea60 05 01 000001a1ff2c22a9 000001a1ff2c22a2
        02 00 08 0000000000000000 02 02 0002";
    check(&record("java-tv2", completed), JAVA_KEY, value);
}

#[test]
fn an_end_at_the_last_epoch_names_the_next_producer_id() {
    let open = Transaction {
        identity: identity(1, 32_766),
        previous_producer: Some(ProducerId(1)),
        status: Status::Ongoing,
        partitions: partitions(&[("t", 0), ("t", 1)]),
        started: Some(Millis(0x01a1_ff39_09aa)),
        updated: Millis(0x01a1_ff39_09aa),
        ..empty()
    };
    let value = "0001 0000000000000001 7ffe 0000ea60 01 02 02 74 03 00000000 00000001 00
        000001a1ff3909aa 000001a1ff3909aa 01 00 08 0000000000000001";
    check(&record("overflow", open.clone()), OVERFLOW_KEY, value);
    let decided = open.decided(
        Outcome::Commit,
        TransactionVersion::V2,
        Some(ProducerId(2)),
        Millis(0x01a1_ff39_09b0),
    );
    let value = "0001 0000000000000001 7fff 0000ea60 02 02 02 74 03 00000000 00000001 00
        000001a1ff3909b0 000001a1ff3909aa
        03 00 08 0000000000000001 01 08 0000000000000002 02 02 0002";
    check(&record("overflow", decided.clone()), OVERFLOW_KEY, value);
    let completed = decided.completed(Outcome::Commit, Millis(0x01a1_ff39_09b1));
    let value = "0001 0000000000000002 0000 0000ea60 04 01 000001a1ff3909b1 000001a1ff3909aa
        02 00 08 0000000000000001 02 02 0002";
    check(&record("overflow", completed), OVERFLOW_KEY, value);
}

#[test]
fn what_older_versions_wrote_is_read() {
    let old = Transaction {
        previous_producer: None,
        updated: Millis(0x01a1_ff39_f773),
        ..empty()
    };
    let value = "0000 0000000000000000 0000 0000ea60 00 ffffffff 000001a1ff39f773 ffffffffffffffff";
    reads(OLD_KEY, value, &record("old", old.clone()));
    let open = Transaction {
        status: Status::Ongoing,
        partitions: partitions(&[("t", 0)]),
        started: Some(Millis(0x01a1_ff39_f9a1)),
        updated: Millis(0x01a1_ff39_f9a1),
        ..old
    };
    let value = "0000 0000000000000000 0000 0000ea60 01 00000001 0001 74 00000001 00000000
        000001a1ff39f9a1 000001a1ff39f9a1";
    reads(OLD_KEY, value, &record("old", open.clone()));
    let complete = Transaction {
        status: Status::Complete(Outcome::Commit),
        partitions: BTreeSet::new(),
        updated: Millis(0x01a1_ff39_f9b2),
        ..open
    };
    let value = "0000 0000000000000000 0000 0000ea60 04 00000000 000001a1ff39f9b2 000001a1ff39f9a1";
    reads(OLD_KEY, value, &record("old", complete));
}

#[test]
fn the_epoch_that_was_raised_is_our_own_tag() {
    let raised = Transaction {
        identity: identity(0, 1),
        raised_from: Some(ProducerEpoch(0)),
        ..empty()
    };
    let value = "0001 0000000000000000 0001 0000ea60 00 00 000001a1ff2c2059 ffffffffffffffff
        02 00 08 0000000000000000 a09c01 02 0000";
    check(&record("java-tv2", raised), JAVA_KEY, value);
}

#[test]
fn unknown_tags_and_the_one_for_two_phases_are_skipped() {
    let value = "0001 0000000000000000 0000 0000ea60 00 00 000001a1ff2c2059 ffffffffffffffff
        03 00 08 0000000000000000 03 02 ffff 09 01 aa";
    reads(JAVA_KEY, value, &record("java-tv2", empty()));
}

#[test]
fn no_value_is_a_tombstone() {
    let gone = Record {
        id: "java-tv2".into(),
        value: None,
    };
    assert_eq!(encode(&gone), (hex(JAVA_KEY).into(), None));
    assert_eq!(decode(&hex(JAVA_KEY), None), Ok(Some(gone)));
}

#[test]
fn keys_of_other_types_are_skipped() {
    for kind in [-1, 1, 2, i16::MAX] {
        assert_eq!(decode(&kind.to_be_bytes(), Some(b"anything")), Ok(None));
    }
}

#[test]
fn faults_say_what_was_wrong() {
    let read = |value: &str| decode(&hex(OLD_KEY), Some(&hex(value)));
    assert_eq!(decode(b"", None), Err(RecordFault::Short("type")));
    assert_eq!(
        decode(&hex("0000 0005 67"), None),
        Err(RecordFault::Length("transactionalId"))
    );
    assert_eq!(read("0002"), Err(RecordFault::Version(2)));
    assert_eq!(read("0001 00"), Err(RecordFault::Short("producerId")));
    assert_eq!(
        read("0001 0000000000000000 0000 0000ea60 06 00"),
        Err(RecordFault::Number("transactionStatus", 6))
    );
    assert_eq!(
        read("0000 0000000000000000 0000 0000ea60 01 7fffffff"),
        Err(RecordFault::Length("transactionPartitions"))
    );
    assert_eq!(
        read("0001 0000000000000000 0000 0000ea60 01 02 02 74 ff7f 00"),
        Err(RecordFault::Length("partitionIds"))
    );
    assert_eq!(
        read("0001 0000000000000000 0000 0000ea60 00 00 0000000000000000 ffffffffffffffff 01 02 02 0003"),
        Err(RecordFault::Number("clientTransactionVersion", 3))
    );
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    let id = || prop::option::of((0..i64::MAX).prop_map(ProducerId));
    let identity = (0..i64::MAX, any::<i16>()).prop_map(|(producer, epoch)| super::tests::identity(producer, epoch));
    let status = prop::sample::select(Status::ALL.to_vec());
    let partitions = prop::collection::btree_set(("[a-z.]{1,20}", 0i32..2_000), 0..20);
    let times = (1i32.., prop::option::of(0i64..), 0i64..);
    let epoch = prop::option::of(any::<i16>().prop_map(ProducerEpoch));
    let version = prop::sample::select(vec![TransactionVersion::V1, TransactionVersion::V2]);
    (identity, id(), id(), epoch, status, partitions, times, version).prop_map(
        |(identity, previous_producer, next_producer, raised_from, status, partitions, times, version)| Transaction {
            identity,
            previous_producer,
            next_producer,
            raised_from,
            timeout: Millis(i64::from(times.0)),
            status,
            partitions: partitions
                .iter()
                .filter(|_| status != Status::Empty)
                .map(|(topic, index)| TopicPartition::new(topic.as_str(), *index))
                .collect(),
            started: times.1.map(Millis),
            updated: Millis(times.2),
            version,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(id in ".{1,200}", transaction in any_transaction()) {
        let record = record(&id, transaction);
        let (key, value) = encode(&record);
        prop_assert_eq!(decode(&key, value.as_deref()), Ok(Some(record)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        key in prop::collection::vec(any::<u8>(), 0..40),
        version in -1i16..3,
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode(&key, Some(&value));
        let _ = decode(&hex(OLD_KEY), Some(&[&version.to_be_bytes()[..], &value].concat()));
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(
        transaction in any_transaction(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (key, value) = encode(&record("x", transaction));
        let mut value = value.unwrap().to_vec();
        let place = place.index(value.len());
        value[place] = byte;
        let _ = decode(&key, Some(&value));
        value.truncate(cut.index(value.len()));
        let _ = decode(&key, Some(&value));
    }
}
