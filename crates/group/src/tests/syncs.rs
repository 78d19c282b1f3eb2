//! SyncGroup.

use ottla_model::ErrorCode;

use super::context::*;
use crate::*;

/// Two members that have joined generation 1 and are to sync; the first leads.
fn joined(ctx: &mut Context) -> [ottla_model::MemberId; 2] {
    let tickets = ["a", "b"].map(|name| ctx.join(join(name).at_once()));
    ctx.pass(INITIAL_DELAY * 2);
    tickets.map(|ticket| ctx.joined(ticket).member)
}

#[test]
fn followers_wait_for_the_leader_and_everybody_learns_its_share() {
    let mut ctx = Context::new();
    let [a, b] = joined(&mut ctx);
    let follower = ctx.sync(&b, 1, &[]);
    assert!(ctx.is_parked(follower));
    let leader = ctx.sync(&a, 1, &[(&a, "0,1"), (&b, "2")]);
    assert_eq!(ctx.synced(leader), "0,1");
    assert_eq!(ctx.synced(follower), "2");
    assert_eq!(ctx.state(), ClassicState::Stable);
}

#[test]
fn the_assignment_is_in_the_log_before_anybody_hears_of_it() {
    let mut ctx = Context::new();
    let [a, _] = joined(&mut ctx);
    let before = ctx.log.len();
    ctx.sync(&a, 1, &[(&a, "0")]);
    assert_eq!(
        ctx.log.len(),
        before + 1,
        "the record comes out of the same step as the answer"
    );
}

#[test]
fn a_member_that_the_leader_forgot_gets_an_empty_assignment() {
    let mut ctx = Context::new();
    let [a, b] = joined(&mut ctx);
    let follower = ctx.sync(&b, 1, &[]);
    ctx.sync(&a, 1, &[(&a, "0"), (&"made-up".into(), "1")]);
    assert_eq!(ctx.synced(follower), "");
}

#[test]
fn a_stable_group_repeats_the_assignment() {
    let mut ctx = Context::new();
    let [_, b] = ctx.stable(["a", "b"]);
    let again = ctx.sync(&b, 1, &[]);
    assert_eq!(ctx.synced(again), "b");
}

#[test]
fn whoever_does_not_belong_is_refused() {
    let mut ctx = Context::new();
    let nowhere = ctx.sync(&"x".into(), 1, &[]);
    assert_eq!(ctx.refusal(nowhere), ErrorCode::UnknownMemberId);
    let [a, _] = joined(&mut ctx);
    let unknown = ctx.sync(&"x".into(), 1, &[]);
    assert_eq!(ctx.refusal(unknown), ErrorCode::UnknownMemberId);
    let wrong = ctx.sync(&a, 2, &[]);
    assert_eq!(ctx.refusal(wrong), ErrorCode::IllegalGeneration);
    let mut nameless = sync(&a, 1, &[]);
    nameless.group = "".into();
    let nameless = ctx.send(Command::SyncGroup(nameless));
    assert_eq!(ctx.refusal(nameless), ErrorCode::InvalidGroupId);
}

#[test]
fn an_empty_group_knows_no_member() {
    let mut ctx = Context::new();
    let id = ctx.ask_for_id(join("a"));
    let pending = ctx.sync(&id, 0, &[]);
    assert_eq!(ctx.refusal(pending), ErrorCode::UnknownMemberId);
}

#[test]
fn from_v5_a_missing_protocol_is_refused_before_anything_else() {
    let mut ctx = Context::new();
    let mut missing = sync(&"x".into(), 1, &[]);
    missing.protocol = None;
    let ticket = ctx.send(Command::SyncGroup(missing.clone()));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
    missing.protocol_mandatory = false;
    let ticket = ctx.send(Command::SyncGroup(missing));
    assert_eq!(ctx.refusal(ticket), ErrorCode::UnknownMemberId);
}

#[test]
fn a_wrong_protocol_is_refused_if_it_is_given() {
    let mut ctx = Context::new();
    let [a, _] = joined(&mut ctx);
    let mut wrong = sync(&a, 1, &[]);
    wrong.protocol = Some("sticky".into());
    let ticket = ctx.send(Command::SyncGroup(wrong));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
    let mut wrong = sync(&a, 1, &[]);
    wrong.protocol_type = Some("connect".into());
    let ticket = ctx.send(Command::SyncGroup(wrong));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_new_rebalance_ends_the_waiting() {
    let mut ctx = Context::new();
    let [_, b] = joined(&mut ctx);
    let follower = ctx.sync(&b, 1, &[]);
    ctx.join(join("c").at_once());
    assert_eq!(ctx.refusal(follower), ErrorCode::RebalanceInProgress);
    let late = ctx.sync(&b, 1, &[]);
    assert_eq!(ctx.refusal(late), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_second_sync_of_a_member_takes_the_place_of_the_first() {
    let mut ctx = Context::new();
    let [a, b] = joined(&mut ctx);
    let first = ctx.sync(&b, 1, &[]);
    let second = ctx.sync(&b, 1, &[]);
    assert_eq!(ctx.refusal(first), ErrorCode::RebalanceInProgress);
    ctx.sync(&a, 1, &[(&b, "0")]);
    assert_eq!(ctx.synced(second), "0");
}

#[test]
fn members_that_never_sync_are_removed_even_if_they_beat() {
    let mut ctx = Context::new();
    let [a, b] = joined(&mut ctx);
    ctx.sync(&a, 1, &[(&a, "0"), (&b, "1")]);
    ctx.pass_with(REBALANCE - 1, &[&a, &b]);
    assert_eq!(ctx.state(), ClassicState::Stable);
    ctx.pass(1);
    assert_eq!(ctx.state(), ClassicState::PreparingRebalance);
    assert_eq!(ctx.members(), vec![a]);
}

#[test]
fn a_leader_that_never_syncs_is_removed() {
    let mut ctx = Context::new();
    let [a, b] = joined(&mut ctx);
    let follower = ctx.sync(&b, 1, &[]);
    ctx.pass_with(REBALANCE, &[&a]);
    assert_eq!(ctx.refusal(follower), ErrorCode::RebalanceInProgress);
    assert_eq!(ctx.members(), vec![b.clone()]);
    let again = ctx.join(join("b").under(&b));
    assert_eq!(ctx.joined(again).leader, b);
}

#[test]
fn whoever_waits_for_the_leader_need_not_beat() {
    let mut ctx = Context::new();
    let [a, b] = joined(&mut ctx);
    let follower = ctx.sync(&b, 1, &[]);
    ctx.pass_with(3 * SESSION, &[&a]);
    ctx.sync(&a, 1, &[(&b, "0")]);
    assert_eq!(ctx.synced(follower), "0");
    ctx.pass_with(SESSION - 1, &[&a]);
    assert_eq!(ctx.heartbeat(&b, 1), Ok(()), "its session began anew with the answer");
}
