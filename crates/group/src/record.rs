//! The bytes of `__consumer_offsets`, which are Kafka's own.
//!
//! A key is a type (int16) and a structure of that type; a value is a version (int16) and a structure of that version;
//! no value is a tombstone. Written are offsets as v4 (v1 if they expire at a time the client chose) and groups as v3;
//! everything Kafka ever wrote is read. The bytes may come from anywhere: reading them neither panics nor allocates for
//! a length they claim beyond the bytes present.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_fields::{
    Reader, put_bytes, put_compact_text, put_no_tags, put_optional_text, put_tag, put_text, put_varint,
};
use ottla_model::{Generation, GroupId, LeaderEpoch, MemberId, Millis, Offset, PartitionIndex, TopicId, TopicName};

use crate::command::EndTransaction;
use crate::names::{Client, InstanceId};
use crate::pending::Producer;
use crate::state::{Classic, CommittedOffset, LoggedMember};

pub use ottla_fields::RecordFault;

#[cfg(test)]
mod tests;

/// One entry of the log: the new value under a key, or that there is none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The position of a group in a partition.
    Offset {
        /// The group.
        group: GroupId,
        /// The topic.
        topic: TopicName,
        /// Its partition.
        partition: PartitionIndex,
        /// The position; `None` is a tombstone.
        value: Option<CommittedOffset>,
    },
    /// The position of a group in a partition, in a transaction that is open: an offset like any other, in a batch that
    /// names the transaction's producer.
    PendingOffset {
        /// Whose transaction it is.
        producer: Producer,
        /// The group.
        group: GroupId,
        /// The topic.
        topic: TopicName,
        /// Its partition.
        partition: PartitionIndex,
        /// The position.
        value: CommittedOffset,
    },
    /// A transaction has ended: a control record, alone in its batch.
    TransactionEnd(EndTransaction),
    /// A classic group at rest.
    Group {
        /// The group.
        group: GroupId,
        /// Its members; `None` is a tombstone.
        value: Option<Classic>,
    },
}

const OFFSET_KEY: i16 = 1;
const OFFSET_KEY_LEGACY: i16 = 0;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE: i16 = 4;
const OFFSET_VALUE_EXPIRING: i16 = 1;
const GROUP_VALUE: i16 = 3;
/// Of the key and the value of a transaction's marker.
const CONTROL_VERSION: i16 = 0;
const TAG_TOPIC_ID: u32 = 0;
/// Kafka's "never" and "unknown" in timestamps and epochs.
const NONE: i64 = -1;

/// A record's key and value; no value is a tombstone.
pub fn encode(record: &Record) -> (Bytes, Option<Bytes>) {
    match record {
        Record::Offset {
            group,
            topic,
            partition,
            value,
        } => {
            let key = offset_key(group, topic, *partition);
            (key, value.as_ref().map(encode_offset))
        }
        Record::PendingOffset {
            group,
            topic,
            partition,
            value,
            ..
        } => (offset_key(group, topic, *partition), Some(encode_offset(value))),
        Record::TransactionEnd(end) => {
            let mut key = BytesMut::new();
            key.put_i16(CONTROL_VERSION);
            key.put_i16(i16::from(end.committed));
            let mut value = BytesMut::new();
            value.put_i16(CONTROL_VERSION);
            value.put_i32(end.coordinator_epoch.0);
            (key.freeze(), Some(value.freeze()))
        }
        Record::Group { group, value } => {
            let mut key = BytesMut::new();
            key.put_i16(GROUP_KEY);
            put_text(&mut key, group.as_str());
            (key.freeze(), value.as_ref().map(encode_group))
        }
    }
}

/// Offsets are most of what is ever written, so their buffers have the right size from the start.
fn offset_key(group: &GroupId, topic: &TopicName, partition: PartitionIndex) -> Bytes {
    const NUMBERS: usize = 2 + 2 + 2 + 4;
    let mut key = BytesMut::with_capacity(NUMBERS + group.as_str().len() + topic.as_str().len());
    key.put_i16(OFFSET_KEY);
    put_text(&mut key, group.as_str());
    put_text(&mut key, topic.as_str());
    key.put_i32(partition.0);
    key.freeze()
}

impl Record {
    /// What it says in a batch of a transaction. Only positions are written there; anything else says nothing.
    pub fn in_transaction(self, producer: Producer) -> Option<Record> {
        match self {
            Record::Offset {
                group,
                topic,
                partition,
                value: Some(value),
            } => Some(Record::PendingOffset {
                producer,
                group,
                topic,
                partition,
                value,
            }),
            _ => None,
        }
    }
}

/// What a key and a value say; `None` for a type of key that is not one of the classic group's.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordFault> {
    let mut key = Reader::new(key);
    match key.i16("type")? {
        OFFSET_KEY_LEGACY | OFFSET_KEY => Ok(Some(Record::Offset {
            group: GroupId::new(key.text("group")?),
            topic: TopicName::new(key.text("topic")?),
            partition: PartitionIndex(key.i32("partition")?),
            value: value.map(decode_offset).transpose()?,
        })),
        GROUP_KEY => Ok(Some(Record::Group {
            group: GroupId::new(key.text("group")?),
            value: value.map(decode_group).transpose()?,
        })),
        _ => Ok(None),
    }
}

fn encode_offset(offset: &CommittedOffset) -> Bytes {
    /// With an empty note and a topic id.
    const USUAL: usize = 2 + 8 + 4 + 1 + 8 + 1 + 2 + 16;
    let mut out = BytesMut::with_capacity(USUAL + offset.metadata.len());
    if let Some(expires_at) = offset.expires_at {
        // Only v1 has a place for the time of expiry; it has none for the leader epoch and the topic id.
        out.put_i16(OFFSET_VALUE_EXPIRING);
        out.put_i64(offset.offset.0);
        put_text(&mut out, &offset.metadata);
        out.put_i64(offset.committed_at.0);
        out.put_i64(expires_at.0);
        return out.freeze();
    }
    out.put_i16(OFFSET_VALUE);
    out.put_i64(offset.offset.0);
    out.put_i32(offset.leader_epoch.unwrap_or(LeaderEpoch::UNKNOWN).0);
    put_compact_text(&mut out, &offset.metadata);
    out.put_i64(offset.committed_at.0);
    match offset.topic_id {
        Some(id) => {
            put_varint(&mut out, 1);
            put_tag(&mut out, TAG_TOPIC_ID, &id.to_bytes());
        }
        None => put_no_tags(&mut out),
    }
    out.freeze()
}

fn decode_offset(value: &[u8]) -> Result<CommittedOffset, RecordFault> {
    let mut value = Reader::new(value);
    let version = value.i16("version")?;
    if !(0..=OFFSET_VALUE).contains(&version) {
        return Err(RecordFault::Version(version));
    }
    let flexible = version >= 4;
    let offset = Offset(value.i64("offset")?);
    let leader_epoch = if version >= 3 { value.i32("leaderEpoch")? } else { -1 };
    let metadata = if flexible {
        value.compact_text("metadata")?
    } else {
        value.text("metadata")?
    };
    let committed_at = Millis(value.i64("commitTimestamp")?);
    let expires_at = if version == OFFSET_VALUE_EXPIRING {
        value.i64("expireTimestamp")?
    } else {
        NONE
    };
    let mut topic_id = None;
    if flexible {
        value.tags(|tag, field| {
            if tag == TAG_TOPIC_ID
                && let Ok(id) = <[u8; 16]>::try_from(field)
            {
                topic_id = Some(TopicId::from_bytes(id)).filter(|id| !id.is_zero());
            }
        })?;
    }
    Ok(CommittedOffset {
        offset,
        leader_epoch: (leader_epoch >= 0).then_some(LeaderEpoch(leader_epoch)),
        metadata: metadata.to_owned(),
        committed_at,
        expires_at: (expires_at != NONE).then_some(Millis(expires_at)),
        topic_id,
    })
}

fn encode_group(classic: &Classic) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(GROUP_VALUE);
    put_text(&mut out, classic.protocol_type.as_deref().unwrap_or(""));
    out.put_i32(classic.generation.0);
    put_optional_text(&mut out, classic.protocol.as_deref());
    put_optional_text(&mut out, classic.leader.as_ref().map(MemberId::as_str));
    out.put_i64(classic.since.map_or(NONE, |since| since.0));
    out.put_i32(classic.members.len() as i32);
    for (id, member) in &classic.members {
        put_text(&mut out, id.as_str());
        put_optional_text(&mut out, member.instance.as_ref().map(InstanceId::as_str));
        put_text(&mut out, &member.client.id);
        put_text(&mut out, &member.client.host);
        out.put_i32(member.rebalance_timeout.0 as i32);
        out.put_i32(member.session_timeout.0 as i32);
        put_bytes(&mut out, &member.subscription);
        put_bytes(&mut out, &member.assignment);
    }
    out.freeze()
}

fn decode_group(value: &[u8]) -> Result<Classic, RecordFault> {
    let mut value = Reader::new(value);
    let version = value.i16("version")?;
    if !(0..=4).contains(&version) {
        return Err(RecordFault::Version(version));
    }
    let flexible = version >= 4;
    let protocol_type: Arc<str> = value.text_of(flexible, "protocolType")?.into();
    let generation = Generation(value.i32("generation")?);
    let protocol = value.optional_text_of(flexible, "protocol")?.map(Arc::from);
    let leader = value.optional_text_of(flexible, "leader")?.map(MemberId::new);
    let since = if version >= 2 {
        value.i64("currentStateTimestamp")?
    } else {
        NONE
    };
    let count = value.count_of(flexible, MEMBER_BYTES_MIN, "members")?;
    let mut members = BTreeMap::new();
    for _ in 0..count {
        let (id, member) = decode_member(&mut value, version)?;
        members.insert(id, member);
    }
    if flexible {
        value.tags(|_, _| ())?;
    }
    Ok(Classic {
        protocol_type: Some(protocol_type).filter(|text| !text.is_empty()),
        generation,
        protocol,
        leader,
        since: (since != NONE).then_some(Millis(since)),
        members,
    })
}

/// The least a member takes in any version: three texts, a timeout and two byte strings, all of them empty, compact.
const MEMBER_BYTES_MIN: usize = 3 + 4 + 2;

fn decode_member(value: &mut Reader<'_>, version: i16) -> Result<(MemberId, LoggedMember), RecordFault> {
    let flexible = version >= 4;
    let id = MemberId::new(value.text_of(flexible, "memberId")?);
    let instance = if version >= 3 {
        value.optional_text_of(flexible, "groupInstanceId")?
    } else {
        None
    };
    let client_id = value.text_of(flexible, "clientId")?;
    let client_host = value.text_of(flexible, "clientHost")?;
    let rebalance_timeout = if version >= 1 {
        value.i32("rebalanceTimeout")?
    } else {
        -1
    };
    let session_timeout = value.i32("sessionTimeout")?;
    let member = LoggedMember {
        instance: instance.map(InstanceId::new),
        client: Client::new(client_id, client_host),
        // Before there was a rebalance timeout, the session timeout stood for it.
        rebalance_timeout: millis(if rebalance_timeout == -1 {
            session_timeout
        } else {
            rebalance_timeout
        }),
        session_timeout: millis(session_timeout),
        subscription: Bytes::copy_from_slice(value.bytes_of(flexible, "subscription")?),
        assignment: Bytes::copy_from_slice(value.bytes_of(flexible, "assignment")?),
    };
    if flexible {
        value.tags(|_, _| ())?;
    }
    Ok((id, member))
}

fn millis(value: i32) -> Millis {
    Millis(i64::from(value))
}
