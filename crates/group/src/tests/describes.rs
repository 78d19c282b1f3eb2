//! DescribeGroups and ListGroups.

use ottla_model::ErrorCode;

use super::context::*;
use crate::*;

#[test]
fn an_unknown_group_is_not_found() {
    let mut ctx = Context::new();
    let ticket = ctx.send(Command::DescribeGroup(GROUP.into()));
    assert_eq!(ctx.refusal(ticket), ErrorCode::GroupIdNotFound);
}

#[test]
fn a_stable_group_shows_all() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let group = ctx.describe();
    assert_eq!(
        (group.protocol_type.as_deref(), group.protocol.as_deref()),
        (Some("consumer"), Some("range"))
    );
    let member = &group.members[0];
    assert_eq!(member.member, a);
    assert_eq!((&*member.client.id, &*member.client.host), ("a", "/127.0.0.1"));
    assert_eq!(
        (&member.metadata, &member.assignment[..]),
        (&subscribes_to("t"), &b"a"[..])
    );
}

#[test]
fn while_members_join_anew_metadata_and_protocol_are_hidden_but_not_the_assignment() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.join(join("b").at_once());
    let group = ctx.describe();
    assert_eq!((group.state, group.protocol), (ClassicState::PreparingRebalance, None));
    let member = group
        .members
        .iter()
        .find(|member| member.member == a)
        .expect("a is in it");
    assert_eq!((&member.metadata[..], &member.assignment[..]), (&b""[..], &b"a"[..]));
}

fn listed(ctx: &mut Context, states: &[&str], types: &[&str]) -> usize {
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let ticket = ctx.send(Command::ListGroups(ListGroups {
        states: texts(states),
        types: texts(types),
    }));
    match ctx.reply(ticket) {
        Some(Reply::ListGroups(Ok(groups))) => groups.len(),
        other => panic!("answered at once: {other:?}"),
    }
}

#[test]
fn filters_ignore_case_and_names_without_meaning_match_nothing() {
    let mut ctx = Context::new();
    ctx.stable(["a"]);
    let mut other = commit("t", 1);
    other.0.group = "other".into();
    ctx.commit(other).expect("stored");
    assert_eq!(listed(&mut ctx, &[], &[]), 2);
    assert_eq!(listed(&mut ctx, &["sTABLE"], &["Classic"]), 1);
    assert_eq!(listed(&mut ctx, &["empty", "stable"], &[]), 2);
    assert_eq!(listed(&mut ctx, &["asleep"], &[]), 0);
    assert_eq!(listed(&mut ctx, &[], &["consumer"]), 0);
}
