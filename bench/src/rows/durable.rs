//! Row 7: acknowledgements that are durable on both sides, spread over many partitions.

use std::time::Duration;

use super::produce::{CONNECTIONS, IN_FLIGHT};
use crate::case::{Case, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::load::{Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::machine::Usage;
use crate::stage::Stage;

const PARTITIONS: i32 = 100;
/// Batches of different partitions in a request.
const BATCHES_PER_REQUEST: usize = 25;
/// Records of 1 KiB in a batch of about 4 KiB.
const RECORDS: usize = 4;
/// Where requests are sent at fixed times: so many a second, with so many batches each. Kafka flushes each batch by itself and was
/// seen to do that a hundred times a second.
const PACED: f64 = 20.0;
const PACED_BATCHES: usize = 2;

const RATE: Figure = Figure {
    row: "7",
    name: "100 partitions, 25 batches of 4 KiB a request, as fast as it goes: throughput",
    unit: "MB/s",
    better: Better::Higher,
    writes: true,
    against: &[(Subject::KafkaFlushed, Some(10.0))],
    ..PLAIN
};
const P99: Figure = Figure {
    row: "7",
    name: "2 batches of 4 KiB a request, 20 requests a second at fixed times: p99 from the intended time to the answer",
    unit: "ms",
    writes: true,
    against: &[(Subject::KafkaFlushed, Some(0.1))],
    ..PLAIN
};
/// Row 7.
pub const CASE: Case = Case {
    name: "durable",
    figures: &[RATE, P99],
    subjects: &[Subject::Ottla, Subject::KafkaFlushed],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let fast = Pace::Saturate { in_flight: IN_FLIGHT };
    let (outcome, _) = measure(stage, fast, BATCHES_PER_REQUEST, 4)?;
    stage.note(&RATE, outcome.produced_mb_per_second());
    let (outcome, _) = measure(stage, Pace::Open { rate: PACED }, PACED_BATCHES, 8)?;
    stage.note(&P99, outcome.acknowledged.value_at_quantile(0.99) as f64 / 1e3);
    Ok(())
}

fn measure(stage: &mut Stage<'_>, pace: Pace, batches: usize, seconds: u64) -> Result<(Outcome, Usage), String> {
    stage.measure_with_topic(PARTITIONS, |stage, topic| {
        let plan = ProducePlan {
            topic,
            partitions: PARTITIONS,
            partitions_per_request: batches,
            connections: CONNECTIONS,
            batch: &batch(Payload::plain(RECORDS, 1024)),
        };
        let lanes = Lane::open(stage.broker.address(), &plan)?;
        let limit = Limit {
            bytes: u64::MAX,
            time: Duration::from_secs(seconds),
        };
        let outcome = Run::new(lanes, Vec::new(), pace, limit).run()?;
        stage.count(outcome.produced);
        Ok(outcome)
    })
}
