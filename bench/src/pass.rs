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

/// The broker of a pass, started for the first case that wants it and again if it has ended.
struct OfPass<'a> {
    kind: Kind,
    binary: &'a Path,
    rules: Rules,
    warm: Option<Warm>,
    /// Why it could not be started or warmed, which is not tried again.
    broken: Option<String>,
}

/// Runs one pass: the cases that bring brokers of their own, then the others on one warm broker. What fails is noted and costs
/// only itself.
pub fn run(kind: Kind, binary: &Path, cases: &[Case], rules: Rules, samples: &mut Samples) {
    let mut of_pass = OfPass {
        kind,
        binary,
        rules,
        warm: None,
        broken: None,
    };
    for (case, subject) in in_order(kind, cases) {
        let began = Instant::now();
        match run_case(case, subject, &mut of_pass, samples) {
            Ok(()) => eprintln!("  {}: {:.1} s", case.name, began.elapsed().as_secs_f64()),
            Err(why) => samples.fail(case.name, subject, &why),
        }
    }
}

fn run_case(case: &Case, subject: Subject, of_pass: &mut OfPass<'_>, samples: &mut Samples) -> Result<(), String> {
    let (binary, rules) = (of_pass.binary, of_pass.rules);
    match case.place {
        Place::Alone(run) => run(&mut Ground::new(subject, binary, rules, samples)),
        Place::Pass(run) => {
            let warm = of_pass.running(subject, samples)?;
            run(&mut Stage::new(&warm.broker, subject, rules, samples, &warm.traffic))
        }
        Place::End(run) => {
            of_pass.running(subject, samples)?;
            let warm = of_pass.warm.take().expect("it runs");
            run(&mut Ground::new(subject, binary, rules, samples), warm.broker)
        }
    }
}

impl OfPass<'_> {
    fn running(&mut self, subject: Subject, samples: &mut Samples) -> Result<&Warm, String> {
        self.warm = self.warm.take().filter(|warm| warm.broker.process().is_running());
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        if self.warm.is_none() {
            let started = self.start(subject, samples);
            self.warm = Some(started.inspect_err(|why| self.broken = Some(why.clone()))?);
        }
        Ok(self.warm.as_ref().expect("it was just started"))
    }

    fn start(&self, subject: Subject, samples: &mut Samples) -> Result<Warm, String> {
        let (began, traffic) = (Instant::now(), Cell::new(0));
        let broker = Broker::start(self.kind, self.binary, &[])?;
        warm_up(&Stage::new(&broker, subject, self.rules, samples, &traffic))?;
        eprintln!("== {:?}: warm after {:.0} s", self.kind, began.elapsed().as_secs_f64());
        Ok(Warm { broker, traffic })
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
