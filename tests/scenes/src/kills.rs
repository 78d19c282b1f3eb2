//! Kills broker and clients at random moments, amid consume-transform-produce loops or Kafka Streams applications, and judges
//! what came out.

use crate::Kind;
use crate::broker::{self, Broker};
use crate::check::HEARTBEAT;
use crate::client::{self, Client, Program, tests};
use crate::driver::Driver;
use crate::ledger;
use crate::random::Random;
use crate::stage::{Pace, Stage};
use crate::story::{Kind as Event, Story};
use crate::trouble::{Outcome, Trouble, expect};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const PARTITIONS: u32 = 3;
/// Records put in between two kills.
const CHUNK: u64 = 150;
/// How long work goes on before a kill, in milliseconds.
const LIFE: (u64, u64) = (20, 900);
/// The session timeout of those who are killed: whoever takes over waits for it.
const SESSION: i64 = 2000;
/// How long a client that is known to hang may be silent before it is killed for it.
const HANGS: Duration = Duration::from_secs(10);
/// How long it may take until something comes out again after a kill.
const PROGRESS: Duration = Duration::from_secs(60);

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

/// Who reads, transforms and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Worker {
    /// Kafka's own Java client.
    Java,
    /// confluent-kafka for Python, that is librdkafka.
    Confluent,
    /// franz-go.
    Franz,
    /// IBM's Sarama for Go.
    Sarama,
    /// Kafka Streams, counting words.
    Words,
    /// Kafka Streams, summing over an explicit repartitioning.
    Sums,
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Worker {
    fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Confluent => "confluent",
            Self::Franz => "franz",
            Self::Sarama => "sarama",
            Self::Words => "words",
            Self::Sums => "sums",
        }
    }

    /// The client that puts in and reads out.
    fn client(self) -> Client {
        match self {
            Self::Java | Self::Words | Self::Sums => Client::Java,
            Self::Confluent => Client::Confluent,
            Self::Franz => Client::Franz,
            Self::Sarama => Client::Sarama,
        }
    }

    /// Why the library may hang for ever after the broker was killed, whatever the broker does. It is killed then, and the
    /// run tells how often.
    fn hangs(self) -> Option<&'static str> {
        match self {
            // librdkafka 2.16.1: send_offsets_to_transaction waits for a coordinator's connection beyond its time-out
            // (issues 5456 and 5511 of confluentinc/librdkafka, open). Between `sending` and `ending`, that is.
            Self::Confluent => Some("send_offsets_to_transaction ignores its time-out"),
            _ => None,
        }
    }

    fn is_streams(self) -> bool {
        matches!(self, Self::Words | Self::Sums)
    }

    fn program(self) -> Program {
        if self.is_streams() {
            return Program {
                path: streams().join("run.sh"),
                arguments: &[],
            };
        }
        self.client().program()
    }

    fn install(self) -> Outcome<()> {
        self.client().install()?;
        if self.is_streams() {
            client::install(&streams())?;
        }
        Ok(())
    }
}

fn streams() -> PathBuf {
    tests().join("clients").join("streams")
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
    println!(
        "{} kills for each of {} workers, seed {seed}",
        options.kills,
        workers.len()
    );
    let (failed, left) = (Mutex::new(0), Mutex::new(workers));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(worker) = take(&left) {
                    if !play(options, worker, seed, &root.join(worker.name())) {
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

fn take(left: &Mutex<Vec<Worker>>) -> Option<Worker> {
    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
    (!left.is_empty()).then(|| left.remove(0))
}

/// Plays one worker and tells how it went; keeps its logs if it failed.
fn play(options: &Options, worker: Worker, seed: u64, dir: &Path) -> bool {
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
    let mut run = Run {
        stage: &stage,
        worker,
        random: Random::new(seed),
        workers: 0,
        broker_kills: 0,
        hung: 0,
        put_in: 0,
    };
    let outcome = run.all(options.kills);
    let took = start.elapsed().as_secs_f32();
    let failed = outcome.is_err();
    match outcome {
        Ok(words) => println!("ok   {took:>6.1} s  {worker}: {words}"),
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

/// One worker's run.
struct Run<'a> {
    stage: &'a Stage,
    worker: Worker,
    random: Random,
    /// How many worker processes there were.
    workers: u32,
    broker_kills: u32,
    /// How often a client was killed because it hung.
    hung: u32,
    put_in: u64,
}

impl Run<'_> {
    fn to(&self) -> String {
        format!("{}-out", self.stage.topic)
    }

    fn all(&mut self, kills: u32) -> Outcome<String> {
        let main = self.stage.driver("main")?;
        self.stage.create_topic(&main, PARTITIONS)?;
        self.stage.create_topic_named(&main, &self.to(), PARTITIONS)?;
        self.read_along(&main)?;
        let mut driver = self.work()?;
        for _ in 0..kills {
            let producing = self.put_in(&main)?;
            std::thread::sleep(Duration::from_millis(self.random.between(LIFE.0, LIFE.1)));
            let hits_broker = self.random.between(0, 1) == 0;
            if hits_broker {
                self.broker_kills += 1;
                self.stage.broker(Broker::kill)?;
            } else {
                driver.kill()?;
            }
            let mark = self.stage.mark();
            if hits_broker {
                self.stage.broker(Broker::restart)?;
            } else {
                driver = self.work()?;
            }
            self.stage.finish(&main, &producing)?;
            driver = self.unless_hung(driver, "anything to come out", move |story| progress(story, mark))?;
            self.stage
                .wait_within(PROGRESS, "anything to come out after a kill", |story| {
                    progress(story, mark).then_some(())
                })?;
        }
        self.finish(&main, driver)?;
        let clients = self.workers - 1 - self.hung;
        let (brokers, records) = (self.broker_kills, self.put_in);
        Ok(format!(
            "{records} records exactly once, {brokers} times the broker was killed, {clients} times the client"
        ))
    }

    /// A reader of committed records that lives through it all.
    fn read_along(&self, main: &Driver) -> Outcome<()> {
        let all: Vec<_> = (0..PARTITIONS).map(|partition| json!([self.to(), partition])).collect();
        let fields = json!({ "bootstrap": self.stage.bootstrap(), "partitions": all, "from": "earliest",
            "isolation": "read_committed" });
        main.call("assign", "along", fields).map(drop)
    }

    /// Starts a worker in a process of its own, in the place of the one that was killed.
    fn work(&mut self) -> Outcome<Arc<Driver>> {
        self.workers += 1;
        let name = format!("worker{}", self.workers);
        let driver = self.stage.driver_of(&self.worker.program(), &name)?;
        let fields = json!({ "from": self.stage.topic, "to": self.to(), "batch": 20, "abort_every": 9,
            "session_timeout_ms": SESSION, "heartbeat_interval_ms": HEARTBEAT,
            "transactional_id": format!("{}-id", self.stage.group), "application": self.worker.name() });
        let pending = if self.worker.is_streams() {
            self.stage.begin_streams(&driver, &name, fields)?
        } else {
            self.stage.begin_transform(&driver, &name, fields)?
        };
        self.stage.finish(&driver, &pending)?;
        Ok(driver)
    }

    fn put_in(&mut self, main: &Driver) -> Outcome<crate::driver::Pending> {
        let first = self.put_in as usize;
        self.put_in += CHUNK;
        let fields = json!({ "partitions": PARTITIONS, "rate": 120 });
        self.stage.begin_produce(main, first, CHUNK, fields)
    }

    /// Replaces a client that hangs where its library is known to.
    fn unless_hung(&mut self, driver: Arc<Driver>, what: &str, so: impl Fn(&Story) -> bool) -> Outcome<Arc<Driver>> {
        let Some(_known) = self.worker.hangs() else {
            return Ok(driver);
        };
        let within = self.stage.wait_within(HANGS, what, |story| so(story).then_some(()));
        let last = self
            .stage
            .story()
            .events
            .iter()
            .rfind(|e| e.process == driver.process)
            .map(|e| e.kind);
        if within.is_ok() || last != Some(Event::Sending) {
            return Ok(driver);
        }
        self.hung += 1;
        driver.kill()?;
        self.work()
    }

    /// Waits until all has come out, and judges.
    fn finish(&mut self, main: &Driver, driver: Arc<Driver>) -> Outcome<()> {
        let wanted = self.put_in as usize;
        let all = move |story: &Story| story.values("along").len() >= wanted;
        let driver = self.unless_hung(driver, "the last record", all)?;
        if self.worker.is_streams() {
            self.stage.wait_within(PROGRESS * 2, "the last count", |story| {
                (counted(story, self.worker) >= wanted).then_some(())
            })?;
        } else {
            self.stage.wait_within(PROGRESS * 2, "the last record", |story| {
                (story.values("along").len() >= wanted).then_some(())
            })?;
        }
        driver.close()?;
        ledger::drain(self.stage, main, "end", &self.to(), PARTITIONS)?;
        main.call("close", "along", json!({}))?;
        main.close()?;
        let story = self.stage.story();
        if self.worker.is_streams() {
            counts(&ledger::drained(&story, &self.to()), self.worker, self.put_in)
        } else {
            ledger::exactly_once(&story, &self.stage.topic, &self.to())
        }
    }
}

/// Whether something came out after a mark, so that the next kill hits a broker and a client at work.
fn progress(story: &Story, mark: usize) -> bool {
    let mut after = story.events.iter().skip(mark);
    after.any(|e| e.kind == Event::Records && e.id == "along")
}

/// How many records the reader has seen counted.
fn counted(story: &Story, worker: Worker) -> usize {
    let mut highest: BTreeMap<String, usize> = BTreeMap::new();
    for value in story.values("along") {
        if let Some((word, count)) = result(&value) {
            let known = highest.entry(word.to_owned()).or_default();
            *known = count.max(*known);
        }
    }
    match worker {
        Worker::Words => highest.get("all").copied().unwrap_or_default(),
        _ => highest.values().sum(),
    }
}

/// `word COUNT ...`
fn result(value: &str) -> Option<(&str, usize)> {
    let mut parts = value.split(' ');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Every word was counted from one to its number of records without a gap or a repeat, and the sums are right.
fn counts(output: &[String], worker: Worker, put_in: u64) -> Outcome<()> {
    let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for value in output {
        let Some((word, count)) = result(value) else {
            return crate::trouble::unmet(format!("{value} is no count"));
        };
        let (before, _) = last.insert(word, (count, value)).unwrap_or_default();
        expect(count == before + 1, || format!("{value} came after {word} {before}"))?;
    }
    let mut wanted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for number in 0..put_in {
        let words = match worker {
            Worker::Words => vec![format!("word-{}", number % 20), "all".to_owned()],
            _ => vec![format!("sum-{}", number % 7)],
        };
        for word in words {
            let counted = wanted.entry(word).or_default();
            *counted = (counted.0 + 1, counted.1 + number);
        }
    }
    for (word, (count, sum)) in &wanted {
        let line = match worker {
            Worker::Words => format!("{word} {count}"),
            _ => format!("{word} {count} {sum}"),
        };
        let found = last.get(word.as_str()).map(|(_, value)| *value);
        expect(found == Some(line.as_str()), || format!("{found:?} instead of {line}"))?;
    }
    expect(last.len() == wanted.len(), || {
        format!("{} words instead of {}", last.len(), wanted.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn counts_that_repeat_or_miss_are_found() {
        let good = [
            "sum-0 1 0",
            "sum-1 1 1",
            "sum-0 2 7",
            "sum-2 1 2",
            "sum-3 1 3",
            "sum-4 1 4",
            "sum-5 1 5",
            "sum-6 1 6",
        ];
        assert!(counts(&lines(&good), Worker::Sums, 8).is_ok());
        assert!(counts(&lines(&good), Worker::Sums, 9).is_err(), "one is missing");
        assert!(counts(&lines(&good), Worker::Sums, 7).is_err(), "one is too many");
        let twice = [&good[..], &["sum-6 1 6"]].concat();
        assert!(counts(&lines(&twice), Worker::Sums, 8).is_err(), "counted twice");
        let wrong = [&good[..7], &["sum-6 1 7"]].concat();
        assert!(counts(&lines(&wrong), Worker::Sums, 8).is_err(), "summed wrongly");
    }
}
