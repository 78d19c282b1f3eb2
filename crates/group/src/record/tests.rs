//! The bytes are Kafka's: written out by hand from its message definitions, field by field.

use ottla_model::{Generation, LeaderEpoch, Millis, Offset, PartitionIndex, TopicId};
use proptest::prelude::*;

use super::*;

/// Bytes from hexadecimal, spaces and line ends ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn offset(value: Option<CommittedOffset>) -> Record {
    Record::Offset {
        group: "g".into(),
        topic: "topic".into(),
        partition: PartitionIndex(2),
        value,
    }
}

fn position() -> CommittedOffset {
    CommittedOffset {
        offset: Offset(42),
        leader_epoch: Some(LeaderEpoch(7)),
        metadata: "note".into(),
        committed_at: Millis(0x0102_0304_0506),
        expires_at: None,
        topic_id: None,
    }
}

fn group(value: Option<Classic>) -> Record {
    Record::Group {
        group: "g".into(),
        value,
    }
}

fn stable() -> Classic {
    let member = LoggedMember {
        instance: Some("i".into()),
        client: Client::new("c", "/127.0.0.1"),
        rebalance_timeout: Millis(300_000),
        session_timeout: Millis(45_000),
        subscription: Bytes::from_static(b"\x01\x02"),
        assignment: Bytes::from_static(b"\x03"),
    };
    Classic {
        protocol_type: Some("consumer".into()),
        generation: Generation(5),
        protocol: Some("range".into()),
        leader: Some("i-1".into()),
        since: Some(Millis(1_000)),
        members: [(MemberId::from("i-1"), member)].into(),
    }
}

const OFFSET_KEY_HEX: &str = "0001  0001 67  0005 746f706963  00000002";
const GROUP_KEY_HEX: &str = "0002  0001 67";

/// Written as these bytes, and read back from them.
fn check(record: &Record, key: &str, value: Option<&str>) {
    let (encoded_key, encoded_value) = encode(record);
    assert_eq!(encoded_key, hex(key));
    assert_eq!(encoded_value.as_deref(), value.map(hex).as_deref());
    assert_eq!(decode(&encoded_key, encoded_value.as_deref()), Ok(Some(record.clone())));
}

/// Read from these bytes.
fn reads(key: &str, value: &str, record: &Record) {
    assert_eq!(decode(&hex(key), Some(&hex(value))), Ok(Some(record.clone())));
}

#[test]
fn an_offset_is_written_as_v4() {
    let value = "0004  000000000000002a  00000007  05 6e6f7465  0000010203040506  00";
    check(&offset(Some(position())), OFFSET_KEY_HEX, Some(value));
}

#[test]
fn a_topic_id_is_tag_0() {
    let id = TopicId::from_bytes(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f");
    let position = CommittedOffset {
        topic_id: Some(id),
        leader_epoch: None,
        metadata: String::new(),
        ..position()
    };
    let value = "0004  000000000000002a  ffffffff  01  0000010203040506
        01 00 10 000102030405060708090a0b0c0d0e0f";
    check(&offset(Some(position)), OFFSET_KEY_HEX, Some(value));
}

#[test]
fn an_offset_with_a_time_of_its_own_to_expire_is_written_as_v1() {
    let position = CommittedOffset {
        leader_epoch: None,
        expires_at: Some(Millis(0xff)),
        ..position()
    };
    let value = "0001  000000000000002a  0004 6e6f7465  0000010203040506  00000000000000ff";
    check(&offset(Some(position)), OFFSET_KEY_HEX, Some(value));
}

#[test]
fn older_offsets_are_read() {
    let without_epoch = CommittedOffset {
        leader_epoch: None,
        ..position()
    };
    for version in ["0000", "0002"] {
        let value = format!("{version}  000000000000002a  0004 6e6f7465  0000010203040506");
        reads(OFFSET_KEY_HEX, &value, &offset(Some(without_epoch.clone())));
    }
    let value = "0001  000000000000002a  0004 6e6f7465  0000010203040506  ffffffffffffffff";
    reads(OFFSET_KEY_HEX, value, &offset(Some(without_epoch.clone())));
    let value = "0003  000000000000002a  00000007  0004 6e6f7465  0000010203040506";
    reads(OFFSET_KEY_HEX, value, &offset(Some(position())));
    let legacy_key = OFFSET_KEY_HEX.replacen("0001", "0000", 1);
    reads(&legacy_key, value, &offset(Some(position())));
}

#[test]
fn unknown_tags_are_skipped() {
    let value = "0004  000000000000002a  00000007  05 6e6f7465  0000010203040506  02  05 01 aa  8001 00";
    reads(OFFSET_KEY_HEX, value, &offset(Some(position())));
}

#[test]
fn a_group_is_written_as_v3() {
    let value = "0003  0008 636f6e73756d6572  00000005  0005 72616e6765  0003 692d31  00000000000003e8  00000001
        0003 692d31  0001 69  0001 63  000a 2f3132372e302e302e31  000493e0  0000afc8  00000002 0102  00000001 03";
    check(&group(Some(stable())), GROUP_KEY_HEX, Some(value));
}

#[test]
fn an_empty_group_has_no_protocol_and_no_leader() {
    let value = "0003  0000  00000000  ffff  ffff  ffffffffffffffff  00000000";
    check(&group(Some(Classic::default())), GROUP_KEY_HEX, Some(value));
}

#[test]
fn older_and_newer_groups_are_read() {
    let mut dynamic = stable();
    let member = dynamic.members.values_mut().next().unwrap();
    member.instance = None;
    let v2 = "0002  0008 636f6e73756d6572  00000005  0005 72616e6765  0003 692d31  00000000000003e8  00000001
        0003 692d31  0001 63  000a 2f3132372e302e302e31  000493e0  0000afc8  00000002 0102  00000001 03";
    reads(GROUP_KEY_HEX, v2, &group(Some(dynamic.clone())));
    dynamic.since = None;
    let v1 = "0001  0008 636f6e73756d6572  00000005  0005 72616e6765  0003 692d31  00000001
        0003 692d31  0001 63  000a 2f3132372e302e302e31  000493e0  0000afc8  00000002 0102  00000001 03";
    reads(GROUP_KEY_HEX, v1, &group(Some(dynamic.clone())));
    dynamic.members.values_mut().next().unwrap().rebalance_timeout = Millis(45_000);
    let v0 = "0000  0008 636f6e73756d6572  00000005  0005 72616e6765  0003 692d31  00000001
        0003 692d31  0001 63  000a 2f3132372e302e302e31  0000afc8  00000002 0102  00000001 03";
    reads(GROUP_KEY_HEX, v0, &group(Some(dynamic)));
    let v4 = "0004  09 636f6e73756d6572  00000005  06 72616e6765  04 692d31  00000000000003e8  02
        04 692d31  02 69  02 63  0b 2f3132372e302e302e31  000493e0  0000afc8  03 0102  02 03  00  00";
    reads(GROUP_KEY_HEX, v4, &group(Some(stable())));
}

#[test]
fn no_value_is_a_tombstone() {
    check(&offset(None), OFFSET_KEY_HEX, None);
    check(&group(None), GROUP_KEY_HEX, None);
}

#[test]
fn keys_of_other_types_are_skipped() {
    for kind in (3..=30).chain([-1, i16::MAX]) {
        assert_eq!(decode(&kind.to_be_bytes(), Some(b"anything")), Ok(None));
    }
}

#[test]
fn faults_say_what_was_wrong() {
    assert_eq!(decode(b"", None), Err(RecordFault::Short("type")));
    assert_eq!(decode(&hex("0002 0005 67"), None), Err(RecordFault::Length("group")));
    assert_eq!(decode(&hex("0002 ffff"), None), Err(RecordFault::Length("group")));
    assert_eq!(decode(&hex("0002 0001 ff"), None), Err(RecordFault::Text("group")));
    assert_eq!(
        decode(&hex(GROUP_KEY_HEX), Some(&hex("0005"))),
        Err(RecordFault::Version(5))
    );
    assert_eq!(
        decode(&hex(OFFSET_KEY_HEX), Some(&hex("ffff"))),
        Err(RecordFault::Version(-1))
    );
    let absurd = "0003  0000  00000000  ffff  ffff  ffffffffffffffff  7fffffff";
    assert_eq!(
        decode(&hex(GROUP_KEY_HEX), Some(&hex(absurd))),
        Err(RecordFault::Length("members"))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        kind in 0i16..4,
        key in prop::collection::vec(any::<u8>(), 0..40),
        version in -1i16..6,
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode(&key, Some(&value));
        let key = [&kind.to_be_bytes()[..], &hex("0001 67 0001 74 00000000")].concat();
        let _ = decode(&key, Some(&[&version.to_be_bytes()[..], &value].concat()));
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(place in 0usize..100, byte in any::<u8>(), cut in 0usize..100) {
        for record in [offset(Some(position())), group(Some(stable()))] {
            let (key, value) = encode(&record);
            let mut value = value.unwrap().to_vec();
            let place = place % value.len();
            value[place] = byte;
            let _ = decode(&key, Some(&value));
            value.truncate(cut);
            let _ = decode(&key, Some(&value));
        }
    }

    #[test]
    fn what_is_written_is_read(
        offset in any::<i64>(),
        epoch in prop::option::of(0i32..),
        metadata in ".{0,200}",
        at in 0i64..,
        id in prop::option::of(any::<[u8; 16]>()),
    ) {
        let value = CommittedOffset {
            offset: Offset(offset),
            leader_epoch: epoch.map(LeaderEpoch),
            metadata,
            committed_at: Millis(at),
            expires_at: None,
            topic_id: id.map(TopicId::from_bytes).filter(|id| !id.is_zero()),
        };
        let record = super::tests::offset(Some(value));
        let (key, value) = encode(&record);
        prop_assert_eq!(decode(&key, value.as_deref()), Ok(Some(record)));
    }
}
