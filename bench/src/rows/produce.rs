//! Rows 1 and 2: producing as fast as it goes, what a GB costs the broker and how many MB pass in a second.

use std::time::Duration;

use crate::broker::kafka;
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::load::{Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

/// Partitions of the topic that most rows use.
pub const PARTITIONS: i32 = 16;
/// Producers' connections.
pub const CONNECTIONS: i32 = 4;
/// Requests in flight on each, as many as clients keep.
pub const IN_FLIGHT: usize = 5;
/// Records of 1 KiB in a batch of about 64 KiB.
pub const RECORDS: usize = 63;

const COST: Figure = Figure {
    row: "1",
    name: "produce as fast as it goes: broker CPU (1 KiB records, 64 KiB batches, 16 partitions, 4 idempotent producers)",
    unit: "CPU-s/GB",
    writes: true,
    against: &[(Subject::Kafka, Some(0.35))],
    mark: Some(1.0),
    ..PLAIN
};
const RATE: Figure = Figure {
    row: "2",
    name: "produce as fast as it goes: throughput in the same runs",
    unit: "MB/s",
    better: Better::Higher,
    writes: true,
    against: &[(Subject::Kafka, Some(1.0))],
    ..PLAIN
};
const CLIENT: Figure = Figure {
    row: "1",
    name: "produce as fast as it goes: what the load itself costs",
    unit: "CPU-s/GB",
    against: &[(Subject::Null, None)],
    ..PLAIN
};
const KERNEL: Figure = Figure {
    row: "1",
    name: "produce as fast as it goes: what the kernel's own threads did meanwhile, such as writeback",
    unit: "CPU-s/GB",
    ..PLAIN
};
/// Rows 1 and 2 under our own load.
pub const OWN: Case = Case {
    name: "produce",
    figures: &[COST, RATE, KERNEL, CLIENT],
    subjects: &[Subject::Ottla, Subject::Kafka, Subject::Null],
    quick: true,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(own),
};

fn own(stage: &mut Stage<'_>) -> Result<(), String> {
    let bytes = stage.rules.extent.of(2 << 30, 1 << 30);
    let (outcome, usage) = stage.measure_with_topic(PARTITIONS, |stage, topic| saturate(stage, topic, bytes))?;
    let gigabytes = outcome.produced as f64 / 1e9;
    stage.note(&COST, usage.broker / gigabytes);
    stage.note(&RATE, outcome.produced_mb_per_second());
    stage.note(&KERNEL, usage.kernel / gigabytes);
    stage.note(&CLIENT, usage.own / gigabytes);
    Ok(())
}

/// Produces so many bytes to a topic as fast as they are answered.
pub fn saturate(stage: &Stage<'_>, topic: &str, bytes: u64) -> Result<Outcome, String> {
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(Payload::plain(RECORDS, 1024)),
    };
    let run = Run {
        lanes: Lane::open(stage.broker.address(), &plan)?,
        fetchers: Vec::new(),
        pace: Pace::Saturate { in_flight: IN_FLIGHT },
        limit: Limit {
            bytes,
            time: Duration::from_secs(60),
        },
        ramp: Duration::ZERO,
        records_per_batch: RECORDS as i64,
    };
    let outcome = run.run()?;
    stage.count(outcome.produced);
    Ok(outcome)
}

const TOOL_COST: Figure = Figure {
    row: "1",
    name: "produce with Kafka's ProducerPerformance: broker CPU (1 KiB records, batch.size=65536, linger.ms=5, 16 partitions, acks=all)",
    unit: "CPU-s/GB",
    writes: true,
    against: &[(Subject::Kafka, Some(0.4))],
    ..PLAIN
};
const TOOL_RATE: Figure = Figure {
    row: "2",
    name: "produce with Kafka's ProducerPerformance: throughput",
    unit: "MB/s",
    better: Better::Higher,
    writes: true,
    ..PLAIN
};
const TOOL_P99: Figure = Figure {
    row: "2",
    name: "produce with Kafka's ProducerPerformance: p99 of its latencies",
    unit: "ms",
    writes: true,
    ..PLAIN
};
/// Rows 1 and 2 under Kafka's own producer.
pub const TOOL: Case = Case {
    name: "producer-performance",
    figures: &[TOOL_COST, TOOL_RATE, TOOL_P99],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(tool),
};

/// Enough that the start of the client's JVM does not show.
const TOOL_RECORDS: u64 = 1_500_000;

fn tool(stage: &mut Stage<'_>) -> Result<(), String> {
    let records = TOOL_RECORDS;
    let (said, usage) = stage.measure_with_topic(PARTITIONS, |stage, topic| {
        let said = producer_performance(stage.broker.address(), topic, records)?;
        stage.count(records * 1024);
        Ok(said)
    })?;
    stage.note(&TOOL_COST, usage.broker / (records as f64 * 1024.0 / 1e9));
    stage.note(&TOOL_RATE, said.records_per_second * 1024.0 / 1e6);
    stage.note(&TOOL_P99, said.p99_ms);
    Ok(())
}

fn producer_performance(address: &str, topic: &str, records: u64) -> Result<Said, String> {
    let (records, bootstrap) = (records.to_string(), format!("bootstrap.servers={address}"));
    let arguments = [
        "--topic",
        topic,
        "--num-records",
        &records,
        "--record-size",
        "1024",
        "--throughput",
        "-1",
        "--command-property",
        &bootstrap,
        "acks=all",
        "batch.size=65536",
        "linger.ms=5",
    ];
    let printed = kafka::tool("org.apache.kafka.tools.ProducerPerformance", &arguments)?;
    said(&printed).ok_or_else(|| format!("ProducerPerformance did not say what it measured:\n{printed}"))
}

/// What ProducerPerformance says in its last line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    records_per_second: f64,
    p99_ms: f64,
}

fn said(printed: &str) -> Option<Said> {
    let line = printed.lines().rev().find(|line| line.contains("99th"))?;
    let before = |word: &str| {
        let head = line.split(word).next()?;
        head.split_whitespace().last()?.parse::<f64>().ok()
    };
    Some(Said {
        records_per_second: before(" records/sec")?,
        p99_ms: before(" ms 99th")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_producer_performance_is_understood() {
        let printed = "5 records sent, 1.0 records/sec (0.00 MB/sec), 1.0 ms avg latency, 2.0 ms max latency.\n\
            2000000 records sent, 138888.9 records/sec (135.63 MB/sec), 31.2 ms avg latency, 412.00 ms max latency, \
            1 ms 50th, 30 ms 95th, 58 ms 99th, 99 ms 99.9th.\n";
        let expected = Said {
            records_per_second: 138_888.9,
            p99_ms: 58.0,
        };
        assert_eq!(said(printed), Some(expected));
        assert_eq!(said("nothing"), None);
    }
}
