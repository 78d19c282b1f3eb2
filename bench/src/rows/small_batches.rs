//! Row 3: keyed records in small batches for many partitions, as producers send them that do not linger.

use std::time::Duration;

use super::produce::{CONNECTIONS, IN_FLIGHT};
use super::spread::touch;
use crate::case::{Case, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::load::{Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

const PARTITIONS: i32 = 1_000;
/// Batches that gather for one request while the last is answered.
const BATCHES_PER_REQUEST: usize = 10;
/// Records of 400 bytes with keys in a batch: about 1.3 KiB.
const RECORDS: usize = 3;
const VALUE_BYTES: usize = 400;

const COST: Figure = Figure {
    row: "3",
    name: "keyed batches of 1.3 KiB, 1,000 partitions, 10 batches a request, as fast as it goes: broker CPU per batch",
    unit: "CPU-us",
    writes: true,
    against: &[(Subject::Kafka, Some(0.33))],
    ..PLAIN
};
const RATE: Figure = Figure {
    row: "3",
    name: "the same: batches",
    unit: "1/s",
    better: Better::Higher,
    writes: true,
    against: &[(Subject::Kafka, Some(3.0))],
    ..PLAIN
};
/// Row 3.
pub const CASE: Case = Case {
    name: "small-batches",
    figures: &[COST, RATE],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let (outcome, usage) =
        stage.measure_prepared(PARTITIONS, |stage, topic| touch(stage, topic, PARTITIONS), saturate)?;
    let batches = outcome.requests as f64 * BATCHES_PER_REQUEST as f64;
    stage.note(&COST, usage.broker / batches * 1e6);
    stage.note(&RATE, batches / outcome.elapsed.as_secs_f64());
    Ok(())
}

fn saturate(stage: &Stage<'_>, topic: &str) -> Result<Outcome, String> {
    let payload = Payload {
        keyed: true,
        ..Payload::plain(RECORDS, VALUE_BYTES)
    };
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: BATCHES_PER_REQUEST,
        connections: CONNECTIONS,
        batch: &batch(payload),
    };
    let lanes = Lane::open(stage.broker.address(), &plan)?;
    let limit = Limit {
        bytes: u64::MAX,
        time: Duration::from_secs(5),
    };
    let outcome = Run::new(lanes, Vec::new(), Pace::Saturate { in_flight: IN_FLIGHT }, limit).run()?;
    stage.count(outcome.produced);
    Ok(outcome)
}
