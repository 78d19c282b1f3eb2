//! A transaction that takes too long is aborted, and its producer fenced.

use ottla_model::ErrorCode;

use super::context::*;
use crate::Status;

const CHECK: i64 = 10_000;

#[test]
fn it_is_aborted_at_the_first_look_after_its_time_out() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &["t-0"], V2);
    ctx.pass(TIMEOUT);
    assert_eq!(ctx.status("tx"), Status::Ongoing);
    ctx.pass(CHECK);
    assert_eq!(ctx.status("tx"), Status::Prepare(Abort));
    assert_eq!(ctx.asked_markers[0].identity, raised(tx, 1));
    ctx.mark();
    assert_eq!(ctx.status("tx"), Status::Complete(Abort));
    assert!(ctx.events[0].contains("time-out"), "it is said why: {:?}", ctx.events);
}

#[test]
fn its_producer_learns_of_it_by_the_rules_it_works_by() {
    for version in [V1, V2] {
        let mut ctx = Context::new();
        let tx = ctx.init("tx");
        ctx.add("tx", tx, &["t-0"], version);
        ctx.pass(TIMEOUT + CHECK);
        ctx.mark();
        assert_eq!(ctx.try_add("tx", tx, &["t-1"], version), Err(ErrorCode::ProducerFenced));
        match version {
            V1 => {
                ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_end("tx", tx, Commit, V1));
                ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_end("tx", tx, Abort, V1));
            }
            // It may abort and go on; but what it wrote is lost, so it may not commit.
            V2 => {
                ctx.refused(ErrorCode::InvalidTxnState, |ctx| ctx.try_end("tx", tx, Commit, V2));
                assert_eq!(ctx.try_end("tx", tx, Abort, V2), Ok(raised(tx, 1)));
            }
        }
    }
}

#[test]
fn a_failover_does_not_prolong_it() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &["t-0"], V1);
    ctx.pass(TIMEOUT - CHECK / 2);
    ctx.fail_over();
    ctx.pass(CHECK);
    assert_eq!(ctx.status("tx"), Status::Prepare(Abort));
}

#[test]
fn adding_partitions_does_not_prolong_it() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &["t-0"], V1);
    ctx.pass(TIMEOUT - 1);
    ctx.add("tx", tx, &["t-1"], V1);
    ctx.pass(CHECK + 1);
    assert_eq!(ctx.status("tx"), Status::Prepare(Abort));
}

#[test]
fn nobody_looks_while_nothing_is_open() {
    let mut ctx = Context::new();
    let at_rest = ctx.shard.next_deadline();
    let tx = ctx.init("tx");
    assert_eq!(ctx.shard.next_deadline(), at_rest);
    ctx.add("tx", tx, &["t-0"], V1);
    assert!(ctx.shard.next_deadline() < at_rest);
    ctx.end("tx", tx, Commit, V1);
    ctx.mark();
    ctx.pass(CHECK);
    assert_eq!(ctx.shard.next_deadline(), at_rest);
}

#[test]
fn many_are_aborted_in_several_steps_at_one_time() {
    let mut ctx = Context::new();
    let ids: Vec<String> = (0..250).map(|number| format!("tx{number}")).collect();
    for id in &ids {
        let tx = ctx.init(id);
        ctx.add(id, tx, &["t-0"], V1);
    }
    let late = ctx.try_init("late", None, 2 * TIMEOUT).unwrap();
    ctx.add("late", late, &["t-0"], V1);
    ctx.pass(TIMEOUT + CHECK);
    for id in &ids {
        assert_eq!(ctx.status(id), Status::Prepare(Abort));
    }
    assert_eq!(ctx.status("late"), Status::Ongoing);
    ctx.pass(TIMEOUT);
    assert_eq!(ctx.status("late"), Status::Prepare(Abort));
}
