//! Row 16: what tools and dashboards ask of a broker that has ten thousand groups.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, ListGroupsRequest, ListGroupsResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use super::commits::commit;
use crate::admin::Admin;
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::group_admin::GroupAdmin;
use crate::load::{Answers, Exchange, check_committed};
use crate::stage::Stage;
use crate::wire;

const GROUPS: usize = 10_000;
/// Partitions for which each group has an offset.
const PARTITIONS: i32 = 10;
/// Connections over which the groups are made.
const CONNECTIONS: usize = 20;
/// Groups that one DescribeGroups asks for.
const DESCRIBED: usize = 100;

const GOAL: &[(Subject, Option<f64>)] = &[(Subject::Kafka, Some(0.2))];

const fn figure(name: &'static str) -> Figure {
    Figure {
        row: "16",
        name,
        unit: "ms",
        against: GOAL,
        ..PLAIN
    }
}

const LIST: Figure = figure("10,000 groups with offsets of 10 partitions: list all, p99 of 200 one after the other");
const DESCRIBE: Figure = figure("describe 100 of them, p99 of 200");
const FETCH: Figure = figure("fetch the offsets of one of them, p99 of 2,000");
/// Row 16.
pub const CASE: Case = Case {
    name: "many-groups",
    figures: &[LIST, DESCRIBE, FETCH],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

const LIST_VERSION: i16 = 4;
const DESCRIBE_VERSION: i16 = 5;
const FETCH_VERSION: i16 = 7;

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let names: Vec<String> = (0..GROUPS).map(|_| stage.new_name("one-of-many")).collect();
    let topic = stage.new_name("committed");
    let mut admin = Admin::connect(stage.broker.address())?;
    admin.create_topic(&topic, PARTITIONS, &[])?;
    let mut groups = GroupAdmin::connect(stage.broker.address())?;
    groups.wait_for_coordinators(&names[..1])?;
    fill(stage, &names, &topic)?;
    ask(stage, &LIST, vec![list()?], 200, &check_list)?;
    let described = names.chunks(DESCRIBED).map(describe).collect::<Result<Vec<_>, _>>()?;
    ask(stage, &DESCRIBE, described, 200, &check_described)?;
    let fetched = names.iter().map(|name| fetch(name)).collect::<Result<Vec<_>, _>>()?;
    ask(stage, &FETCH, fetched, 2_000, &check_fetched)?;
    groups.delete_groups(&names)?;
    admin.delete_topic(&topic)
}

/// One commit for each group, which makes it.
fn fill(stage: &Stage<'_>, names: &[String], topic: &str) -> Result<(), String> {
    let frames = names
        .iter()
        .map(|name| commit(name, -1, &StrBytes::default(), topic))
        .collect::<Result<Vec<Bytes>, _>>()?;
    let per_connection = GROUPS / CONNECTIONS;
    let exchange = Exchange {
        connections: frames.chunks(per_connection).map(<[Bytes]>::to_vec).collect(),
        in_flight: 5,
        requests: per_connection as u64,
        time: Duration::from_secs(60),
        check: &check_committed,
    };
    exchange.run(stage.broker.address()).map(|_| ())
}

/// Sends requests one after the other.
fn ask(
    stage: &mut Stage<'_>,
    figure: &Figure,
    frames: Vec<Bytes>,
    requests: u64,
    check: &dyn Fn(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let address = stage.broker.address().to_owned();
    let ask = |requests: u64| -> Result<Answers, String> {
        let exchange = Exchange {
            connections: vec![frames.clone()],
            in_flight: 1,
            requests,
            time: Duration::from_secs(4),
            check,
        };
        exchange.run(&address)
    };
    // The first show a broker's code to its compiler.
    ask(requests / 4)?;
    let (answers, _) = stage.measure(|_| ask(requests))?;
    stage.note(figure, answers.millis_at(0.99));
    Ok(())
}

fn list() -> Result<Bytes, String> {
    wire::frame(Api::ListGroups, LIST_VERSION, 0, &ListGroupsRequest::default())
}

fn check_list(frame: &[u8]) -> Result<(), String> {
    let answer: ListGroupsResponse = decode(Api::ListGroups, LIST_VERSION, frame)?;
    match (answer.error_code, answer.groups.len()) {
        (0, GROUPS..) => Ok(()),
        (error, listed) => Err(format!("{listed} groups were listed, error {error}")),
    }
}

fn describe(names: &[String]) -> Result<Bytes, String> {
    let groups = names.iter().map(|name| group_id(name));
    let request = DescribeGroupsRequest::default().with_groups(groups.collect());
    wire::frame(Api::DescribeGroups, DESCRIBE_VERSION, 0, &request)
}

fn check_described(frame: &[u8]) -> Result<(), String> {
    let answer: DescribeGroupsResponse = decode(Api::DescribeGroups, DESCRIBE_VERSION, frame)?;
    let empty = answer.groups.iter().filter(|group| &*group.group_state == "Empty");
    match empty.count() {
        DESCRIBED => Ok(()),
        known => Err(format!("{known} of {DESCRIBED} groups were described")),
    }
}

fn fetch(name: &str) -> Result<Bytes, String> {
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id(name))
        .with_topics(None);
    wire::frame(Api::OffsetFetch, FETCH_VERSION, 0, &request)
}

fn check_fetched(frame: &[u8]) -> Result<(), String> {
    let answer: OffsetFetchResponse = decode(Api::OffsetFetch, FETCH_VERSION, frame)?;
    let offsets: usize = answer.topics.iter().map(|topic| topic.partitions.len()).sum();
    match (answer.error_code, offsets as i32) {
        (0, PARTITIONS) => Ok(()),
        (error, offsets) => Err(format!("{offsets} offsets were fetched, error {error}")),
    }
}

fn group_id(name: &str) -> GroupId {
    GroupId(StrBytes::from_string(name.to_owned()))
}

fn decode<M: kafka_protocol::protocol::Decodable>(api: Api, version: i16, frame: &[u8]) -> Result<M, String> {
    wire::decode(api, version, Bytes::copy_from_slice(frame))
}
