//! Markers: asked for until every partition has one, always with the same outcome.

use super::context::*;
use crate::{MarkerAnswer, Status};

fn decided(ctx: &mut Context, partitions: &[&str]) {
    let tx = ctx.init("tx");
    ctx.add("tx", tx, partitions, V2);
    ctx.end("tx", tx, Commit, V2);
}

#[test]
fn they_say_who_decided_what_about_whom() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &["u-0", "t-3"], V2);
    ctx.end("tx", tx, Commit, V2);
    let [markers] = &ctx.asked_markers[..] else {
        panic!("they are asked for once")
    };
    assert_eq!(markers.identity, raised(tx, 1));
    assert_eq!(markers.coordinator_epoch, COORDINATOR_EPOCH);
    assert_eq!((markers.outcome, markers.version), (Commit, V2));
    assert_eq!(markers.partitions, [partition("t-3"), partition("u-0")]);
}

#[test]
fn the_transaction_is_complete_when_all_have_answered() {
    let mut ctx = Context::new();
    decided(&mut ctx, &["t-0", "t-1"]);
    let mut markers = ctx.asked_markers.remove(0);
    let second = markers.partitions.split_off(1);
    ctx.report(&markers, |_| MarkerAnswer::Written);
    assert_eq!(ctx.status("tx"), Status::Prepare(Commit));
    markers.partitions = second;
    ctx.report(&markers, |_| MarkerAnswer::Unneeded);
    assert_eq!(ctx.status("tx"), Status::Complete(Commit));
    assert!(ctx.describe("tx").unwrap().partitions.is_empty());
}

#[test]
fn what_could_not_be_written_is_tried_again() {
    let mut ctx = Context::new();
    decided(&mut ctx, &["t-0", "t-1"]);
    for _ in 0..3 {
        let markers = ctx.asked_markers.remove(0);
        assert!(ctx.asked_markers.is_empty());
        ctx.report(&markers, |partition| match partition.index.0 {
            0 => MarkerAnswer::Written,
            _ => MarkerAnswer::NotNow,
        });
        ctx.pass(99);
        assert!(ctx.asked_markers.is_empty());
        ctx.pass(1);
        assert_eq!(ctx.asked_markers[0].partitions, [partition("t-1")]);
    }
    ctx.mark();
    assert_eq!(ctx.status("tx"), Status::Complete(Commit));
    ctx.pass(1_000);
    assert!(ctx.asked_markers.is_empty(), "nothing is left to be tried");
}

#[test]
fn a_failover_asks_for_all_of_them_again() {
    let mut ctx = Context::new();
    decided(&mut ctx, &["t-0", "t-1"]);
    let mut first = ctx.asked_markers[0].clone();
    first.partitions.truncate(1);
    ctx.report(&first, |_| MarkerAnswer::Written);
    ctx.fail_over();
    assert_eq!(ctx.asked_markers[0].partitions.len(), 2);
    ctx.mark();
    assert_eq!(ctx.status("tx"), Status::Complete(Commit));
}

#[test]
fn a_late_report_does_not_complete_the_next_transaction() {
    for version in [V1, V2] {
        let mut ctx = Context::new();
        let tx = ctx.init("tx");
        ctx.add("tx", tx, &["t-0"], version);
        let tx = ctx.end("tx", tx, Commit, version);
        let mut late = ctx.asked_markers.clone();
        ctx.fail_over();
        late.extend(ctx.asked_markers.clone());
        ctx.mark();
        let come_late = |ctx: &mut Context, status| {
            for markers in &late {
                ctx.report(markers, |_| MarkerAnswer::Written);
            }
            assert_eq!(ctx.status("tx"), status);
        };
        come_late(&mut ctx, Status::Complete(Commit));
        ctx.add("tx", tx, &["t-0"], version);
        come_late(&mut ctx, Status::Ongoing);
        ctx.end("tx", tx, Abort, version);
        come_late(&mut ctx, Status::Prepare(Abort));
        ctx.mark();
        come_late(&mut ctx, Status::Complete(Abort));
    }
}

/// Kafka writes the decision and the completion one after the other, and may end between them.
#[test]
fn a_decision_without_partitions_is_completed_at_loading() {
    let mut ctx = Context::new();
    decided(&mut ctx, &["t-0"]);
    let mut known = ctx.describe("tx").unwrap();
    known.partitions.clear();
    ctx.asked_markers.clear();
    ctx.plant("tx", known);
    assert_eq!(ctx.status("tx"), Status::Complete(Commit));
    assert!(ctx.asked_markers.is_empty());
}
