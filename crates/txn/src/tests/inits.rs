//! InitProducerId: who a producer is, and who is fenced by it.

use ottla_model::{ErrorCode, ProducerEpoch, ProducerId};

use super::context::*;
use crate::Status;

#[test]
fn a_new_id_gets_a_fresh_producer_id_and_epoch_0() {
    let mut ctx = Context::new();
    let a = ctx.init("a");
    let b = ctx.init("b");
    assert_eq!((a.epoch, b.epoch), (ProducerEpoch(0), ProducerEpoch(0)));
    assert_ne!(a.producer, b.producer);
    assert_eq!(ctx.status("a"), Status::Empty);
}

#[test]
fn the_next_instance_has_a_higher_epoch_and_fences_the_one_before() {
    let mut ctx = Context::new();
    let before = ctx.init("tx");
    assert_eq!(ctx.init("tx"), raised(before, 1));
    for version in [V1, V2] {
        assert_eq!(
            ctx.try_add("tx", before, &["t-0"], version),
            Err(ErrorCode::ProducerFenced)
        );
        ctx.refused(ErrorCode::ProducerFenced, |ctx| {
            ctx.try_end("tx", before, Abort, version)
        });
    }
}

#[test]
fn an_open_transaction_is_aborted_first() {
    let mut ctx = Context::new();
    let before = ctx.init("tx");
    ctx.add("tx", before, &["t-0"], V1);
    assert_eq!(
        ctx.try_init("tx", None, TIMEOUT),
        Err(ErrorCode::ConcurrentTransactions)
    );
    assert_eq!(ctx.status("tx"), Status::Prepare(Abort));
    assert_eq!(ctx.asked_markers[0].identity, raised(before, 1), "the marker fences");
    assert_eq!(
        ctx.try_init("tx", None, TIMEOUT),
        Err(ErrorCode::ConcurrentTransactions)
    );
    ctx.mark();
    assert_eq!(ctx.init("tx"), raised(before, 2));
    assert_eq!(ctx.events.len(), 1, "it is said why");
}

#[test]
fn the_time_out_must_be_within_the_limit() {
    let mut ctx = Context::new();
    let max = 15 * 60_000;
    for timeout in [max + 1, i64::from(i32::MAX), 0, -1] {
        ctx.refused(ErrorCode::InvalidTransactionTimeout, |ctx| {
            ctx.try_init("tx", None, timeout)
        });
    }
    assert!(ctx.try_init("tx", None, max).is_ok());
}

#[test]
fn an_id_that_no_key_can_hold_is_refused() {
    let mut ctx = Context::new();
    let long = "x".repeat(40_000);
    for id in ["", &long] {
        ctx.refused(ErrorCode::InvalidRequest, |ctx| ctx.try_init(id, None, TIMEOUT));
    }
}

#[test]
fn a_producer_may_go_on_with_a_higher_epoch() {
    let mut ctx = Context::new();
    let first = ctx.init("tx");
    let second = ctx.try_init("tx", Some(first), TIMEOUT).unwrap();
    assert_eq!(second, raised(first, 1));
    assert_eq!(
        ctx.try_init("tx", Some(first), TIMEOUT),
        Ok(second),
        "its answer was lost"
    );
    ctx.fail_over();
    assert_eq!(
        ctx.try_init("tx", Some(first), TIMEOUT),
        Ok(second),
        "and the coordinator as well"
    );
    assert_eq!(ctx.try_init("tx", Some(second), TIMEOUT), Ok(raised(first, 2)));
    ctx.refused(ErrorCode::ProducerFenced, |ctx| {
        ctx.try_init("tx", Some(first), TIMEOUT)
    });
}

#[test]
fn a_producer_with_a_successor_may_not_go_on() {
    let mut ctx = Context::new();
    let first = ctx.init("tx");
    ctx.init("tx");
    ctx.refused(ErrorCode::ProducerFenced, |ctx| {
        ctx.try_init("tx", Some(first), TIMEOUT)
    });
    let stranger = identity(ProducerId(5), 1);
    ctx.refused(ErrorCode::ProducerFenced, |ctx| {
        ctx.try_init("tx", Some(stranger), TIMEOUT)
    });
}

#[test]
fn what_an_unknown_id_expects_is_left_alone() {
    let mut ctx = Context::new();
    let stranger = identity(ProducerId(5), 3);
    let given = ctx.try_init("tx", Some(stranger), TIMEOUT).unwrap();
    assert_eq!(given.epoch, ProducerEpoch(0));
    assert_ne!(given.producer, stranger.producer);
}

/// Its transaction is aborted with a higher epoch, which is the one it asked for.
#[test]
fn a_producer_that_goes_on_out_of_its_own_transaction_gets_the_epoch_of_the_abort() {
    let mut ctx = Context::new();
    let first = ctx.init("tx");
    ctx.add("tx", first, &["t-0"], V1);
    assert_eq!(
        ctx.try_init("tx", Some(first), TIMEOUT),
        Err(ErrorCode::ConcurrentTransactions)
    );
    ctx.mark();
    assert_eq!(ctx.try_init("tx", Some(first), TIMEOUT), Ok(raised(first, 1)));
}

#[test]
fn after_the_last_epoch_comes_another_producer_id() {
    let mut ctx = Context::new();
    let last = ctx.with_last_epoch("tx");
    let next = ctx.init("tx");
    assert_ne!(next.producer, last.producer);
    assert_eq!(next.epoch, ProducerEpoch(0));
    ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_init("tx", Some(last), TIMEOUT));
}

#[test]
fn going_on_from_the_last_epoch_may_be_repeated() {
    let mut ctx = Context::new();
    let last = ctx.with_last_epoch("tx");
    let next = ctx.try_init("tx", Some(last), TIMEOUT).unwrap();
    assert_ne!(next.producer, last.producer);
    for _ in 0..2 {
        ctx.fail_over();
        assert_eq!(ctx.try_init("tx", Some(last), TIMEOUT), Ok(next));
    }
    assert_eq!(ctx.try_init("tx", Some(next), TIMEOUT), Ok(raised(next, 1)));
}

/// The highest epoch ends what was open and is nobody's.
#[test]
fn nobody_is_given_the_highest_epoch() {
    for expects in [false, true] {
        let mut ctx = Context::new();
        let last = ctx.with_last_epoch("tx");
        ctx.add("tx", last, &["t-0"], V1);
        let expected = expects.then_some(last);
        assert_eq!(
            ctx.try_init("tx", expected, TIMEOUT),
            Err(ErrorCode::ConcurrentTransactions)
        );
        assert_eq!(ctx.asked_markers[0].identity, raised(last, 1));
        ctx.mark();
        assert_eq!(
            ctx.try_add("tx", raised(last, 1), &["t-0"], V2),
            Err(ErrorCode::ProducerFenced)
        );
        ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_end("tx", last, Abort, V2));
        ctx.refused(ErrorCode::ProducerFenced, |ctx| {
            ctx.try_end("tx", raised(last, 1), Abort, V2)
        });
        let next = ctx.try_init("tx", expected, TIMEOUT).unwrap();
        assert_ne!(next.producer, last.producer);
        assert_eq!(next.epoch, ProducerEpoch(0));
    }
}
