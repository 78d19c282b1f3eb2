//! `dump`: a data directory that was used in every way is read by Kafka's own DumpLogSegments, without an error or a
//! mismatch, and holds what clients read: after a clean stop, and after a kill, a restart and a clean stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ottla_log::Codec;

use crate::broker::{Launch, Program};
use crate::client::{Client, Membership};
use crate::content::{Sender, Shape, Value, batch};
use crate::evidence::{Evidence, within};
use crate::load::{self, Load};
use crate::random::Random;
use crate::trouble::{During, Trouble, expect};

mod tool;
mod transactions;

/// Every setting that makes files small and compaction soon.
const SETTINGS: &[&str] = &[
    "offsets.topic.segment.bytes=1048576",
    "log.cleaner.min.cleanable.ratio=0.01",
    "log.cleaner.backoff.ms=200",
    "log.retention.check.interval.ms=500",
    "ottla.journal.file.bytes=4194304",
];
const SMALL_SEGMENTS: (&str, &str) = ("segment.bytes", "1048576");
const GROUP: &str = "dump";
/// Topics that are read back, with their partitions.
const TOPICS: &[(&str, i32)] = &[
    ("dump-rolled", 2),
    ("dump-codecs", 1),
    ("dump-trimmed", 1),
    ("dump-wide", WIDE),
    (load::TOPIC, load::PARTITIONS),
];
/// Partitions of the topic that is committed.
const WIDE: i32 = 50;
/// Commits of all its partitions; the last ones stay after compaction.
const COMMITS: i64 = 500;
/// How long compaction may take to begin and end.
const COMPACTED_WITHIN: Duration = Duration::from_secs(20);

/// What clients read of each partition.
type Contents = BTreeMap<(String, i32), Vec<(i64, Value)>>;

/// Uses a directory and lets Kafka's tool read it, twice.
pub fn run(program: &Program, script: &Path) -> Result<String, Trouble> {
    within("dump", |evidence| use_and_dump(program, script, evidence))
}

fn use_and_dump(program: &Program, script: &Path, evidence: &Evidence) -> Result<String, Trouble> {
    let mut launch = Launch::new(program, evidence.path())?;
    launch.settings.extend(SETTINGS.iter().map(ToString::to_string));
    let broker = launch.start()?;
    let mut client = Client::open(launch.address())?;
    fill(&mut client).during("filling the topics")?;
    commit(&mut client).during("committing")?;
    transactions::transact(&mut client).during("transacting")?;
    some_load(launch.address(), 1)?;
    let compacted = wait_for_compaction(&launch.data())?;
    let read = contents(&mut client)?;
    broker.stop()?;
    let clean = tool::check(script, &launch.data(), &read, COMMITS - 1, evidence).during("after a clean stop")?;

    let broker = launch.start()?;
    let load = Load::begin_again(launch.address(), &Random::new(2))?;
    std::thread::sleep(Duration::from_millis(700));
    broker.kill()?;
    drop(load);
    let broker = launch.start()?;
    let read = contents(&mut Client::open(launch.address())?)?;
    broker.stop()?;
    let killed = tool::check(script, &launch.data(), &read, COMMITS - 1, evidence).during("after a kill")?;
    Ok(format!("{clean}; after a kill {killed}; {compacted}"))
}

/// Topics of several sizes, codecs and fates.
fn fill(client: &mut Client) -> Result<(), Trouble> {
    client.create_topic("dump-rolled", 2, &[SMALL_SEGMENTS])?;
    let (id, epoch) = client.init_producer()?;
    for partition in 0..2 {
        let mut next = 0;
        while next < 2_200 {
            let records = [1, 7, 60][next as usize % 3];
            let shape = Shape {
                records,
                record_bytes: 1_000,
                codec: Codec::None,
            };
            let sender = Sender {
                id,
                epoch,
                sequence: next as i32,
            };
            let value = Value::new(20, partition, next);
            taken(client, "dump-rolled", partition, batch(value, shape, Some(sender)))?;
            next += records;
        }
    }
    client.create_topic("dump-codecs", 1, &[])?;
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for (step, codec) in codecs.into_iter().cycle().take(25).enumerate() {
        let shape = Shape {
            records: 20,
            record_bytes: 300,
            codec,
        };
        taken(
            client,
            "dump-codecs",
            0,
            batch(Value::new(21, 0, step as u64 * 20), shape, None),
        )?;
    }
    for (topic, records) in [("dump-trimmed", 100), ("dump-gone", 30)] {
        client.create_topic(topic, 1, &[])?;
        for number in 0..records {
            let shape = Shape {
                records: 1,
                record_bytes: 50,
                codec: Codec::None,
            };
            taken(client, topic, 0, batch(Value::new(22, 0, number), shape, None))?;
        }
    }
    client.delete_records("dump-trimmed", 0, 40)?;
    client.delete_topic("dump-gone")?;
    client.create_topic("dump-wide", WIDE, &[])
}

fn taken(client: &mut Client, topic: &str, partition: i32, batch: bytes::Bytes) -> Result<(), Trouble> {
    let answer = client.produce(topic, partition, -1, batch)?;
    expect(answer.is_ok(), || {
        format!("a batch for {topic} was answered with {answer:?}")
    })
}

/// So many commits that the group's partition of `__consumer_offsets` has several segments.
fn commit(client: &mut Client) -> Result<(), Trouble> {
    client.find_coordinator(GROUP)?;
    for round in 0..COMMITS {
        let offsets = (0..WIDE).map(|partition| (partition, round)).collect::<Vec<_>>();
        let answer = client.commit(GROUP, &Membership::default(), "dump-wide", &offsets)?;
        expect(answer == Ok(()), || format!("a commit was answered with {answer:?}"))?;
    }
    Ok(())
}

/// Idempotent producers, committers and a member for a while.
fn some_load(address: SocketAddr, seed: u64) -> Result<(), Trouble> {
    let load = Load::begin(address, &Random::new(seed))?;
    std::thread::sleep(Duration::from_secs(1));
    load.end();
    Ok(())
}

/// Waits until the segments of `__consumer_offsets` are smaller than what was written to them.
fn wait_for_compaction(data: &Path) -> Result<String, Trouble> {
    let began = Instant::now();
    let logs = tool::files(data)?;
    let first = logs
        .iter()
        .filter(|path| is_first_offsets_segment(path))
        .max_by_key(|path| size(path))
        .cloned();
    let first = first.ok_or_else(|| Trouble::new("there is no segment of __consumer_offsets"))?;
    // A whole segment has a mebibyte; what compaction leaves of it is the last commit of each partition at most.
    while !(1..900_000).contains(&size(&first)) {
        expect(began.elapsed() < COMPACTED_WITHIN, || {
            format!(
                "{} has {} bytes: it was not compacted within {COMPACTED_WITHIN:?}",
                first.display(),
                size(&first)
            )
        })?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(format!("__consumer_offsets compacted to {} bytes", size(&first)))
}

fn is_first_offsets_segment(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "00000000000000000000.log")
        && path
            .parent()
            .is_some_and(|folder| folder.display().to_string().contains("/__consumer_offsets-"))
}

fn size(path: &PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Everything clients read of the topics.
fn contents(client: &mut Client) -> Result<Contents, Trouble> {
    let mut contents = Contents::new();
    for (topic, partitions) in TOPICS {
        for partition in 0..*partitions {
            let mut next = client.list_offset(topic, partition, -2)?;
            let end = client.list_offset(topic, partition, -1)?;
            let mut records = Vec::new();
            while next < end {
                let fetched = client.fetch(topic, &[(partition, next)], 500)?;
                let more = fetched
                    .into_iter()
                    .flat_map(|fetched| fetched.records)
                    .collect::<Vec<_>>();
                let Some((last, _)) = more.last() else { break };
                next = last + 1;
                records.extend(more);
            }
            expect(next == end, || {
                format!("{topic}-{partition} can be read up to {next} of {end}")
            })?;
            contents.insert(((*topic).to_owned(), partition), records);
        }
    }
    Ok(contents)
}
