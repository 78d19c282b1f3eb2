//! Rows 18 and 20: ten thousand connections that do nothing, others that come and go, and what work notices of it.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::produce::{CONNECTIONS, PARTITIONS};
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::load::{
    FetchPlan, Fetcher, Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch, come_and_go, visit,
};
use crate::stage::Stage;

const IDLE: usize = 10_000;
/// New connections a second.
const COMING: f64 = 1_000.0;
/// Messages of 1 KiB a second of those who work.
const MESSAGES: f64 = 1_000.0;

const GOAL: &[(Subject, Option<f64>)] = &[(Subject::Kafka, Some(0.3))];

const MEMORY: Figure = Figure {
    row: "18",
    name: "memory that 10,000 idle connections add (proportional set; the kernel's part is not in it)",
    unit: "MB",
    against: &[(Subject::Kafka, Some(0.2))],
    ..PLAIN
};
const OTHERS: Figure = Figure {
    row: "20",
    name: "10,000 connections idle and 1,000 a second coming and going: end to end p99 of 1,000 messages/s of others",
    unit: "ms",
    writes: true,
    against: GOAL,
    ..PLAIN
};
const COMERS: Figure = Figure {
    row: "20",
    name: "the same: p99 from the intended time of connecting to the first answer",
    unit: "ms",
    against: GOAL,
    ..PLAIN
};
const CPU: Figure = Figure {
    row: "20",
    name: "the same: broker CPU, all together",
    unit: "CPU-s/s",
    writes: true,
    against: GOAL,
    ..PLAIN
};
/// Rows 18 and 20 with connections.
pub const CASE: Case = Case {
    name: "connections",
    figures: &[MEMORY, OTHERS, COMERS, CPU],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

const TIME: Duration = Duration::from_secs(6);

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let process = stage.broker.process();
    let ((idle, megabytes), _) = stage.measure(|stage| {
        let before = process.memory()?.proportional_mb;
        let idle = (0..IDLE).map(|_| visit(stage.broker.address()));
        let idle = idle.collect::<Result<Vec<TcpStream>, _>>()?;
        Ok((idle, process.memory()?.proportional_mb - before))
    })?;
    stage.note(&MEMORY, megabytes);
    let ((others, comers), usage) = stage.measure_with_topic(PARTITIONS, |stage, topic| {
        let address = stage.broker.address().to_owned();
        let comers = thread::spawn(move || come_and_go(&address, COMING, TIME));
        let others = work(stage, topic)?;
        let comers = comers.join().map_err(|_| "those who come and go panicked")??;
        Ok((others, comers))
    })?;
    drop(idle);
    stage.note(&OTHERS, others.arrived.value_at_quantile(0.99) as f64 / 1e3);
    stage.note(&COMERS, comers.value_at_quantile(0.99) as f64 / 1e3);
    stage.note(&CPU, usage.broker / others.elapsed.as_secs_f64());
    Ok(())
}

fn work(stage: &Stage<'_>, topic: &str) -> Result<Outcome, String> {
    let address = stage.broker.address();
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(Payload::plain(1, 1024)),
    };
    let of_topic = FetchPlan {
        topic,
        partitions: PARTITIONS,
    };
    let limit = Limit {
        bytes: u64::MAX,
        time: TIME,
    };
    let run = Run {
        ramp: Duration::from_secs(1),
        ..Run::new(
            Lane::open(address, &plan)?,
            vec![Fetcher::open(address, of_topic)?],
            Pace::Open { rate: MESSAGES },
            limit,
        )
    };
    let outcome = run.run()?;
    stage.count(outcome.produced + outcome.delivered);
    Ok(outcome)
}
