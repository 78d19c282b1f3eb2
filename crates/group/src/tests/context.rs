//! A group, its clients and its log, in virtual time.
//!
//! ```text
//! let mut ctx = Context::new();
//! let [a, b] = ctx.stable(["a", "b"]);         // two members at work
//! let c = ctx.join(join("c").at_once());       // a third asks; the ticket of its answer
//! ctx.pass(10_000);                            // deadlines come due on the way
//! assert_eq!(ctx.refusal(c), ...);
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_coordinator::{Appended, Entry, Machine, Position as LogPosition, Shard, Step, Ticket};
use ottla_model::{ErrorCode, Generation, GroupId, MemberId, Millis, Offset, PartitionIndex, TopicId};

use crate::*;

pub(super) const GROUP: &str = "g";
pub(super) const SESSION: i64 = 10_000;
pub(super) const REBALANCE: i64 = 60_000;
pub(super) const INITIAL_DELAY: i64 = 3_000;

/// One shard with its log and whoever asks it.
pub(super) struct Context {
    pub(super) shard: Shard<Groups>,
    pub(super) now: i64,
    pub(super) log: Vec<Entry<Record>>,
    pub(super) effects: Vec<Effect>,
    config: GroupConfig,
    replies: BTreeMap<Ticket, Reply>,
    /// Those who asked a coordinator that is gone.
    lost: BTreeSet<Ticket>,
    asked: u64,
    /// What a coordinator knows that reads the log as it grows.
    reader: State,
    reader_offset: usize,
}

impl Context {
    pub(super) fn new() -> Context {
        Context::with(GroupConfig {
            initial_rebalance_delay: Millis(INITIAL_DELAY),
            ..GroupConfig::default()
        })
    }

    pub(super) fn with(config: GroupConfig) -> Context {
        let mut context = Context {
            shard: Shard::with_session(Session::new(config.clone())),
            now: 1_000_000,
            log: Vec::new(),
            effects: Vec::new(),
            config,
            replies: BTreeMap::new(),
            lost: BTreeSet::new(),
            asked: 0,
            reader: State::default(),
            reader_offset: 0,
        };
        context.load();
        context
    }

    fn load(&mut self) {
        let now = Millis(self.now);
        let log = &mut self.log;
        let step = self
            .shard
            .loaded(now, |records| append(log, now, records))
            .expect("the log takes it");
        self.take(step);
    }

    /// The next coordinator obeys this.
    pub(super) fn reconfigure(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// The coordinator fails over: what the log does not say is lost.
    pub(super) fn fail_over(&mut self) {
        self.lost.extend(
            (1..=self.asked)
                .map(Ticket)
                .filter(|ticket| !self.replies.contains_key(ticket)),
        );
        self.shard = Shard::with_session(Session::new(self.config.clone()));
        for entry in &self.log {
            self.shard.replay(&through_bytes(entry));
        }
        self.load();
    }

    pub(super) fn send(&mut self, command: Command) -> Ticket {
        self.asked += 1;
        let (ticket, now) = (Ticket(self.asked), Millis(self.now));
        let log = &mut self.log;
        let step = self
            .shard
            .submit(now, ticket, command, |records| append(log, now, records));
        self.take(step.expect("the log takes it"));
        ticket
    }

    /// Lets time go by, one deadline after the other.
    pub(super) fn pass(&mut self, span: i64) {
        let until = self.now + span;
        let mut at_once = 0;
        while let Some(due) = self.shard.next_deadline().filter(|due| due.0 <= until) {
            at_once = if due.0 > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10_000, "deadlines make time go on: {:?}", self.describe());
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

    fn take(&mut self, step: Step<Groups>) {
        for (ticket, reply) in step.replies {
            assert!(ticket.0 <= self.asked, "an answer nobody asked for");
            let before = self.replies.insert(ticket, reply);
            assert_eq!(before, None, "{ticket:?} is answered once");
        }
        self.effects.extend(step.effects);
        let read = self.reader_offset;
        for entry in &self.log[read..] {
            Groups::apply(&mut self.reader, &through_bytes(entry));
        }
        if read < self.log.len() {
            assert_eq!(&self.reader, self.shard.state(), "the log says what the state says");
            self.reader_offset = self.log.len();
        }
    }

    /// Who asked and waits still.
    pub(super) fn waiting(&self) -> Vec<Ticket> {
        let waits = |ticket: &Ticket| !self.replies.contains_key(ticket) && !self.lost.contains(ticket);
        (1..=self.asked).map(Ticket).filter(waits).collect()
    }

    pub(super) fn is_lost(&self, ticket: Ticket) -> bool {
        self.lost.contains(&ticket)
    }

    pub(super) fn reply(&self, ticket: Ticket) -> Option<&Reply> {
        self.replies.get(&ticket)
    }

    pub(super) fn is_parked(&self, ticket: Ticket) -> bool {
        self.reply(ticket).is_none()
    }

    pub(super) fn join(&mut self, join: Join) -> Ticket {
        let mut command = join.0;
        command.fresh_uuid = format!("uuid{}", self.asked);
        self.send(Command::JoinGroup(command))
    }

    pub(super) fn joined(&self, ticket: Ticket) -> Joined {
        match self.reply(ticket) {
            Some(Reply::JoinGroup(Ok(joined))) => joined.clone(),
            other => panic!("not joined: {other:?}"),
        }
    }

    pub(super) fn synced(&self, ticket: Ticket) -> String {
        match self.reply(ticket) {
            Some(Reply::SyncGroup(Ok(synced))) => String::from_utf8_lossy(&synced.assignment).into(),
            other => panic!("not synced: {other:?}"),
        }
    }

    /// Why a request as a whole was refused.
    pub(super) fn refusal(&self, ticket: Ticket) -> ErrorCode {
        match self.reply(ticket) {
            Some(
                Reply::JoinGroup(Err(JoinRefused::Error(error)))
                | Reply::SyncGroup(Err(error))
                | Reply::Heartbeat(Err(error))
                | Reply::LeaveGroup(Err(error))
                | Reply::OffsetCommit(Err(error))
                | Reply::OffsetDelete(Err(error))
                | Reply::DescribeGroup(Err(error))
                | Reply::DeleteGroup(Err(error)),
            ) => *error,
            Some(Reply::JoinGroup(Err(JoinRefused::MemberIdRequired(_)))) => ErrorCode::MemberIdRequired,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The first of the two steps of KIP-394.
    pub(super) fn ask_for_id(&mut self, join: Join) -> MemberId {
        let ticket = self.join(join);
        match self.reply(ticket) {
            Some(Reply::JoinGroup(Err(JoinRefused::MemberIdRequired(id)))) => id.clone(),
            other => panic!("no id given: {other:?}"),
        }
    }

    pub(super) fn sync(&mut self, member: &MemberId, generation: i32, assignments: &[(&MemberId, &str)]) -> Ticket {
        self.send(Command::SyncGroup(sync(member, generation, assignments)))
    }

    /// Members with these client ids, at work in generation 1: each was assigned its own client id; the first leads.
    pub(super) fn stable<const N: usize>(&mut self, clients: [&str; N]) -> [MemberId; N] {
        let joins = clients.map(join);
        self.stable_with(joins)
    }

    pub(super) fn stable_with<const N: usize>(&mut self, joins: [Join; N]) -> [MemberId; N] {
        let names = joins.clone().map(|join| join.0.client.id.to_string());
        let tickets = joins.map(|join| self.join(join.at_once()));
        self.pass(INITIAL_DELAY * 2);
        let joined = tickets.map(|ticket| self.joined(ticket));
        let generation = joined[0].generation.0;
        let leader = joined[0].leader.clone();
        let members = joined.map(|joined| joined.member);
        let assignments: Vec<_> = members
            .iter()
            .zip(&names)
            .map(|(member, name)| (member, name.as_str()))
            .collect();
        for member in members.iter().filter(|member| **member != leader) {
            self.sync(member, generation, &[]);
        }
        self.sync(&leader, generation, &assignments);
        assert_eq!(self.state(), ClassicState::Stable);
        members
    }

    pub(super) fn heartbeat(&mut self, member: &MemberId, generation: i32) -> Result<(), ErrorCode> {
        let ticket = self.send(Command::Heartbeat(Heartbeat {
            group: GROUP.into(),
            member: member.clone(),
            instance: None,
            generation: Generation(generation),
        }));
        match self.reply(ticket) {
            Some(Reply::Heartbeat(result)) => *result,
            other => panic!("a heartbeat is answered at once: {other:?}"),
        }
    }

    /// Time goes by, in which only these members are heard of.
    pub(super) fn pass_with(&mut self, span: i64, alive: &[&MemberId]) {
        let until = self.now + span;
        while self.now < until {
            self.pass((until - self.now).min(SESSION / 2));
            let generation = self.describe().generation.0;
            for member in alive {
                let _ = self.heartbeat(member, generation);
            }
        }
    }

    pub(super) fn leave(&mut self, members: &[Leaver]) -> Vec<Result<(), ErrorCode>> {
        let ticket = self.send(Command::LeaveGroup(LeaveGroup {
            group: GROUP.into(),
            members: members.to_vec(),
        }));
        match self.reply(ticket) {
            Some(Reply::LeaveGroup(Ok(results))) => results.clone(),
            other => panic!("not left: {other:?}"),
        }
    }

    pub(super) fn describe(&mut self) -> GroupDescription {
        let ticket = self.send(Command::DescribeGroup(GROUP.into()));
        match self.reply(ticket) {
            Some(Reply::DescribeGroup(Ok(description))) => description.clone(),
            other => panic!("not described: {other:?}"),
        }
    }

    pub(super) fn state(&mut self) -> ClassicState {
        self.describe().state
    }

    pub(super) fn generation(&mut self) -> i32 {
        self.describe().generation.0
    }

    pub(super) fn members(&mut self) -> Vec<MemberId> {
        self.describe()
            .members
            .into_iter()
            .map(|member| member.member)
            .collect()
    }

    pub(super) fn history(&mut self) -> Vec<Rebalance> {
        let ticket = self.send(Command::DescribeHistory(GROUP.into()));
        match self.reply(ticket) {
            Some(Reply::DescribeHistory(Ok(history))) => history.clone(),
            other => panic!("no history: {other:?}"),
        }
    }

    /// The answer for the one partition that is committed.
    pub(super) fn commit(&mut self, commit: Commit) -> Result<(), ErrorCode> {
        let ticket = self.send(Command::OffsetCommit(commit.0));
        match self.reply(ticket) {
            Some(Reply::OffsetCommit(Ok(topics))) => topics[0].partitions[0].1,
            Some(Reply::OffsetCommit(Err(error))) => Err(*error),
            other => panic!("a commit is answered at once: {other:?}"),
        }
    }

    pub(super) fn committed(&mut self, topic: &str, partition: i32) -> Option<Position> {
        self.committed_for(topic, partition, None)
    }

    pub(super) fn committed_for(&mut self, topic: &str, partition: i32, id: Option<TopicId>) -> Option<Position> {
        let topics = Fetched::Named(vec![FetchTopic {
            topic: topic.into(),
            id,
            partitions: vec![PartitionIndex(partition)],
        }]);
        let fetched = self.fetch(topics);
        fetched[0].partitions[0].1.clone().expect("no position is not an error")
    }

    pub(super) fn fetch(&mut self, topics: Fetched) -> Vec<FetchedTopic> {
        let fetch = OffsetFetch {
            group: GROUP.into(),
            topics,
            require_stable: true,
        };
        let ticket = self.send(Command::OffsetFetch(fetch));
        match self.reply(ticket) {
            Some(Reply::OffsetFetch(Ok(topics))) => topics.clone(),
            other => panic!("a fetch is answered at once: {other:?}"),
        }
    }

    pub(super) fn delete_group(&mut self) -> Result<(), ErrorCode> {
        let ticket = self.send(Command::DeleteGroup(GROUP.into()));
        match self.reply(ticket) {
            Some(Reply::DeleteGroup(result)) => *result,
            other => panic!("a deletion is answered at once: {other:?}"),
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.shard.state().group(&GROUP.into()).is_some()
    }
}

/// What the log keeps of an entry once it was bytes.
fn through_bytes(entry: &Entry<Record>) -> Entry<Record> {
    let (key, value) = record::encode(&entry.record);
    let decoded = || {
        let decoded = record::decode(&key, value.as_deref()).expect("what was written can be read");
        decoded.expect("of a known type")
    };
    let record = match &entry.record {
        Record::TransactionEnd(end) => Record::TransactionEnd(*end),
        Record::PendingOffset { producer, .. } => decoded().in_transaction(*producer).expect("a position"),
        Record::Offset { .. } | Record::Group { .. } => decoded(),
    };
    Entry {
        record,
        ..entry.clone()
    }
}

fn append(log: &mut Vec<Entry<Record>>, timestamp: Millis, records: &[Record]) -> Result<Appended, ()> {
    let base = Offset(log.len() as i64);
    for record in records {
        let offset = Offset(log.len() as i64);
        log.push(Entry {
            offset,
            timestamp,
            record: record.clone(),
        });
    }
    Ok(Appended {
        base,
        timestamp,
        position: LogPosition(log.len() as u64),
    })
}

/// A JoinGroup in the making.
#[derive(Clone)]
pub(super) struct Join(pub(super) JoinGroup);

/// What a client of that name asks first, by the newest version.
pub(super) fn join(client: &str) -> Join {
    Join(JoinGroup {
        group: GROUP.into(),
        member: None,
        instance: None,
        client: Client::new(client, "/127.0.0.1"),
        fresh_uuid: String::new(),
        session_timeout: Millis(SESSION),
        rebalance_timeout: Millis(REBALANCE),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: subscribes_to("t"),
        }],
        reason: None,
        member_id_required: true,
        skip_assignment_understood: true,
    })
}

/// The metadata of a consumer of one topic.
pub(super) fn subscribes_to(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, topic.len() as u8];
    bytes.extend(topic.as_bytes());
    bytes.extend([0xff; 4]);
    bytes.into()
}

impl Join {
    pub(super) fn under(mut self, member: &MemberId) -> Join {
        self.0.member = Some(member.clone());
        self
    }

    pub(super) fn of_instance(mut self, instance: &str) -> Join {
        self.0.instance = Some(instance.into());
        self
    }

    /// By a version before KIP-394.
    pub(super) fn at_once(mut self) -> Join {
        self.0.member_id_required = false;
        self
    }

    /// By a version that cannot be told to skip the assignment (v5 to v8).
    pub(super) fn before_skip(mut self) -> Join {
        self.0.skip_assignment_understood = false;
        self
    }

    pub(super) fn with_protocols(mut self, protocols: &[(&str, &str)]) -> Join {
        let protocol = |(name, metadata): &(&str, &str)| Protocol {
            name: (*name).into(),
            metadata: Bytes::copy_from_slice(metadata.as_bytes()),
        };
        self.0.protocols = protocols.iter().map(protocol).collect();
        self
    }

    pub(super) fn subscribing(mut self, topic: &str) -> Join {
        self.0.protocols = vec![Protocol {
            name: "range".into(),
            metadata: subscribes_to(topic),
        }];
        self
    }

    pub(super) fn of_type(mut self, protocol_type: &str) -> Join {
        self.0.protocol_type = protocol_type.into();
        self
    }

    pub(super) fn with_timeouts(mut self, session: i64, rebalance: i64) -> Join {
        self.0.session_timeout = Millis(session);
        self.0.rebalance_timeout = Millis(rebalance);
        self
    }

    pub(super) fn because(mut self, reason: &str) -> Join {
        self.0.reason = Some(reason.into());
        self
    }
}

pub(super) fn sync(member: &MemberId, generation: i32, assignments: &[(&MemberId, &str)]) -> SyncGroup {
    let given = |(member, bytes): &(&MemberId, &str)| ((*member).clone(), Bytes::copy_from_slice(bytes.as_bytes()));
    SyncGroup {
        group: GROUP.into(),
        member: member.clone(),
        instance: None,
        generation: Generation(generation),
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        protocol_mandatory: true,
        assignments: assignments.iter().map(given).collect(),
    }
}

pub(super) fn leaver(member: &MemberId) -> Leaver {
    Leaver {
        member: Some(member.clone()),
        instance: None,
        reason: None,
    }
}

/// An OffsetCommit of one partition in the making.
#[derive(Clone)]
pub(super) struct Commit(pub(super) OffsetCommit);

/// Partition 0 of `topic` at `offset`, by nobody in particular, by the newest version.
pub(super) fn commit(topic: &str, offset: i64) -> Commit {
    Commit(OffsetCommit {
        group: GroupId::from(GROUP),
        member: None,
        instance: None,
        generation: None,
        retention: None,
        topics: vec![CommitTopic {
            topic: topic.into(),
            id: None,
            partitions: vec![CommitPartition {
                index: PartitionIndex(0),
                offset: Offset(offset),
                leader_epoch: None,
                metadata: String::new(),
            }],
        }],
        errors_since_v9: true,
    })
}

impl Commit {
    pub(super) fn by(mut self, member: &MemberId, generation: i32) -> Commit {
        self.0.member = Some(member.clone());
        self.0.generation = (generation >= 0).then_some(Generation(generation));
        self
    }

    pub(super) fn before_v9(mut self) -> Commit {
        self.0.errors_since_v9 = false;
        self
    }

    pub(super) fn noting(mut self, metadata: &str) -> Commit {
        self.0.topics[0].partitions[0].metadata = metadata.into();
        self
    }

    pub(super) fn kept_for(mut self, retention: i64) -> Commit {
        self.0.retention = Some(Millis(retention));
        self
    }

    pub(super) fn of_topic_id(mut self, id: TopicId) -> Commit {
        self.0.topics[0].id = Some(id);
        self
    }
}
