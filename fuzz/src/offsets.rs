//! Records of `__consumer_offsets`: the first two bytes are the key's length, then key and value. A key alone is a
//! tombstone.

use bytes::Bytes;
use ottla_group::record::{decode, encode};
use ottla_group::{Classic, Client, CommittedOffset, LoggedMember, Record};
use ottla_model::{Generation, LeaderEpoch, MemberId, Millis, Offset, PartitionIndex, TopicId};

/// Reads a record; one that was read can be written and read again.
pub fn run(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (key, value) = rest.split_at(length);
    let value = (!value.is_empty()).then_some(value);
    if let Ok(Some(record)) = decode(key, value) {
        let (key, value) = encode(&record);
        let again = decode(&key, value.as_deref());
        assert!(
            again.is_ok_and(|again| again.is_some()),
            "a record that was read can be written"
        );
    }
}

/// Positions and groups, there and gone.
pub fn seeds() -> Vec<Vec<u8>> {
    let position = |expires_at, topic_id| CommittedOffset {
        offset: Offset(77),
        leader_epoch: Some(LeaderEpoch(3)),
        metadata: "note".to_owned(),
        committed_at: Millis(1_000),
        expires_at,
        topic_id,
    };
    let offset = |value| Record::Offset {
        group: "g".into(),
        topic: "orders".into(),
        partition: PartitionIndex(2),
        value,
    };
    let member = LoggedMember {
        instance: Some("i".into()),
        client: Client::new("c", "/127.0.0.1"),
        rebalance_timeout: Millis(300_000),
        session_timeout: Millis(45_000),
        subscription: Bytes::from_static(b"\x00\x01\x00\x00\x00\x00"),
        assignment: Bytes::from_static(b"\x00\x00"),
    };
    let group = Classic {
        protocol_type: Some("consumer".into()),
        generation: Generation(5),
        protocol: Some("range".into()),
        leader: Some("i-1".into()),
        since: Some(Millis(1_000)),
        members: [(MemberId::from("i-1"), member)].into(),
    };
    let records = [
        offset(Some(position(None, None))),
        offset(Some(position(None, Some(TopicId::METADATA)))),
        offset(Some(position(Some(Millis(9_000)), None))),
        offset(None),
        Record::Group {
            group: "g".into(),
            value: Some(group),
        },
        Record::Group {
            group: "g".into(),
            value: None,
        },
    ];
    let seed = |record: &Record| {
        let (key, value) = encode(record);
        let mut seed = (key.len() as u16).to_be_bytes().to_vec();
        seed.extend(key);
        seed.extend(value.unwrap_or_default());
        seed
    };
    records.iter().map(seed).collect()
}
