//! Transactions, by the rules of both generations: who may do what, and what it leads to.

use anyhow::Result;
use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest, DescribeTransactionsRequest,
    EndTxnRequest, GroupId, InitProducerIdRequest, ListTransactionsRequest, ProduceRequest, TopicName, TransactionalId,
    TxnOffsetCommitRequest, WriteTxnMarkersRequest,
};

use crate::batch::Batch;
use crate::cases::fetch::fetch_committed;
use crate::cases::produce::request;
use crate::cases::{Case, in_versions};
use crate::requests::{commit, offsets, text};
use crate::script::{Script, Topic};
use crate::setup;
use crate::states::{self, State};

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("init_producer_id/transactional", 0..=5, init);
    cases.extend(in_situations("init_producer_id/over", 0..=5, init_over));
    cases.extend(in_versions("init_producer_id/expected", 3..=5, init_expected));
    cases.extend(in_situations("add_partitions_to_txn/who", 0..=5, add_partitions));
    cases.extend(in_versions("add_partitions_to_txn/what", 0..=5, add_what));
    cases.extend(in_situations("add_partitions_to_txn/verify", 4..=5, verify));
    cases.extend(in_situations("add_offsets_to_txn/who", 0..=4, add_offsets));
    cases.extend(in_situations("end_txn/who", 0..=5, end));
    cases.extend(in_situations("end_txn/again", 0..=5, end_again));
    cases.extend(in_situations("txn_offset_commit/who", 0..=5, commit_offsets));
    cases.extend(in_versions("txn_offset_commit/what", 0..=5, commit_what));
    for version in 0..=5 {
        for state in State::ALL {
            let name = format!("txn_offset_commit/member/{}/v{version}", state.name());
            cases.push(Case::new(name, move |s| commit_as(s, state, version)));
        }
    }
    cases.extend(in_situations("transactional_produce/who", 3..=13, produce));
    cases.extend(in_versions("transactional_produce/read", 12..=13, read));
    cases.extend(in_versions("transactional_produce/repeat", 3..=13, repeat));
    cases.extend(in_versions("write_txn_markers/markers", 1..=1, markers));
    cases.extend(in_versions(
        "write_txn_markers/later_coordinator",
        1..=1,
        later_coordinator,
    ));
    cases.extend(in_versions("write_txn_markers/later_producer", 1..=1, later_producer));
    cases
}

/// Partitions by topic.
type Partitions<'a> = &'a [(&'a TopicName, &'a [i32])];

/// What has happened under a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Situation {
    /// Nothing.
    Unknown,
    Empty,
    Ongoing,
    Committed,
    Aborted,
    /// It was open for too long and has been aborted, which the producer has not been told.
    TimedOut,
    /// It is open, and the topic it has written to is gone.
    Deleted,
}

impl Situation {
    const ALL: [Situation; 7] = [
        Situation::Unknown,
        Situation::Empty,
        Situation::Ongoing,
        Situation::Committed,
        Situation::Aborted,
        Situation::TimedOut,
        Situation::Deleted,
    ];

    /// The time-out of its transaction, in milliseconds.
    fn timeout(self) -> i32 {
        match self {
            Situation::TimedOut => 1_000,
            _ => TIMEOUT,
        }
    }
}

/// Longer than any case.
const TIMEOUT: i32 = 60_000;

/// One case for each situation, each generation of rules that led to it and each version.
fn in_situations(
    area: &str,
    versions: std::ops::RangeInclusive<i16>,
    script: impl Fn(&mut Script<'_>, &Producer, i16) -> Result<()> + Copy + Send + Sync + 'static,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for version in versions {
        for situation in Situation::ALL {
            for rules in [1, 2] {
                let name = format!("{area}/{situation:?}-by-{rules}/v{version}").to_lowercase();
                cases.push(Case::new(name, move |s| {
                    let producer = Producer::make(s, situation, rules)?;
                    script(s, &producer, version)?;
                    producer.look(s)
                }));
            }
        }
    }
    cases
}

/// A producer in some situation, with a topic that it writes to.
pub(super) struct Producer {
    pub(super) name: TransactionalId,
    pub(super) id: i64,
    pub(super) epoch: i16,
    pub(super) topic: Topic,
}

impl Producer {
    fn make(s: &mut Script<'_>, situation: Situation, rules: i16) -> Result<Producer> {
        let mut producer = Producer {
            name: TransactionalId(s.name("producer")),
            id: 4_000_000,
            epoch: 0,
            topic: s.topic("topic", 2)?,
        };
        if situation == Situation::Unknown {
            return Ok(producer);
        }
        // Twice, so that there is an older epoch.
        producer.begin_within(s, situation.timeout())?;
        producer.begin_within(s, situation.timeout())?;
        if situation == Situation::Empty {
            return Ok(producer);
        }
        producer.write(s, 0, rules)?;
        match situation {
            Situation::Unknown | Situation::Empty | Situation::Ongoing => {}
            Situation::Committed | Situation::Aborted => {
                producer.finish(s, situation == Situation::Committed, rules)?;
            }
            Situation::TimedOut => producer.wait_until(s, "the time-out", |state| state == "CompleteAbort")?,
            Situation::Deleted => setup::delete_topic(s, &producer.topic.name)?,
        }
        Ok(producer)
    }

    /// One that is initialized and has done nothing.
    pub(super) fn new(s: &mut Script<'_>) -> Result<Producer> {
        Producer::make(s, Situation::Empty, 2)
    }

    pub(super) fn begin(&mut self, s: &mut Script<'_>) -> Result<()> {
        self.begin_within(s, TIMEOUT)
    }

    fn begin_within(&mut self, s: &mut Script<'_>, timeout: i32) -> Result<()> {
        let init = init_request(&self.name).with_transaction_timeout_ms(timeout);
        for _ in 0..100 {
            let given = s.must(4, &init)?;
            if given.error_code == 0 {
                (self.id, self.epoch) = (given.producer_id.0, given.producer_epoch);
                return Ok(());
            }
            s.sleep(50);
        }
        anyhow::bail!("the producer is not initialized")
    }

    /// Writes one record to partition 0 in a transaction, by the rules of that generation.
    pub(super) fn write(&self, s: &mut Script<'_>, sequence: i32, rules: i16) -> Result<()> {
        let batch = self.batch(s, self.epoch, sequence);
        if rules == 1 {
            s.must(3, &self.add(3, self.epoch, &self.topic.name, &[0]))?;
        }
        let version = if rules == 1 { 11 } else { 12 };
        s.must(version, &self.produce(version, 0, &batch))?;
        Ok(())
    }

    pub(super) fn finish(&mut self, s: &mut Script<'_>, committed: bool, rules: i16) -> Result<()> {
        let version = if rules == 1 { 4 } else { 5 };
        let ended = s.must(version, &self.end(self.epoch, committed))?;
        if version == 5 {
            (self.id, self.epoch) = (ended.producer_id.0, ended.producer_epoch);
        }
        self.settle(s)
    }

    /// Waits until no markers are under way.
    pub(super) fn settle(&self, s: &mut Script<'_>) -> Result<()> {
        self.wait_until(s, "the markers", |state| !state.starts_with("Prepare"))
    }

    fn wait_until(&self, s: &mut Script<'_>, what: &str, so: impl Fn(&str) -> bool) -> Result<()> {
        for _ in 0..500 {
            let described = s.must(0, &describe(&self.name))?;
            if so(&described.transaction_states[0].transaction_state) {
                return Ok(());
            }
            s.sleep(20);
        }
        anyhow::bail!("waited in vain for {what}")
    }

    /// Notes what has become of it.
    pub(super) fn look(&self, s: &mut Script<'_>) -> Result<()> {
        self.settle(s)?;
        s.ask("the transaction", 0, &describe(&self.name))?;
        let topic = TopicRequest::default()
            .with_name(self.topic.name.clone())
            .with_partition_indexes(vec![0, 1]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        s.ask("the producers", 0, &request)?;
        fetch_committed(s, &self.topic, 0)?;
        fetch_committed(s, &self.topic, 1)
    }

    pub(super) fn batch(&self, s: &Script<'_>, epoch: i16, sequence: i32) -> Batch {
        Batch::of(s.time(0), &["one"])
            .by(self.id, epoch, sequence)
            .transactional()
    }

    pub(super) fn produce(&self, version: i16, partition: i32, batch: &Batch) -> ProduceRequest {
        request(version, &[(&self.topic, partition, Some(batch.bytes()))])
            .with_transactional_id(Some(self.name.clone()))
    }

    /// Who it may say it is.
    fn identities(&self) -> Vec<(&'static str, i64, i16)> {
        vec![
            ("an older epoch", self.id, self.epoch - 1),
            ("a newer epoch", self.id, self.epoch + 1),
            ("another id", self.id + 1_000_000, self.epoch),
            ("itself", self.id, self.epoch),
        ]
    }

    fn add(&self, version: i16, epoch: i16, topic: &TopicName, partitions: &[i32]) -> AddPartitionsToTxnRequest {
        add_request(version, &self.name, (self.id, epoch), &[(topic, partitions)], false)
    }

    pub(super) fn end(&self, epoch: i16, committed: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(self.name.clone())
            .with_producer_id(self.id.into())
            .with_producer_epoch(epoch)
            .with_committed(committed)
    }
}

pub(super) fn describe(name: &TransactionalId) -> DescribeTransactionsRequest {
    DescribeTransactionsRequest::default().with_transactional_ids(vec![name.clone()])
}

pub(super) fn init_request(name: &TransactionalId) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(name.clone()))
        .with_transaction_timeout_ms(TIMEOUT)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1)
}

fn add_request(
    version: i16,
    name: &TransactionalId,
    (id, epoch): (i64, i16),
    topics: Partitions<'_>,
    verify_only: bool,
) -> AddPartitionsToTxnRequest {
    let topics = topics.iter().map(|(topic, partitions)| {
        AddPartitionsToTxnTopic::default()
            .with_name((*topic).clone())
            .with_partitions(partitions.to_vec())
    });
    let topics = topics.collect();
    if version < 4 {
        return AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(name.clone())
            .with_v3_and_below_producer_id(id.into())
            .with_v3_and_below_producer_epoch(epoch)
            .with_v3_and_below_topics(topics);
    }
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(name.clone())
        .with_producer_id(id.into())
        .with_producer_epoch(epoch)
        .with_verify_only(verify_only)
        .with_topics(topics);
    AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
}

fn init(s: &mut Script<'_>, version: i16) -> Result<()> {
    let name = TransactionalId(s.name("producer"));
    for timeout in [0, -1, 900_001, i32::MAX] {
        let request = init_request(&name).with_transaction_timeout_ms(timeout);
        s.ask(format!("time-out {timeout}"), version, &request)?;
    }
    s.ask("no name", version, &init_request(&TransactionalId::default()))?;
    s.ask("unknown to the coordinator", 0, &describe(&name))?;
    s.ask("first", version, &init_request(&name))?;
    s.ask(
        "again",
        version,
        &init_request(&name).with_transaction_timeout_ms(900_000),
    )?;
    s.ask("known", 0, &describe(&name))?;
    Ok(())
}

fn init_over(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    for label in ["first", "second", "third"] {
        s.ask(label, version, &init_request(&producer.name))?;
        producer.settle(s)?;
        s.ask(format!("{label}, after"), 0, &describe(&producer.name))?;
    }
    Ok(())
}

fn init_expected(s: &mut Script<'_>, version: i16) -> Result<()> {
    let mut producer = Producer::make(s, Situation::Empty, 2)?;
    let with = |producer: &Producer, id: i64, epoch: i16| {
        init_request(&producer.name)
            .with_producer_id(id.into())
            .with_producer_epoch(epoch)
    };
    s.ask("half an expectation", version, &with(&producer, producer.id, -1))?;
    let stranger = init_request(&TransactionalId(s.name("stranger")))
        .with_producer_id(7_000_000.into())
        .with_producer_epoch(3);
    s.ask("expected of an unknown name", version, &stranger)?;
    for (label, id, epoch) in producer.identities() {
        s.ask(label, version, &with(&producer, id, epoch))?;
        s.ask(format!("{label}, once more"), version, &with(&producer, id, epoch))?;
    }
    producer.begin(s)?;
    producer.write(s, 0, 2)?;
    s.ask("while open", version, &with(&producer, producer.id, producer.epoch))?;
    producer.settle(s)?;
    s.ask("after that", version, &with(&producer, producer.id, producer.epoch))?;
    producer.look(s)
}

fn add_partitions(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    for (label, id, epoch) in producer.identities() {
        let request = add_request(
            version,
            &producer.name,
            (id, epoch),
            &[(&producer.topic.name, &[0, 1])],
            false,
        );
        s.ask(label, version, &request)?;
    }
    Ok(())
}

fn add_what(s: &mut Script<'_>, version: i16) -> Result<()> {
    let producer = Producer::make(s, Situation::Empty, 1)?;
    let unknown = TopicName(s.name("unknown"));
    let internal = TopicName(text("__consumer_offsets"));
    let topic = producer.topic.name.clone();
    let some: [(&str, Partitions<'_>); 6] = [
        ("an unknown partition", &[(&topic, &[0, 9])]),
        ("a negative partition", &[(&topic, &[-1])]),
        ("an unknown topic", &[(&topic, &[0]), (&unknown, &[0])]),
        ("an internal topic", &[(&topic, &[0]), (&internal, &[0])]),
        ("no partitions", &[(&topic, &[])]),
        ("a partition twice", &[(&topic, &[1, 1])]),
    ];
    for (label, topics) in some {
        let request = add_request(version, &producer.name, (producer.id, producer.epoch), topics, false);
        s.ask(label, version, &request)?;
        s.ask(format!("{label}, after"), 0, &describe(&producer.name))?;
    }
    if version < 4 {
        let nobody = TransactionalId::default();
        let request = add_request(
            version,
            &nobody,
            (producer.id, producer.epoch),
            &[(&topic, &[0])],
            false,
        );
        s.ask("no name", version, &request)?;
    }
    producer.look(s)
}

fn verify(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    for (label, id, epoch) in producer.identities() {
        let topics: Partitions<'_> = &[(&producer.topic.name, &[0, 1, 9])];
        let request = add_request(version, &producer.name, (id, epoch), topics, true);
        s.ask(label, version, &request)?;
    }
    Ok(())
}

fn add_offsets(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    let group = GroupId(s.name("group"));
    for (label, id, epoch) in producer.identities() {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(producer.name.clone())
            .with_producer_id(id.into())
            .with_producer_epoch(epoch)
            .with_group_id(group.clone());
        s.ask(label, version, &request)?;
    }
    // Where the group's partition lies depends on its name; the end takes it out of sight.
    let current = s.must(0, &describe(&producer.name))?;
    let state = &current.transaction_states[0];
    s.must(4, &producer.end(state.producer_epoch, false))?;
    Ok(())
}

fn end(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    for (label, id, epoch) in producer.identities().into_iter().take(3) {
        for committed in [true, false] {
            let request = producer.end(epoch, committed).with_producer_id(id.into());
            s.ask(format!("{label}, committed {committed}"), version, &request)?;
            producer.settle(s)?;
        }
    }
    s.ask("in between", 0, &describe(&producer.name))?;
    s.ask("commit", version, &producer.end(producer.epoch, true))?;
    Ok(())
}

/// One end after the other, each with the epoch the producer had and with the next.
fn end_again(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    for (label, epoch, committed) in [
        ("abort", 0, false),
        ("abort, repeated", 0, false),
        ("commit, repeated", 0, true),
        ("commit, next", 1, true),
        ("abort, next", 1, false),
        ("abort, next, repeated", 1, false),
        ("commit by the one after", 2, true),
    ] {
        s.ask(label, version, &producer.end(producer.epoch + epoch, committed))?;
        producer.settle(s)?;
        s.ask(format!("{label}, after"), 0, &describe(&producer.name))?;
    }
    Ok(())
}

fn offset_commit(producer: &Producer, group: &GroupId, identity: (i64, i16)) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(11)
        .with_committed_metadata(Some(text("note")));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(producer.topic.name.clone())
        .with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(producer.name.clone())
        .with_group_id(group.clone())
        .with_producer_id(identity.0.into())
        .with_producer_epoch(identity.1)
        .with_generation_id(-1)
        .with_group_instance_id(None)
        .with_topics(vec![topic])
}

fn commit_offsets(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    let group = GroupId(s.name("group"));
    for (label, id, epoch) in producer.identities() {
        s.ask(label, version, &offset_commit(producer, &group, (id, epoch)))?;
    }
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(producer.name.clone())
        .with_producer_id(producer.id.into())
        .with_producer_epoch(producer.epoch)
        .with_group_id(group.clone());
    s.ask("announced", 3, &add)?;
    for (label, id, epoch) in producer.identities() {
        let label = format!("announced, {label}");
        s.ask(label, version, &offset_commit(producer, &group, (id, epoch)))?;
    }
    let stable = offsets(7, &group, None).with_require_stable(true);
    s.ask("while open", 7, &offsets(7, &group, None))?;
    let named = offsets(7, &group, Some(&[(&producer.topic.name, &[0, 1])])).with_require_stable(true);
    s.ask("while open, stable, named", 7, &named)?;
    s.ask("while open, stable", 7, &stable)?;
    let ends = if version >= 5 { 5 } else { 4 };
    s.ask("the end", ends, &producer.end(producer.epoch, true))?;
    producer.settle(s)?;
    s.ask_until("the position", 7, &stable, |_| true)?;
    s.ask(
        "later",
        version,
        &offset_commit(producer, &group, (producer.id, producer.epoch)),
    )?;
    let current = s.must(0, &describe(&producer.name))?;
    s.must(4, &producer.end(current.transaction_states[0].producer_epoch, false))?;
    Ok(())
}

fn commit_what(s: &mut Script<'_>, version: i16) -> Result<()> {
    let mut producer = Producer::make(s, Situation::Empty, 1)?;
    let group = GroupId(s.name("group"));
    let announce = |s: &mut Script<'_>, producer: &Producer| {
        let add = AddOffsetsToTxnRequest::default()
            .with_transactional_id(producer.name.clone())
            .with_producer_id(producer.id.into())
            .with_producer_epoch(producer.epoch)
            .with_group_id(group.clone());
        s.must(3, &add)
    };
    announce(s, &producer)?;
    let base = offset_commit(&producer, &group, (producer.id, producer.epoch));
    let with = |name: &TopicName, index: i32, note: Option<&str>| {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(5)
            .with_committed_metadata(note.map(text));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(name.clone())
            .with_partitions(vec![partition]);
        base.clone().with_topics(vec![topic])
    };
    let topic = producer.topic.name.clone();
    let unknown = TopicName(s.name("unknown"));
    let long = "x".repeat(4097);
    s.ask("no note", version, &with(&topic, 0, None))?;
    s.ask("a note too long", version, &with(&topic, 1, Some(&long)))?;
    s.ask("an unknown partition", version, &with(&topic, 9, None))?;
    s.ask("an unknown topic", version, &with(&unknown, 0, None))?;
    s.ask("nothing", version, &base.clone().with_topics(vec![]))?;
    s.ask("no group", version, &base.clone().with_group_id(GroupId::default()))?;
    // A plain commit made meanwhile wins.
    s.ask("a plain commit", 7, &commit(&group, &topic, 0, 77))?;
    s.must(4, &producer.end(producer.epoch, true))?;
    producer.settle(s)?;
    let stable = offsets(7, &group, None).with_require_stable(true);
    s.ask("committed", 7, &stable)?;
    producer.begin(s)?;
    announce(s, &producer)?;
    let again = offset_commit(&producer, &group, (producer.id, producer.epoch));
    s.ask("once more", version, &again)?;
    s.must(4, &producer.end(producer.epoch, false))?;
    producer.settle(s)?;
    s.ask("aborted", 7, &stable)?;
    Ok(())
}

fn commit_as(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let producer = Producer::make(s, Situation::Empty, 1)?;
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(producer.name.clone())
        .with_producer_id(producer.id.into())
        .with_producer_epoch(producer.epoch)
        .with_group_id(group.id.clone());
    s.must(3, &add)?;
    let request = offset_commit(&producer, &group.id, (producer.id, producer.epoch));
    s.ask("nobody", version, &request)?;
    if version < 3 {
        return Ok(());
    }
    for (member, member_id) in group.members() {
        for (generation, generation_id) in group.generations() {
            for (instance, instance_id) in group.instances(true) {
                let request = request
                    .clone()
                    .with_member_id(member_id.clone())
                    .with_generation_id(generation_id)
                    .with_group_instance_id(instance_id);
                let label = format!("member {member}, generation {generation}, instance {instance}");
                s.ask(label, version, &request)?;
            }
        }
    }
    Ok(())
}

fn produce(s: &mut Script<'_>, producer: &Producer, version: i16) -> Result<()> {
    let batch = |s: &Script<'_>, id: i64, epoch: i16, sequence: i32| {
        Batch::of(s.time(0), &["two"]).by(id, epoch, sequence).transactional()
    };
    let unnamed = producer
        .produce(version, 1, &batch(s, producer.id, producer.epoch, 0))
        .with_transactional_id(None);
    s.ask("without a name", version, &unnamed)?;
    for (label, id, epoch) in producer.identities() {
        let request = producer.produce(version, 1, &batch(s, id, epoch, 0));
        s.ask(label, version, &request)?;
    }
    let plain = Batch::of(s.time(0), &["plain"]).by(producer.id, producer.epoch, 1);
    s.ask("a plain batch", version, &producer.produce(version, 1, &plain))?;
    s.ask(
        "announced",
        3,
        &producer.add(3, producer.epoch, &producer.topic.name, &[1]),
    )?;
    for (label, id, epoch) in producer.identities() {
        let request = producer.produce(version, 1, &batch(s, id, epoch, 1));
        s.ask(format!("announced, {label}"), version, &request)?;
    }
    let again = batch(s, producer.id, producer.epoch, 1);
    s.ask("again", version, &producer.produce(version, 1, &again))?;
    let gap = batch(s, producer.id, producer.epoch, 9);
    s.ask("a gap", version, &producer.produce(version, 1, &gap))?;
    let plain = Batch::of(s.time(0), &["plain"]).by(producer.id, producer.epoch, 2);
    s.ask(
        "a plain batch while open",
        version,
        &producer.produce(version, 1, &plain),
    )?;
    Ok(())
}

fn read(s: &mut Script<'_>, version: i16) -> Result<()> {
    let mut producer = Producer::make(s, Situation::Aborted, 2)?;
    producer.write(s, 0, 2)?;
    producer.look(s)?;
    producer.finish(s, true, 2)?;
    producer.look(s)?;
    producer.write(s, 0, 2)?;
    producer.finish(s, false, 2)?;
    let late = producer.batch(s, producer.epoch - 1, 1);
    s.ask("a late batch", version, &producer.produce(version, 0, &late))?;
    let filters = ListTransactionsRequest::default().with_duration_filter(-1);
    let listed = |states: &[&str], ids: &[i64]| {
        filters
            .clone()
            .with_state_filters(states.iter().map(|state| text(state)).collect())
            .with_producer_id_filters(ids.iter().map(|id| (*id).into()).collect())
    };
    s.ask("listed by id", 1, &listed(&[], &[producer.id]))?;
    s.ask(
        "listed by state",
        1,
        &listed(&["CompleteAbort", "Strange"], &[producer.id]),
    )?;
    s.ask("listed by another state", 1, &listed(&["Ongoing"], &[producer.id]))?;
    producer.look(s)
}

/// What was taken in a transaction is sent once more when that has ended.
fn repeat(s: &mut Script<'_>, version: i16) -> Result<()> {
    let mut producer = Producer::new(s)?;
    let rules = if version < 12 { 1 } else { 2 };
    if rules == 1 {
        s.must(3, &producer.add(3, producer.epoch, &producer.topic.name, &[0]))?;
    }
    let batch = producer.batch(s, producer.epoch, 0);
    let request = producer.produce(version, 0, &batch);
    s.ask("in the transaction", version, &request)?;
    s.ask("a repeat", version, &request)?;
    producer.finish(s, true, rules)?;
    s.ask("a repeat after the end", version, &request)?;
    producer.look(s)?;
    if rules == 1 {
        s.must(3, &producer.add(3, producer.epoch, &producer.topic.name, &[0]))?;
    }
    let next = producer.batch(s, producer.epoch, 2 - rules as i32);
    s.ask("in the next", version, &producer.produce(version, 0, &next))?;
    producer.finish(s, true, rules)?;
    producer.look(s)
}

fn markers_of(
    producer: &Producer,
    epoch: i16,
    coordinator: i32,
    committed: bool,
    topic: &TopicName,
    partitions: std::ops::Range<i32>,
) -> WriteTxnMarkersRequest {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(topic.clone())
        .with_partition_indexes(partitions.collect());
    let marker = WritableTxnMarker::default()
        .with_producer_id(producer.id.into())
        .with_producer_epoch(producer.epoch + epoch)
        .with_transaction_result(committed)
        .with_coordinator_epoch(coordinator)
        .with_topics(vec![topic]);
    WriteTxnMarkersRequest::default().with_markers(vec![marker])
}

/// An administrator ends a transaction in the name of a coordinator that there never was.
fn later_coordinator(s: &mut Script<'_>, version: i16) -> Result<()> {
    let producer = Producer::make(s, Situation::Ongoing, 2)?;
    let topic = &producer.topic;
    s.ask(
        "the end",
        version,
        &markers_of(&producer, 0, 500, false, &topic.name, 0..1),
    )?;
    s.ask(
        "more of it",
        12,
        &producer.produce(12, 0, &producer.batch(s, producer.epoch, 1)),
    )?;
    s.ask("its own end", 5, &producer.end(producer.epoch, true))?;
    s.sleep(500);
    s.ask("the transaction", 0, &describe(&producer.name))?;
    fetch_committed(s, topic, 0)
}

/// An administrator fences a producer in the log of groups, which its coordinator does not know of.
fn later_producer(s: &mut Script<'_>, version: i16) -> Result<()> {
    let producer = Producer::new(s)?;
    let group = GroupId(s.name("group"));
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(producer.name.clone())
        .with_producer_id(producer.id.into())
        .with_producer_epoch(producer.epoch)
        .with_group_id(group.clone());
    s.must(3, &add)?;
    let log = TopicName(text("__consumer_offsets"));
    // In every partition, for where the group's lies depends on its name.
    s.must(version, &markers_of(&producer, 3, 0, false, &log, 0..5))?;
    let commit = offset_commit(&producer, &group, (producer.id, producer.epoch));
    for version in [3, 5] {
        s.ask(format!("its position by v{version}"), version, &commit)?;
    }
    s.ask("the positions", 7, &offsets(7, &group, None))?;
    Ok(())
}

fn markers(s: &mut Script<'_>, version: i16) -> Result<()> {
    let producer = Producer::make(s, Situation::Ongoing, 1)?;
    let marker = |epoch: i16, coordinator: i32, committed: bool, topic: &TopicName, partition: i32| {
        markers_of(
            &producer,
            epoch,
            coordinator,
            committed,
            topic,
            partition..partition + 1,
        )
    };
    let topic = producer.topic.name.clone();
    let unknown = TopicName(s.name("unknown"));
    s.ask("an unknown topic", version, &marker(0, 5, true, &unknown, 0))?;
    s.ask("an unknown partition", version, &marker(0, 5, true, &topic, 9))?;
    s.ask("an older epoch", version, &marker(-1, 5, true, &topic, 0))?;
    s.ask("the end", version, &marker(0, 5, false, &topic, 0))?;
    s.ask("once more", version, &marker(0, 5, false, &topic, 0))?;
    s.ask("of an older coordinator", version, &marker(0, 4, false, &topic, 0))?;
    s.ask("where nothing was written", version, &marker(3, 5, true, &topic, 1))?;
    producer.look(s)
}
