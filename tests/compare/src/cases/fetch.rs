//! Fetch: sizes, offsets, isolation, waiting, sessions, ids and epochs.

use std::time::Instant;

use anyhow::Result;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use uuid::Uuid;

use crate::batch::Batch;
use crate::cases::{Case, in_versions};
use crate::requests::text;
use crate::script::{Script, Topic};
use crate::setup;

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("fetch/offsets", 4..=16, offsets);
    cases.extend(in_versions("fetch/sizes", 4..=16, sizes));
    cases.extend(in_versions("fetch/unknown", 4..=16, unknown));
    cases.extend(in_versions("fetch/waiting", 4..=16, waiting));
    cases.extend(in_versions("fetch/epochs", 9..=16, epochs));
    cases.extend(in_versions("fetch/session", 7..=16, session));
    cases.extend(in_versions("fetch/bad_sessions", 7..=16, bad_sessions));
    cases.extend(in_versions("fetch/bad_fields", 4..=16, bad_fields));
    cases.extend(in_versions("fetch/deleted", 12..=13, deleted));
    cases
}

/// Reads a partition from its start, to see what was stored.
pub fn fetch_all(s: &mut Script<'_>, topic: &Topic, partition: i32) -> Result<()> {
    let request = request(12, &[(topic, vec![at(12, partition, 0)])]);
    s.on("reader").ask("what is stored", 12, &request)?;
    s.on("a");
    Ok(())
}

/// Reads a partition from its start as a reader of committed records does.
pub fn fetch_committed(s: &mut Script<'_>, topic: &Topic, partition: i32) -> Result<()> {
    let request = request(12, &[(topic, vec![at(12, partition, 0)])]).with_isolation_level(1);
    let label = format!("what is committed in partition {partition}");
    s.on("reader").ask(label, 12, &request)?;
    s.on("a");
    Ok(())
}

fn at(version: i16, partition: i32, offset: i64) -> FetchPartition {
    let start = if version >= 5 {
        -1
    } else {
        FetchPartition::default().log_start_offset
    };
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_log_start_offset(start)
        .with_partition_max_bytes(1 << 20)
}

fn request(version: i16, topics: &[(&Topic, Vec<FetchPartition>)]) -> FetchRequest {
    let topics = topics.iter().map(|(topic, partitions)| {
        let fetch = FetchTopic::default().with_partitions(partitions.clone());
        if version >= 13 {
            fetch.with_topic_id(topic.id)
        } else {
            fetch.with_topic(topic.name.clone())
        }
    });
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(topics.collect())
}

/// A topic of three partitions; the first holds five batches of two records.
fn filled(s: &mut Script<'_>) -> Result<Topic> {
    let topic = s.topic("topic", 3)?;
    for batch in 0..5 {
        let records = Batch::of(s.time(batch * 100), &["one", "two"]);
        setup::produce(s, &topic, 0, &records)?;
    }
    Ok(topic)
}

fn offsets(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.clone();
    for offset in [0, 1, 4, 9, 10, 11, -1, i64::MAX] {
        for isolation in [0, 1] {
            let request = request(version, &[(&topic, vec![at(version, 0, offset)])]).with_isolation_level(isolation);
            s.ask(format!("offset {offset}, isolation {isolation}"), version, &request)?;
        }
    }
    let all = (0..3).map(|partition| at(version, partition, 0)).collect();
    s.ask("all partitions", version, &request(version, &[(&topic, all)]))?;
    s.ask("no topics", version, &request(version, &[]))?;
    s.ask("no partitions", version, &request(version, &[(&topic, vec![])]))?;
    Ok(())
}

fn sizes(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.clone();
    for max_bytes in [0, 1, 76, 100, 152, 160, -1, i32::MAX] {
        let partition = at(version, 0, 0).with_partition_max_bytes(max_bytes);
        s.ask(
            format!("partition {max_bytes}"),
            version,
            &request(version, &[(&topic, vec![partition])]),
        )?;
        let of_all = request(version, &[(&topic, vec![at(version, 0, 0)])]).with_max_bytes(max_bytes);
        s.ask(format!("request {max_bytes}"), version, &of_all)?;
    }
    let twice = filled(s)?;
    let both = [(&topic, vec![at(version, 0, 0)]), (&twice, vec![at(version, 0, 0)])];
    s.ask(
        "two partitions, room for one",
        version,
        &request(version, &both).with_max_bytes(1),
    )?;
    s.ask(
        "two partitions, room for some",
        version,
        &request(version, &both).with_max_bytes(500),
    )?;
    let same = vec![at(version, 0, 0), at(version, 0, 8)];
    s.ask("a partition twice", version, &request(version, &[(&topic, same)]))?;
    Ok(())
}

fn unknown(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.clone();
    let missing = Topic {
        name: TopicName(s.name("missing")),
        id: Uuid::from_u128(0x1234),
    };
    let bad = Topic {
        name: TopicName(text("a b")),
        id: Uuid::from_u128(0x4321),
    };
    let nil = Topic::default();
    for (label, topics) in [
        ("topic", vec![(&missing, vec![at(version, 0, 0)])]),
        (
            "partitions",
            vec![(&topic, vec![at(version, 3, 0), at(version, -1, 0)])],
        ),
        ("bad name", vec![(&bad, vec![at(version, 0, 0)])]),
        ("no name", vec![(&nil, vec![at(version, 0, 0)])]),
        (
            "beside good ones",
            vec![
                (&missing, vec![at(version, 0, 0)]),
                (&topic, vec![at(version, 0, 8), at(version, 9, 0)]),
            ],
        ),
    ] {
        for isolation in [0, 1] {
            let request = request(version, &topics).with_isolation_level(isolation);
            s.ask(format!("{label}, isolation {isolation}"), version, &request)?;
        }
    }
    Ok(())
}

/// Who waits, and what ends the wait.
fn waiting(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = filled(s)?;
    let wait = |partitions| request(version, &[(&topic, partitions)]).with_max_wait_ms(600);
    for (label, request) in [
        ("at the end", wait(vec![at(version, 0, 10)])),
        ("an empty partition", wait(vec![at(version, 1, 0)])),
        ("too few bytes", wait(vec![at(version, 0, 8)]).with_min_bytes(1000)),
        ("enough bytes", wait(vec![at(version, 0, 0)]).with_min_bytes(100)),
        ("no bytes wanted", wait(vec![at(version, 0, 10)]).with_min_bytes(0)),
        (
            "beside one with records",
            wait(vec![at(version, 0, 8), at(version, 1, 0)]),
        ),
        ("out of range", wait(vec![at(version, 0, 99), at(version, 1, 0)])),
        ("unknown partition", wait(vec![at(version, 9, 0), at(version, 1, 0)])),
        ("nothing", wait(vec![])),
    ] {
        let start = Instant::now();
        s.ask(label, version, &request)?;
        let has_waited = start.elapsed().as_millis() >= 550;
        s.remark(format!("{label}, wait"), if has_waited { "to the end" } else { "no" });
    }
    let long = request(version, &[(&topic, vec![at(version, 1, 0)])]).with_max_wait_ms(20_000);
    s.on("waiter").send(version, &long)?;
    s.peek::<FetchRequest>("waits", version)?;
    let records = Batch::of(s.time(0), &["new"]);
    s.on("a");
    setup::produce(s, &topic, 1, &records)?;
    s.on("waiter")
        .ask_pending::<FetchRequest>("woken by a record", version)?;
    Ok(())
}

fn epochs(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.clone();
    for epoch in [-1, 0, 1, -2] {
        let partition = at(version, 0, 0).with_current_leader_epoch(epoch);
        s.ask(
            format!("current epoch {epoch}"),
            version,
            &request(version, &[(&topic, vec![partition])]),
        )?;
    }
    for epoch in [-1, 0, 1, -2].into_iter().filter(|_| version >= 12) {
        for offset in [0, 10, 99] {
            let partition = at(version, 0, offset).with_last_fetched_epoch(epoch);
            let label = format!("last epoch {epoch}, offset {offset}");
            s.ask(label, version, &request(version, &[(&topic, vec![partition])]))?;
        }
    }
    Ok(())
}

/// A session from its first request to its end.
fn session(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = filled(s)?;
    let partitions = |offsets: [i64; 2]| vec![at(version, 0, offsets[0]), at(version, 1, offsets[1])];
    let start = request(version, &[(&topic, partitions([0, 0]))]).with_session_epoch(0);
    let Some(answer) = s.ask("start", version, &start)? else {
        return Ok(());
    };
    let id = answer.session_id;
    let in_session = |topics: &[(&Topic, Vec<FetchPartition>)], epoch: i32| {
        request(version, topics).with_session_id(id).with_session_epoch(epoch)
    };
    s.ask("again, nothing changed", version, &in_session(&[], 1))?;
    s.ask(
        "from the end",
        version,
        &in_session(&[(&topic, vec![at(version, 0, 10)])], 2),
    )?;
    s.ask("nothing new", version, &in_session(&[], 3))?;
    setup::produce(s, &topic, 1, &Batch::of(s.time(0), &["new"]))?;
    s.ask("something new", version, &in_session(&[], 4))?;
    s.ask(
        "out of range",
        version,
        &in_session(&[(&topic, vec![at(version, 0, 99)])], 5),
    )?;
    s.ask("still out of range", version, &in_session(&[], 6))?;
    s.ask(
        "an unknown partition",
        version,
        &in_session(&[(&topic, vec![at(version, 9, 0)])], 7),
    )?;
    s.ask("still unknown", version, &in_session(&[], 8))?;
    let forgotten = ForgottenTopic::default().with_partitions(vec![0, 9]);
    let forgotten = if version >= 13 {
        forgotten.with_topic_id(topic.id)
    } else {
        forgotten.with_topic(topic.name.clone())
    };
    s.ask(
        "forget some",
        version,
        &in_session(&[], 9).with_forgotten_topics_data(vec![forgotten]),
    )?;
    s.ask("old epoch", version, &in_session(&[], 9))?;
    s.ask("epoch ahead", version, &in_session(&[], 12))?;
    s.ask("on", version, &in_session(&[], 10))?;
    s.ask("anew", version, &in_session(&[(&topic, partitions([8, 0]))], 0))?;
    s.ask("the old one", version, &in_session(&[], 11))?;
    s.ask("close", version, &in_session(&[], -1))?;
    s.ask("closed", version, &in_session(&[], 1))?;
    Ok(())
}

fn bad_sessions(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.clone();
    for (id, epoch) in [
        (0, 0),
        (0, 1),
        (0, -1),
        (0, -2),
        (123, 0),
        (123, 1),
        (123, -1),
        (-1, 0),
        (-1, 5),
    ] {
        let all = request(version, &[(&topic, vec![at(version, 0, 8)])])
            .with_session_id(id)
            .with_session_epoch(epoch);
        s.ask(format!("id {id}, epoch {epoch}"), version, &all)?;
        let empty = request(version, &[]).with_session_id(id).with_session_epoch(epoch);
        s.ask(format!("id {id}, epoch {epoch}, nothing in it"), version, &empty)?;
    }
    Ok(())
}

fn bad_fields(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.clone();
    let plain = || request(version, &[(&topic, vec![at(version, 0, 8)])]);
    s.ask("isolation 2", version, &plain().with_isolation_level(2))?;
    s.ask("isolation -1", version, &plain().with_isolation_level(-1))?;
    s.ask("wait -1", version, &plain().with_max_wait_ms(-1))?;
    s.ask("min bytes -1", version, &plain().with_min_bytes(-1))?;
    if version >= 11 {
        s.ask("some rack", version, &plain().with_rack_id(text("rack")))?;
    }
    if version >= 12 {
        s.ask("a cluster id", version, &plain().with_cluster_id(Some(text("other"))))?;
    }
    Ok(())
}

/// A topic is deleted while it is in a session, and made anew.
fn deleted(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = filled(s)?;
    let start = request(version, &[(&topic, vec![at(version, 0, 8)])]).with_session_epoch(0);
    let Some(answer) = s.ask("start", version, &start)? else {
        return Ok(());
    };
    setup::delete_topic(s, &topic.name)?;
    s.sleep(300);
    let next = |epoch| {
        request(version, &[])
            .with_session_id(answer.session_id)
            .with_session_epoch(epoch)
    };
    s.ask("deleted", version, &next(1))?;
    s.ask(
        "deleted, without a session",
        version,
        &request(version, &[(&topic, vec![at(version, 0, 8)])]),
    )?;
    s.topic("topic", 3)?;
    s.ask("made anew", version, &next(2))?;
    s.ask(
        "made anew, without a session",
        version,
        &request(version, &[(&topic, vec![at(version, 0, 8)])]),
    )?;
    Ok(())
}
