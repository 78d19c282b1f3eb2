//! OffsetCommit: who may, and what.

use anyhow::Result;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{DeleteGroupsRequest, GroupId, OffsetCommitRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::cases::{Case, in_states, in_versions};
use crate::requests::{commit, describe, offsets, text};
use crate::script::Script;
use crate::states::{self, State};

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases = in_states("commit/who", 2..=9, who);
    cases.extend(in_states("commit/nothing", 2..=9, nothing));
    cases.extend(in_versions("commit/what", 2..=9, what));
    cases.extend(in_versions("commit/group_names", 2..=9, group_names));
    cases.push(Case::new("commit/empty_group_name", empty_group_name));
    cases.extend(in_versions("commit/retention", 2..=4, retention));
    cases
}

/// Every attempt commits another offset, so that the last one taken shows.
fn who(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let topic = s.broker.shared.name.clone();
    let mut offset = 100;
    for (member, member_id) in group.members() {
        for (generation, generation_id) in group.generations() {
            for (instance, instance_id) in group.instances(version >= 7) {
                offset += 1;
                let request = commit(&group.id, &topic, 1, offset)
                    .with_member_id(member_id.clone())
                    .with_generation_id_or_member_epoch(generation_id)
                    .with_group_instance_id(instance_id);
                let label = format!("member {member}, generation {generation}, instance {instance}");
                s.ask(label, version, &request)?;
            }
        }
    }
    s.ask("what is committed", 7, &offsets(7, &group.id, None))?;
    s.ask("the group", 5, &describe(&group.id))?;
    Ok(())
}

/// Commits with nothing to store, or only what cannot be stored.
fn nothing(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let shared = s.broker.shared.name.clone();
    let unknown = TopicName(s.name("unknown"));
    let topic = |name: &TopicName| OffsetCommitRequestTopic::default().with_name(name.clone());
    for (generation, generation_id) in group.generations().into_iter().take(2) {
        let request = commit(&group.id, &shared, 0, 9)
            .with_member_id(group.member.clone())
            .with_generation_id_or_member_epoch(generation_id);
        let with = |topics| request.clone().with_topics(topics);
        s.ask(format!("no topics, generation {generation}"), version, &with(vec![]))?;
        s.ask(
            format!("no partitions, generation {generation}"),
            version,
            &with(vec![topic(&shared)]),
        )?;
        let far = with(vec![topic(&shared).with_partitions(vec![partition(99, 1, Some("x"))])]);
        s.ask(format!("unknown partition, generation {generation}"), version, &far)?;
        let foreign = with(vec![topic(&unknown).with_partitions(vec![partition(0, 1, Some("x"))])]);
        s.ask(format!("unknown topic, generation {generation}"), version, &foreign)?;
    }
    s.ask("the group", 5, &describe(&group.id))?;
    Ok(())
}

fn partition(index: i32, offset: i64, metadata: Option<&str>) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition::default()
        .with_partition_index(index)
        .with_committed_offset(offset)
        .with_committed_metadata(metadata.map(text))
}

fn what(s: &mut Script<'_>, version: i16) -> Result<()> {
    let group = GroupId(s.name("group"));
    let shared = s.broker.shared.name.clone();
    let long = "x".repeat(4096);
    let (longer, pairs) = (format!("{long}x"), "\u{1f600}".repeat(2049));
    let variants: Vec<(&str, OffsetCommitRequestPartition)> = vec![
        ("plain", partition(0, 5, Some("note"))),
        ("no metadata", partition(0, 6, None)),
        ("empty metadata", partition(0, 7, Some(""))),
        ("longest metadata", partition(0, 8, Some(&long))),
        ("metadata too long", partition(0, 9, Some(&longer))),
        ("metadata too long in UTF-16", partition(0, 10, Some(&pairs))),
        ("offset 0", partition(1, 0, None)),
        ("offset -1", partition(1, -1, None)),
        ("offset -5", partition(1, -5, None)),
        ("offset far", partition(1, i64::MAX, None)),
        ("partition -1", partition(-1, 5, None)),
        ("partition 3", partition(3, 5, None)),
    ];
    for (label, partition) in variants {
        let topic = OffsetCommitRequestTopic::default()
            .with_name(shared.clone())
            .with_partitions(vec![partition]);
        s.ask(label, version, &commit(&group, &shared, 0, 0).with_topics(vec![topic]))?;
        if !label.contains("long") {
            s.ask(format!("{label}, after"), 7, &offsets(7, &group, None))?;
        }
    }
    for epoch in [0, 7, -1, -7].into_iter().filter(|_| version >= 6) {
        let partition = partition(2, 5, None).with_committed_leader_epoch(epoch);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(shared.clone())
            .with_partitions(vec![partition]);
        s.ask(
            format!("leader epoch {epoch}"),
            version,
            &commit(&group, &shared, 0, 0).with_topics(vec![topic]),
        )?;
        s.ask(
            format!("leader epoch {epoch}, after"),
            7,
            &offsets(7, &group, Some(&[(&shared, &[2])])),
        )?;
    }
    many(s, version, &shared)
}

/// Good and bad ones together, and one twice.
fn many(s: &mut Script<'_>, version: i16, shared: &TopicName) -> Result<()> {
    let group = GroupId(s.name("group of many"));
    let unknown = TopicName(s.name("unknown"));
    let empty = TopicName(StrBytes::default());
    let all = [
        partition(0, 5, Some("a")),
        partition(9, 5, None),
        partition(0, 6, Some("b")),
        partition(1, 7, None),
    ];
    let topics = [shared, &unknown, &empty, shared].map(|name| {
        OffsetCommitRequestTopic::default()
            .with_name(name.clone())
            .with_partitions(all.to_vec())
    });
    s.ask(
        "many",
        version,
        &commit(&group, shared, 0, 0).with_topics(topics.to_vec()),
    )?;
    s.ask("many, after", 7, &offsets(7, &group, None))?;
    Ok(())
}

fn group_names(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("own", 1)?.name;
    for name in [" ", "a b", "ü", "."] {
        let group = GroupId(text(name));
        s.ask(format!("group {name:?}"), version, &commit(&group, &topic, 0, 4))?;
        s.ask(
            format!("group {name:?}, after"),
            7,
            &offsets(7, &group, Some(&[(&topic, &[0])])),
        )?;
    }
    Ok(())
}

fn retention(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.name.clone();
    for retention_ms in [-1, 0, 1, 1000, -5] {
        let group = GroupId(s.name(&format!("retention {retention_ms}")));
        let request: OffsetCommitRequest = commit(&group, &topic, 0, 4).with_retention_time_ms(retention_ms);
        s.ask(format!("retention {retention_ms}"), version, &request)?;
        s.ask(format!("retention {retention_ms}, after"), 7, &offsets(7, &group, None))?;
    }
    Ok(())
}

/// The group without a name is one for all, so all that can be done with it is done here, and from its beginning.
fn empty_group_name(s: &mut Script<'_>) -> Result<()> {
    let topic = s.topic("own", 1)?.name;
    let group = GroupId(text(""));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group.clone()]);
    for version in 0..=2 {
        s.must(2, &delete)?;
        s.ask(format!("delete v{version}, nothing there"), version, &delete)?;
        s.must(5, &commit(&group, &topic, 0, 4))?;
        s.ask(format!("delete v{version}"), version, &delete)?;
    }
    for version in 0..=6 {
        s.ask(
            format!("describe v{version}, nothing there"),
            version,
            &describe(&group),
        )?;
    }
    for version in 2..=9 {
        s.ask(format!("commit v{version}"), version, &commit(&group, &topic, 0, 4))?;
    }
    for version in 1..=9 {
        s.ask(
            format!("fetch v{version}"),
            version,
            &offsets(version, &group, Some(&[(&topic, &[0])])),
        )?;
    }
    for version in 0..=6 {
        s.ask(format!("describe v{version}"), version, &describe(&group))?;
    }
    Ok(())
}
