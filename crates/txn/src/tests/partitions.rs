//! AddPartitionsToTxn, and the question whether a partition takes part.

use ottla_model::{ErrorCode, ProducerId};

use super::context::*;
use crate::Status;

#[test]
fn the_first_partition_begins_the_transaction() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.now += 5;
    ctx.add("tx", tx, &["t-1", "t-0"], V1);
    ctx.now += 5;
    ctx.add("tx", tx, &["u-0"], V1);
    let known = ctx.describe("tx").unwrap();
    assert_eq!(known.status, Status::Ongoing);
    assert_eq!(names(&known.partitions), ["t-0", "t-1", "u-0"]);
    assert_eq!(known.started.map(|started| started.0), Some(1_000_005));
    assert_eq!(known.updated.0, 1_000_010);
}

#[test]
fn partitions_that_take_part_already_write_nothing() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &["t-0", "t-1"], V1);
    let written = ctx.log.len();
    ctx.add("tx", tx, &["t-1"], V1);
    assert_eq!(ctx.log.len(), written);
}

#[test]
fn only_the_present_producer_adds() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    let stranger = identity(ProducerId(1), 0);
    for (who, code) in [
        (stranger, ErrorCode::InvalidProducerIdMapping),
        (raised(tx, 1), ErrorCode::ProducerFenced),
        (raised(tx, -1), ErrorCode::ProducerFenced),
    ] {
        assert_eq!(ctx.try_add("tx", who, &["t-0"], V1), Err(code));
        assert_eq!(ctx.verify("tx", who, &["t-0"]), Err(code));
    }
    let unknown = Err(ErrorCode::InvalidProducerIdMapping);
    assert_eq!(ctx.try_add("other", tx, &["t-0"], V1), unknown);
    assert_eq!(ctx.try_add("", tx, &["t-0"], V1), Err(ErrorCode::InvalidRequest));
    assert_eq!(ctx.status("tx"), Status::Empty);
}

#[test]
fn nobody_adds_while_the_end_is_carried_out() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &["t-0"], V2);
    let next = ctx.end("tx", tx, Commit, V2);
    // Not even who it is matters: the producer may already use what it was given.
    for who in [tx, next, identity(ProducerId(1), 0)] {
        let refused = Err(ErrorCode::ConcurrentTransactions);
        assert_eq!(ctx.try_add("tx", who, &["t-0"], V2), refused);
    }
    assert_eq!(ctx.verify("tx", next, &["t-0"]), Err(ErrorCode::ConcurrentTransactions));
    ctx.mark();
    ctx.add("tx", next, &["t-0"], V2);
}

#[test]
fn a_partition_takes_part_until_the_transaction_is_complete() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    assert_eq!(ctx.verify("tx", tx, &["t-0"]), Ok(vec![false]));
    ctx.add("tx", tx, &["t-0"], V1);
    assert_eq!(
        ctx.verify("tx", tx, &["t-0", "t-1", "t-0"]),
        Ok(vec![true, false, true])
    );
    ctx.end("tx", tx, Commit, V1);
    ctx.mark();
    assert_eq!(ctx.verify("tx", tx, &["t-0"]), Ok(vec![false]));
    assert_eq!(ctx.verify("x", tx, &["t-0"]), Err(ErrorCode::InvalidProducerIdMapping));
    assert_eq!(ctx.verify("", tx, &["t-0"]), Err(ErrorCode::InvalidRequest));
}

#[test]
fn a_transaction_may_begin_with_no_partition() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.add("tx", tx, &[], V1);
    assert_eq!(ctx.status("tx"), Status::Ongoing);
    ctx.end("tx", tx, Commit, V1);
    assert_eq!(ctx.status("tx"), Status::Complete(Commit), "nothing is to be marked");
}
