//! Row 17 and 18 with many partitions: creating them, writing to each, and what they hold open.

use std::thread;
use std::time::{Duration, Instant};

use super::start::{TOPIC, first_record};
use crate::admin::Admin;
use crate::broker::Broker;
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::ground::Ground;
use crate::load::{Payload, batch};

const CREATE: Figure = Figure {
    row: "18",
    name: "create ten topics of 1,000 partitions, until all can be used",
    unit: "ms",
    ..PLAIN
};
const WRITE: Figure = Figure {
    row: "18",
    name: "write one record to each of 10,000 partitions, until all are acknowledged",
    unit: "ms",
    writes: true,
    ..PLAIN
};
const FILES: Figure = Figure {
    row: "18",
    name: "files open 10 s later",
    unit: "files",
    ..PLAIN
};
const MEMORY: Figure = Figure {
    row: "18",
    name: "memory then (proportional set), less than of the same broker without partitions",
    unit: "MB",
    ..PLAIN
};
const STOPPED: Figure = Figure {
    row: "17",
    name: "start on these 10,000 partitions after a clean stop: process start to first acknowledged record",
    unit: "ms",
    against: &[(Subject::Kafka, Some(0.1))],
    ..PLAIN
};
/// Many partitions.
pub const CASE: Case = Case {
    name: "partitions",
    figures: &[CREATE, WRITE, FILES, MEMORY, STOPPED],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 1,
    place: Place::Alone(run),
};

/// Kafka creates no topic of 10,000 partitions at once.
const TOPICS: [&str; 10] = [
    "many-0", "many-1", "many-2", "many-3", "many-4", "many-5", "many-6", "many-7", "many-8", "many-9",
];
const PARTITIONS: i32 = 1_000;
const REST: Duration = Duration::from_secs(10);

fn run(ground: &mut Ground<'_>) -> Result<(), String> {
    let (broker, filled) = ground.measure(|_| Ok(()), |ground, ()| fill(ground.start()?))?;
    ground.note(&CREATE, filled.created.as_secs_f64() * 1e3);
    ground.note(&WRITE, filled.written.as_secs_f64() * 1e3);
    ground.note(&FILES, filled.files as f64);
    ground.note(&MEMORY, filled.megabytes);
    let (_, millis) = ground.measure_on(broker, Broker::stop, |ground, directory| {
        first_record(ground.start_in(directory)?)
    })?;
    ground.note(&STOPPED, millis);
    Ok(())
}

struct Filled {
    created: Duration,
    written: Duration,
    files: usize,
    megabytes: f64,
}

fn fill(broker: Broker) -> Result<(Broker, Filled), String> {
    let mut admin = Admin::connect(broker.address())?;
    admin.create_topic_at_last(TOPIC, 1)?;
    let before = broker.process().memory()?.proportional_mb;
    let created = Instant::now();
    for topic in TOPICS {
        admin.create_topic(topic, PARTITIONS, &[])?;
    }
    let created = created.elapsed();
    let written = Instant::now();
    let record = batch(Payload::plain(1, 100));
    for topic in TOPICS {
        admin.produce_to_each(topic, PARTITIONS, &record)?;
    }
    let written = written.elapsed();
    thread::sleep(REST);
    let filled = Filled {
        created,
        written,
        files: broker.process().open_files()?,
        megabytes: broker.process().memory()?.proportional_mb - before,
    };
    Ok((broker, filled))
}
