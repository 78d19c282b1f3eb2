//! SyncGroup: every member, generation, instance id and protocol in every state.

use anyhow::Result;
use kafka_protocol::messages::{GroupId, JoinGroupRequest, SyncGroupRequest};

use crate::cases::{Case, in_states, in_versions};
use crate::requests::{describe, sync, text};
use crate::script::Script;
use crate::states::{self, Group, State};

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases = in_states("sync/refused", 0..=5, refused);
    cases.extend(in_states("sync/leader", 0..=5, leader));
    cases.extend(in_states("sync/follower", 0..=5, follower));
    cases.extend(in_states("sync/instance", 3..=5, instance));
    cases.extend(in_states("sync/protocol", 5..=5, protocol));
    cases.extend(in_versions("sync/bad_group", 0..=5, bad_group));
    cases
}

fn request(version: i16, group: &Group, assignments: bool) -> SyncGroupRequest {
    let members = [&group.member, &group.other];
    let members = if assignments { &members[..] } else { &[] };
    named(version, sync(&group.id, group.generation, &group.member, members))
}

/// Protocol type and name must be given from version 5.
fn named(version: i16, request: SyncGroupRequest) -> SyncGroupRequest {
    if version < 5 {
        return request;
    }
    request
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
}

/// All that is wrong in some way; none of it changes the group.
fn refused(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    for (member, member_id) in group.members() {
        for (generation, generation_id) in group.generations() {
            for (instance, instance_id) in group.instances(version >= 3) {
                let is_refused = generation != "right" || member == "wrong" || member == "empty";
                if !is_refused {
                    continue;
                }
                let request = request(version, &group, true)
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

/// The follower waits, the leader syncs, then syncs again.
fn leader(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let follower = named(version, sync(&group.id, group.generation, &group.other, &[]));
    s.on("member b");
    if state == State::Preparing {
        s.disconnect();
    }
    s.send(version, &follower)?;
    s.peek::<SyncGroupRequest>("follower", version)?;
    s.on("a")
        .ask_briefly("leader", version, &request(version, &group, true))?;
    if state == State::CompletingPair {
        s.on("member b").peek::<SyncGroupRequest>("follower, later", version)?;
    }
    s.on("a").ask_briefly(
        "leader again, nothing assigned",
        version,
        &request(version, &group, false),
    )?;
    s.on("observer").ask("the group", 5, &describe(&group.id))?;
    Ok(())
}

/// The leader syncs without assigning anything; a second sync on another connection supersedes a parked one.
fn follower(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let follower = named(
        version,
        sync(&group.id, group.generation, &group.other, &[&group.other]),
    );
    s.on("c").send(version, &follower)?;
    s.peek::<SyncGroupRequest>("follower", version)?;
    s.on("d").send(version, &follower)?;
    s.peek::<SyncGroupRequest>("follower again", version)?;
    s.on("a")
        .ask_briefly("leader, nothing assigned", version, &request(version, &group, false))?;
    if state == State::CompletingPair {
        s.on("d").peek::<SyncGroupRequest>("follower again, later", version)?;
        s.on("c").peek::<SyncGroupRequest>("follower, later", version)?;
    }
    s.on("observer").ask("the group", 5, &describe(&group.id))?;
    Ok(())
}

fn instance(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    for (instance, instance_id) in group.instances(true) {
        let request = request(version, &group, true).with_group_instance_id(instance_id);
        s.ask_briefly(format!("instance {instance}"), version, &request)?;
    }
    if group.instance.is_some() {
        let request = request(version, &group, true).with_member_id(text("nobody"));
        s.ask_briefly(
            "instance right, member wrong",
            version,
            &request.with_group_instance_id(group.instance.clone()),
        )?;
    }
    s.on("observer").ask("the group", 5, &describe(&group.id))?;
    Ok(())
}

fn protocol(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let types = [None, Some(""), Some("connect"), Some("consumer")];
    let names = [None, Some(""), Some("roundrobin"), Some("range")];
    for protocol_type in types {
        for name in names {
            let request = request(version, &group, true)
                .with_protocol_type(protocol_type.map(text))
                .with_protocol_name(name.map(text));
            s.ask_briefly(format!("type {protocol_type:?}, name {name:?}"), version, &request)?;
        }
    }
    let request = request(version, &group, true)
        .with_member_id(text("nobody"))
        .with_protocol_name(Some(text("x")));
    s.ask_briefly("wrong member and name", version, &request)?;
    s.on("member a")
        .peek::<JoinGroupRequest>("nothing more for the member", 5)?;
    Ok(())
}

fn bad_group(s: &mut Script<'_>, version: i16) -> Result<()> {
    for name in ["", " "] {
        let group = GroupId(text(name));
        s.ask(
            format!("group {name:?}"),
            version,
            &named(version, sync(&group, 1, &text("m"), &[])),
        )?;
    }
    Ok(())
}
