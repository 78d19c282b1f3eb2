//! Produce: good batches, every bad one, every version; idempotent producers.

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ListOffsetsRequest, ProduceRequest, TopicName, TransactionalId};
use uuid::Uuid;

use crate::batch::{Batch, Codec};
use crate::cases::fetch::fetch_all;
use crate::cases::{Case, in_versions};
use crate::requests::text;
use crate::script::{Script, Topic};

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("produce/good", 3..=13, good);
    cases.extend(in_versions("produce/bad_batches", 3..=13, bad_batches));
    cases.extend(in_versions("produce/bad_requests", 3..=13, bad_requests));
    cases.extend(in_versions("produce/codecs", 3..=13, codecs));
    cases.extend(in_versions("produce/corrected", 13..=13, corrected));
    cases.extend(in_versions("produce/log_append_time", 13..=13, log_append_time));
    cases.extend(in_versions("produce/too_large", 13..=13, too_large));
    cases.extend(in_versions("produce/acks_none", 3..=13, acks_none));
    cases.extend(in_versions("idempotence/sequence", 3..=13, sequence));
    cases.extend(in_versions("idempotence/epochs", 13..=13, epochs));
    cases.extend(in_versions("idempotence/five", 13..=13, five));
    cases.extend(in_versions("idempotence/wrap", 13..=13, wrap));
    cases.extend(in_versions("idempotence/bad_fields", 13..=13, bad_fields));
    cases
}

/// A Produce in the form of `version`: names up to 12, ids from 13. Parts of one topic that follow each other share
/// its entry.
pub fn request(version: i16, parts: &[(&Topic, i32, Option<Bytes>)]) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for of_topic in parts.chunk_by(|a, b| a.0.name == b.0.name) {
        let data = of_topic.iter().map(|(_, partition, records)| {
            PartitionProduceData::default()
                .with_index(*partition)
                .with_records(records.clone())
        });
        let topic_data = TopicProduceData::default().with_partition_data(data.collect());
        let topic = of_topic[0].0;
        topics.push(match version {
            13.. => topic_data.with_topic_id(topic.id),
            _ => topic_data.with_name(topic.name.clone()),
        });
    }
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(topics)
}

fn one(version: i16, topic: &Topic, batch: &Batch) -> ProduceRequest {
    request(version, &[(topic, 0, Some(batch.bytes()))])
}

fn good(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 2)?;
    let batch = Batch::of(s.time(0), &["one", "two", "three"]);
    s.ask("acks all", version, &one(version, &topic, &batch))?;
    s.ask("acks one", version, &one(version, &topic, &batch).with_acks(1))?;
    s.ask("no time", version, &one(version, &topic, &batch).with_timeout_ms(0))?;
    s.ask(
        "negative time",
        version,
        &one(version, &topic, &batch).with_timeout_ms(-1),
    )?;
    let bytes = Some(batch.bytes());
    s.ask(
        "two partitions",
        version,
        &request(version, &[(&topic, 0, bytes.clone()), (&topic, 1, bytes)]),
    )?;
    s.ask("no topics", version, &request(version, &[]))?;
    fetch_all(s, &topic, 0)
}

type Change = fn(&mut Batch);

const BAD: [(&str, Change); 26] = [
    ("base offset 7", |b| b.base_offset = 7),
    ("base offset -1", |b| b.base_offset = -1),
    ("length too small", |b| b.length = Some(10)),
    ("length 0", |b| b.length = Some(0)),
    ("length negative", |b| b.length = Some(-1)),
    ("length too large", |b| b.length = Some(10_000)),
    ("magic 0", |b| b.magic = 0),
    ("magic 1", |b| b.magic = 1),
    ("magic 3", |b| b.magic = 3),
    ("magic -1", |b| b.magic = -1),
    ("wrong crc", |b| b.crc = Some(1)),
    ("control", |b| b.attributes = 0x20),
    ("transactional", |b| b.attributes = 0x10),
    ("transactional with producer", |b| {
        b.attributes = 0x10;
        (b.producer_id, b.producer_epoch, b.base_sequence) = (77, 0, 0);
    }),
    ("control with producer", |b| {
        b.attributes = 0x20;
        (b.producer_id, b.producer_epoch, b.base_sequence) = (77, 0, 0);
    }),
    ("unused attribute", |b| b.attributes = 0x100),
    ("codec 5", |b| b.attributes = 5),
    ("codec 7", |b| b.attributes = 7),
    ("last delta too small", |b| b.last_offset_delta = Some(1)),
    ("last delta too large", |b| b.last_offset_delta = Some(5)),
    ("last delta negative", |b| b.last_offset_delta = Some(-1)),
    ("count too small", |b| b.count = Some(2)),
    ("count too large", |b| b.count = Some(4)),
    ("count 0", |b| b.count = Some(0)),
    ("count negative", |b| b.count = Some(-1)),
    ("leader epoch 9", |b| b.leader_epoch = 9),
];

fn bad_batches(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let sound = Batch::of(s.time(0), &["one", "two", "three"]);
    for (label, change) in BAD {
        let mut batch = sound.clone();
        change(&mut batch);
        s.ask(label, version, &one(version, &topic, &batch))?;
    }
    let whole = sound.bytes();
    let glued = |parts: &[&[u8]]| {
        let mut bytes = BytesMut::new();
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Some(bytes.freeze())
    };
    let mut no_records = Batch::of(s.time(0), &[]);
    no_records.last_offset_delta = Some(0);
    let mut garbage = sound.clone();
    garbage.payload = Some(b"no records at all".to_vec());
    for (label, records) in [
        ("no bytes", Some(Bytes::new())),
        ("two batches", glued(&[&whole, &whole])),
        ("half a batch", glued(&[&whole[..40]])),
        ("a header alone", glued(&[&whole[..61]])),
        ("a batch and a half", glued(&[&whole, &whole[..40]])),
        ("a batch and some bytes", glued(&[&whole, &[1, 2, 3]])),
        ("some bytes", glued(&[&[1, 2, 3]])),
        ("a batch without records", Some(no_records.bytes())),
        ("garbage for records", Some(garbage.bytes())),
    ] {
        s.ask(label, version, &request(version, &[(&topic, 0, records)]))?;
    }
    fetch_all(s, &topic, 0)
}

fn bad_requests(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let records = Some(Batch::of(s.time(0), &["one"]).bytes());
    for acks in [2, -2, i16::MAX] {
        s.ask(
            format!("acks {acks}"),
            version,
            &request(version, &[(&topic, 0, records.clone())]).with_acks(acks),
        )?;
    }
    let named = |name: &str| Topic {
        name: TopicName(text(name)),
        id: Uuid::from_u128(0x1234),
    };
    let unknown = Topic {
        name: TopicName(s.name("unknown")),
        id: Uuid::from_u128(0x4321),
    };
    let nil = Topic::default();
    for (label, parts) in [
        ("partition 1", vec![(&topic, 1, records.clone())]),
        ("partition -1", vec![(&topic, -1, records.clone())]),
        ("unknown topic", vec![(&unknown, 0, records.clone())]),
        ("bad topic name", vec![(&named("a b"), 0, records.clone())]),
        ("no topic", vec![(&nil, 0, records.clone())]),
        (
            "one good, one bad",
            vec![
                (&topic, 0, records.clone()),
                (&topic, 7, records.clone()),
                (&unknown, 0, records.clone()),
            ],
        ),
        (
            "a partition twice",
            vec![(&topic, 0, records.clone()), (&topic, 0, records.clone())],
        ),
    ] {
        s.ask(label, version, &request(version, &parts))?;
    }
    let transactional = |id: &str| Some(TransactionalId(text(id)));
    let plain = request(version, &[(&topic, 0, records.clone())]);
    s.ask(
        "transactional id, plain batch",
        version,
        &plain.with_transactional_id(transactional("t")),
    )?;
    s.ask_briefly("null records", version, &request(version, &[(&topic, 0, None)]))?;
    fetch_all(s, &topic, 0)
}

fn codecs(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut batch = Batch::of(s.time(0), &["one", "two", "three"]);
        batch.codec = codec;
        s.ask(format!("{codec:?}"), version, &one(version, &topic, &batch))?;
        batch.payload = Some(b"this is not compressed at all".to_vec());
        s.ask(format!("{codec:?}, broken"), version, &one(version, &topic, &batch))?;
        batch.payload = Some(Vec::new());
        s.ask(format!("{codec:?}, no data"), version, &one(version, &topic, &batch))?;
    }
    fetch_all(s, &topic, 0)
}

type Changing = dyn Fn(&mut Batch);

/// What the broker puts right, or leaves as it is.
fn corrected(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let (early, late) = (s.time(-5), s.time(50_000));
    let changes: [(&str, Box<Changing>); 7] = [
        (
            "claims a small max timestamp",
            Box::new(move |b| b.max_timestamp = Some(early)),
        ),
        (
            "claims a large max timestamp",
            Box::new(move |b| b.max_timestamp = Some(late)),
        ),
        ("claims no max timestamp", Box::new(|b| b.max_timestamp = Some(-1))),
        ("claims log append time", Box::new(|b| b.attributes = 0x08)),
        ("claims a delete horizon", Box::new(|b| b.attributes = 0x40)),
        ("claims a leader epoch", Box::new(|b| b.leader_epoch = 55)),
        ("no time", Box::new(|b| b.base_timestamp = -1)),
    ];
    for (label, change) in changes {
        let mut batch = Batch::of(s.time(0), &["one", "two"]);
        change(&mut batch);
        s.ask(label, version, &one(version, &topic, &batch))?;
    }
    fetch_all(s, &topic, 0)
}

fn log_append_time(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic_with("topic", 1, &[("message.timestamp.type", "LogAppendTime")])?;
    let batch = Batch::of(s.time(0), &["one", "two"]);
    s.ask("create time", version, &one(version, &topic, &batch))?;
    let repeated = Batch::of(s.time(0), &["one"]).by(123, 0, 0);
    s.ask("idempotent", version, &one(version, &topic, &repeated))?;
    s.ask("idempotent, again", version, &one(version, &topic, &repeated))?;
    fetch_all(s, &topic, 0)
}

fn too_large(s: &mut Script<'_>, version: i16) -> Result<()> {
    const LONG: &str = "a value longer than the topic allows, for it takes more than what max.message.bytes says";
    let topic = s.topic_with("topic", 1, &[("max.message.bytes", "100")])?;
    s.ask("small", version, &one(version, &topic, &Batch::of(s.time(0), &["one"])))?;
    s.ask("large", version, &one(version, &topic, &Batch::of(s.time(0), &[LONG])))?;
    let strict = s.topic_with(
        "strict",
        1,
        &[
            ("message.timestamp.before.max.ms", "1000"),
            ("message.timestamp.after.max.ms", "1000"),
        ],
    )?;
    s.ask(
        "too old",
        version,
        &one(version, &strict, &Batch::of(s.time(0), &["one"])),
    )?;
    s.ask(
        "too new",
        version,
        &one(version, &strict, &Batch::of(s.time(10 * 3_600_000), &["one"])),
    )?;
    let compacted = s.topic_with("compacted", 1, &[("cleanup.policy", "compact")])?;
    s.ask(
        "without a key",
        version,
        &one(version, &compacted, &Batch::of(s.time(0), &["one", "two"])),
    )?;
    fetch_all(s, &topic, 0)
}

/// Nothing is answered, unless something is wrong: then the connection is closed.
fn acks_none(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let batch = Batch::of(s.time(0), &["one"]);
    s.ask_briefly("good", version, &one(version, &topic, &batch).with_acks(0))?;
    let mut broken = batch.clone();
    broken.crc = Some(1);
    s.ask_briefly("bad", version, &one(version, &topic, &broken).with_acks(0))?;
    s.ask(
        "partition 9",
        version,
        &request(version, &[(&topic, 9, Some(batch.bytes()))]).with_acks(0),
    )?;
    s.send(version, &one(version, &topic, &batch).with_acks(0))?;
    s.ask("with acks behind it", version, &one(version, &topic, &batch))?;
    s.receive::<ListOffsetsRequest>("nothing more", 1, crate::script::SILENCE)?;
    fetch_all(s, &topic, 0)
}

fn producer(s: &mut Script<'_>) -> Result<i64> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(1000);
    Ok(s.must(1, &request)?.producer_id.0)
}

fn sequence(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let id = producer(s)?;
    for (label, sequence, values) in [
        ("first", 0, &["one", "two"][..]),
        ("second", 2, &["three"]),
        ("second again", 2, &["three"]),
        ("first again", 0, &["one", "two"]),
        ("gap", 5, &["x"]),
        ("overlap", 1, &["x", "y"]),
        ("part of the first", 0, &["one"]),
        ("more than the second", 2, &["three", "four"]),
        ("third", 3, &["four"]),
        ("no sequence", -1, &["five"]),
    ] {
        let batch = Batch::of(s.time(0), values).by(id, 0, sequence);
        s.ask(label, version, &one(version, &topic, &batch))?;
    }
    let later = Batch::of(s.time(0), &["x"]).by(producer(s)?, 0, 42);
    s.ask("first at 42", version, &one(version, &topic, &later))?;
    let foreign = Batch::of(s.time(0), &["x"]).by(4_000_000_000, 3, 0);
    s.ask("an id never handed out", version, &one(version, &topic, &foreign))?;
    fetch_all(s, &topic, 0)
}

fn epochs(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let id = producer(s)?;
    for (epoch, sequence) in [
        (1, 0),
        (0, 1),
        (2, 1),
        (2, 0),
        (2, 0),
        (2, 1),
        (1, 1),
        (5, 0),
        (-1, 1),
        (i16::MAX, 0),
    ] {
        let batch = Batch::of(s.time(0), &["one"]).by(id, epoch, sequence);
        s.ask(
            format!("epoch {epoch}, sequence {sequence}"),
            version,
            &one(version, &topic, &batch),
        )?;
    }
    fetch_all(s, &topic, 0)
}

/// Five batches are remembered.
fn five(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let id = producer(s)?;
    let batch = |s: &Script<'_>, sequence: i32| Batch::of(s.time(i64::from(sequence)), &["one"]).by(id, 0, sequence);
    for sequence in 0..7 {
        s.ask(
            format!("sequence {sequence}"),
            version,
            &one(version, &topic, &batch(s, sequence)),
        )?;
    }
    for sequence in 0..8 {
        s.ask(
            format!("sequence {sequence} again"),
            version,
            &one(version, &topic, &batch(s, sequence)),
        )?;
    }
    fetch_all(s, &topic, 0)
}

/// Sequence numbers start over behind the largest.
fn wrap(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let id = producer(s)?;
    for (sequence, values) in [
        (i32::MAX - 2, &["one", "two"][..]),
        (i32::MAX, &["three", "four", "five"]),
        (2, &["six"]),
        (i32::MAX, &["three", "four", "five"]),
        (0, &["x"]),
    ] {
        let batch = Batch::of(s.time(0), values).by(id, 0, sequence);
        s.ask(
            format!("sequence {sequence}, {} records", values.len()),
            version,
            &one(version, &topic, &batch),
        )?;
    }
    fetch_all(s, &topic, 0)
}

fn bad_fields(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    for (id, epoch, sequence) in [
        (-1, 0, 0),
        (-1, -1, 0),
        (-2, 0, 0),
        (9, -1, 0),
        (9, 0, -1),
        (9, -2, 0),
        (9, 0, -2),
        (0, 0, 0),
    ] {
        let batch = Batch::of(s.time(0), &["one"]).by(id, epoch, sequence);
        s.ask(
            format!("id {id}, epoch {epoch}, sequence {sequence}"),
            version,
            &one(version, &topic, &batch),
        )?;
    }
    let both = |id| Some(Batch::of(s.time(0), &["one"]).by(id, 0, 5).bytes());
    let request = request(version, &[(&topic, 0, both(21)), (&topic, 0, both(22))]);
    s.ask("two producers", version, &request)?;
    fetch_all(s, &topic, 0)
}
