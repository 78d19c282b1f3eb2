//! The bytes of the metadata records.

use super::*;
use ottla_model::{PartitionIndex, ProducerId};
use proptest::prelude::*;

#[track_caller]
fn golden(record: Record, hex: &str) {
    let bytes: Vec<u8> = hex
        .split_whitespace()
        .flat_map(|word| match word.strip_prefix('\'') {
            Some(text) => text.as_bytes().to_vec(),
            None => (0..word.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&word[at..at + 2], 16).unwrap())
                .collect(),
        })
        .collect();
    assert_eq!(encode(&record), bytes);
    assert_eq!(decode(&bytes), Ok(Some(record)));
}

// Frame version, api key, version; then the fields as Kafka's schemas lay them out; then no tagged fields. A word that
// starts with ' is text.

#[test]
fn a_topic_record_is_kafkas() {
    golden(
        Record::Topic {
            name: name("orders"),
            id: id(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        },
        "01 02 00  07 'orders  0123456789abcdef0011223344556677  00",
    );
}

#[test]
fn a_partition_record_is_kafkas() {
    let partition = PartitionRecord {
        topic: id(5),
        index: PartitionIndex(258),
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 7,
        partition_epoch: 8,
    };
    golden(
        Record::Partition(partition),
        "01 03 01  00000102  00000000000000000000000000000005  02 00000001  02 00000001  01  01
         00000001  00000007  00000008  02 00000000000000000000000000000000  00",
    );
}

#[test]
fn a_config_record_is_kafkas() {
    let config = |value: Option<&str>| Record::Config {
        resource_kind: 2,
        resource_name: "t".to_owned(),
        name: "segment.ms".to_owned(),
        value: value.map(str::to_owned),
    };
    golden(config(Some("10")), "01 04 00  02  02 't  0b 'segment.ms  03 '10  00");
    golden(config(None), "01 04 00  02  02 't  0b 'segment.ms  00  00");
}

#[test]
fn the_other_records_are_kafkas() {
    golden(
        Record::RemoveTopic { id: id(1) },
        "01 09 00  00000000000000000000000000000001  00",
    );
    golden(
        Record::FeatureLevel {
            name: "metadata.version".to_owned(),
            level: 30,
        },
        "01 0c 00  11 'metadata.version  001e  00",
    );
    golden(
        Record::ProducerIds {
            broker_id: 1,
            broker_epoch: 0,
            next: ProducerId(1000),
        },
        "01 0f 00  00000001  0000000000000000  00000000000003e8  00",
    );
}

#[test]
fn what_a_newer_kafka_wrote_is_read() {
    // PartitionRecord version 2, with LeaderRecoveryState and EligibleLeaderReplicas as tagged fields.
    let mut bytes = vec![1, 3, 2, 0, 0, 0, 3];
    bytes.extend([0; 15]);
    bytes.push(9);
    bytes.extend([2, 0, 0, 0, 4, 1, 1, 1, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 1]);
    bytes.extend([2, 0, 1, 1, 1, 5, 2, 0, 0, 0, 4]);
    let Ok(Some(Record::Partition(partition))) = decode(&bytes) else {
        panic!("{:?}", decode(&bytes))
    };
    assert_eq!(
        (partition.topic, partition.index.0, partition.replicas),
        (id(9), 3, vec![4])
    );
    assert_eq!(
        (partition.leader, partition.leader_epoch, partition.partition_epoch),
        (4, 5, 6)
    );
}

#[test]
fn records_of_other_types_are_skipped() {
    assert_eq!(decode(&[1, 20, 0, 0]), Ok(None)); // NoOpRecord
    assert_eq!(decode(&[1, 27, 9, 1, 2, 3]), Ok(None)); // RegisterControllerRecord
}

#[test]
fn what_is_not_a_record_is_refused() {
    for (bytes, fault) in [
        (&[][..], RecordFault::Truncated),
        (&[0, 2, 0], RecordFault::FrameVersion(0)),
        (&[1, 2, 1], RecordFault::Version { api_key: 2, version: 1 }),
        (&[1, 2, 0, 0], RecordFault::Null("Name")),
        (&[1, 2, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], RecordFault::Truncated),
        (&[1, 2, 0, 0xff, 0xff, 0xff, 0xff, 0x1f], RecordFault::Varint),
        (&[1, 12, 0, 2, 0xff, 0, 1, 0], RecordFault::Text),
        (&[1, 12, 0, 2, b'x', 0, 1, 0, 0], RecordFault::Garbage(1)),
        (
            &[1, 3, 0, 0xff, 0xff, 0xff, 0xff],
            RecordFault::Number {
                field: "PartitionId",
                value: -1,
            },
        ),
    ] {
        assert_eq!(decode(bytes), Err(fault), "{bytes:?}");
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let text = "[a-z.é]{0,300}";
    let ints = || proptest::collection::vec(any::<i32>(), 0..4);
    let partition = (any::<u128>(), 0..=i32::MAX, ints(), ints(), any::<(i32, i32, i32)>()).prop_map(
        |(topic, index, replicas, isr, (leader, leader_epoch, partition_epoch))| {
            let index = PartitionIndex(index);
            let topic = id(topic);
            Record::Partition(PartitionRecord {
                topic,
                index,
                replicas,
                isr,
                leader,
                leader_epoch,
                partition_epoch,
            })
        },
    );
    prop_oneof![
        (text, any::<u128>()).prop_map(|(text, number)| Record::Topic {
            name: name(&text),
            id: id(number)
        }),
        partition,
        (any::<i8>(), text, text, proptest::option::of(text)).prop_map(
            |(resource_kind, resource_name, name, value)| Record::Config {
                resource_kind,
                resource_name,
                name,
                value
            }
        ),
        any::<u128>().prop_map(|number| Record::RemoveTopic { id: id(number) }),
        (text, any::<i16>()).prop_map(|(name, level)| Record::FeatureLevel { name, level }),
        any::<(i32, i64, i64)>().prop_map(|(broker_id, broker_epoch, next)| Record::ProducerIds {
            broker_id,
            broker_epoch,
            next: ProducerId(next)
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in any_record()) {
        let bytes = encode(&record);
        prop_assert_eq!(decode(&bytes), Ok(Some(record)));
        for end in 0..bytes.len() {
            prop_assert!(decode(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u8..20) {
        let _ = decode(&bytes);
        bytes.splice(0..0, [1, kind, 0]);
        let _ = decode(&bytes);
    }

    #[test]
    fn a_changed_byte_is_survived(record in any_record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&record).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
    }
}
