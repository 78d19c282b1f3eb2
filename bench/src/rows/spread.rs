//! Row 19: the same load spread over one partition, a hundred and ten thousand.

use std::time::Duration;

use crate::admin::Admin;
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::load::{Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

/// Bytes a second.
const RATE: f64 = 50e6;
/// Records of 1 KiB in a batch of about 16 KiB, one to a request.
const RECORDS: usize = 15;

const fn figure(name: &'static str) -> Figure {
    Figure {
        row: "19",
        name,
        unit: "CPU-s/GB",
        writes: true,
        ..PLAIN
    }
}

const ONE: Figure =
    figure("50 MB/s produced at fixed times, 16 KiB batches, one a request, to 1 partition: broker CPU");
const HUNDRED: Figure = figure("the same to 100 partitions");
const TEN_THOUSAND: Figure = Figure {
    against: &[(Subject::Kafka, Some(0.3))],
    ..figure("the same to 10,000 partitions")
};
const GROWTH: Figure = Figure {
    unit: "times",
    mark: Some(2.0),
    ..figure("broker CPU per GB with 10,000 partitions to that with 1")
};
/// Row 19.
pub const CASE: Case = Case {
    name: "spread",
    figures: &[ONE, HUNDRED, TEN_THOUSAND, GROWTH],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 1,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let mut costs = Vec::new();
    for (figure, partitions) in [(ONE, 1), (HUNDRED, 100), (TEN_THOUSAND, 10_000)] {
        let (outcome, usage) = stage.measure_prepared(
            partitions,
            |stage, topic| touch(stage, topic, partitions),
            |stage, topic| paced(stage, topic, partitions),
        )?;
        let cost = usage.broker / (outcome.produced as f64 / 1e9);
        stage.note(&figure, cost);
        costs.push(cost);
    }
    if let [one, _, many] = costs[..] {
        stage.note(&GROWTH, many / one);
    }
    Ok(())
}

/// Writes a record to every partition: what one costs when it is first written to is not what is measured.
pub fn touch(stage: &Stage<'_>, topic: &str, partitions: i32) -> Result<(), String> {
    let batch = batch(Payload::plain(1, 100));
    Admin::connect(stage.broker.address())?.produce_to_each(topic, partitions, &batch)
}

fn paced(stage: &Stage<'_>, topic: &str, partitions: i32) -> Result<Outcome, String> {
    let batch = batch(Payload::plain(RECORDS, 1024));
    let plan = ProducePlan {
        topic,
        partitions,
        partitions_per_request: 1,
        // One, so that it is the same for one partition as for many.
        connections: 1,
        batch: &batch,
    };
    let lanes = Lane::open(stage.broker.address(), &plan)?;
    let pace = Pace::Open {
        rate: RATE / batch.len() as f64,
    };
    let limit = Limit {
        bytes: u64::MAX,
        time: Duration::from_secs(5),
    };
    let outcome = Run::new(lanes, Vec::new(), pace, limit).run()?;
    stage.count(outcome.produced);
    Ok(outcome)
}
