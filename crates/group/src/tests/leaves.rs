//! LeaveGroup.

use ottla_model::ErrorCode;

use super::context::*;
use crate::*;

#[test]
fn a_member_that_leaves_makes_the_others_join_anew_at_once() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    assert_eq!(ctx.leave(&[leaver(&b)]), vec![Ok(())]);
    assert_eq!(ctx.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
    let again = ctx.join(join("a").under(&a));
    assert_eq!(ctx.joined(again).generation.0, 2);
}

#[test]
fn the_last_one_to_leave_empties_the_group() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.leave(&[leaver(&a)]);
    assert_eq!((ctx.state(), ctx.generation()), (ClassicState::Empty, 2));
}

#[test]
fn a_batch_is_answered_one_by_one() {
    let mut ctx = Context::new();
    let [a, i] = ctx.stable_with([join("a"), join("i").of_instance("i")]);
    let fenced = Leaver {
        instance: Some("i".into()),
        ..leaver(&a)
    };
    let unknown = Leaver {
        member: None,
        instance: Some("j".into()),
        reason: None,
    };
    let nobody = Leaver {
        member: None,
        instance: None,
        reason: None,
    };
    let results = ctx.leave(&[leaver(&"x".into()), fenced, unknown, nobody, leaver(&i), leaver(&i)]);
    assert_eq!(
        results,
        vec![
            Err(ErrorCode::UnknownMemberId),
            Err(ErrorCode::FencedInstanceId),
            Err(ErrorCode::UnknownMemberId),
            Err(ErrorCode::UnknownMemberId),
            Ok(()),
            Err(ErrorCode::UnknownMemberId),
        ]
    );
    assert_eq!(ctx.members(), vec![a]);
}

#[test]
fn nothing_happens_if_nobody_of_the_batch_is_known() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.leave(&[leaver(&"x".into())]);
    assert_eq!(ctx.heartbeat(&a, 1), Ok(()));
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut ctx = Context::new();
    let [a, _] = ctx.stable_with([join("a"), join("i").of_instance("i")]);
    let results = ctx.leave(&[Leaver {
        member: None,
        instance: Some("i".into()),
        reason: Some("old".into()),
    }]);
    assert_eq!(results, vec![Ok(())]);
    assert_eq!(ctx.members(), vec![a]);
    let history = ctx.history();
    let trigger = &history.last().expect("a rebalance").triggers[0];
    assert_eq!(
        (trigger.cause, trigger.reason.as_deref()),
        (Cause::AdminRemoved, Some("old"))
    );
}

#[test]
fn a_pending_member_can_leave_and_is_waited_for_no_longer() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let b = ctx.ask_for_id(join("b"));
    let again = ctx.join(join("a").under(&a));
    assert!(ctx.is_parked(again));
    assert_eq!(ctx.leave(&[leaver(&b)]), vec![Ok(())]);
    assert_eq!(ctx.joined(again).generation.0, 2);
}

#[test]
fn a_newcomer_that_leaves_has_its_parked_join_answered() {
    let mut ctx = Context::new();
    ctx.stable(["a"]);
    let b = ctx.ask_for_id(join("b"));
    let parked = ctx.join(join("b").under(&b));
    ctx.leave(&[leaver(&b)]);
    assert_eq!(ctx.refusal(parked), ErrorCode::UnknownMemberId);
}

#[test]
fn whoever_leaves_while_it_waits_for_its_assignment_is_answered() {
    let mut ctx = Context::new();
    let tickets = ["a", "b"].map(|name| ctx.join(join(name).at_once()));
    ctx.pass(INITIAL_DELAY * 2);
    let [_, b] = tickets.map(|ticket| ctx.joined(ticket).member);
    let parked = ctx.sync(&b, 1, &[]);
    ctx.leave(&[leaver(&b)]);
    assert_eq!(ctx.refusal(parked), ErrorCode::RebalanceInProgress);
}

#[test]
fn in_an_unknown_group_nobody_is_known() {
    let mut ctx = Context::new();
    assert_eq!(ctx.leave(&[leaver(&"x".into())]), vec![Err(ErrorCode::UnknownMemberId)]);
    let nameless = LeaveGroup {
        group: "".into(),
        members: vec![leaver(&"x".into())],
    };
    let ticket = ctx.send(Command::LeaveGroup(nameless));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InvalidGroupId);
}
