//! `kill`: SIGKILL at random instants under load, a restart on the same directory, and a judgement over all that was seen.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::breakage::{Breakage, break_history, copy_directory, wipe_journal_tail};
use crate::broker::{Broker, Launch, Program};
use crate::checker::{self, Anomaly, Kind};
use crate::client::Client;
use crate::evidence::{Evidence, within};
use crate::history::{self, Event, runs};
use crate::load::{Load, PARTITIONS, Stage, TOPIC};
use crate::random::Random;
use crate::trouble::{During, Trouble, expect};

/// How long the load runs before a kill, in milliseconds.
const LIFE: (u64, u64) = (30, 350);
/// How long a restart may live before it is killed as well, in milliseconds: recovery itself is hit.
const RECOVERY_LIFE: (u64, u64) = (0, 40);
/// One restart in so many is killed before it is ready.
const RECOVERY_KILLED: u64 = 5;
/// Rounds between two judgements.
const ROUNDS_PER_CHECK: u32 = 20;
/// Entries wiped by the breakage of the journal.
const WIPED: usize = 8;

/// A small journal, so that kills hit its files being used again, checkpoints and a settler under pressure.
const SETTINGS: &[&str] = &["ottla.journal.file.bytes=2097152", "ottla.journal.bytes.max=16777216"];

/// What is asked of `kill`.
#[derive(Clone, Debug)]
pub struct Kill {
    /// The broker.
    pub program: Program,
    /// How often it is killed.
    pub rounds: u32,
    /// The seed of all chance.
    pub seed: u64,
}

/// Kills and restarts, and judges. The words on success are the figures.
pub fn run(kill: &Kill) -> Result<String, Trouble> {
    let words = within("kill", |evidence| {
        let mut run = Rounds::begin(kill, evidence)?;
        run.all_rounds(kill.rounds, evidence)?;
        let (stage, mut words) = run.finish(evidence)?;
        words.push_str(&break_histories(&stage)?);
        Ok(words)
    });
    words.during(format!("seed {}", kill.seed))
}

/// Shows that a breakage is caught. The words say as what.
pub fn run_broken(kill: &Kill, breakage: Breakage) -> Result<String, Trouble> {
    let expected = breakage.caught_as();
    within("kill-broken", |evidence| {
        let anomalies = anomalies_of(kill, breakage, evidence)?;
        // What a wiped directory held last may have been a commit alone.
        let wiped = matches!(breakage, Breakage::Rollback | Breakage::JournalFrame);
        let fits = |kind: Kind| kind == expected || (wiped && kind == Kind::CommitLost);
        let caught = anomalies.iter().find(|anomaly| fits(anomaly.kind));
        let caught = caught.ok_or_else(|| {
            Trouble::new(format!(
                "{breakage:?} was not caught as {expected:?}, but as {}",
                in_words(&anomalies)
            ))
        })?;
        Ok(format!("{breakage:?} was caught: {caught}"))
    })
}

fn anomalies_of(kill: &Kill, breakage: Breakage, evidence: &Evidence) -> Result<Vec<Anomaly>, Trouble> {
    let mut run = Rounds::begin(kill, evidence)?;
    if matches!(breakage, Breakage::Rollback | Breakage::JournalFrame) {
        return run.break_directory(breakage, evidence);
    }
    run.all_rounds(kill.rounds.min(2), evidence)?;
    let (stage, _) = run.finish(evidence)?;
    let mut entries = stage.history.entries();
    expect(break_history(breakage, &mut entries), || {
        "the history holds nothing to break".to_owned()
    })?;
    Ok(checker::check(&entries))
}

/// A broker with its load, over all rounds.
struct Rounds {
    launch: Launch,
    broker: Option<Broker>,
    load: Option<Load>,
    stage: Arc<Stage>,
    random: Random,
    /// Up to where each partition was drained.
    drained: BTreeMap<i32, i64>,
    recoveries_killed: u32,
    slowest_restart: Duration,
    /// The longest time from a broker that is ready to the first acknowledgement.
    slowest_answer: Duration,
    ready_at: Instant,
    seed: u64,
    /// How many batches were acknowledged at the last start.
    acknowledged: u64,
}

impl Rounds {
    fn begin(kill: &Kill, evidence: &Evidence) -> Result<Rounds, Trouble> {
        let mut launch = Launch::new(&kill.program, evidence.path())?;
        if matches!(kill.program, Program::Ottla(_)) {
            launch.settings.extend(SETTINGS.iter().map(ToString::to_string));
        }
        let broker = launch.start()?;
        let random = Random::new(kill.seed);
        let load = Load::begin(launch.address(), &random)?;
        Ok(Rounds {
            launch,
            broker: Some(broker),
            stage: load.stage.clone(),
            load: Some(load),
            random,
            drained: BTreeMap::new(),
            recoveries_killed: 0,
            slowest_restart: Duration::ZERO,
            slowest_answer: Duration::ZERO,
            ready_at: Instant::now(),
            seed: kill.seed,
            acknowledged: 0,
        })
    }

    fn all_rounds(&mut self, rounds: u32, evidence: &Evidence) -> Result<(), Trouble> {
        for round in 1..=rounds {
            self.stage.wait_for_progress(self.acknowledged)?;
            self.slowest_answer = self.slowest_answer.max(self.ready_at.elapsed());
            std::thread::sleep(Duration::from_millis(self.random.between(LIFE.0, LIFE.1)));
            self.kill()?;
            self.restart()?;
            self.drain()?;
            if round.is_multiple_of(ROUNDS_PER_CHECK) {
                self.judge(evidence)?;
            }
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Trouble> {
        if let Some(broker) = self.broker.take() {
            broker.kill()?;
            self.stage.history.add("kill", Event::Kill);
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Trouble> {
        let is_ottla = matches!(self.launch.program, Program::Ottla(_));
        if is_ottla && self.random.once_in(RECOVERY_KILLED) {
            let half_started = self.launch.begin()?;
            std::thread::sleep(Duration::from_millis(
                self.random.between(RECOVERY_LIFE.0, RECOVERY_LIFE.1),
            ));
            half_started.kill()?;
            self.recoveries_killed += 1;
        }
        let started = Instant::now();
        self.broker = Some(self.launch.start()?);
        self.slowest_restart = self.slowest_restart.max(started.elapsed());
        self.ready_at = Instant::now();
        self.acknowledged = self.stage.acknowledged.load(Ordering::Relaxed);
        self.stage.history.add("kill", Event::Restart);
        Ok(())
    }

    /// Reads what was added to each partition since the last time.
    fn drain(&mut self) -> Result<(), Trouble> {
        let mut client = Client::open(self.launch.address())?;
        for partition in 0..PARTITIONS {
            let since = self.stage.history.len();
            let end = client.list_offset(TOPIC, partition, -1)?;
            let from = self.drained.get(&partition).copied().unwrap_or(0).min(end);
            let mut found = Vec::new();
            let mut next = from;
            while next < end {
                let fetched = client.fetch(TOPIC, &[(partition, next)], 500)?;
                let records = fetched
                    .into_iter()
                    .flat_map(|fetched| fetched.records)
                    .collect::<Vec<_>>();
                let Some((last, _)) = records.last() else { break };
                next = last + 1;
                found.extend(records.into_iter().filter(|(offset, _)| *offset < end));
            }
            self.drained.insert(partition, end);
            self.stage.history.add(
                "drain",
                Event::Drain {
                    partition,
                    from,
                    end,
                    since,
                    runs: runs(&found),
                },
            );
        }
        Ok(())
    }

    fn judge(&self, evidence: &Evidence) -> Result<(), Trouble> {
        let entries = self.stage.history.entries();
        let anomalies = checker::check(&entries);
        if anomalies.is_empty() {
            return Ok(());
        }
        history::write(&entries, &evidence.path().join("history.jsonl"))?;
        Err(Trouble::new(in_words(&anomalies)))
    }

    /// Ends the load, reads everything from the start, and judges.
    fn finish(mut self, evidence: &Evidence) -> Result<(Arc<Stage>, String), Trouble> {
        if let Some(load) = self.load.take() {
            load.end();
        }
        self.drained.clear();
        self.drain()?;
        self.judge(evidence)?;
        if let Some(broker) = self.broker.take() {
            broker.stop()?;
        }
        let stage = &self.stage;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let kills = stage
            .history
            .entries()
            .iter()
            .filter(|entry| entry.event == Event::Kill)
            .count();
        let records = self.drained.values().sum::<i64>();
        let mut words = format!("{kills} kills ({} more in recovery)", self.recoveries_killed);
        write!(
            words,
            ", {} batches acknowledged, {records} records",
            count(&stage.acknowledged)
        )?;
        write!(
            words,
            ", {} sent again of which {} were there",
            count(&stage.retried),
            count(&stage.deduplicated)
        )?;
        write!(
            words,
            ", slowest restart {} ms, first acknowledgement up to {} ms later, seed {}",
            self.slowest_restart.as_millis(),
            self.slowest_answer.as_millis(),
            self.seed
        )?;
        Ok((self.stage, words))
    }

    /// Damages the data between a kill and the restart; gives what the checker sees.
    fn break_directory(&mut self, breakage: Breakage, evidence: &Evidence) -> Result<Vec<Anomaly>, Trouble> {
        let older = evidence.path().join("older");
        std::thread::sleep(Duration::from_millis(200));
        self.kill()?;
        copy_directory(&self.launch.data(), &older)?;
        self.restart()?;
        std::thread::sleep(Duration::from_millis(500));
        if let Some(load) = &self.load {
            expect(load.pause(), || "the load did not come to rest".to_owned())?;
        }
        self.kill()?;
        if breakage == Breakage::Rollback {
            std::fs::remove_dir_all(self.launch.data())?;
            copy_directory(&older, &self.launch.data())?;
        } else {
            wipe_journal_tail(&self.launch.data(), WIPED)?;
        }
        self.restart()?;
        self.drained.clear();
        self.drain()?;
        Ok(checker::check(&self.stage.history.entries()))
    }
}

/// Breaks the sound history in every way there is and demands that each is caught.
fn break_histories(stage: &Stage) -> Result<String, Trouble> {
    let sound = stage.history.entries();
    let mut caught = 0;
    for breakage in Breakage::HISTORIES {
        let mut entries = sound.clone();
        if !break_history(*breakage, &mut entries) {
            continue;
        }
        let anomalies = checker::check(&entries);
        expect(
            anomalies.iter().any(|anomaly| anomaly.kind == breakage.caught_as()),
            || {
                format!(
                    "the checker did not catch {breakage:?}, it saw {}",
                    in_words(&anomalies)
                )
            },
        )?;
        caught += 1;
    }
    Ok(format!("; {caught} broken histories caught"))
}

fn in_words(anomalies: &[Anomaly]) -> String {
    if anomalies.is_empty() {
        return "nothing".to_owned();
    }
    let mut kinds = BTreeMap::<_, u32>::new();
    anomalies
        .iter()
        .for_each(|anomaly| *kinds.entry(anomaly.kind).or_default() += 1);
    let firsts = kinds
        .keys()
        .filter_map(|kind| anomalies.iter().find(|anomaly| anomaly.kind == *kind));
    firsts.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
