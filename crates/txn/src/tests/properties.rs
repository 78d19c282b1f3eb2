//! What holds after any sequence of events: no transaction both commits and aborts, whoever was told an outcome was told the
//! truth, nobody who has a successor changes anything, and nothing stays open for ever. The context checks after each step
//! that the log says what the state says.

use std::collections::BTreeMap;

use ottla_model::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use proptest::prelude::*;

use super::context::*;
use crate::*;

const CLIENTS: usize = 4;
/// Two clients share a transactional id, and each id has clients of both rules.
const IDS: usize = 2;
const PARTITIONS: usize = 3;
/// Within this time everything that was begun is ended: the time-out, a look, and the markers' next try.
const ENDS_WITHIN: i64 = TIMEOUT + 10_000 + 1_000;

/// Something that happens; a number says to which client, partition or request.
#[derive(Clone, Debug)]
enum Event {
    /// A new instance takes the place of a client.
    Start(usize),
    /// The client asks to go on with a higher epoch.
    GoOn(usize),
    Write(usize, usize),
    End(usize, bool),
    /// The client's next answer never arrives.
    LoseAnswer(usize),
    /// The client does what it has to do next.
    Act(usize),
    /// A partition answers the oldest of the markers that are asked for.
    Mark(MarkerAnswerOf),
    /// An end that was asked for earlier arrives once more.
    LateEnd(usize),
    /// A report about markers arrives once more.
    LateReport(usize),
    Pass(i64),
    FailOver,
}

#[derive(Clone, Copy, Debug)]
enum MarkerAnswerOf {
    /// All of them take theirs.
    All,
    /// The one with that number does, the others do not now.
    Only(usize),
    /// They take theirs, and the answer is lost; the coordinator will ask again.
    Unheard,
}

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    let answer = prop_oneof![
        4 => Just(MarkerAnswerOf::All),
        2 => (0..PARTITIONS).prop_map(MarkerAnswerOf::Only),
        1 => Just(MarkerAnswerOf::Unheard),
    ];
    prop_oneof![
        2 => client.clone().prop_map(Event::Start),
        1 => client.clone().prop_map(Event::GoOn),
        8 => (client.clone(), 0..PARTITIONS).prop_map(|(client, partition)| Event::Write(client, partition)),
        5 => (client.clone(), any::<bool>()).prop_map(|(client, commits)| Event::End(client, commits)),
        2 => client.clone().prop_map(Event::LoseAnswer),
        4 => client.prop_map(Event::Act),
        8 => answer.prop_map(Event::Mark),
        2 => any::<u8>().prop_map(|number| Event::LateEnd(number.into())),
        2 => any::<u8>().prop_map(|number| Event::LateReport(number.into())),
        1 => (0..2 * TIMEOUT).prop_map(Event::Pass),
        3 => (0i64..200).prop_map(Event::Pass),
        1 => Just(Event::FailOver),
    ]
}

/// One transaction of one client, as the client sees it.
type Attempt = u64;

/// A producer as clients of Kafka are: it asks again when told so, and gives up when fenced.
#[derive(Debug)]
struct Client {
    /// How many instances there were; the latest counts.
    instance: u64,
    version: TransactionVersion,
    identity: Option<Identity>,
    /// Who it was when it asked to go on, while it waits for the answer.
    goes_on_from: Option<Identity>,
    attempt: Option<Attempt>,
    ending: Option<Outcome>,
    loses_answer: bool,
}

/// What a partition knows of one producer id.
#[derive(Debug, Default)]
struct Seen {
    epoch: i16,
    open: Option<Attempt>,
}

struct World {
    ctx: Context,
    clients: Vec<Client>,
    partitions: Vec<BTreeMap<ProducerId, Seen>>,
    attempts: u64,
    instances: u64,
    /// Who was given which identity.
    given: BTreeMap<Identity, u64>,
    /// The instance that was initialized last under each transactional id.
    holders: [u64; IDS],
    /// How a transaction ended, by its markers or by what its client was told.
    outcomes: BTreeMap<Attempt, Outcome>,
    /// What was asked for by the rules of V2, to arrive late.
    ends: Vec<(usize, Identity, Outcome)>,
    /// The markers that all were written, and reported so.
    written: Vec<Markers>,
}

impl World {
    fn new(first_epoch: i16) -> World {
        let mut ctx = Context::new();
        for id in 0..IDS {
            let name = name(id);
            let first = ctx.init(&name);
            let known = ctx.describe(&name).expect("it was initialized");
            let identity = Identity {
                epoch: ProducerEpoch(first_epoch),
                ..first
            };
            ctx.plant(&name, Transaction { identity, ..known });
        }
        let client = |number: usize| Client {
            instance: 0,
            version: if number < IDS { V1 } else { V2 },
            identity: None,
            goes_on_from: None,
            attempt: None,
            ending: None,
            loses_answer: false,
        };
        World {
            ctx,
            clients: (0..CLIENTS).map(client).collect(),
            partitions: (0..PARTITIONS).map(|_| BTreeMap::new()).collect(),
            attempts: 0,
            instances: 0,
            given: BTreeMap::new(),
            holders: [0; IDS],
            outcomes: BTreeMap::new(),
            ends: Vec::new(),
            written: Vec::new(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(n) => self.start(n),
            Event::GoOn(n) => {
                let client = &mut self.clients[n];
                if let (Some(identity), None) = (client.identity, client.ending) {
                    client.goes_on_from = Some(identity);
                    self.act(n);
                }
            }
            Event::Write(n, partition) => self.write(n, partition),
            Event::End(n, commits) => {
                let client = &mut self.clients[n];
                if client.attempt.is_some() && client.ending.is_none() && client.goes_on_from.is_none() {
                    client.ending = Some(if commits { Commit } else { Abort });
                    self.act(n);
                }
            }
            Event::LoseAnswer(n) => self.clients[n].loses_answer = true,
            Event::Act(n) => self.act(n),
            Event::Mark(answer) => self.mark(answer),
            Event::LateEnd(number) => self.late_end(number),
            Event::LateReport(number) => self.late_report(number),
            Event::Pass(span) => self.ctx.pass(span),
            Event::FailOver => self.ctx.fail_over(),
        }
    }

    fn start(&mut self, n: usize) {
        self.give_up(n);
        self.instances += 1;
        self.clients[n].instance = self.instances;
        self.act(n);
    }

    /// The process ends, or its producer is of no use any more.
    fn give_up(&mut self, n: usize) {
        let client = &mut self.clients[n];
        client.instance = 0;
        client.identity = None;
        client.goes_on_from = None;
        client.attempt = None;
        client.ending = None;
        client.loses_answer = false;
    }

    /// Whether the answer to what a client has just asked arrives.
    fn hears(&mut self, n: usize) -> bool {
        !std::mem::take(&mut self.clients[n].loses_answer)
    }

    fn act(&mut self, n: usize) {
        let client = &self.clients[n];
        if client.instance == 0 {
            return;
        }
        match (client.identity, client.ending) {
            _ if client.goes_on_from.is_some() => self.init(n),
            (None, _) => self.init(n),
            (Some(identity), Some(outcome)) => self.end(n, identity, outcome),
            (Some(_), None) => {}
        }
    }

    fn init(&mut self, n: usize) {
        let expected = self.clients[n].goes_on_from;
        let answer = self.ctx.try_init(&name(n % IDS), expected, TIMEOUT);
        if answer.is_ok() {
            self.succeeds(n);
        }
        if !self.hears(n) {
            return;
        }
        match answer {
            Ok(identity) => {
                self.give(n, identity);
                let client = &mut self.clients[n];
                client.goes_on_from = None;
                // What it had begun before cannot be committed any more.
                if let Some(attempt) = client.attempt.take() {
                    self.ended(attempt, Abort);
                }
            }
            Err(ErrorCode::ConcurrentTransactions) => {}
            Err(ErrorCode::ProducerFenced) => self.give_up(n),
            Err(other) => panic!("a client that behaves is told {other}"),
        }
    }

    fn write(&mut self, n: usize, partition: usize) {
        let client = &self.clients[n];
        let (Some(identity), None, None) = (client.identity, client.ending, client.goes_on_from) else {
            return;
        };
        let (version, target) = (client.version, format!("t-{partition}"));
        let id = name(n % IDS);
        match self.ctx.try_add(&id, identity, &[&target], version) {
            Ok(()) => self.succeeds(n),
            Err(ErrorCode::ConcurrentTransactions) => return,
            Err(ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping) => return self.give_up(n),
            Err(other) => panic!("a client that behaves is told {other}"),
        }
        assert_eq!(self.ctx.verify(&id, identity, &[&target]), Ok(vec![true]));
        let attempt = *self.clients[n].attempt.get_or_insert_with(|| {
            self.attempts += 1;
            self.attempts
        });
        let seen = self.partitions[partition].entry(identity.producer).or_default();
        assert!(
            identity.epoch.0 >= seen.epoch,
            "the coordinator fences before a partition has to"
        );
        seen.epoch = identity.epoch.0;
        assert_eq!(
            *seen.open.get_or_insert(attempt),
            attempt,
            "two transactions run into one"
        );
    }

    fn end(&mut self, n: usize, identity: Identity, outcome: Outcome) {
        let version = self.clients[n].version;
        if version == V2 {
            self.ends.push((n % IDS, identity, outcome));
        }
        let answer = self.ctx.try_end(&name(n % IDS), identity, outcome, version);
        if answer.is_ok() {
            self.succeeds(n);
        }
        if !self.hears(n) {
            return;
        }
        match answer {
            Ok(identity) => {
                self.give(n, identity);
                let client = &mut self.clients[n];
                client.ending = None;
                let attempt = client.attempt.take().expect("it ends what it began");
                self.ended(attempt, outcome);
            }
            Err(ErrorCode::ConcurrentTransactions) => {}
            // Somebody else, or the time-out, has ended it otherwise.
            Err(ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping | ErrorCode::InvalidTxnState) => {
                self.give_up(n);
            }
            Err(other) => panic!("a client that behaves is told {other}"),
        }
    }

    /// A request of the client changed something, or would have.
    fn succeeds(&mut self, n: usize) {
        let client = &self.clients[n];
        let holder = &mut self.holders[n % IDS];
        if client.identity.is_none() {
            *holder = client.instance;
        }
        assert_eq!(*holder, client.instance, "an instance acts that has a successor");
    }

    fn give(&mut self, n: usize, identity: Identity) {
        assert!(identity.epoch <= Identity::EPOCH_LAST, "the highest epoch is nobody's");
        let instance = self.clients[n].instance;
        let owner = *self.given.entry(identity).or_insert(instance);
        assert_eq!(owner, instance, "{identity} is given to two");
        self.clients[n].identity = Some(identity);
    }

    fn ended(&mut self, attempt: Attempt, outcome: Outcome) {
        let before = *self.outcomes.entry(attempt).or_insert(outcome);
        assert_eq!(before, outcome, "transaction {attempt} both commits and aborts");
    }

    fn mark(&mut self, answer: MarkerAnswerOf) {
        if self.ctx.asked_markers.is_empty() {
            return;
        }
        let markers = self.ctx.asked_markers.remove(0);
        let only = match answer {
            MarkerAnswerOf::All | MarkerAnswerOf::Unheard => None,
            MarkerAnswerOf::Only(number) => Some(number % markers.partitions.len()),
        };
        let takes = |partition: &TopicPartition| only.is_none_or(|number| markers.partitions[number] == *partition);
        for partition in markers.partitions.iter().filter(|partition| takes(partition)) {
            self.take_marker(partition.index.0 as usize, &markers);
        }
        if let MarkerAnswerOf::Unheard = answer {
            self.ctx.report(&markers, |_| MarkerAnswer::NotNow);
        } else {
            self.ctx.report(&markers, |partition| match takes(partition) {
                true => MarkerAnswer::Written,
                false => MarkerAnswer::NotNow,
            });
        }
        if let MarkerAnswerOf::All = answer {
            self.written.push(markers);
        }
    }

    fn take_marker(&mut self, partition: usize, markers: &Markers) {
        let epoch = markers.identity.epoch.0;
        let seen = self.partitions[partition].entry(markers.identity.producer).or_default();
        assert!(epoch >= seen.epoch, "a marker comes before what follows it");
        let is_ambiguous = markers.version == V2 && seen.open.is_some() && epoch == seen.epoch;
        assert!(!is_ambiguous, "by the rules of V2 a marker is newer than what it ends");
        seen.epoch = epoch;
        if let Some(attempt) = seen.open.take() {
            self.ended(attempt, markers.outcome);
        }
    }

    fn late_end(&mut self, number: usize) {
        if self.ends.is_empty() {
            return;
        }
        let (id, identity, outcome) = self.ends[number % self.ends.len()];
        let before = self.ctx.status(&name(id));
        let answer = self.ctx.try_end(&name(id), identity, outcome, V2);
        if before.is_at_rest() {
            // A repeat of the end that led here, or refused.
            let is_same = before == Status::Complete(outcome);
            assert!(answer.is_err() || is_same || outcome == Abort);
        }
    }

    fn late_report(&mut self, number: usize) {
        if !self.written.is_empty() {
            let markers = self.written[number % self.written.len()].clone();
            self.ctx.report(&markers, |_| MarkerAnswer::Written);
        }
    }

    /// Clients stop; partitions answer.
    fn come_to_rest(&mut self) {
        let until = self.ctx.now + ENDS_WITHIN;
        while self.ctx.now < until {
            while !self.ctx.asked_markers.is_empty() {
                self.mark(MarkerAnswerOf::All);
            }
            self.ctx.pass(1_000);
        }
        for id in 0..IDS {
            let status = self.ctx.status(&name(id));
            assert!(status.is_at_rest(), "{} is {status}", name(id));
        }
        for partition in &self.partitions {
            for (producer, seen) in partition {
                assert_eq!(
                    seen.open, None,
                    "producer {producer} has a transaction that nobody ends"
                );
            }
        }
    }
}

fn name(id: usize) -> String {
    format!("tx{id}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_transaction_ends_in_one_way(
        first_epoch in prop_oneof![3 => Just(0), 1 => 32_755i16..=32_766],
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut world = World::new(first_epoch);
        for event in events {
            world.happen(event);
        }
        world.come_to_rest();
    }
}
