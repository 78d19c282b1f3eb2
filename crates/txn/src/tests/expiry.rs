//! Ids that nobody has used for long are forgotten.

use ottla_model::{ErrorCode, Millis};

use super::context::*;
use crate::{Status, TransactionConfig};

const EXPIRATION: i64 = 100_000;
const CHECK: i64 = 10_000;

fn context() -> Context {
    Context::with(TransactionConfig {
        id_expiration: Millis(EXPIRATION),
        id_expiration_check_interval: Millis(CHECK),
        ..TransactionConfig::default()
    })
}

#[test]
fn what_is_at_rest_is_forgotten() {
    let mut ctx = context();
    let tx = ctx.init("tx");
    ctx.init("idle");
    ctx.pass(CHECK + 1);
    ctx.add("tx", tx, &["t-0"], V1);
    ctx.end("tx", tx, Commit, V1);
    ctx.mark();
    ctx.pass(EXPIRATION - 1);
    assert_eq!(ctx.describe("idle"), Err(ErrorCode::TransactionalIdNotFound));
    assert_eq!(ctx.status("tx"), Status::Complete(Commit));
    ctx.pass(CHECK);
    assert_eq!(ctx.describe("tx"), Err(ErrorCode::TransactionalIdNotFound));
    ctx.refused(ErrorCode::InvalidProducerIdMapping, |ctx| {
        ctx.try_end("tx", tx, Commit, V1)
    });
    assert_ne!(ctx.init("tx").producer, tx.producer);
}

#[test]
fn what_is_under_way_is_not() {
    let mut ctx = context();
    let tx = ctx.try_init("tx", None, 15 * 60_000).unwrap();
    ctx.add("tx", tx, &["t-0"], V1);
    ctx.pass(2 * EXPIRATION);
    assert_eq!(ctx.status("tx"), Status::Ongoing);
    ctx.end("tx", tx, Commit, V1);
    let markers = ctx.asked_markers[0].clone();
    ctx.pass(2 * EXPIRATION);
    assert_eq!(ctx.status("tx"), Status::Prepare(Commit));
    ctx.report(&markers, |_| crate::MarkerAnswer::Written);
    assert_eq!(ctx.status("tx"), Status::Complete(Commit));
}

#[test]
fn many_are_forgotten_in_several_steps_at_one_time() {
    let mut ctx = context();
    let long = "x".repeat(30_000);
    for number in 0..30 {
        ctx.init(&format!("{number}{long}"));
    }
    ctx.pass(EXPIRATION + CHECK);
    assert_eq!(ctx.shard.state().transactions().count(), 0);
    assert!(ctx.events.len() > 1, "{:?}", ctx.events);
}
