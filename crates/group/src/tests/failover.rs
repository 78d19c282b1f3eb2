//! What a failover keeps, and what it loses.

use ottla_model::ErrorCode;

use super::context::*;
use crate::*;

#[test]
fn members_at_work_notice_nothing() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    let before = ctx.describe();
    ctx.fail_over();
    assert_eq!(ctx.describe(), before);
    assert_eq!(ctx.heartbeat(&a, 1), Ok(()));
    let again = ctx.sync(&b, 1, &[]);
    assert_eq!(ctx.synced(again), "b");
}

#[test]
fn sessions_run_anew() {
    let mut ctx = Context::new();
    ctx.stable(["a"]);
    ctx.pass(SESSION - 1);
    ctx.fail_over();
    ctx.pass(SESSION - 1);
    assert_eq!(ctx.state(), ClassicState::Stable);
    ctx.pass(1);
    assert_eq!(ctx.state(), ClassicState::Empty);
}

#[test]
fn a_rebalance_under_way_is_lost() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.join(join("b").at_once());
    ctx.fail_over();
    assert_eq!(ctx.members(), vec![a.clone()]);
    assert_eq!(ctx.heartbeat(&a, 1), Ok(()));
}

#[test]
fn only_the_chosen_protocol_is_known_so_a_rejoin_with_all_of_them_is_a_change() {
    let mut ctx = Context::new();
    let both = [("range", "x"), ("sticky", "y")];
    let [_, b] = ctx.stable_with(["a", "b"].map(|name| join(name).with_protocols(&both)));
    ctx.fail_over();
    let only = ctx.join(join("b").under(&b).with_protocols(&both[..1]));
    assert_eq!(ctx.joined(only).generation.0, 1);
    let all = ctx.join(join("b").under(&b).with_protocols(&both));
    assert!(ctx.is_parked(all));
}

#[test]
fn a_group_larger_than_now_allowed_rebalances() {
    let mut ctx = Context::new();
    let [a, _] = ctx.stable(["a", "b"]);
    ctx.reconfigure(GroupConfig {
        members_max: 1,
        ..GroupConfig::default()
    });
    ctx.fail_over();
    assert_eq!(ctx.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
    assert_eq!(ctx.history()[0].triggers[0].cause, Cause::OverCapacity);
}

#[test]
fn a_coordinator_that_resigns_sends_everybody_elsewhere() {
    let mut ctx = Context::new();
    let [a, _] = ctx.stable(["a", "b"]);
    let joining = ctx.join(join("a").under(&a));
    let resign = ctx.send(Command::Resign);
    assert_eq!(ctx.reply(resign), Some(&Reply::Resigned));
    assert_eq!(ctx.refusal(joining), ErrorCode::NotCoordinator);
    assert_eq!(ctx.heartbeat(&a, 1), Err(ErrorCode::CoordinatorNotAvailable));
    let late = ctx.join(join("c"));
    assert_eq!(ctx.refusal(late), ErrorCode::CoordinatorNotAvailable);
    assert_eq!(ctx.commit(commit("t", 1)), Err(ErrorCode::CoordinatorNotAvailable));
    ctx.pass(11 * 60_000);
}
