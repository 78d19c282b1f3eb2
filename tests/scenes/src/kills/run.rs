//! One worker's run: two members of one group at work, one of them or the broker is killed, until it has been often enough;
//! then what came out is judged.

use super::counts::{counted, counts};
use super::worker::Worker;
use crate::broker::Broker;
use crate::check::HEARTBEAT;
use crate::driver::{Driver, Pending};
use crate::ledger;
use crate::random::Random;
use crate::stage::Stage;
use crate::story::{Kind as Event, Story};
use crate::trouble::Outcome;
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Members of the group. Whoever is killed leaves its partitions to the other, which has transactions under way then.
const MEMBERS: usize = 2;
const PARTITIONS: u32 = 3;
/// Records put in between two kills.
const CHUNK: u64 = 150;
/// How long work goes on before a kill, in milliseconds.
const LIFE: (u64, u64) = (20, 900);
/// How long what a dead Kafka Streams instance left open lasts, in milliseconds: nobody takes its transactional id over.
const TRANSACTION: i64 = 4000;
/// The session timeout of those who are killed: whoever takes over waits for it.
const SESSION: i64 = 2000;
/// How long a client that is known to hang may be silent before it is killed for it.
const HANGS: Duration = Duration::from_secs(10);
/// How long it may take until something comes out again after a kill.
const PROGRESS: Duration = Duration::from_secs(60);

/// One worker's run.
pub(super) struct Run<'a> {
    stage: &'a Stage,
    worker: Worker,
    random: Random,
    /// The members at work; the place says by which transactional id.
    members: Vec<Arc<Driver>>,
    /// How many worker processes there were.
    processes: u32,
    broker_kills: u32,
    client_kills: u32,
    /// How often a client was killed because it hung.
    hung: u32,
    put_in: u64,
}

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, broker, client) = (self.put_in, self.broker_kills, self.client_kills);
        write!(
            f,
            "{records} records exactly once, {broker} times the broker was killed, {client} times one of {MEMBERS} clients"
        )?;
        match self.worker.hangs() {
            Some(why) if self.hung > 0 => write!(f, ", {} times one because it hung ({why})", self.hung),
            _ => Ok(()),
        }
    }
}

impl<'a> Run<'a> {
    /// A run that has not begun; the seed decides who is killed when.
    pub(super) fn new(stage: &'a Stage, worker: Worker, seed: u64) -> Self {
        Self {
            stage,
            worker,
            // Each worker has a fate of its own.
            random: Random::new(seed.wrapping_add((worker as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            members: Vec::new(),
            processes: 0,
            broker_kills: 0,
            client_kills: 0,
            hung: 0,
            put_in: 0,
        }
    }

    /// The topic that is written to.
    pub(super) fn to(&self) -> String {
        format!("{}-out", self.stage.topic)
    }

    /// Kills so often, and judges.
    pub(super) fn all(&mut self, kills: u32) -> Outcome<()> {
        let main = self.stage.driver("main")?;
        self.stage.create_topic(&main, PARTITIONS)?;
        self.stage.create_topic_named(&main, &self.to(), PARTITIONS)?;
        self.read_along(&main)?;
        for place in 0..MEMBERS {
            let member = self.work(place)?;
            self.members.push(member);
        }
        for _ in 0..kills {
            let producing = self.put_in(&main)?;
            std::thread::sleep(Duration::from_millis(self.random.between(LIFE.0, LIFE.1)));
            let mark = self.kill()?;
            self.stage.finish(&main, &producing)?;
            self.unless_hung("anything to come out", move |story| progress(story, mark))?;
            self.stage
                .wait_within(PROGRESS, "anything to come out after a kill", |story| {
                    progress(story, mark).then_some(())
                })?;
        }
        self.finish(&main)
    }

    /// A reader of committed records that lives through it all.
    fn read_along(&self, main: &Driver) -> Outcome<()> {
        let all: Vec<_> = (0..PARTITIONS).map(|partition| json!([self.to(), partition])).collect();
        let fields = json!({ "bootstrap": self.stage.bootstrap(), "partitions": all, "from": "earliest",
            "isolation": "read_committed" });
        main.call("assign", "along", fields).map(drop)
    }

    /// Kills the broker or one of the members, and has it come back; gives the moment of its death.
    fn kill(&mut self) -> Outcome<usize> {
        if self.random.between(0, 1) == 0 {
            self.broker_kills += 1;
            self.stage.broker(Broker::kill)?;
            let mark = self.stage.mark();
            self.stage.broker(Broker::restart)?;
            return Ok(mark);
        }
        self.client_kills += 1;
        let place = self.random.between(0, MEMBERS as u64 - 1) as usize;
        self.members[place].kill()?;
        let mark = self.stage.mark();
        self.members[place] = self.work(place)?;
        Ok(mark)
    }

    /// Starts a member in a process of its own, in the place of the one that was killed.
    fn work(&mut self, place: usize) -> Outcome<Arc<Driver>> {
        self.processes += 1;
        let name = format!("worker{}", self.processes);
        let driver = self.stage.driver_of(&self.worker.program(), &name)?;
        let fields = json!({ "from": self.stage.topic, "to": self.to(), "batch": 20, "abort_every": 9,
            "session_timeout_ms": SESSION, "heartbeat_interval_ms": HEARTBEAT,
            "transactional_id": format!("{}-id{place}", self.stage.group), "application": self.worker.name() });
        let pending = if self.worker.is_streams() {
            let mut fields = fields;
            fields["transaction_timeout_ms"] = TRANSACTION.into();
            self.stage.begin_streams(&driver, &name, fields)?
        } else {
            self.stage.begin_transform(&driver, &name, fields)?
        };
        self.stage.finish(&driver, &pending)?;
        Ok(driver)
    }

    fn put_in(&mut self, main: &Driver) -> Outcome<Pending> {
        let first = self.put_in as usize;
        self.put_in += CHUNK;
        let fields = json!({ "partitions": PARTITIONS, "rate": 120 });
        self.stage.begin_produce(main, first, CHUNK, fields)
    }

    /// Replaces clients that hang where their library is known to.
    fn unless_hung(&mut self, what: &str, so: impl Fn(&Story) -> bool) -> Outcome<()> {
        if self.worker.hangs().is_none() {
            return Ok(());
        }
        let within = self.stage.wait_within(HANGS, what, |story| so(story).then_some(()));
        if within.is_ok() {
            return Ok(());
        }
        for place in 0..MEMBERS {
            let process = self.members[place].process;
            let last = {
                let story = self.stage.story();
                let event = story.events.iter().rfind(|event| event.process == process);
                event.map(|event| event.kind)
            };
            if last == Some(Event::Sending) {
                self.hung += 1;
                self.members[place].kill()?;
                self.members[place] = self.work(place)?;
            }
        }
        Ok(())
    }

    /// Waits until all has come out, and judges.
    fn finish(&mut self, main: &Driver) -> Outcome<()> {
        let (wanted, worker) = (self.put_in as usize, self.worker);
        let all = move |story: &Story| match worker.is_streams() {
            true => counted(story, worker) >= wanted,
            false => story.values("along").len() >= wanted,
        };
        self.unless_hung("the last record", all)?;
        self.stage
            .wait_within(PROGRESS * 2, "the last record", |story| all(story).then_some(()))?;
        for member in self.members.drain(..) {
            member.close()?;
        }
        ledger::drain(self.stage, main, "end", &self.to(), PARTITIONS)?;
        main.call("close", "along", json!({}))?;
        main.close()?;
        let story = self.stage.story();
        if worker.is_streams() {
            counts(&ledger::drained(&story, &self.to()), worker, self.put_in)
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
