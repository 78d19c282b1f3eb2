//! The bytes of `__transaction_state`, which are Kafka's own.
//!
//! A key is a type (int16, always 0) and the transactional id. A value is a version (int16) and a structure of that version;
//! no value is a tombstone. Written is v1, as Kafka does since `transaction.version` 1; v0 is read as well. The bytes may
//! come from anywhere: reading them neither panics nor allocates for a length they claim beyond the bytes present.
//!
//! ```text
//! v1: producer id i64 │ epoch i16 │ timeout i32 │ status i8 │ partitions (none if Empty) │ updated i64 │ started i64 │ tags
//!     partitions: { topic │ { partition i32 } ... │ tags } ...
//!     tags: 0 previous producer id i64 │ 1 next producer id i64 │ 2 transaction version i16 │ 20000 raised from i16
//! ```
//!
//! Tag 20000 is Ottla's own: the epoch a producer asked to go on from. Kafka keeps it in memory only, so that a producer
//! whose answer was lost with the coordinator is fenced. Kafka's readers skip tags they do not know.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use ottla_fields::{Reader, TEXT_MAX, put_compact_count, put_compact_text, put_no_tags, put_tag, put_text, put_varint};
use ottla_model::{Millis, PartitionIndex, ProducerEpoch, ProducerId, TopicName, TopicPartition, TransactionalId};

use crate::identity::Identity;
use crate::status::{Status, TransactionVersion};
use crate::transaction::Transaction;

pub use ottla_fields::RecordFault;

#[cfg(test)]
mod tests;

/// One entry of the log: what is known under a transactional id from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The id.
    pub id: TransactionalId,
    /// What is known; `None` is a tombstone.
    pub value: Option<Transaction>,
}

/// A record's key and value; no value is a tombstone.
pub fn encode(record: &Record) -> (Bytes, Option<Bytes>) {
    let mut key = BytesMut::new();
    key.put_i16(TRANSACTION_KEY);
    put_text(&mut key, record.id.as_str());
    (key.freeze(), record.value.as_ref().map(encode_value))
}

/// What a key and a value say; `None` for a type of key that is unknown.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordFault> {
    let mut key = Reader::new(key);
    if key.i16("type")? != TRANSACTION_KEY {
        return Ok(None);
    }
    Ok(Some(Record {
        id: TransactionalId::new(key.text("transactionalId")?),
        value: value.map(decode_value).transpose()?,
    }))
}

/// Whether an id may stand in a key: it is not empty, and not longer than Kafka's keys can hold.
pub(crate) fn fits(id: &TransactionalId) -> bool {
    (1..=TEXT_MAX).contains(&id.as_str().len())
}

fn encode_value(transaction: &Transaction) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VALUE_VERSION);
    out.put_i64(transaction.identity.producer.0);
    out.put_i16(transaction.identity.epoch.0);
    out.put_i32(transaction.timeout.0 as i32);
    out.put_i8(transaction.status.number());
    put_partitions(&mut out, transaction);
    out.put_i64(transaction.updated.0);
    out.put_i64(transaction.started.map_or(NONE, |started| started.0));
    put_tags(&mut out, transaction);
    out.freeze()
}

fn put_partitions(out: &mut BytesMut, transaction: &Transaction) {
    if transaction.status == Status::Empty {
        put_varint(out, 0);
        return;
    }
    let mut topics: BTreeMap<&TopicName, Vec<PartitionIndex>> = BTreeMap::new();
    for partition in &transaction.partitions {
        topics.entry(&partition.topic).or_default().push(partition.index);
    }
    put_compact_count(out, topics.len());
    for (topic, partitions) in topics {
        put_compact_text(out, topic.as_str());
        put_compact_count(out, partitions.len());
        partitions.iter().for_each(|index| out.put_i32(index.0));
        put_no_tags(out);
    }
}

/// Tags with their default value are left out, as Kafka does.
fn put_tags(out: &mut BytesMut, transaction: &Transaction) {
    let previous = transaction.previous_producer.map(|id| id.0.to_be_bytes());
    let next = transaction.next_producer.map(|id| id.0.to_be_bytes());
    let version = match transaction.version {
        TransactionVersion::V1 => None,
        version @ TransactionVersion::V2 => Some(version.number().to_be_bytes()),
    };
    let raised_from = transaction.raised_from.map(|epoch| epoch.0.to_be_bytes());
    let tags = [
        previous.as_ref().map(|bytes| (TAG_PREVIOUS_PRODUCER, &bytes[..])),
        next.as_ref().map(|bytes| (TAG_NEXT_PRODUCER, &bytes[..])),
        version.as_ref().map(|bytes| (TAG_VERSION, &bytes[..])),
        raised_from.as_ref().map(|bytes| (TAG_RAISED_FROM, &bytes[..])),
    ];
    let present = tags.into_iter().flatten();
    put_varint(out, present.clone().count() as u32);
    present.for_each(|(tag, field)| put_tag(out, tag, field));
}

fn decode_value(value: &[u8]) -> Result<Transaction, RecordFault> {
    let mut value = Reader::new(value);
    let version = value.i16("version")?;
    if !(0..=VALUE_VERSION).contains(&version) {
        return Err(RecordFault::Version(version));
    }
    let flexible = version >= 1;
    let producer = ProducerId(value.i64("producerId")?);
    let epoch = ProducerEpoch(value.i16("producerEpoch")?);
    let timeout = Millis(i64::from(value.i32("transactionTimeoutMs")?));
    let status = value.i8("transactionStatus")?;
    let status = Status::from_number(status).ok_or(RecordFault::Number("transactionStatus", i64::from(status)))?;
    let partitions = read_partitions(&mut value, flexible)?;
    let updated = Millis(value.i64("transactionLastUpdateTimestampMs")?);
    let started = value.i64("transactionStartTimestampMs")?;
    let tags = if flexible {
        Tags::read(&mut value)?
    } else {
        Tags::default()
    };
    Ok(Transaction {
        identity: Identity { producer, epoch },
        previous_producer: tags.previous_producer,
        next_producer: tags.next_producer,
        raised_from: tags.raised_from,
        timeout,
        status,
        partitions,
        started: (started != NONE).then_some(Millis(started)),
        updated,
        version: TransactionVersion::from_number(tags.version)
            .ok_or(RecordFault::Number("clientTransactionVersion", i64::from(tags.version)))?,
    })
}

fn read_partitions(value: &mut Reader<'_>, flexible: bool) -> Result<BTreeSet<TopicPartition>, RecordFault> {
    let mut partitions = BTreeSet::new();
    let topics = value.optional_count_of(flexible, TOPIC_BYTES_MIN, "transactionPartitions")?;
    for _ in 0..topics.unwrap_or(0) {
        let topic = TopicName::new(value.text_of(flexible, "topic")?);
        for _ in 0..value.count_of(flexible, 4, "partitionIds")? {
            partitions.insert(TopicPartition {
                topic: topic.clone(),
                index: PartitionIndex(value.i32("partitionId")?),
            });
        }
        if flexible {
            value.tags(|_, _| ())?;
        }
    }
    Ok(partitions)
}

#[derive(Default)]
struct Tags {
    previous_producer: Option<ProducerId>,
    next_producer: Option<ProducerId>,
    version: i16,
    raised_from: Option<ProducerEpoch>,
}

impl Tags {
    /// A tag of another length than its type has is left out like an unknown one.
    fn read(value: &mut Reader<'_>) -> Result<Tags, RecordFault> {
        let mut tags = Tags::default();
        value.tags(|tag, field| match tag {
            TAG_PREVIOUS_PRODUCER => tags.previous_producer = read_producer(field),
            TAG_NEXT_PRODUCER => tags.next_producer = read_producer(field),
            TAG_VERSION => tags.version = field.try_into().map_or(0, i16::from_be_bytes),
            TAG_RAISED_FROM => tags.raised_from = field.try_into().ok().map(i16::from_be_bytes).map(ProducerEpoch),
            _ => {}
        })?;
        Ok(tags)
    }
}

fn read_producer(field: &[u8]) -> Option<ProducerId> {
    let id = i64::from_be_bytes(field.try_into().ok()?);
    (id != NONE).then_some(ProducerId(id))
}

const TRANSACTION_KEY: i16 = 0;
const VALUE_VERSION: i16 = 1;
const TAG_PREVIOUS_PRODUCER: u32 = 0;
const TAG_NEXT_PRODUCER: u32 = 1;
const TAG_VERSION: u32 = 2;
const TAG_RAISED_FROM: u32 = 20_000;
/// The least a topic takes: an empty name and no partitions, compact, and no tags.
const TOPIC_BYTES_MIN: usize = 3;
/// Kafka's "none" in ids and timestamps.
const NONE: i64 = -1;
