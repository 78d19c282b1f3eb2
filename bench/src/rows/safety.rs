//! Row 8: what safety costs at a rate both can hold. Ottla flushes before it acknowledges, Kafka as it ships does not.

use std::time::Duration;

use super::produce::{CONNECTIONS, PARTITIONS};
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::load::{Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

/// Bytes a second.
const RATE: f64 = 50e6;
/// Records of 1 KiB in a batch of about 16 KiB, the size to which Kafka's producer fills one unless told otherwise.
const RECORDS: usize = 15;

const AGAINST: &[(Subject, Option<f64>)] = &[(Subject::Kafka, Some(1.0)), (Subject::KafkaFlushed, None)];
const P50: Figure = Figure {
    row: "8",
    name: "50 MB/s produced at fixed times, 16 KiB batches, 16 partitions, acks=all: p50 from the intended time to the answer",
    unit: "ms",
    writes: true,
    against: &[(Subject::Kafka, None), (Subject::KafkaFlushed, None)],
    ..PLAIN
};
const P99: Figure = Figure {
    row: "8",
    name: "the same: p99",
    unit: "ms",
    writes: true,
    against: AGAINST,
    ..PLAIN
};
/// Row 8.
pub const CASE: Case = Case {
    name: "safety",
    figures: &[P50, P99],
    subjects: &[Subject::Ottla, Subject::Kafka, Subject::KafkaFlushed],
    quick: false,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let seconds = Duration::from_secs(stage.rules.extent.of(6, 5));
    let (outcome, _) = stage.measure_with_topic(PARTITIONS, |stage, topic| paced(stage, topic, seconds))?;
    stage.note(&P50, outcome.acknowledged.value_at_quantile(0.5) as f64 / 1e3);
    stage.note(&P99, outcome.acknowledged.value_at_quantile(0.99) as f64 / 1e3);
    Ok(())
}

fn paced(stage: &Stage<'_>, topic: &str, time: Duration) -> Result<Outcome, String> {
    let batch = batch(Payload::plain(RECORDS, 1024));
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch,
    };
    let run = Run {
        lanes: Lane::open(stage.broker.address(), &plan)?,
        fetchers: Vec::new(),
        pace: Pace::Open {
            rate: RATE / batch.len() as f64,
        },
        limit: Limit { bytes: u64::MAX, time },
        ramp: Duration::from_secs(1),
        records_per_batch: RECORDS as i64,
    };
    let outcome = run.run()?;
    stage.count(outcome.produced);
    Ok(outcome)
}
