//! Row 14: offset commits of many groups.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use crate::admin::Admin;
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::group_admin::GroupAdmin;
use crate::load::{Answers, Crowd, Exchange, check_committed};
use crate::stage::Stage;
use crate::wire;

const GROUPS: usize = 1_000;
const PARTITIONS: i32 = 10;
const CONNECTIONS: usize = 50;
const IN_FLIGHT: usize = 5;
const COMMIT_VERSION: i16 = 8;

const RATE: Figure = Figure {
    row: "14",
    name: "offset commits of 1,000 groups of one member, 10 partitions each, 50 connections with 5 in flight",
    unit: "1/s",
    better: Better::Higher,
    writes: true,
    against: &[(Subject::Kafka, Some(3.0))],
    ..PLAIN
};
const COST: Figure = Figure {
    row: "14",
    name: "the same: broker CPU per commit",
    unit: "CPU-us",
    writes: true,
    against: &[(Subject::Kafka, Some(0.2))],
    ..PLAIN
};
const P99: Figure = Figure {
    row: "14",
    name: "the same: p99 from sending to answer",
    unit: "ms",
    writes: true,
    ..PLAIN
};
/// Row 14.
pub const CASE: Case = Case {
    name: "commits",
    figures: &[RATE, COST, P99],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: true,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(run),
};

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let address = stage.broker.address().to_owned();
    let names: Vec<String> = (0..GROUPS).map(|_| stage.new_name("committer")).collect();
    let topic = stage.new_name("committed");
    let mut admin = Admin::connect(&address)?;
    admin.create_topic(&topic, PARTITIONS, &[])?;
    let mut groups = GroupAdmin::connect(stage.broker.address())?;
    groups.wait_for_coordinators(&names)?;
    let mut crowd = Crowd::connect(&address, &names, 1)?;
    crowd.join_all()?;
    let frames = crowd.members().map(|(group, member)| {
        let generation = member.owns_in().unwrap_or(-1);
        commit(group, generation, member.id(), &topic)
    });
    let frames: Vec<Bytes> = frames.collect::<Result<_, _>>()?;
    // A first second shows a broker's code to its compiler.
    commit_for(stage, &frames, Duration::from_secs(1))?;
    let (answers, usage) = stage.measure(|stage| commit_for(stage, &frames, Duration::from_secs(4)))?;
    stage.note(&RATE, answers.per_second());
    stage.note(&COST, usage.broker / answers.count as f64 * 1e6);
    stage.note(&P99, answers.millis_at(0.99));
    groups.end_groups(crowd.members())?;
    admin.delete_topic(&topic)
}

fn commit_for(stage: &Stage<'_>, frames: &[Bytes], time: Duration) -> Result<Answers, String> {
    let per_connection = frames.chunks(frames.len() / CONNECTIONS);
    let exchange = Exchange {
        connections: per_connection.map(<[Bytes]>::to_vec).collect(),
        in_flight: IN_FLIGHT,
        requests: u64::MAX,
        time,
        check: &check_committed,
    };
    exchange.run(stage.broker.address())
}

/// A commit for every partition of the topic; outside a generation it is one of a group without members.
pub fn commit(group: &str, generation: i32, member: &StrBytes, topic: &str) -> Result<Bytes, String> {
    let partitions = (0..PARTITIONS).map(|index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(1_000_000)
            .with_committed_metadata(Some(StrBytes::default()))
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(wire::topic_name(topic))
        .with_partitions(partitions.collect());
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member.clone())
        .with_topics(vec![topic]);
    wire::frame(Api::OffsetCommit, COMMIT_VERSION, 0, &request)
}
