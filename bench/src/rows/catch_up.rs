//! Row 4, catching up: reading what lies in segments, as fast as it goes.

use std::time::Duration;

use super::produce::PARTITIONS;
use crate::broker::kafka;
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::load::{FetchPlan, Fetcher, Limit, Outcome, Pace, Run};
use crate::pass::BACKLOG;
use crate::stage::Stage;

const COST: Figure = Figure {
    row: "4",
    name: "catch-up from segments in the page cache: broker CPU",
    unit: "CPU-s/GB",
    ..PLAIN
};
const RATE: Figure = Figure {
    row: "4",
    name: "catch-up from segments in the page cache: throughput",
    unit: "MB/s",
    better: Better::Higher,
    ..PLAIN
};
/// Row 4, catching up, under our own consumer.
pub const OWN: Case = Case {
    name: "catch-up",
    figures: &[COST, RATE],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(own),
};

/// Bytes that are read; the warm-up has written at least as many.
const BYTES: u64 = 1 << 30;

fn own(stage: &mut Stage<'_>) -> Result<(), String> {
    let (outcome, usage) = stage.measure(read_backlog)?;
    stage.note(&COST, usage.broker / (outcome.delivered as f64 / 1e9));
    stage.note(&RATE, outcome.delivered_mb_per_second());
    Ok(())
}

/// Reads the backlog from its beginning.
pub fn read_backlog(stage: &Stage<'_>) -> Result<Outcome, String> {
    let plan = FetchPlan {
        topic: BACKLOG,
        partitions: PARTITIONS,
    };
    let limit = Limit {
        bytes: BYTES,
        time: Duration::from_secs(60),
    };
    let fetchers = vec![Fetcher::open(stage.broker.address(), plan)?];
    let outcome = Run::new(Vec::new(), fetchers, Pace::Saturate { in_flight: 1 }, limit).run()?;
    stage.count(outcome.delivered);
    Ok(outcome)
}

const TOOL_COST: Figure = Figure {
    row: "4",
    name: "catch-up with Kafka's ConsumerPerformance: broker CPU",
    unit: "CPU-s/GB",
    against: &[(Subject::Kafka, Some(0.55))],
    ..PLAIN
};
const TOOL_RATE: Figure = Figure {
    row: "4",
    name: "catch-up with Kafka's ConsumerPerformance: throughput while fetching",
    unit: "MB/s",
    better: Better::Higher,
    ..PLAIN
};
/// Row 4, catching up, under Kafka's own consumer.
pub const TOOL: Case = Case {
    name: "consumer-performance",
    figures: &[TOOL_COST, TOOL_RATE],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(tool),
};

fn tool(stage: &mut Stage<'_>) -> Result<(), String> {
    let (said, usage) = stage.measure(|stage| {
        let said = consumer_performance(stage.broker.address(), BYTES / 1024)?;
        stage.count((said.megabytes * 1e6) as u64);
        Ok(said)
    })?;
    stage.note(&TOOL_COST, usage.broker / (said.megabytes / 1e3));
    stage.note(&TOOL_RATE, said.megabytes_per_second);
    Ok(())
}

fn consumer_performance(address: &str, records: u64) -> Result<Said, String> {
    let records = records.to_string();
    let arguments = [
        "--topic",
        BACKLOG,
        "--num-records",
        &records,
        "--bootstrap-server",
        address,
        "--timeout",
        "60000",
    ];
    let printed = kafka::tool("org.apache.kafka.tools.ConsumerPerformance", &arguments)?;
    said(&printed).ok_or_else(|| format!("ConsumerPerformance did not say what it measured:\n{printed}"))
}

/// What ConsumerPerformance says in its last line, in MB of a million bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    megabytes: f64,
    megabytes_per_second: f64,
}

/// The last line's fields: start, end, MiB, MiB/s, records, records/s, rebalance ms, fetch ms, fetch MiB/s, fetch records/s.
fn said(printed: &str) -> Option<Said> {
    const MIB: f64 = 1024.0 * 1024.0 / 1e6;
    let line = printed.lines().rev().find(|line| line.matches(',').count() == 9)?;
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Said {
        megabytes: number(2)? * MIB,
        megabytes_per_second: number(8)? * MIB,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_consumer_performance_is_understood() {
        let printed = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, \
            rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
            2026-11-21 17:00:00:000, 2026-11-21 17:00:05:000, 1000.0, 200.0, 1024000, 204800.0, 500, 4500, 222.0, 227555.0\n";
        let said = said(printed).unwrap();
        assert!((said.megabytes - 1048.576).abs() < 1e-6, "{said:?}");
        assert!((said.megabytes_per_second - 232.783_872).abs() < 1e-6, "{said:?}");
    }
}
