//! Kills broker and clients at random moments, amid consume-transform-produce loops or Kafka Streams applications, and judges
//! what came out.

mod counts;
mod run;
mod worker;

use crate::Kind;
use crate::broker::{self, Broker};
use crate::ledger;
use crate::random::Random;
use crate::stage::{Pace, Stage};
use crate::trouble::{Outcome, Trouble};
use clap::{Args, ValueEnum};
use run::Run;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use worker::Worker;

/// What to kill, and how often.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The broker to play against.
    #[arg(long, value_enum, default_value_t = Kind::Ottla)]
    broker: Kind,
    /// Ottla's program.
    #[arg(long, default_value = "target/release/ottla")]
    binary: PathBuf,
    /// What is killed amid its work; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    worker: Vec<Worker>,
    /// How often something is killed, for each worker.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// How often something is killed in all, instead: the workers share it by what a kill costs them.
    #[arg(long, conflicts_with = "kills")]
    total: Option<u32>,
    /// How many workers are played at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Decides who is killed when; printed by every run.
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the logs also if all came through.
    #[arg(long)]
    keep: bool,
}

/// Plays the workers; true if all came through.
pub fn run(options: &Options) -> Outcome<bool> {
    let start = Instant::now();
    let seed = options.seed.unwrap_or_else(Random::seed);
    let workers = if options.worker.is_empty() {
        Worker::value_variants().to_vec()
    } else {
        options.worker.clone()
    };
    for worker in &workers {
        worker.install()?;
    }
    let root = std::env::temp_dir().join(format!("ottla-kills-{}", std::process::id()));
    let kills: Vec<u32> = workers
        .iter()
        .map(|worker| options.kills_of(*worker, &workers))
        .collect();
    println!(
        "{} kills, shared by {} workers, seed {seed}",
        kills.iter().sum::<u32>(),
        workers.len()
    );
    let workers: Vec<(Worker, u32)> = workers.into_iter().zip(kills).collect();
    let (failed, left) = (Mutex::new(0), Mutex::new(workers));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some((worker, kills)) = take(&left) {
                    if !play(options, (worker, kills), seed, &root.join(worker.name())) {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    }
                }
            });
        }
    });
    // Empty unless something was kept.
    let _ = std::fs::remove_dir(&root);
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{failed} failed, {:.0} s altogether", start.elapsed().as_secs_f32());
    Ok(failed == 0)
}

impl Options {
    /// How often something is killed for a worker among these.
    fn kills_of(&self, worker: Worker, workers: &[Worker]) -> u32 {
        let Some(total) = self.total else { return self.kills };
        let all: u32 = workers.iter().map(|worker| worker.share()).sum();
        (total * worker.share()).div_ceil(all)
    }
}

fn take(left: &Mutex<Vec<(Worker, u32)>>) -> Option<(Worker, u32)> {
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    (!left.is_empty()).then(|| left.remove(0))
}

/// Plays one worker and tells how it went; keeps its logs if it failed.
fn play(options: &Options, (worker, kills): (Worker, u32), seed: u64, dir: &Path) -> bool {
    let start = Instant::now();
    let raised = std::fs::create_dir_all(dir)
        .map_err(Trouble::from)
        .and_then(|()| match options.broker {
            Kind::Ottla => Broker::ottla(&options.binary, &dir.join("broker"), broker::free_port()?),
            Kind::Kafka => Broker::kafka(&dir.join("broker")),
        });
    let broker = match raised {
        Ok(broker) => Arc::new(Mutex::new(broker)),
        Err(trouble) => {
            println!("FAIL  {worker}: {trouble}");
            return false;
        }
    };
    let pace = Pace { quick: false, seed };
    let stage = Stage::new(worker.client(), broker, dir, &format!("kills-{worker}"), pace);
    let mut run = Run::new(&stage, worker, seed);
    let outcome = run.all(kills);
    let took = start.elapsed().as_secs_f32();
    let failed = outcome.is_err();
    match outcome {
        Ok(()) => println!("ok   {took:>6.1} s  {worker}: {run}, {} rebalances", rebalances(dir)),
        Err(trouble) => println!("FAIL {took:>6.1} s  {worker}: {trouble}\n     logs: {}", dir.display()),
    }
    if failed || options.keep {
        let _ = std::fs::write(dir.join("story.log"), stage.transcript());
        let lines = ledger::history(&stage.story(), &run.to()).lines();
        let _ = std::fs::write(dir.join("history.jsonl"), lines);
    }
    drop(stage);
    if !failed && !options.keep {
        let _ = std::fs::remove_dir_all(dir);
    }
    !failed
}

/// How often the group was rebalanced, as Ottla's log has it.
fn rebalances(dir: &Path) -> usize {
    let log = std::fs::read_to_string(dir.join("broker").join("broker.stderr")).unwrap_or_default();
    log.matches(" is stable in generation ").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kill_is_lost_by_sharing() {
        let all = Worker::value_variants();
        let options = |total| Options {
            broker: Kind::Ottla,
            binary: PathBuf::new(),
            worker: Vec::new(),
            kills: 7,
            total,
            jobs: 1,
            seed: None,
            keep: false,
        };
        let sum = |total| {
            let options = options(total);
            all.iter().map(|worker| options.kills_of(*worker, all)).sum::<u32>()
        };
        assert_eq!(sum(Some(100)), 100);
        assert!(sum(Some(1)) >= 1);
        assert_eq!(sum(None), 7 * all.len() as u32);
    }
}
