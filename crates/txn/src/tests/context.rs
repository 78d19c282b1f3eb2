//! A coordinator, its log and whoever asks it, in virtual time.
//!
//! ```text
//! let mut ctx = Context::new();
//! let a = ctx.init("tx");                      // who the producer is
//! ctx.add("tx", a, &["t-0"], V2);              // a transaction is open
//! ctx.end("tx", a, Commit, V2);                // decided; markers are asked for
//! ctx.mark();                                  // and written
//! assert_eq!(ctx.status("tx"), Status::Complete(Commit));
//! ```

use std::collections::BTreeSet;

use ottla_coordinator::{Appended, Entry, Machine, Position, Shard, Step, Ticket};
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicPartition};

use crate::*;

pub(super) const TIMEOUT: i64 = 60_000;
pub(super) const COORDINATOR_EPOCH: LeaderEpoch = LeaderEpoch(7);
pub(super) use crate::Outcome::{Abort, Commit};
pub(super) use crate::TransactionVersion::{V1, V2};

/// One shard with its log and whoever asks it.
pub(super) struct Context {
    pub(super) shard: Shard<Transactions>,
    pub(super) now: i64,
    pub(super) log: Vec<Entry<Record>>,
    /// What is asked for and has not been carried out.
    pub(super) asked_markers: Vec<Markers>,
    /// What was said beside.
    pub(super) events: Vec<String>,
    config: TransactionConfig,
    terms: u64,
    next_producer: i64,
    tickets: u64,
    reply: Option<Reply>,
    /// What a coordinator knows that reads the log as it grows.
    reader: State,
    reader_offset: usize,
}

impl Context {
    pub(super) fn new() -> Context {
        Context::with(TransactionConfig::default())
    }

    pub(super) fn with(config: TransactionConfig) -> Context {
        let mut context = Context {
            shard: Shard::with_session(Session::new(config.clone(), COORDINATOR_EPOCH, 0)),
            now: 1_000_000,
            log: Vec::new(),
            asked_markers: Vec::new(),
            events: Vec::new(),
            config,
            terms: 0,
            next_producer: 1_000,
            tickets: 0,
            reply: None,
            reader: State::default(),
            reader_offset: 0,
        };
        context.load();
        context
    }

    fn load(&mut self) {
        let now = Millis(self.now);
        let log = &mut self.log;
        let step = self.shard.loaded(now, |records| append(log, now, records));
        self.take(step.expect("the log takes it"));
    }

    /// The coordinator fails over: what the log does not say is lost.
    pub(super) fn fail_over(&mut self) {
        self.asked_markers.clear();
        self.terms += 1;
        self.shard = Shard::with_session(Session::new(self.config.clone(), COORDINATOR_EPOCH, self.terms));
        for entry in &self.log {
            self.shard.replay(&through_bytes(entry));
        }
        assert_eq!(&self.reader, self.shard.state(), "the replayed state is the live one");
        self.load();
    }

    /// Writes a record as another version or another coordinator would have.
    pub(super) fn plant(&mut self, id: &str, value: Transaction) {
        let records = [Record {
            id: id.into(),
            value: Some(value),
        }];
        append(&mut self.log, Millis(self.now), &records).expect("the log takes it");
        self.read_log();
        self.fail_over();
    }

    pub(super) fn send(&mut self, command: Command) -> Reply {
        self.tickets += 1;
        let (ticket, now) = (Ticket(self.tickets), Millis(self.now));
        let log = &mut self.log;
        let step = self
            .shard
            .submit(now, ticket, command, |records| append(log, now, records));
        self.take(step.expect("the log takes it"));
        self.reply.take().expect("every command is answered at once")
    }

    /// Lets time go by, one deadline after the other.
    pub(super) fn pass(&mut self, span: i64) {
        let until = self.now + span;
        let mut at_once = 0;
        while let Some(due) = self.shard.next_deadline().filter(|due| due.0 <= until) {
            at_once = if due.0 > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10_000, "deadlines make time go on");
            self.now = self.now.max(due.0);
            let now = Millis(self.now);
            let log = &mut self.log;
            let step = self
                .shard
                .expire(now, |records| append(log, now, records))
                .expect("one is due");
            self.take(step.expect("the log takes it"));
        }
        self.now = until;
    }

    fn take(&mut self, step: Step<Transactions>) {
        for (ticket, reply) in step.replies {
            assert_eq!(ticket, Ticket(self.tickets), "an answer nobody waits for");
            assert_eq!(self.reply.replace(reply), None, "nobody is answered twice");
        }
        for effect in step.effects {
            match effect {
                Effect::WriteMarkers(markers) => self.asked_markers.push(markers),
                other => self.events.push(other.to_string()),
            }
        }
        self.read_log();
        assert_eq!(&self.reader, self.shard.state(), "the log says what the state says");
    }

    fn read_log(&mut self) {
        for entry in &self.log[self.reader_offset..] {
            Transactions::apply(&mut self.reader, &through_bytes(entry));
        }
        self.reader_offset = self.log.len();
    }

    /// A producer id nobody has had.
    pub(super) fn fresh_producer(&mut self) -> ProducerId {
        self.next_producer += 1;
        ProducerId(self.next_producer)
    }

    /// Asks as the broker does: with a fresh producer id only if there is need of one.
    pub(super) fn try_init(
        &mut self,
        id: &str,
        expected: Option<Identity>,
        timeout: i64,
    ) -> Result<Identity, ErrorCode> {
        let init = |fresh| {
            Command::InitProducerId(InitProducerId {
                id: id.into(),
                timeout: Millis(timeout),
                expected,
                fresh,
            })
        };
        let mut reply = self.send(init(None));
        if reply == Reply::InitProducerId(Err(Refused::NeedsProducerId)) {
            let fresh = self.fresh_producer();
            reply = self.send(init(Some(fresh)));
        }
        match reply {
            Reply::InitProducerId(result) => code(result),
            other => panic!("an InitProducerId is answered as such, not with {other:?}"),
        }
    }

    pub(super) fn init(&mut self, id: &str) -> Identity {
        self.try_init(id, None, TIMEOUT).expect("the producer is initialized")
    }

    pub(super) fn try_add(
        &mut self,
        id: &str,
        identity: Identity,
        partitions: &[&str],
        version: TransactionVersion,
    ) -> Result<(), ErrorCode> {
        let add = AddPartitions {
            id: id.into(),
            identity,
            partitions: partitions.iter().map(|name| partition(name)).collect(),
            version,
        };
        match self.send(Command::AddPartitions(add)) {
            Reply::AddPartitions(result) => result,
            other => panic!("an AddPartitions is answered as such, not with {other:?}"),
        }
    }

    pub(super) fn add(&mut self, id: &str, identity: Identity, partitions: &[&str], version: TransactionVersion) {
        self.try_add(id, identity, partitions, version)
            .expect("the partitions are added");
    }

    pub(super) fn try_end(
        &mut self,
        id: &str,
        identity: Identity,
        outcome: Outcome,
        version: TransactionVersion,
    ) -> Result<Identity, ErrorCode> {
        let end = |fresh| {
            Command::EndTransaction(EndTransaction {
                id: id.into(),
                identity,
                outcome,
                version,
                fresh,
            })
        };
        let mut reply = self.send(end(None));
        if reply == Reply::EndTransaction(Err(Refused::NeedsProducerId)) {
            let fresh = self.fresh_producer();
            reply = self.send(end(Some(fresh)));
        }
        match reply {
            Reply::EndTransaction(result) => code(result),
            other => panic!("an EndTransaction is answered as such, not with {other:?}"),
        }
    }

    pub(super) fn end(
        &mut self,
        id: &str,
        identity: Identity,
        outcome: Outcome,
        version: TransactionVersion,
    ) -> Identity {
        self.try_end(id, identity, outcome, version)
            .expect("the transaction ends")
    }

    /// Which of the partitions take part.
    pub(super) fn verify(&mut self, id: &str, identity: Identity, partitions: &[&str]) -> Result<Vec<bool>, ErrorCode> {
        let verify = VerifyPartitions {
            id: id.into(),
            identity,
            partitions: partitions.iter().map(|name| partition(name)).collect(),
        };
        let Reply::VerifyPartitions(result) = self.send(Command::VerifyPartitions(verify)) else {
            panic!("a VerifyPartitions is answered as such");
        };
        let missing = result?;
        Ok(partitions
            .iter()
            .map(|name| !missing.contains(&partition(name)))
            .collect())
    }

    /// The partitions take all markers that are asked for.
    pub(super) fn mark(&mut self) {
        for markers in std::mem::take(&mut self.asked_markers) {
            self.report(&markers, |_| MarkerAnswer::Written);
        }
    }

    /// Tells what became of markers.
    pub(super) fn report(&mut self, markers: &Markers, answer: impl Fn(&TopicPartition) -> MarkerAnswer) {
        let answers = markers
            .partitions
            .iter()
            .map(|partition| (partition.clone(), answer(partition)));
        let report = MarkersWritten {
            id: markers.id.clone(),
            decision: markers.decision,
            answers: answers.collect(),
        };
        assert_eq!(self.send(Command::MarkersWritten(report)), Reply::MarkersWritten);
    }

    pub(super) fn describe(&mut self, id: &str) -> Result<Transaction, ErrorCode> {
        match self.send(Command::Describe(id.into())) {
            Reply::Describe(result) => result.map(|described| described.transaction),
            other => panic!("a Describe is answered as such, not with {other:?}"),
        }
    }

    pub(super) fn status(&mut self, id: &str) -> Status {
        self.describe(id).expect("the id is known").status
    }

    /// Who the producer is, by the log.
    pub(super) fn identity(&mut self, id: &str) -> Identity {
        self.describe(id).expect("the id is known").identity
    }

    /// Whatever `ask` does, it is refused and changes nothing.
    pub(super) fn refused(&mut self, code: ErrorCode, ask: impl FnOnce(&mut Context) -> Result<Identity, ErrorCode>) {
        let written = self.log.len();
        assert_eq!(ask(self), Err(code));
        assert_eq!(self.log.len(), written, "what is refused changes nothing");
    }

    /// Ends transactions until the producer has its last epoch.
    pub(super) fn with_last_epoch(&mut self, id: &str) -> Identity {
        let identity = self.init(id);
        let last = Identity {
            epoch: Identity::EPOCH_LAST,
            ..identity
        };
        let known = self.describe(id).expect("the id is known");
        self.plant(
            id,
            Transaction {
                identity: last,
                ..known
            },
        );
        last
    }
}

fn code(result: Result<Identity, Refused>) -> Result<Identity, ErrorCode> {
    result.map_err(|refused| match refused {
        Refused::Code(code) => code,
        Refused::NeedsProducerId => panic!("it was given one"),
    })
}

pub(super) fn identity(producer: ProducerId, epoch: i16) -> Identity {
    Identity {
        producer,
        epoch: ProducerEpoch(epoch),
    }
}

/// The next epoch of the same producer.
pub(super) fn raised(identity: Identity, by: i16) -> Identity {
    Identity {
        epoch: ProducerEpoch(identity.epoch.0 + by),
        ..identity
    }
}

pub(super) fn partition(name: &str) -> TopicPartition {
    let (topic, index) = name.rsplit_once('-').expect("a name such as t-0");
    TopicPartition::new(topic, index.parse().expect("a number"))
}

pub(super) fn names(partitions: &BTreeSet<TopicPartition>) -> Vec<String> {
    partitions.iter().map(TopicPartition::to_string).collect()
}

/// A record as it comes back from the log.
fn through_bytes(entry: &Entry<Record>) -> Entry<Record> {
    let (key, value) = record::encode(&entry.record);
    let record = record::decode(&key, value.as_deref());
    Entry {
        record: record.expect("readable").expect("of a known type"),
        ..entry.clone()
    }
}

fn append(log: &mut Vec<Entry<Record>>, now: Millis, records: &[Record]) -> Result<Appended, ErrorCode> {
    let base = Offset(log.len() as i64);
    for record in records {
        log.push(Entry {
            offset: Offset(log.len() as i64),
            timestamp: now,
            record: record.clone(),
        });
    }
    Ok(Appended {
        base,
        timestamp: now,
        position: Position(log.len() as u64),
    })
}
