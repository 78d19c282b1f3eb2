//! A group can always say why.

use ottla_model::Millis;

use super::context::*;
use crate::history::REBALANCES_MAX;
use crate::*;

#[test]
fn a_rebalance_tells_who_came_and_how_long_each_phase_took_and_who_was_waited_for() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let started = ctx.now;
    let b = ctx.join(join("b").at_once().because("scale out"));
    ctx.pass(400);
    ctx.join(join("a").under(&a));
    ctx.pass(70);
    ctx.sync(&a, 2, &[(&a, "0")]);
    let b = ctx.joined(b).member;
    let history = ctx.history();
    let rebalance = history.last().expect("two rebalances");
    assert_eq!(history.len(), 2);
    let trigger = &rebalance.triggers[0];
    assert_eq!((trigger.cause, trigger.member.as_ref()), (Cause::NewMember, Some(&b)));
    assert_eq!(trigger.client, Some(Client::new("b", "/127.0.0.1")));
    assert_eq!(trigger.reason.as_deref(), Some("scale out"));
    assert_eq!(rebalance.started, Millis(started));
    assert_eq!(rebalance.joined, Some(Millis(started + 400)));
    assert_eq!(rebalance.ended, Some(Millis(started + 470)));
    assert_eq!(
        rebalance.waited_for,
        Some(Waited {
            member: a,
            span: Millis(400)
        })
    );
    assert_eq!((rebalance.members_before, rebalance.members_after), (1, Some(2)));
    assert_eq!(
        (rebalance.generation.map(|generation| generation.0), rebalance.outcome),
        (Some(2), Outcome::Stable)
    );
}

#[test]
fn what_else_happens_while_members_join_is_told_too() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    ctx.leave(&[Leaver {
        reason: Some("done".into()),
        ..leaver(&b)
    }]);
    ctx.join(join("c").at_once());
    ctx.pass(SESSION);
    let causes: Vec<_> = ctx.history()[1].triggers.iter().map(|trigger| trigger.cause).collect();
    assert_eq!(causes, [Cause::MemberLeft, Cause::NewMember, Cause::SessionExpired]);
    assert_eq!(ctx.history()[1].triggers[2].member, Some(a));
}

#[test]
fn a_member_that_did_not_rejoin_is_the_one_waited_for() {
    let mut ctx = Context::new();
    let [a, b] = ctx.stable(["a", "b"]);
    ctx.join(join("a").under(&a));
    ctx.pass_with(REBALANCE, &[&b]);
    let history = ctx.history();
    let rebalance = history.last().expect("under way");
    assert_eq!(rebalance.outcome, Outcome::UnderWay);
    assert_eq!(
        rebalance.triggers.last().map(|trigger| trigger.cause),
        Some(Cause::DidNotRejoin)
    );
    assert_eq!(
        rebalance.waited_for,
        Some(Waited {
            member: b,
            span: Millis(REBALANCE)
        })
    );
}

#[test]
fn each_rebalance_begins_and_ends_with_an_effect() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.leave(&[leaver(&a)]);
    let lines: Vec<String> = ctx.effects.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "group g rebalances after generation 0: a member came (member a-uuid0, client a at /127.0.0.1)",
            "group g is stable in generation 1, members 0 -> 1, join 3000 ms, sync 3000 ms",
            "group g rebalances after generation 1: a member left (member a-uuid0, client a at /127.0.0.1)",
            "group g is empty in generation 2, members 1 -> 0, join 0 ms, sync 0 ms",
        ]
    );
}

#[test]
fn a_group_remembers_its_last_rebalances_only() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    for generation in 2..100 {
        ctx.join(join("a").under(&a));
        ctx.sync(&a, generation, &[]);
    }
    let history = ctx.history();
    assert_eq!(history.len(), REBALANCES_MAX);
    assert_eq!(
        history
            .last()
            .and_then(|last| last.generation)
            .map(|generation| generation.0),
        Some(99)
    );
}
