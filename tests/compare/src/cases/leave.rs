//! LeaveGroup: one member or many, present or not, in every state.

use anyhow::Result;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{GroupId, JoinGroupRequest, LeaveGroupRequest};
use kafka_protocol::protocol::StrBytes;

use crate::cases::{Case, in_states, in_versions};
use crate::requests::{describe, leave, text};
use crate::script::Script;
use crate::states::{self, Group, State};

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases = in_states("leave/one", 0..=5, one);
    for (index, name) in BATCHES.iter().enumerate() {
        let area = format!("leave/{name}");
        cases.extend(in_states(&area, 3..=5, move |s, state, version| {
            batch(s, state, version, index)
        }));
    }
    cases.extend(in_versions("leave/bad_group", 0..=5, bad_group));
    cases
}

/// Those that are not there, then one that is.
fn one(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    for (label, member) in [
        ("wrong", text("nobody")),
        ("empty", text("")),
        ("right", group.member.clone()),
    ] {
        s.ask(label, version, &leave(version, &group.id, &member))?;
    }
    after(s, state, &group)?;
    s.on("a")
        .ask("right, again", version, &leave(version, &group.id, &group.member))?;
    s.ask("other", version, &leave(version, &group.id, &group.other))?;
    after(s, state, &group)
}

const BATCHES: [&str; 9] = [
    "nobody",
    "both",
    "right_and_wrong",
    "twice",
    "instance_alone",
    "wrong_instance_alone",
    "member_and_instance",
    "member_and_wrong_instance",
    "wrong_member_and_instance",
];

fn batch(s: &mut Script<'_>, state: State, version: i16, index: usize) -> Result<()> {
    let group = states::make(s, state)?;
    let right = || identity(&group.member, None);
    let instance = group.instance.clone().unwrap_or_else(|| text("instance-a"));
    let members = match BATCHES[index] {
        "nobody" => vec![],
        "both" => vec![right(), identity(&group.other, None)],
        "right_and_wrong" => vec![right(), identity(&text("nobody"), None)],
        "twice" => vec![right(), right()],
        "instance_alone" => vec![identity(&text(""), Some(instance))],
        "wrong_instance_alone" => vec![identity(&text(""), Some(text("instance-x")))],
        "member_and_instance" => vec![identity(&group.member, Some(instance))],
        "member_and_wrong_instance" => vec![identity(&group.member, Some(text("instance-x")))],
        _ => vec![identity(&text("nobody"), Some(instance))],
    };
    let reason = if version >= 5 { Some(text("tired")) } else { None };
    let members = members
        .into_iter()
        .map(|member| member.with_reason(reason.clone()))
        .collect();
    let request = LeaveGroupRequest::default()
        .with_group_id(group.id.clone())
        .with_members(members);
    s.ask("leave", version, &request)?;
    after(s, state, &group)
}

fn identity(member: &StrBytes, instance: Option<StrBytes>) -> MemberIdentity {
    MemberIdentity::default()
        .with_member_id(member.clone())
        .with_group_instance_id(instance)
}

fn after(s: &mut Script<'_>, state: State, group: &Group) -> Result<()> {
    s.on("observer").ask("the group", 5, &describe(&group.id))?;
    if state == State::Preparing {
        s.on("member b").peek::<JoinGroupRequest>("the one who waited", 5)?;
    }
    Ok(())
}

fn bad_group(s: &mut Script<'_>, version: i16) -> Result<()> {
    for name in ["", " "] {
        s.ask(
            format!("group {name:?}"),
            version,
            &leave(version, &GroupId(text(name)), &text("m")),
        )?;
    }
    Ok(())
}
