//! Static members (KIP-345).

use ottla_model::{ErrorCode, MemberId};

use super::context::*;
use crate::*;

fn statics(ctx: &mut Context) -> [MemberId; 2] {
    ctx.stable_with(["i", "j"].map(|name| join(name).of_instance(name)))
}

#[test]
fn a_restart_moves_no_work() {
    let mut ctx = Context::new();
    let [i, j] = statics(&mut ctx);
    let ticket = ctx.join(join("other").of_instance("j"));
    let joined = ctx.joined(ticket);
    assert_ne!(joined.member, j);
    assert_eq!(
        (joined.generation.0, &joined.leader, joined.skip_assignment),
        (1, &i, false)
    );
    assert_eq!(ctx.heartbeat(&i, 1), Ok(()));
    let share = ctx.sync(&joined.member, 1, &[]);
    assert_eq!(ctx.synced(share), "j");
    let shown = ctx
        .describe()
        .members
        .into_iter()
        .find(|member| member.member == joined.member);
    assert_eq!(
        &*shown.expect("a member").client.id,
        "j",
        "the client id stays that of the first process"
    );
}

#[test]
fn the_process_that_was_replaced_is_fenced() {
    let mut ctx = Context::new();
    let [_, j] = statics(&mut ctx);
    ctx.join(join("j").of_instance("j"));
    assert_eq!(
        ctx.heartbeat(&j, 1),
        Err(ErrorCode::UnknownMemberId),
        "without its instance id it is unknown"
    );
    let ticket = ctx.join(join("j").under(&j).of_instance("j"));
    assert_eq!(ctx.refusal(ticket), ErrorCode::FencedInstanceId);
    let mut late = sync(&j, 1, &[]);
    late.instance = Some("j".into());
    let ticket = ctx.send(Command::SyncGroup(late));
    assert_eq!(ctx.refusal(ticket), ErrorCode::FencedInstanceId);
    let mut late = commit("t", 1).by(&j, 1);
    late.0.instance = Some("j".into());
    assert_eq!(ctx.commit(late), Err(ErrorCode::FencedInstanceId));
}

#[test]
fn a_leader_that_restarts_is_told_to_skip_the_assignment() {
    let mut ctx = Context::new();
    let [_, j] = statics(&mut ctx);
    let ticket = ctx.join(join("i").of_instance("i"));
    let joined = ctx.joined(ticket);
    assert_eq!(joined.leader, joined.member);
    assert!(joined.skip_assignment);
    assert_eq!(joined.members.len(), 2, "it still watches the partitions of all");
    assert_eq!(ctx.heartbeat(&j, 1), Ok(()));
}

#[test]
fn before_v9_a_leader_that_restarts_is_told_its_old_id() {
    let mut ctx = Context::new();
    let [i, _] = statics(&mut ctx);
    let ticket = ctx.join(join("i").of_instance("i").before_skip());
    let joined = ctx.joined(ticket);
    assert_eq!(joined.leader, i);
    assert_ne!(joined.member, i);
    assert_eq!((joined.members.len(), joined.skip_assignment), (0, false));
    let again = ctx.join(join("i").under(&joined.member).of_instance("i"));
    assert!(
        ctx.is_parked(again),
        "it leads all the same: joining again makes a rebalance"
    );
}

#[test]
fn a_restart_that_changes_the_protocol_makes_a_rebalance() {
    let mut ctx = Context::new();
    let both = [("range", ""), ("sticky", "")];
    let [_, j] = ctx.stable_with(["i", "j"].map(|name| join(name).of_instance(name).with_protocols(&both)));
    let ticket = ctx.join(join("j").of_instance("j").with_protocols(&[("sticky", "")]));
    assert!(ctx.is_parked(ticket));
    assert_eq!(ctx.state(), ClassicState::PreparingRebalance);
    assert!(!ctx.members().contains(&j));
}

#[test]
fn a_restart_while_the_leader_assigns_makes_a_rebalance() {
    let mut ctx = Context::new();
    let tickets = ["i", "j"].map(|name| ctx.join(join(name).of_instance(name)));
    ctx.pass(INITIAL_DELAY * 2);
    let [_, j] = tickets.map(|ticket| ctx.joined(ticket).member);
    let waiting = ctx.sync(&j, 1, &[]);
    let back = ctx.join(join("j").of_instance("j"));
    assert_eq!(ctx.refusal(waiting), ErrorCode::FencedInstanceId);
    assert!(ctx.is_parked(back));
    assert_eq!(ctx.state(), ClassicState::PreparingRebalance);
}

#[test]
fn a_restart_while_members_join_fences_the_parked_join() {
    let mut ctx = Context::new();
    let first = ctx.join(join("i").of_instance("i"));
    let second = ctx.join(join("i").of_instance("i"));
    assert_eq!(ctx.refusal(first), ErrorCode::FencedInstanceId);
    ctx.pass(INITIAL_DELAY * 2);
    assert_eq!(ctx.joined(second).members.len(), 1);
}

#[test]
fn an_instance_id_must_go_with_the_right_member_id() {
    let mut ctx = Context::new();
    let [i, _] = statics(&mut ctx);
    let wrong = ctx.join(join("i").under(&i).of_instance("j"));
    assert_eq!(ctx.refusal(wrong), ErrorCode::FencedInstanceId);
    let unknown = ctx.join(join("i").under(&i).of_instance("k"));
    assert_eq!(ctx.refusal(unknown), ErrorCode::UnknownMemberId);
}

#[test]
fn a_static_member_may_leave_its_instance_id_out() {
    let mut ctx = Context::new();
    let [_, j] = statics(&mut ctx);
    assert_eq!(ctx.heartbeat(&j, 1), Ok(()));
    assert_eq!(ctx.commit(commit("t", 1).by(&j, 1)), Ok(()));
    let again = ctx.join(join("j").under(&j));
    assert_eq!(ctx.joined(again).generation.0, 1);
}

#[test]
fn a_static_member_that_does_not_rejoin_keeps_its_place_until_it_should_have_synced() {
    let mut ctx = Context::new();
    let (long, timeout) = (1_800_000, REBALANCE);
    let [i, j] = ctx.stable_with(["i", "j"].map(|name| join(name).of_instance(name).with_timeouts(long, timeout)));
    let again = ctx.join(join("i").under(&i).with_timeouts(long, timeout));
    ctx.pass(REBALANCE);
    assert_eq!(ctx.joined(again).members.len(), 2, "kept");
    ctx.sync(&i, 2, &[(&i, "0"), (&j, "1")]);
    ctx.pass(REBALANCE);
    assert_eq!(ctx.members(), vec![i], "removed");
}

#[test]
fn the_session_of_whoever_comes_back_runs_anew() {
    let mut ctx = Context::new();
    let [i, _] = statics(&mut ctx);
    ctx.pass_with(SESSION - 1, &[&i]);
    let back = ctx.join(join("j").of_instance("j"));
    let back = ctx.joined(back).member;
    ctx.pass_with(SESSION - 1, &[&i]);
    assert_eq!(ctx.heartbeat(&back, 1), Ok(()));
}
