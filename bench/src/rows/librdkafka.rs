//! Rows 1 and 4 under librdkafka: a client of neither side, as a check of our own load.

use super::produce::PARTITIONS;
use crate::broker::librdkafka;
use crate::case::{Case, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::pass::BACKLOG;
use crate::stage::Stage;

const PRODUCE: Figure = Figure {
    row: "1",
    name: "produce with librdkafka (1 KiB records, batch.size=65536, linger.ms=5, 16 partitions, idempotent): broker CPU",
    unit: "CPU-s/GB",
    writes: true,
    ..PLAIN
};
const PRODUCE_RATE: Figure = Figure {
    row: "2",
    name: "produce with librdkafka: throughput",
    unit: "MB/s",
    better: Better::Higher,
    writes: true,
    ..PLAIN
};
const CONSUME: Figure = Figure {
    row: "4",
    name: "catch-up with librdkafka: broker CPU",
    unit: "CPU-s/GB",
    ..PLAIN
};
const CONSUME_RATE: Figure = Figure {
    row: "4",
    name: "catch-up with librdkafka: throughput",
    unit: "MB/s",
    better: Better::Higher,
    ..PLAIN
};
/// Rows 1 and 4 under librdkafka.
pub const CASE: Case = Case {
    name: "librdkafka",
    figures: &[PRODUCE, PRODUCE_RATE, CONSUME, CONSUME_RATE],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

const RECORDS: u64 = 600_000;

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let (said, usage) = stage.measure_with_topic(PARTITIONS, |stage, topic| {
        let said = librdkafka::produce(stage.broker.address(), topic, PARTITIONS, RECORDS)?;
        stage.count(said.bytes);
        Ok(said)
    })?;
    stage.note(&PRODUCE, usage.broker / (said.bytes as f64 / 1e9));
    stage.note(&PRODUCE_RATE, said.bytes as f64 / 1e6 / said.seconds);
    let (said, usage) = stage.measure(|stage| {
        let said = librdkafka::consume(stage.broker.address(), BACKLOG, PARTITIONS, RECORDS)?;
        stage.count(said.bytes);
        Ok(said)
    })?;
    stage.note(&CONSUME, usage.broker / (said.bytes as f64 / 1e9));
    stage.note(&CONSUME_RATE, said.bytes as f64 / 1e6 / said.seconds);
    Ok(())
}
