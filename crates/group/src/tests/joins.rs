//! JoinGroup and the rebalance.

use ottla_model::{ErrorCode, Millis};

use super::context::*;
use crate::*;

#[test]
fn the_empty_group_id_is_refused() {
    let mut ctx = Context::new();
    let mut nameless = join("a");
    nameless.0.group = "".into();
    let ticket = ctx.join(nameless);
    assert_eq!(ctx.refusal(ticket), ErrorCode::InvalidGroupId);
}

#[test]
fn a_session_timeout_out_of_bounds_is_refused_and_creates_no_group() {
    let mut ctx = Context::new();
    for session in [5_999, 1_800_001, -1] {
        let ticket = ctx.join(join("a").with_timeouts(session, REBALANCE));
        assert_eq!(ctx.refusal(ticket), ErrorCode::InvalidSessionTimeout);
    }
    assert!(!ctx.exists());
}

#[test]
fn an_id_that_nobody_handed_out_is_refused() {
    let mut ctx = Context::new();
    let unknown = ctx.join(join("a").under(&"made-up".into()));
    assert_eq!(ctx.refusal(unknown), ErrorCode::UnknownMemberId);
    assert!(!ctx.exists());
    ctx.stable(["a"]);
    let unknown = ctx.join(join("b").under(&"made-up".into()));
    assert_eq!(ctx.refusal(unknown), ErrorCode::UnknownMemberId);
}

#[test]
fn a_newcomer_is_given_its_id_first() {
    let mut ctx = Context::new();
    let id = ctx.ask_for_id(join("a"));
    assert!(id.as_str().starts_with("a-"), "{id}");
    assert_eq!(
        ctx.state(),
        ClassicState::Empty,
        "a group with only a pending member shows as Empty"
    );
    let ticket = ctx.join(join("a").under(&id));
    assert!(ctx.is_parked(ticket));
    ctx.pass(INITIAL_DELAY);
    let joined = ctx.joined(ticket);
    assert_eq!(joined.member, id);
    assert_eq!(joined.generation.0, 1);
    assert_eq!(joined.leader, id);
    assert_eq!(joined.members.len(), 1);
}

#[test]
fn before_v4_a_newcomer_joins_at_once() {
    let mut ctx = Context::new();
    let ticket = ctx.join(join("a").at_once());
    ctx.pass(INITIAL_DELAY);
    assert_eq!(ctx.joined(ticket).generation.0, 1);
}

#[test]
fn a_static_newcomer_joins_at_once_under_its_instance_id() {
    let mut ctx = Context::new();
    let ticket = ctx.join(join("a").of_instance("i"));
    ctx.pass(INITIAL_DELAY);
    assert!(ctx.joined(ticket).member.as_str().starts_with("i-"));
}

#[test]
fn an_id_not_used_within_a_session_timeout_is_forgotten() {
    let mut ctx = Context::new();
    let id = ctx.ask_for_id(join("a"));
    ctx.pass(SESSION);
    let ticket = ctx.join(join("a").under(&id));
    assert_eq!(ctx.refusal(ticket), ErrorCode::UnknownMemberId);
}

#[test]
fn a_group_with_only_a_pending_member_can_be_deleted() {
    let mut ctx = Context::new();
    let id = ctx.ask_for_id(join("a"));
    assert_eq!(ctx.delete_group(), Ok(()));
    let ticket = ctx.join(join("a").under(&id));
    assert_eq!(ctx.refusal(ticket), ErrorCode::UnknownMemberId);
    ctx.pass(SESSION);
    assert!(!ctx.exists());
}

#[test]
fn a_refused_newcomer_still_creates_the_group() {
    let mut ctx = Context::new();
    let ticket = ctx.join(join("a").with_protocols(&[]));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
    let ticket = ctx.join(join("a").of_type(""));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(ctx.state(), ClassicState::Empty);
}

#[test]
fn a_newcomer_without_a_common_protocol_is_refused_before_it_gets_an_id() {
    let mut ctx = Context::new();
    ctx.stable(["a"]);
    let ticket = ctx.join(join("b").with_protocols(&[("sticky", "")]));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
    let ticket = ctx.join(join("b").of_type("connect"));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn the_first_rebalance_waits_for_further_newcomers_up_to_the_rebalance_timeout() {
    let mut ctx = Context::new();
    let first = ctx.join(join("a").at_once().with_timeouts(SESSION, 7_000));
    ctx.pass(2_999);
    ctx.join(join("b").at_once().with_timeouts(SESSION, 7_000));
    ctx.pass(2_999);
    assert!(ctx.is_parked(first), "extended by a second step");
    ctx.join(join("c").at_once().with_timeouts(SESSION, 7_000));
    ctx.pass(1_002);
    assert!(
        !ctx.is_parked(first),
        "3000 + 3000 + 1000 is the whole rebalance timeout"
    );
    assert_eq!(ctx.members().len(), 3);
}

#[test]
fn the_first_rebalance_ends_after_one_step_if_nobody_else_comes() {
    let mut ctx = Context::new();
    let ticket = ctx.join(join("a").at_once());
    ctx.pass(INITIAL_DELAY - 1);
    assert!(ctx.is_parked(ticket));
    ctx.pass(1);
    assert_eq!(ctx.joined(ticket).generation.0, 1);
}

#[test]
fn without_an_initial_delay_the_first_rebalance_ends_at_once() {
    let mut ctx = Context::with(GroupConfig {
        initial_rebalance_delay: Millis(0),
        ..GroupConfig::default()
    });
    let ticket = ctx.join(join("a").at_once());
    ctx.pass(0);
    assert_eq!(ctx.joined(ticket).generation.0, 1);
}

#[test]
fn the_first_rebalance_does_not_wait_for_pending_members() {
    let mut ctx = Context::new();
    ctx.ask_for_id(join("b"));
    let ticket = ctx.join(join("a").at_once());
    ctx.pass(INITIAL_DELAY);
    assert_eq!(ctx.joined(ticket).members.len(), 1);
}

#[test]
fn later_rebalances_wait_for_pending_members() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let b = ctx.ask_for_id(join("b"));
    let again = ctx.join(join("a").under(&a));
    assert!(ctx.is_parked(again), "b has its id, so it is about to come");
    let newcomer = ctx.join(join("b").under(&b));
    assert_eq!(ctx.joined(again).generation.0, 2);
    assert_eq!(ctx.joined(newcomer).generation.0, 2);
}

#[test]
fn a_pending_member_that_never_comes_is_waited_for_no_longer_than_its_session() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.ask_for_id(join("b"));
    let again = ctx.join(join("a").under(&a));
    ctx.pass(SESSION);
    assert_eq!(ctx.joined(again).generation.0, 2);
}

#[test]
fn all_members_know_the_generation_but_only_the_leader_the_members() {
    let mut ctx = Context::new();
    let a = ctx.join(join("a").at_once());
    let b = ctx.join(join("b").at_once());
    ctx.pass(INITIAL_DELAY * 2);
    let (a, b) = (ctx.joined(a), ctx.joined(b));
    assert_eq!(a.leader, a.member, "the first to join leads");
    assert_eq!(b.leader, a.member);
    assert_eq!((a.members.len(), b.members.len()), (2, 0));
    assert_eq!(a.members[0].metadata, subscribes_to("t"));
}

#[test]
fn each_member_votes_for_its_first_protocol_that_all_can_do() {
    let mut ctx = Context::new();
    let protocols: [&[_]; 3] = [
        &[("mine", ""), ("range", ""), ("sticky", "")],
        &[("sticky", ""), ("range", "")],
        &[("sticky", ""), ("range", "")],
    ];
    let tickets = protocols.map(|offered| {
        ctx.join(
            join("a")
                .at_once()
                .with_protocols(offered)
                .with_timeouts(SESSION, 9_000),
        )
    });
    ctx.pass(INITIAL_DELAY * 3);
    assert_eq!(
        &*ctx.joined(tickets[0]).protocol,
        "sticky",
        "two votes against one; only one can do \"mine\""
    );
}

#[test]
fn a_newcomer_makes_everybody_join_anew() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let b = ctx.join(join("b").at_once());
    assert_eq!(ctx.state(), ClassicState::PreparingRebalance);
    assert_eq!(ctx.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
    let a = ctx.join(join("a").under(&a));
    assert_eq!(ctx.joined(a).generation.0, 2);
    assert_eq!(ctx.joined(b).generation.0, 2);
    assert_eq!(ctx.state(), ClassicState::CompletingRebalance);
}

#[test]
fn a_dynamic_member_that_does_not_rejoin_in_time_is_removed() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    let again = ctx.join(join("a").under(&a));
    ctx.pass_with(REBALANCE - 1, &[&b]);
    assert!(ctx.is_parked(again));
    ctx.pass(1);
    assert_eq!(ctx.joined(again).members.len(), 1);
    assert_eq!(ctx.heartbeat(&b, 2), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn the_rebalance_timeout_is_the_longest_of_all_members() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable_with([join("a"), join("b").with_timeouts(SESSION, 2 * REBALANCE)]);
    let again = ctx.join(join("a").under(&a));
    ctx.pass_with(2 * REBALANCE - 1, &[&b]);
    assert!(ctx.is_parked(again));
    ctx.pass(1);
    assert_eq!(ctx.joined(again).generation.0, 2);
}

#[test]
fn a_leader_that_does_not_rejoin_is_replaced_by_one_that_did() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    let changed = ctx.join(join("b").under(&b).subscribing("u"));
    ctx.pass_with(REBALANCE, &[&a]);
    assert_eq!(ctx.joined(changed).leader, b);
}

#[test]
fn a_leader_that_rejoins_makes_a_rebalance_even_without_a_change() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    let again = ctx.join(join("b").under(&b));
    assert_eq!(
        ctx.joined(again).generation.0,
        1,
        "a follower without a change is told what it knows"
    );
    let again = ctx.join(join("a").under(&a));
    assert!(ctx.is_parked(again));
    assert_eq!(ctx.state(), ClassicState::PreparingRebalance);
}

#[test]
fn a_change_of_metadata_or_of_the_order_of_protocols_makes_a_rebalance() {
    for protocols in [
        &[("range", "new"), ("sticky", "y")],
        &[("range", "x"), ("sticky", "new")],
        &[("sticky", "y"), ("range", "x")],
    ] {
        let mut ctx = Context::new();
        let before = [("range", "x"), ("sticky", "y")];
        let [_, b] = ctx.stable_with(["a", "b"].map(|name| join(name).with_protocols(&before)));
        let ticket = ctx.join(join("b").under(&b).with_protocols(protocols));
        assert!(ctx.is_parked(ticket), "{protocols:?}");
    }
}

#[test]
fn other_timeouts_alone_are_no_change() {
    let mut ctx = Context::new();
    let [_, b] = ctx.stable(["a", "b"]);
    let ticket = ctx.join(join("b").under(&b).with_timeouts(7_000, 8_000));
    assert_eq!(ctx.joined(ticket).generation.0, 1);
}

#[test]
fn a_lost_answer_is_repeated_while_the_leader_assigns() {
    let mut ctx = Context::new();
    let (a, b) = (ctx.join(join("a").at_once()), ctx.join(join("b").at_once()));
    ctx.pass(INITIAL_DELAY * 2);
    let (a, b) = (ctx.joined(a), ctx.joined(b));
    let again_a = ctx.join(join("a").under(&a.member));
    let again_b = ctx.join(join("b").under(&b.member));
    assert_eq!(ctx.joined(again_a), a);
    assert_eq!(ctx.joined(again_b), b);
    let changed = ctx.join(join("b").under(&b.member).subscribing("u"));
    assert!(ctx.is_parked(changed));
    assert_eq!(ctx.state(), ClassicState::PreparingRebalance);
}

#[test]
fn a_second_join_of_a_member_takes_the_place_of_the_first() {
    let mut ctx = Context::new();
    let [a, _] = ctx.stable(["a", "b"]);
    let first = ctx.join(join("a").under(&a));
    let second = ctx.join(join("a").under(&a));
    assert_eq!(ctx.refusal(first), ErrorCode::RebalanceInProgress);
    assert!(ctx.is_parked(second));
}

#[test]
fn a_group_that_is_full_refuses_newcomers() {
    let mut ctx = Context::with(GroupConfig {
        members_max: 1,
        ..GroupConfig::default()
    });
    let [a] = ctx.stable(["a"]);
    let b = ctx.join(join("b").at_once());
    assert_eq!(ctx.refusal(b), ErrorCode::GroupMaxSizeReached);
    assert_eq!(ctx.heartbeat(&a, 1), Ok(()));
}

#[test]
fn while_members_join_the_first_to_come_have_the_places() {
    let mut ctx = Context::with(GroupConfig {
        members_max: 2,
        ..GroupConfig::default()
    });
    let [a, b] = ctx.stable(["a", "b"]);
    let a = ctx.join(join("a").under(&a));
    let c = ctx.join(join("c").at_once());
    assert!(ctx.is_parked(c), "only one of the two places is taken again");
    let b = ctx.join(join("b").under(&b));
    assert_eq!(ctx.refusal(b), ErrorCode::GroupMaxSizeReached);
    assert_eq!(ctx.joined(a).members.len(), 2, "and b is no member any more");
}

#[test]
fn a_newcomer_whose_join_stays_parked_is_given_up_after_five_minutes() {
    let mut ctx = Context::new();
    let [a] = ctx.stable_with([join("a").with_timeouts(SESSION, 3_600_000)]);
    let newcomer = ctx.join(join("b").at_once());
    ctx.pass_with(5 * 60_000 - 1, &[&a]);
    assert!(ctx.is_parked(newcomer), "much longer than its session timeout");
    ctx.pass(1);
    assert_eq!(ctx.refusal(newcomer), ErrorCode::UnknownMemberId);
}

#[test]
fn texts_too_long_for_a_record_are_refused() {
    let mut ctx = Context::new();
    let ticket = ctx.join(join(&"x".repeat(40_000)));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InvalidRequest);
}

#[test]
fn a_group_that_became_empty_takes_any_protocol_type() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.leave(&[leaver(&a)]);
    let ticket = ctx.join(join("b").at_once().of_type("connect"));
    ctx.pass(INITIAL_DELAY);
    assert_eq!(&*ctx.joined(ticket).protocol_type, "connect");
    assert_eq!(
        ctx.joined(ticket).generation.0,
        3,
        "emptying the group was a generation too"
    );
}
