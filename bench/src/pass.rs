//! A pass: one broker is started, warmed, put through the cases, stopped.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::broker::{Broker, Kind};
use crate::case::{Case, Place};
use crate::figure::Subject;
use crate::ground::Ground;
use crate::load::{FetchPlan, Fetcher, Lane, Limit, Pace, Payload, ProducePlan, Run, batch};
use crate::rows::produce::{CONNECTIONS, IN_FLIGHT, PARTITIONS, RECORDS};
use crate::samples::Samples;
use crate::stage::{Rules, Stage};

/// The topic that the warm-up fills, for cases that read.
pub const BACKLOG: &str = "backlog";
/// Bytes it is filled with; the memory that a broker, the kernel and the load use is warm then, too.
const BACKLOG_BYTES: u64 = 3 << 29;
/// Bytes of one step of the warm-up.
const STEP_BYTES: u64 = 256 << 20;
/// How near the costs of two steps must be for a broker to count as warm.
const WARM: f64 = 0.1;

/// A broker that is warm, with the bytes that went through it so far.
struct Warm {
    broker: Broker,
    traffic: Cell<u64>,
}

/// Runs one pass: the cases that bring brokers of their own, then the others on one warm broker. What fails is noted and costs
/// only itself.
pub fn run(kind: Kind, binary: &Path, cases: &[Case], rules: Rules, samples: &mut Samples) {
    let mut warm = None;
    for (case, subject) in in_order(kind, cases) {
        let began = Instant::now();
        let done = match case.place {
            Place::Alone(run) => run(&mut Ground::new(subject, binary, rules, samples)),
            Place::Pass(run) => running(&mut warm, subject, binary, rules, samples).and_then(|warm| {
                let mut stage = Stage::new(&warm.broker, subject, rules, samples, &warm.traffic);
                run(&mut stage)
            }),
            Place::End(run) => running(&mut warm, subject, binary, rules, samples)
                .map(|_| ())
                .and_then(|()| {
                    let Warm { broker, .. } = warm.take().expect("it runs");
                    run(&mut Ground::new(subject, binary, rules, samples), broker)
                }),
        };
        match done {
            Ok(()) => eprintln!("  {}: {:.1} s", case.name, began.elapsed().as_secs_f64()),
            Err(why) => samples.fail(case.name, subject, &why),
        }
    }
}

/// Every case with each subject on this kind of broker: those with brokers of their own, those of the pass, its end.
fn in_order(kind: Kind, cases: &[Case]) -> Vec<(&Case, Subject)> {
    let mut ordered = Vec::new();
    for case in cases {
        let subjects = case.subjects.iter().filter(|subject| subject.kind() == kind);
        ordered.extend(subjects.map(|subject| (case, *subject)));
    }
    ordered.sort_by_key(|(case, _)| match case.place {
        Place::Alone(_) => 0,
        Place::Pass(_) => 1,
        Place::End(_) => 2,
    });
    ordered
}

/// The pass's broker; a new one if there is none yet or the last has ended.
fn running<'a>(
    warm: &'a mut Option<Warm>,
    subject: Subject,
    binary: &Path,
    rules: Rules,
    samples: &mut Samples,
) -> Result<&'a Warm, String> {
    if warm.as_ref().is_some_and(|warm| !warm.broker.process().is_running()) {
        *warm = None;
    }
    if warm.is_none() {
        let (started, traffic) = (Instant::now(), Cell::new(0));
        let broker = Broker::start(subject.kind(), binary, &[])?;
        warm_up(&Stage::new(&broker, subject, rules, samples, &traffic))?;
        eprintln!(
            "== {:?}: warm after {:.0} s",
            subject.kind(),
            started.elapsed().as_secs_f64()
        );
        *warm = Some(Warm { broker, traffic });
    }
    Ok(warm.as_ref().expect("it was just started"))
}

/// Loads a broker until a GB costs it about the same from step to step: what compiles itself while it runs is slow at first.
fn warm_up(stage: &Stage<'_>) -> Result<(), String> {
    if stage.broker.kind() == Kind::Null {
        return stage.with_topic(PARTITIONS, |topic| produce(stage, topic));
    }
    Admin::connect(stage.broker.address())?.create_topic(BACKLOG, PARTITIONS, &[])?;
    let started = Instant::now();
    while stage.traffic() < BACKLOG_BYTES {
        produce(stage, BACKLOG)?;
    }
    let (least, most) = match stage.broker.kind() {
        Kind::Kafka => (stage.rules.extent.of(30, 20), 60),
        _ => (0, 20),
    };
    let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
    let mut before = f64::INFINITY;
    while started.elapsed() < most {
        let cost = step(stage)?;
        let steady = (cost - before).abs() <= before * WARM;
        if steady && started.elapsed() >= least {
            break;
        }
        before = cost;
    }
    Ok(())
}

/// One step through the paths that the cases use: large batches, small ones with a consumer, and catching up. Gives the CPU
/// of the large batches.
fn step(stage: &Stage<'_>) -> Result<f64, String> {
    let process = stage.broker.process();
    let cost = stage.with_topic(PARTITIONS, |topic| {
        let before = process.cpu_seconds()?;
        produce(stage, topic)?;
        Ok(process.cpu_seconds()? - before)
    })?;
    stage.with_topic(PARTITIONS, |topic| small(stage, topic))?;
    catch_up(stage)?;
    Ok(cost)
}

fn produce(stage: &Stage<'_>, topic: &str) -> Result<(), String> {
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(Payload::plain(RECORDS, 1024)),
    };
    let lanes = Lane::open(stage.broker.address(), &plan)?;
    let pace = Pace::Saturate { in_flight: IN_FLIGHT };
    let limit = Limit {
        bytes: STEP_BYTES,
        time: Duration::from_secs(60),
    };
    finish(stage, Run::new(lanes, Vec::new(), pace, limit))
}

fn small(stage: &Stage<'_>, topic: &str) -> Result<(), String> {
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(Payload::plain(1, 1024)),
    };
    let lanes = Lane::open(stage.broker.address(), &plan)?;
    let pace = Pace::Open { rate: 2_000.0 };
    let limit = Limit {
        bytes: u64::MAX,
        time: Duration::from_secs(2),
    };
    finish(stage, Run::new(lanes, vec![fetcher(stage, topic)?], pace, limit))
}

fn catch_up(stage: &Stage<'_>) -> Result<(), String> {
    let limit = Limit {
        bytes: STEP_BYTES,
        time: Duration::from_secs(60),
    };
    let pace = Pace::Saturate { in_flight: 1 };
    finish(stage, Run::new(Vec::new(), vec![fetcher(stage, BACKLOG)?], pace, limit))
}

fn fetcher(stage: &Stage<'_>, topic: &str) -> Result<Fetcher, String> {
    let plan = FetchPlan {
        topic,
        partitions: PARTITIONS,
    };
    Fetcher::open(stage.broker.address(), plan)
}

fn finish(stage: &Stage<'_>, run: Run) -> Result<(), String> {
    let outcome = run.run()?;
    stage.count(outcome.produced + outcome.delivered);
    Ok(())
}
