//! What holds after any sequence of events. The context checks after each step that the log says what the state says,
//! and that nobody is answered twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_coordinator::Ticket;
use ottla_model::{ErrorCode, Generation, MemberId, Millis, PartitionIndex};
use proptest::prelude::*;

use super::context::*;
use crate::*;

/// The partitions that a leader shares out.
const PARTITIONS: u8 = 5;
/// How often a client does something.
const PACE: i64 = 2_000;
/// Within this time a group whose members behave comes to rest: a session, and two rebalances that end by time-out.
const SETTLES_WITHIN: i64 = 2 * SESSION + 4 * TIMEOUT + 10 * PACE;
const TIMEOUT: i64 = 20_000;
const CLIENTS: usize = 4;

/// Something that happens to a group of virtual clients; the number says to which.
#[derive(Clone, Debug)]
enum Event {
    Start(usize),
    Crash(usize),
    Leave(usize),
    /// Its next answer never arrives.
    LoseAnswer(usize),
    /// It does not wait for its answer, and asks again.
    AskAgain(usize),
    /// It subscribes to something else.
    Change(usize),
    Commit(usize),
    /// An administrator removes whoever has the instance id.
    Remove(usize),
    /// One client does what is next for it.
    Act(usize),
    /// Time goes by, and all clients do what is next for them.
    Pass(i64),
    /// Time goes by, and all clients are stuck.
    Stall(i64),
    FailOver,
}

fn event() -> impl Strategy<Value = Event> {
    let client = 0..CLIENTS;
    prop_oneof![
        4 => client.clone().prop_map(Event::Start),
        1 => client.clone().prop_map(Event::Crash),
        1 => client.clone().prop_map(Event::Leave),
        1 => client.clone().prop_map(Event::LoseAnswer),
        2 => client.clone().prop_map(Event::AskAgain),
        1 => client.clone().prop_map(Event::Change),
        2 => client.clone().prop_map(Event::Commit),
        1 => client.clone().prop_map(Event::Remove),
        6 => client.prop_map(Event::Act),
        4 => (0i64..15_000).prop_map(Event::Pass),
        1 => (0i64..40_000).prop_map(Event::Stall),
        1 => Just(Event::FailOver),
    ]
}

/// A consumer as clients of Kafka are: it joins, leads, syncs, beats, and begins again when told so.
#[derive(Debug, Default)]
struct Consumer {
    name: String,
    instance: Option<String>,
    topic: u8,
    id: Option<MemberId>,
    doing: Doing,
    loses_answer: bool,
}

#[derive(Clone, Debug, Default)]
enum Doing {
    #[default]
    Down,
    ToJoin,
    Joining(Ticket),
    Syncing(Ticket, i32),
    Working(i32),
}

struct World {
    ctx: Context,
    consumers: Vec<Consumer>,
    /// Who was ever told to work on a partition in a generation.
    owners: BTreeMap<(i32, u8), String>,
}

impl World {
    fn new() -> World {
        let consumer = |number: usize| Consumer {
            name: format!("c{number}"),
            // Half of them are static members.
            instance: (number % 2 == 1).then(|| format!("i{number}")),
            ..Consumer::default()
        };
        let config = GroupConfig {
            initial_rebalance_delay: Millis(3_000),
            ..GroupConfig::default()
        };
        World {
            ctx: Context::with(config),
            consumers: (0..CLIENTS).map(consumer).collect(),
            owners: BTreeMap::new(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(n) => {
                if matches!(self.consumers[n].doing, Doing::Down) {
                    self.consumers[n].doing = Doing::ToJoin;
                }
                self.act(n);
            }
            Event::Crash(n) => self.stop(n),
            Event::Leave(n) => {
                let consumer = &self.consumers[n];
                if let (None, Some(id)) = (&consumer.instance, consumer.id.clone()) {
                    self.ctx.leave(&[leaver(&id)]);
                }
                self.stop(n);
            }
            Event::LoseAnswer(n) => self.consumers[n].loses_answer = true,
            Event::AskAgain(n) => match self.consumers[n].doing {
                Doing::Joining(_) => self.join(n),
                Doing::Syncing(_, generation) => {
                    let id = self.consumers[n].id.clone().expect("who syncs has an id");
                    let ticket = self.ctx.sync(&id, generation, &[]);
                    self.consumers[n].doing = Doing::Syncing(ticket, generation);
                }
                Doing::Down | Doing::ToJoin | Doing::Working(_) => {}
            },
            Event::Change(n) => {
                self.consumers[n].topic += 1;
                if let Doing::Working(_) = self.consumers[n].doing {
                    self.consumers[n].doing = Doing::ToJoin;
                }
            }
            Event::Commit(n) => self.commit(n),
            Event::Remove(n) => {
                if let Some(instance) = self.consumers[n].instance.clone() {
                    let instance = Some(instance.as_str().into());
                    self.ctx.leave(&[Leaver {
                        member: None,
                        instance,
                        reason: None,
                    }]);
                }
            }
            Event::Act(n) => self.act(n),
            Event::Pass(span) => self.pass(span),
            Event::Stall(span) => self.ctx.pass(span),
            Event::FailOver => self.ctx.fail_over(),
        }
    }

    /// The process ends. What it knew is gone with it.
    fn stop(&mut self, n: usize) {
        self.consumers[n].doing = Doing::Down;
        self.consumers[n].id = None;
        self.consumers[n].loses_answer = false;
    }

    fn pass(&mut self, span: i64) {
        let until = self.ctx.now + span;
        while self.ctx.now < until {
            self.ctx.pass(PACE.min(until - self.ctx.now));
            for n in 0..CLIENTS {
                self.act(n);
            }
        }
    }

    /// The consumer's answer, if it is there and arrives. One that never arrives makes the consumer ask again.
    fn answer(&mut self, n: usize, ticket: Ticket) -> Option<Reply> {
        if self.ctx.is_lost(ticket) || (self.ctx.reply(ticket).is_some() && self.consumers[n].loses_answer) {
            self.consumers[n].loses_answer = false;
            self.consumers[n].doing = Doing::ToJoin;
            return None;
        }
        self.ctx.reply(ticket).cloned()
    }

    fn act(&mut self, n: usize) {
        match self.consumers[n].doing.clone() {
            Doing::Down => {}
            Doing::ToJoin => self.join(n),
            Doing::Joining(ticket) => match self.answer(n, ticket) {
                Some(Reply::JoinGroup(Ok(joined))) => self.sync(n, &joined),
                Some(Reply::JoinGroup(Err(JoinRefused::MemberIdRequired(id)))) => {
                    self.consumers[n].id = Some(id);
                    self.join(n);
                }
                Some(Reply::JoinGroup(Err(JoinRefused::Error(error)))) => self.begin_again(n, error),
                _ => {}
            },
            Doing::Syncing(ticket, generation) => match self.answer(n, ticket) {
                Some(Reply::SyncGroup(Ok(synced))) => self.work(n, generation, &synced.assignment),
                Some(Reply::SyncGroup(Err(error))) => self.begin_again(n, error),
                _ => {}
            },
            Doing::Working(generation) => {
                let id = self.consumers[n].id.clone().expect("who works has an id");
                if let Err(error) = self.ctx.heartbeat(&id, generation) {
                    self.begin_again(n, error);
                }
            }
        }
    }

    fn join(&mut self, n: usize) {
        let consumer = &self.consumers[n];
        let mut join = join(&consumer.name)
            .with_timeouts(SESSION, TIMEOUT)
            .subscribing(&format!("t{}", consumer.topic));
        if let Some(id) = &consumer.id {
            join = join.under(id);
        }
        if let Some(instance) = &consumer.instance {
            join = join.of_instance(instance);
        }
        let ticket = self.ctx.join(join);
        self.consumers[n].doing = Doing::Joining(ticket);
    }

    /// The leader shares out each partition once; the others wait.
    fn sync(&mut self, n: usize, joined: &Joined) {
        let generation = joined.generation.0;
        let members: Vec<_> = joined.members.iter().map(|member| &member.member).collect();
        let mut shares = vec![String::new(); members.len()];
        let is_leader = joined.leader == joined.member && !joined.skip_assignment;
        if is_leader {
            for partition in 0..PARTITIONS {
                shares[usize::from(partition) % members.len()].push(char::from(b'0' + partition));
            }
        }
        let assignments: Vec<_> = members.into_iter().zip(shares.iter().map(String::as_str)).collect();
        let assignments = if is_leader { &assignments[..] } else { &[] };
        let ticket = self.ctx.sync(&joined.member, generation, assignments);
        self.consumers[n].id = Some(joined.member.clone());
        self.consumers[n].doing = Doing::Syncing(ticket, generation);
    }

    fn work(&mut self, n: usize, generation: i32, assignment: &Bytes) {
        let consumer = &mut self.consumers[n];
        consumer.doing = Doing::Working(generation);
        let id = consumer.id.clone().expect("who works has an id");
        // A static member is the same owner under every id it is given.
        let owner = consumer.instance.clone().unwrap_or_else(|| id.to_string());
        for partition in assignment {
            let before = self.owners.insert((generation, *partition), owner.clone());
            let same = before.is_none_or(|before| before == owner);
            assert!(same, "partition {partition} has two owners in generation {generation}");
        }
    }

    fn begin_again(&mut self, n: usize, error: ErrorCode) {
        let consumer = &mut self.consumers[n];
        consumer.doing = Doing::ToJoin;
        match error {
            ErrorCode::UnknownMemberId => consumer.id = None,
            ErrorCode::FencedInstanceId => consumer.doing = Doing::Down,
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => {}
            other => panic!("a client that behaves is told {other}"),
        }
    }

    fn commit(&mut self, n: usize) {
        let Doing::Working(generation) = self.consumers[n].doing else {
            return;
        };
        let id = self.consumers[n].id.clone().expect("who works has an id");
        let accepted = self.ctx.commit(commit("t", self.ctx.now).by(&id, generation)).is_ok();
        if accepted {
            assert_eq!(
                self.ctx.generation(),
                generation,
                "whoever is of an older generation cannot commit"
            );
        }
    }

    /// All that live work on all there is, together.
    fn check_settled(&mut self) {
        let running = self
            .consumers
            .iter()
            .filter(|consumer| !matches!(consumer.doing, Doing::Down))
            .count();
        let description = self.ctx.describe();
        if running == 0 {
            assert_eq!(description.state, ClassicState::Empty, "{description:#?}");
            return;
        }
        assert_eq!(
            description.state,
            ClassicState::Stable,
            "{:#?} {description:#?}",
            self.consumers
        );
        let mut assigned: Vec<u8> = description
            .members
            .iter()
            .flat_map(|member| member.assignment.to_vec())
            .collect();
        assigned.sort_unstable();
        let all: Vec<u8> = (0..PARTITIONS).map(|partition| b'0' + partition).collect();
        assert_eq!(assigned, all, "each partition has one owner");
        assert_eq!(description.members.len(), running);
    }

    fn is_at_rest(&mut self) -> bool {
        let busy = |consumer: &Consumer| !matches!(consumer.doing, Doing::Down | Doing::Working(_));
        !self.consumers.iter().any(busy)
            && matches!(self.ctx.state(), ClassicState::Stable | ClassicState::Empty)
            && self.ctx.members().len()
                == self
                    .consumers
                    .iter()
                    .filter(|consumer| matches!(consumer.doing, Doing::Working(_)))
                    .count()
    }
}

/// A request with whatever in it; ids are drawn from those that were ever given.
#[derive(Clone, Debug)]
struct Raw {
    kind: u8,
    member: u8,
    instance: u8,
    generation: i8,
    protocol: u8,
    flags: u8,
    pass: u16,
}

fn raw() -> impl Strategy<Value = Raw> {
    (
        0u8..14,
        any::<u8>(),
        0u8..6,
        -2i8..6,
        0u8..6,
        any::<u8>(),
        prop_oneof![3 => Just(0), 1 => 0u16..20_000],
    )
        .prop_map(|(kind, member, instance, generation, protocol, flags, pass)| Raw {
            kind,
            member,
            instance,
            generation,
            protocol,
            flags,
            pass,
        })
}

impl Raw {
    fn member(&self, known: &[MemberId]) -> Option<MemberId> {
        match usize::from(self.member) % (known.len() + 2) {
            0 => None,
            1 => Some("made-up".into()),
            number => known.get(number - 2).cloned(),
        }
    }

    fn instance(&self) -> Option<InstanceId> {
        (self.instance < 2).then(|| format!("i{}", self.instance).as_str().into())
    }

    fn join(&self, known: &[MemberId]) -> Join {
        const PROTOCOLS: [&[(&str, &str)]; 6] = [
            &[("range", "\0\0\0\0\0\u{1}\0\u{1}t")],
            &[("range", "\0\0\u{7f}\u{7f}\u{7f}\u{7f}")],
            &[("sticky", ""), ("range", "")],
            &[("range", "x"), ("range", "y")],
            &[("sticky", "")],
            &[],
        ];
        let mut join = join("raw").with_protocols(PROTOCOLS[usize::from(self.protocol)]);
        join.0.member = self.member(known);
        join.0.instance = self.instance();
        join.0.rebalance_timeout = Millis(i64::from(self.generation) * 10_000);
        join.0.member_id_required = self.flags & 1 == 1;
        join.0.skip_assignment_understood = self.flags & 2 == 2;
        join
    }

    fn send(&self, ctx: &mut Context, known: &mut Vec<MemberId>) {
        let id = self.member(known).unwrap_or_else(|| "".into());
        let generation = Generation(i32::from(self.generation));
        match self.kind {
            0..=4 => {
                let ticket = ctx.join(self.join(known));
                match ctx.reply(ticket) {
                    Some(Reply::JoinGroup(Ok(Joined { member, .. })))
                    | Some(Reply::JoinGroup(Err(JoinRefused::MemberIdRequired(member)))) => known.push(member.clone()),
                    _ => {}
                }
            }
            5..=7 => {
                let given = known.first().map(|first| (first, "0"));
                let mut sync = sync(&id, generation.0, given.as_slice());
                sync.instance = self.instance();
                if self.flags & 4 == 4 {
                    sync.protocol = None;
                    sync.protocol_mandatory = self.flags & 8 == 8;
                }
                ctx.send(Command::SyncGroup(sync));
            }
            8 => {
                let _ = ctx.heartbeat(&id, generation.0);
            }
            9 => {
                let leaver = Leaver {
                    member: self.member(known),
                    instance: self.instance(),
                    reason: None,
                };
                if known.is_empty() {
                    Vec::new()
                } else {
                    ctx.leave(&[leaver.clone(), leaver])
                };
            }
            10 => {
                let mut commit = commit("t", 1).by(&id, generation.0);
                commit.0.instance = self.instance();
                if self.flags & 16 == 16 {
                    commit = commit
                        .kept_for(i64::from(self.flags))
                        .of_topic_id(ottla_model::TopicId::from_bytes([1; 16]));
                }
                let _ = ctx.commit(commit);
            }
            11 => {
                let topics = vec![("t".into(), vec![PartitionIndex(0)])];
                ctx.send(Command::OffsetDelete(OffsetDelete {
                    group: GROUP.into(),
                    topics,
                }));
            }
            12 if self.flags < 64 => ctx.fail_over(),
            12 => {
                let _ = ctx.delete_group();
            }
            _ => {
                ctx.send(Command::ListGroups(ListGroups::default()));
            }
        }
        ctx.pass(i64::from(self.pass));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_that_behave_share_the_work_whatever_happens_to_them(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        for event in events {
            world.happen(event);
        }
        if world.ctx.exists() {
            let until = world.ctx.now + SETTLES_WITHIN;
            while world.ctx.now < until && !world.is_at_rest() {
                world.pass(PACE);
            }
            world.check_settled();
        }
        world.ctx.pass(11 * 60_000);
        prop_assert_eq!(world.ctx.waiting(), vec![], "whoever asked was answered");
    }

    #[test]
    fn no_request_confuses_a_group(requests in prop::collection::vec(raw(), 1..60)) {
        let mut ctx = Context::new();
        let mut known = Vec::new();
        for request in requests {
            request.send(&mut ctx, &mut known);
        }
        ctx.pass(40 * 60_000);
        prop_assert_eq!(ctx.waiting(), vec![], "whoever asked was answered");
        if ctx.exists() {
            prop_assert_eq!(ctx.state(), ClassicState::Empty, "without a sign of life nobody stays a member");
        }
    }
}
