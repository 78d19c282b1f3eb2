//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where a partition begins, ends and is cut.

use anyhow::Result;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName};

use crate::batch::Batch;
use crate::cases::{Case, in_versions};
use crate::script::Script;
use crate::setup;

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("list_offsets/timestamps", 1..=10, timestamps);
    cases.extend(in_versions("list_offsets/unknown", 1..=10, unknown));
    cases.extend(in_versions("list_offsets/epochs", 4..=10, epochs));
    cases.extend(in_versions("list_offsets/out_of_order", 1..=10, out_of_order));
    cases.extend(in_versions("offset_for_leader_epoch/epochs", 2..=4, leader_epochs));
    cases.extend(in_versions("delete_records/offsets", 0..=2, delete_records));
    cases.extend(in_versions("delete_records/unknown", 0..=2, delete_unknown));
    cases
}

fn at(index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(timestamp)
}

fn request(topics: &[(&TopicName, Vec<ListOffsetsPartition>)]) -> ListOffsetsRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        ListOffsetsTopic::default()
            .with_name((*name).clone())
            .with_partitions(partitions.clone())
    });
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(topics.collect())
}

const SPECIAL: [i64; 9] = [-1, -2, -3, -4, -5, -6, -7, -100, i64::MAX];

fn timestamps(s: &mut Script<'_>, version: i16) -> Result<()> {
    let shared = s.broker.shared.name.clone();
    let times: Vec<i64> = [-1000, 0, 1, 2, 100, 399, 401, 402, 5000]
        .iter()
        .map(|offset| s.time(*offset))
        .collect();
    let labels = SPECIAL.iter().map(|time| (format!("{time}"), *time));
    let plain = [("0".to_owned(), 0)];
    let timed = times.iter().map(|time| (format!("base{:+}", time - s.time(0)), *time));
    let all: Vec<(String, i64)> = labels.chain(plain).chain(timed).collect();
    for (label, time) in all {
        for isolation in [0, 1, 2].into_iter().take(if version >= 2 { 3 } else { 1 }) {
            let request = request(&[(&shared, vec![at(0, time), at(1, time)])]).with_isolation_level(isolation);
            s.ask(format!("time {label}, isolation {isolation}"), version, &request)?;
        }
    }
    Ok(())
}

fn unknown(s: &mut Script<'_>, version: i16) -> Result<()> {
    let shared = s.broker.shared.name.clone();
    let (missing, empty) = (TopicName(s.name("missing")), TopicName::default());
    for (label, topics) in [
        ("nothing", vec![]),
        ("no partitions", vec![(&shared, vec![])]),
        ("topic", vec![(&missing, vec![at(0, -1)])]),
        ("empty name", vec![(&empty, vec![at(0, -1)])]),
        ("partitions", vec![(&shared, vec![at(3, -1), at(-1, -1), at(0, -1)])]),
        (
            "a partition twice",
            vec![(&shared, vec![at(0, -1), at(0, -2), at(1, -1)])],
        ),
        (
            "a topic twice",
            vec![(&shared, vec![at(0, -1)]), (&shared, vec![at(1, -1)])],
        ),
        ("mixed", vec![(&shared, vec![at(0, -1)]), (&missing, vec![at(0, -1)])]),
    ] {
        s.ask(label, version, &request(&topics))?;
    }
    s.ask(
        "as replica 1",
        version,
        &request(&[(&shared, vec![at(0, -1)])]).with_replica_id(1.into()),
    )?;
    s.ask(
        "as debugger",
        version,
        &request(&[(&shared, vec![at(0, -1)])]).with_replica_id((-2).into()),
    )?;
    Ok(())
}

fn epochs(s: &mut Script<'_>, version: i16) -> Result<()> {
    let shared = s.broker.shared.name.clone();
    for epoch in [-2, -1, 0, 1, 100] {
        for time in [-1, -2, s.time(100)] {
            let request = request(&[(&shared, vec![at(0, time).with_current_leader_epoch(epoch)])]);
            let label = if time < 0 { time.to_string() } else { "base+100".into() };
            s.ask(format!("epoch {epoch}, time {label}"), version, &request)?;
        }
    }
    Ok(())
}

/// Times that go up and down, and one for several records.
fn out_of_order(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    for start in [500, 100, 900, 300, 900] {
        setup::produce(s, &topic, 0, &Batch::of(s.time(start), &["one", "two", "three"]))?;
    }
    for offset in [0, 100, 102, 300, 500, 501, 503, 900, 901, 902, 903] {
        let request = request(&[(&topic.name, vec![at(0, s.time(offset))])]);
        s.ask(format!("base+{offset}"), version, &request)?;
    }
    s.ask("the newest", version, &request(&[(&topic.name, vec![at(0, -3)])]))?;
    Ok(())
}

fn leader_epochs(s: &mut Script<'_>, version: i16) -> Result<()> {
    let shared = s.broker.shared.name.clone();
    let missing = TopicName(s.name("missing"));
    let ask = |name: &TopicName, index: i32, current: i32, epoch: i32| {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(name.clone())
            .with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
    };
    for (index, current, epoch) in [
        (0, -1, 0),
        (0, 0, 0),
        (0, 1, 0),
        (0, -2, 0),
        (0, -1, 1),
        (0, -1, -1),
        (0, -1, -2),
        (0, 0, 5),
        (1, -1, 0),
        (1, -1, 3),
        (9, -1, 0),
        (-1, -1, 0),
    ] {
        s.ask(
            format!("partition {index}, current {current}, epoch {epoch}"),
            version,
            &ask(&shared, index, current, epoch),
        )?;
    }
    s.ask("unknown topic", version, &ask(&missing, 0, -1, 0))?;
    s.ask("nothing", version, &OffsetForLeaderEpochRequest::default())?;
    Ok(())
}

fn cut(topics: &[(&TopicName, Vec<(i32, i64)>)]) -> DeleteRecordsRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(index, offset)| {
            DeleteRecordsPartition::default()
                .with_partition_index(*index)
                .with_offset(*offset)
        });
        DeleteRecordsTopic::default()
            .with_name((*name).clone())
            .with_partitions(partitions.collect())
    });
    DeleteRecordsRequest::default()
        .with_topics(topics.collect())
        .with_timeout_ms(10_000)
}

fn delete_records(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 2)?;
    for batch in 0..5 {
        setup::produce(s, &topic, 0, &Batch::of(s.time(batch * 100), &["one", "two"]))?;
    }
    for offset in [0, 3, 2, 4, 11, -2, i64::MAX, 8, -1, 9] {
        s.ask(
            format!("before {offset}"),
            version,
            &cut(&[(&topic.name, vec![(0, offset)])]),
        )?;
        s.ask(
            format!("before {offset}, start"),
            5,
            &request(&[(&topic.name, vec![at(0, -2), at(1, -2)])]),
        )?;
    }
    s.ask(
        "an empty partition",
        version,
        &cut(&[(&topic.name, vec![(1, 0), (0, 5)])]),
    )?;
    Ok(())
}

fn delete_unknown(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let missing = TopicName(s.name("missing"));
    for (label, topics) in [
        ("nothing", vec![]),
        ("no partitions", vec![(&topic.name, vec![])]),
        ("topic", vec![(&missing, vec![(0, 0)])]),
        ("partitions", vec![(&topic.name, vec![(1, 0), (-1, 0)])]),
        ("twice", vec![(&topic.name, vec![(0, 0), (0, 0)])]),
        ("mixed", vec![(&topic.name, vec![(0, 0)]), (&missing, vec![(0, 0)])]),
    ] {
        s.ask(label, version, &cut(&topics))?;
    }
    Ok(())
}
