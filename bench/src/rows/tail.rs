//! Row 4, the tail: a consumer that keeps up with the producers, and what it adds to their cost.

use std::time::Duration;

use super::produce::{CONNECTIONS, PARTITIONS, RECORDS};
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::load::{FetchPlan, Fetcher, Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

/// Bytes a second.
const RATE: f64 = 100e6;

const BOTH: Figure = Figure {
    row: "4",
    name: "100 MB/s produced and read at the tail by one consumer: broker CPU, both together",
    unit: "CPU-s/GB",
    writes: true,
    ..PLAIN
};
const FETCH: Figure = Figure {
    row: "4",
    name: "100 MB/s read at the tail: broker CPU that the consumer adds (the same load with it less without)",
    unit: "CPU-s/GB",
    against: &[(Subject::Kafka, Some(0.7))],
    ..PLAIN
};
/// Row 4, the tail.
pub const CASE: Case = Case {
    name: "tail",
    figures: &[BOTH, FETCH],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let seconds = Duration::from_secs(stage.rules.extent.of(6, 5));
    let (alone, alone_usage) =
        stage.measure_with_topic(PARTITIONS, |stage, topic| paced(stage, topic, RATE, 0, seconds))?;
    let (read, read_usage) =
        stage.measure_with_topic(PARTITIONS, |stage, topic| paced(stage, topic, RATE, 1, seconds))?;
    let produced = alone_usage.broker / (alone.produced as f64 / 1e9);
    let both = read_usage.broker / (read.produced as f64 / 1e9);
    stage.note(&BOTH, both);
    stage.note(&FETCH, both - produced);
    Ok(())
}

/// Produces so many bytes a second for some time, with so many consumers at the tail.
pub fn paced(stage: &Stage<'_>, topic: &str, rate: f64, consumers: usize, time: Duration) -> Result<Outcome, String> {
    let address = stage.broker.address();
    let batch = batch(Payload::plain(RECORDS, 1024));
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch,
    };
    let of_topic = FetchPlan {
        topic,
        partitions: PARTITIONS,
    };
    let fetchers = (0..consumers).map(|_| Fetcher::open(address, of_topic));
    let run = Run {
        lanes: Lane::open(address, &plan)?,
        fetchers: fetchers.collect::<Result<_, _>>()?,
        pace: Pace::Open {
            rate: rate / batch.len() as f64,
        },
        limit: Limit { bytes: u64::MAX, time },
        ramp: Duration::from_secs(1),
        records_per_batch: RECORDS as i64,
    };
    let outcome = run.run()?;
    stage.count(outcome.produced + outcome.delivered);
    Ok(outcome)
}
