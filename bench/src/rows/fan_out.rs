//! Row 5: eight groups read the same topic at the tail.

use std::time::Duration;

use super::produce::PARTITIONS;
use super::tail::paced;
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::stage::Stage;

/// Bytes produced a second.
const RATE: f64 = 25e6;
const CONSUMERS: usize = 8;

const COST: Figure = Figure {
    row: "5",
    name: "25 MB/s produced (64 KiB batches) and read at the tail by 8 consumers: broker CPU, all together, per GB delivered",
    unit: "CPU-s/GB",
    writes: true,
    against: &[(Subject::Kafka, Some(0.5))],
    ..PLAIN
};
const P99: Figure = Figure {
    row: "5",
    name: "the same: p99 from the intended time of sending to each delivery",
    unit: "ms",
    writes: true,
    against: &[(Subject::Kafka, Some(0.4))],
    ..PLAIN
};
/// Row 5.
pub const CASE: Case = Case {
    name: "fan-out",
    figures: &[COST, P99],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let time = Duration::from_secs(6);
    let (outcome, usage) =
        stage.measure_with_topic(PARTITIONS, |stage, topic| paced(stage, topic, RATE, CONSUMERS, time))?;
    stage.note(&COST, usage.broker / (outcome.delivered as f64 / 1e9));
    stage.note(&P99, outcome.arrived.value_at_quantile(0.99) as f64 / 1e3);
    Ok(())
}
