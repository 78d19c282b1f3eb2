//! What has happened in a scene: every command sent, every event received, and what follows from them.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A partition: topic and number.
pub type Partition = (String, i64);

/// How often each offset of each partition was read.
pub type Reads = BTreeMap<Partition, BTreeMap<i64, u32>>;

/// The kinds of things that happen. `Sent` (a command) and `Exit` (of a driver process) are the harness's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sent,
    Exit,
    Ready,
    Done,
    Failed,
    Assigned,
    Revoked,
    Lost,
    Records,
    Committed,
    Error,
    Ended,
    Sending,
    Ending,
    Finished,
    State,
    Unknown,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "ready" => Self::Ready,
            "done" => Self::Done,
            "failed" => Self::Failed,
            "assigned" => Self::Assigned,
            "revoked" => Self::Revoked,
            "lost" => Self::Lost,
            "records" => Self::Records,
            "committed" => Self::Committed,
            "error" => Self::Error,
            "ended" => Self::Ended,
            "sending" => Self::Sending,
            "ending" => Self::Ending,
            "finished" => Self::Finished,
            "state" => Self::State,
            _ => Self::Unknown,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    pub kind: Kind,
    /// The actor; empty where there is none.
    pub id: String,
    /// The number of the driver process.
    pub process: usize,
    /// When the harness came to know, in milliseconds since the scene's start.
    pub arrived: i64,
    /// The event or command as it stood on the line.
    pub body: Value,
}

impl Event {
    /// A field that is text; empty if it is absent.
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// A field that is a number; -1 if it is absent.
    pub fn number(&self, name: &str) -> i64 {
        self.body[name].as_i64().unwrap_or(-1)
    }

    /// The partitions of an `assigned`, `revoked` or `lost` event.
    pub fn partitions(&self) -> Vec<Partition> {
        list(&self.body["partitions"])
            .map(|p| (word(&p[0]), int(&p[1])))
            .collect()
    }

    /// The partitions and offsets of a `committed` event, or of the answer to `committed`, `commit` or `position`.
    pub fn offsets(&self) -> Vec<(Partition, i64)> {
        offsets(&self.body["offsets"])
    }

    /// The values of a `records` or `sending` event.
    pub fn values(&self) -> Vec<String> {
        list(&self.body["values"]).map(word).collect()
    }

    /// The offsets of a `records` event.
    pub fn read(&self) -> Vec<i64> {
        match self.body["offsets"].as_array() {
            Some(listed) => listed.iter().map(int).collect(),
            None => (self.number("first")..=self.number("last")).collect(),
        }
    }

    /// The partition of a `records` event.
    pub fn partition(&self) -> Partition {
        (self.text("topic").to_owned(), self.number("partition"))
    }
}

/// `[["t", 0, 5], ...]` as partitions and offsets.
pub fn offsets(value: &Value) -> Vec<(Partition, i64)> {
    list(value).map(|o| ((word(&o[0]), int(&o[1])), int(&o[2]))).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or(-1)
}

/// Everything that happened, and where it leads to.
#[derive(Debug)]
pub struct Story {
    start: Instant,
    pub events: Vec<Event>,
    /// What every member owns by its own account.
    owned: BTreeMap<String, BTreeSet<Partition>>,
    reads: BTreeMap<String, Reads>,
    /// The group of every member.
    groups: BTreeMap<String, String>,
    /// The process every member lives in.
    homes: BTreeMap<String, usize>,
    /// For each process the smallest difference seen between an event's arrival and its own clock.
    clocks: BTreeMap<usize, i64>,
    /// A process that ended without being told to.
    deserter: Option<usize>,
}

impl Story {
    /// A story in which nothing has happened.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            events: Vec::new(),
            owned: BTreeMap::new(),
            reads: BTreeMap::new(),
            groups: BTreeMap::new(),
            homes: BTreeMap::new(),
            clocks: BTreeMap::new(),
            deserter: None,
        }
    }

    /// Milliseconds since the scene's start.
    pub fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// A command that is about to be sent.
    pub fn sent(&mut self, process: usize, command: Value) {
        let id = word(&command["id"]);
        if command["cmd"] == "consumer" {
            self.groups.insert(id.clone(), word(&command["group"]));
            self.homes.insert(id.clone(), process);
        }
        self.add(Kind::Sent, id, process, command);
    }

    /// A line a driver wrote.
    pub fn received(&mut self, process: usize, line: &str) {
        let body: Value = serde_json::from_str(line).unwrap_or_else(|_| json!({ "line": line }));
        let kind = Kind::of(body["event"].as_str().unwrap_or_default());
        if let Some(ms) = body["ms"].as_i64() {
            let difference = self.now() - ms;
            let clock = self.clocks.entry(process).or_insert(difference);
            *clock = difference.min(*clock);
        }
        let id = word(&body["id"]);
        self.add(kind, id, process, body);
        self.conclude();
    }

    /// A driver's process has ended; `killed` is when the harness killed it.
    pub fn exited(&mut self, process: usize, expected: bool, killed: Option<i64>) {
        let ended = self
            .homes
            .iter()
            .filter(|(_, home)| **home == process)
            .map(|(id, _)| id.clone());
        for id in ended.collect::<Vec<_>>() {
            self.owned.remove(&id);
        }
        if !expected {
            self.deserter = Some(process);
        }
        self.add(
            Kind::Exit,
            String::new(),
            process,
            json!({ "expected": expected, "killed": killed }),
        );
    }

    fn add(&mut self, kind: Kind, id: String, process: usize, body: Value) {
        let arrived = self.now();
        self.events.push(Event {
            kind,
            id,
            process,
            arrived,
            body,
        });
    }

    /// Draws the conclusions from the newest event.
    fn conclude(&mut self) {
        let Some(event) = self.events.last() else { return };
        let owned = self.owned.entry(event.id.clone()).or_default();
        match event.kind {
            Kind::Assigned => owned.extend(event.partitions()),
            Kind::Revoked | Kind::Lost => {
                for partition in event.partitions() {
                    owned.remove(&partition);
                }
            }
            Kind::Ended => owned.clear(),
            Kind::Records => {
                let reads = self
                    .reads
                    .entry(event.id.clone())
                    .or_default()
                    .entry(event.partition())
                    .or_default();
                for offset in event.read() {
                    *reads.entry(offset).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    /// What a member owns now.
    pub fn owned(&self, id: &str) -> BTreeSet<Partition> {
        self.owned.get(id).cloned().unwrap_or_default()
    }

    /// How often these members read each offset.
    pub fn reads<S: AsRef<str>>(&self, ids: &[S]) -> Reads {
        let mut all = Reads::new();
        for reads in ids.iter().filter_map(|id| self.reads.get(id.as_ref())) {
            for (partition, offsets) in reads {
                let into = all.entry(partition.clone()).or_default();
                for (offset, times) in offsets {
                    *into.entry(*offset).or_default() += times;
                }
            }
        }
        all
    }

    /// The values one consumer read, in order.
    pub fn values(&self, id: &str) -> Vec<String> {
        let records = self.events.iter().filter(|e| e.kind == Kind::Records && e.id == id);
        records.flat_map(Event::values).collect()
    }

    /// All members a group ever had.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.groups
            .iter()
            .filter(|(_, g)| *g == group)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The process a member lives in.
    pub fn home(&self, id: &str) -> Option<usize> {
        self.homes.get(id).copied()
    }

    /// When an event happened by the driver's own clock, set against the scene's. More exact than the arrival, which
    /// waits for the harness to be given a processor.
    pub fn when(&self, event: &Event) -> i64 {
        if let Some(killed) = event.body["killed"].as_i64() {
            return killed;
        }
        match (event.body["ms"].as_i64(), self.clocks.get(&event.process)) {
            (Some(ms), Some(clock)) => ms + clock,
            _ => event.arrived,
        }
    }

    /// A process that ended without being told to, if there is one.
    pub fn deserter(&self) -> Option<usize> {
        self.deserter
    }

    /// The story as lines of JSON, for a reader with a problem.
    pub fn lines(&self, names: &[String]) -> String {
        let mut text = String::new();
        for event in &self.events {
            let name = names.get(event.process).map_or("?", String::as_str);
            let arrow = if event.kind == Kind::Sent { '>' } else { '<' };
            text.push_str(&format!("{:>7} {name} {arrow} {}\n", event.arrived, event.body));
        }
        text
    }
}
