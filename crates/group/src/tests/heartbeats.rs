//! Heartbeat and the session.

use ottla_model::{ErrorCode, Generation};

use super::context::*;
use crate::*;

#[test]
fn a_member_of_a_stable_group_beats() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    assert_eq!(ctx.heartbeat(&a, 1), Ok(()));
    assert_eq!(ctx.heartbeat(&a, 0), Err(ErrorCode::IllegalGeneration));
    assert_eq!(ctx.heartbeat(&"x".into(), 1), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn while_the_leader_assigns_a_beat_is_answered_without_an_error() {
    let mut ctx = Context::new();
    let a = ctx.join(join("a").at_once());
    ctx.pass(INITIAL_DELAY);
    let a = ctx.joined(a).member;
    assert_eq!(ctx.state(), ClassicState::CompletingRebalance);
    assert_eq!(ctx.heartbeat(&a, 1), Ok(()));
}

#[test]
fn an_unknown_group_and_a_pending_id_know_no_member() {
    let mut ctx = Context::new();
    assert_eq!(ctx.heartbeat(&"x".into(), 1), Err(ErrorCode::UnknownMemberId));
    let id = ctx.ask_for_id(join("a"));
    assert_eq!(ctx.heartbeat(&id, 0), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn the_empty_group_id_is_refused() {
    let mut ctx = Context::new();
    let heartbeat = Heartbeat {
        group: "".into(),
        member: "a".into(),
        instance: None,
        generation: Generation(1),
    };
    let ticket = ctx.send(Command::Heartbeat(heartbeat));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InvalidGroupId);
}

#[test]
fn a_silent_member_is_removed_after_its_session_timeout() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    ctx.pass_with(SESSION - 1, &[&a]);
    assert_eq!(ctx.members().len(), 2);
    ctx.pass(1);
    assert_eq!(ctx.members(), vec![a.clone()]);
    assert_eq!(ctx.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
    assert_eq!(ctx.heartbeat(&b, 1), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_group_whose_last_member_is_silent_becomes_empty() {
    let mut ctx = Context::new();
    ctx.stable(["a"]);
    ctx.pass(SESSION);
    assert_eq!(ctx.state(), ClassicState::Empty);
    assert_eq!(ctx.generation(), 2, "emptying the group is a generation");
}

#[test]
fn a_member_that_waits_in_the_join_phase_need_not_beat() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    let again = ctx.join(join("a").under(&a));
    ctx.pass_with(4 * SESSION, &[&b]);
    assert!(ctx.is_parked(again));
}

#[test]
fn a_member_that_beats_in_the_join_phase_keeps_its_session() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    ctx.join(join("a").under(&a));
    ctx.pass_with(2 * SESSION, &[&b]);
    assert_eq!(ctx.members().len(), 2);
    ctx.pass(SESSION);
    assert_eq!(ctx.members(), vec![a]);
}
