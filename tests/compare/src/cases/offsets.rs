//! OffsetFetch and OffsetDelete.

use anyhow::Result;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{GroupId, OffsetDeleteRequest, OffsetFetchRequest, TopicName};

use crate::cases::{Case, in_states, in_versions};
use crate::requests::{commit, describe, offsets, text};
use crate::script::Script;
use crate::setup;
use crate::states::{self, State};

/// All cases of both areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_states("offset_fetch/state", 1..=9, fetch);
    cases.extend(in_versions("offset_fetch/groups", 8..=9, groups));
    cases.extend(in_versions("offset_fetch/group_names", 1..=9, group_names));
    cases.extend(in_versions("offset_fetch/topic_made_anew", 1..=9, made_anew));
    cases.extend(in_states("offset_delete/state", 0..=0, delete));
    cases.push(Case::new("offset_delete/group_names", delete_group_names));
    cases
}

/// Partitions by topic.
type Partitions<'a> = &'a [(&'a TopicName, &'a [i32])];

fn fetch(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let (shared, unknown) = (s.broker.shared.name.clone(), TopicName(s.name("unknown")));
    if version >= 2 {
        s.ask("all", version, &offsets(version, &group.id, None))?;
    }
    let empty = TopicName::default();
    let some: [(&str, Partitions<'_>); 7] = [
        ("nothing", &[]),
        ("one", &[(&shared, &[0])]),
        ("no partitions", &[(&shared, &[])]),
        ("twice", &[(&shared, &[0, 0])]),
        ("not committed", &[(&shared, &[1, 2])]),
        ("unknown partitions", &[(&shared, &[-1, 99])]),
        ("unknown topics", &[(&unknown, &[0]), (&empty, &[0])]),
    ];
    for (label, topics) in some {
        s.ask(label, version, &offsets(version, &group.id, Some(topics)))?;
    }
    if version >= 7 {
        s.ask(
            "stable ones",
            version,
            &offsets(version, &group.id, Some(&[(&shared, &[0])])).with_require_stable(true),
        )?;
    }
    if version >= 9 {
        for (member, member_id) in group.members() {
            for (generation, epoch) in group.generations() {
                let mut request = offsets(version, &group.id, Some(&[(&shared, &[0])]));
                request.groups[0].member_id = Some(member_id.clone());
                request.groups[0].member_epoch = epoch;
                s.ask(format!("member {member}, epoch {generation}"), version, &request)?;
            }
        }
    }
    Ok(())
}

/// Many groups in one request.
fn groups(s: &mut Script<'_>, version: i16) -> Result<()> {
    let group = states::make(s, State::Simple)?;
    let of = |id: &GroupId| {
        OffsetFetchRequestGroup::default()
            .with_group_id(id.clone())
            .with_member_id(None)
            .with_topics(None)
    };
    let missing = GroupId(s.name("missing"));
    let ask = |groups| {
        OffsetFetchRequest::default()
            .with_topics(Some(vec![]))
            .with_groups(groups)
    };
    s.ask("no groups", version, &ask(vec![]))?;
    s.ask("two", version, &ask(vec![of(&group.id), of(&missing)]))?;
    s.ask("one twice", version, &ask(vec![of(&group.id), of(&group.id)]))?;
    Ok(())
}

fn group_names(s: &mut Script<'_>, version: i16) -> Result<()> {
    let shared = s.broker.shared.name.clone();
    for name in ["no-such-group", "\u{1f600}"] {
        let request = offsets(version, &GroupId(text(name)), Some(&[(&shared, &[0])]));
        s.ask(format!("group {name:?}"), version, &request)?;
    }
    Ok(())
}

/// The offsets of a topic go with it, and do not come back with one of the same name.
fn made_anew(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 2)?;
    let group = GroupId(s.name("group"));
    s.ask("commit", 7, &commit(&group, &topic.name, 0, 42))?;
    s.ask(
        "before",
        version,
        &offsets(version, &group, Some(&[(&topic.name, &[0])])),
    )?;
    setup::delete_topic(s, &topic.name)?;
    let is_gone = |response: &kafka_protocol::messages::OffsetFetchResponse| {
        response
            .topics
            .iter()
            .all(|topic| topic.partitions.iter().all(|p| p.committed_offset == -1))
    };
    let request = offsets(7, &group, Some(&[(&topic.name, &[0])]));
    s.ask_until("deleted", 7, &request, is_gone)?;
    s.topic("topic", 2)?;
    s.ask(
        "made anew",
        version,
        &offsets(version, &group, Some(&[(&topic.name, &[0])])),
    )?;
    s.ask("the group", 5, &describe(&group))?;
    Ok(())
}

fn delete_of(group: &GroupId, topics: &[(&TopicName, &[i32])]) -> OffsetDeleteRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        let partitions = partitions
            .iter()
            .map(|index| OffsetDeleteRequestPartition::default().with_partition_index(*index));
        OffsetDeleteRequestTopic::default()
            .with_name((*name).clone())
            .with_partitions(partitions.collect())
    });
    OffsetDeleteRequest::default()
        .with_group_id(group.clone())
        .with_topics(topics.collect())
}

fn delete(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let (shared, unknown) = (s.broker.shared.name.clone(), TopicName(s.name("unknown")));
    let unsubscribed = s.topic("unsubscribed", 2)?.name;
    let member = commit(&group.id, &unsubscribed, 0, 5)
        .with_member_id(group.member.clone())
        .with_generation_id_or_member_epoch(group.generation);
    s.ask("commit", 5, &member)?;
    let some: [(&str, Partitions<'_>); 8] = [
        ("nothing", &[]),
        ("no partitions", &[(&shared, &[])]),
        ("unknown", &[(&unknown, &[0])]),
        ("unknown partition", &[(&unsubscribed, &[-1, 9])]),
        ("not committed", &[(&unsubscribed, &[1])]),
        ("subscribed", &[(&shared, &[0])]),
        ("unsubscribed", &[(&unsubscribed, &[0])]),
        (
            "together, twice",
            &[(&unsubscribed, &[0, 1, 0]), (&shared, &[0, 1]), (&unknown, &[0])],
        ),
    ];
    for (label, topics) in some {
        s.ask(label, version, &delete_of(&group.id, topics))?;
        s.ask(format!("{label}, after"), 7, &offsets(7, &group.id, None))?;
    }
    s.ask("the group", 5, &describe(&group.id))?;
    Ok(())
}

fn delete_group_names(s: &mut Script<'_>) -> Result<()> {
    let shared = s.broker.shared.name.clone();
    for name in ["", "no-such-group"] {
        s.ask(
            format!("group {name:?}"),
            0,
            &delete_of(&GroupId(text(name)), &[(&shared, &[0])]),
        )?;
    }
    Ok(())
}
