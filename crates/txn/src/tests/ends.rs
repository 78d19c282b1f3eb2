//! EndTxn in every state, by both rules.

use ottla_model::{ErrorCode, ProducerEpoch, ProducerId};

use super::context::*;
use crate::{Identity, Outcome, Status, TransactionVersion};

const OUTCOMES: [Outcome; 2] = [Commit, Abort];

fn other(outcome: Outcome) -> Outcome {
    match outcome {
        Commit => Abort,
        Abort => Commit,
    }
}

/// A transaction that was ended in one partition, and who the producer was and is.
fn ended(ctx: &mut Context, outcome: Outcome, version: TransactionVersion) -> (Identity, Identity) {
    let before = ctx.init("tx");
    ctx.add("tx", before, &["t-0"], version);
    let after = ctx.end("tx", before, outcome, version);
    ctx.mark();
    assert_eq!(ctx.status("tx"), Status::Complete(outcome));
    assert_eq!(ctx.identity("tx"), after);
    (before, after)
}

#[test]
fn by_the_first_rules_the_epoch_stays() {
    for outcome in OUTCOMES {
        let (before, after) = ended(&mut Context::new(), outcome, V1);
        assert_eq!(before, after);
    }
}

#[test]
fn by_the_second_rules_every_end_raises_the_epoch() {
    for outcome in OUTCOMES {
        let (before, after) = ended(&mut Context::new(), outcome, V2);
        assert_eq!(after, raised(before, 1));
    }
}

#[test]
fn by_the_first_rules_a_complete_one_can_be_ended_again_in_the_same_way() {
    for outcome in OUTCOMES {
        let mut ctx = Context::new();
        let (tx, _) = ended(&mut ctx, outcome, V1);
        let written = ctx.log.len();
        assert_eq!(ctx.try_end("tx", tx, outcome, V1), Ok(tx));
        assert_eq!(ctx.log.len(), written);
        ctx.refused(ErrorCode::InvalidTxnState, |ctx| {
            ctx.try_end("tx", tx, other(outcome), V1)
        });
    }
}

#[test]
fn by_the_first_rules_nothing_that_has_not_begun_can_end() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    for outcome in OUTCOMES {
        ctx.refused(ErrorCode::InvalidTxnState, |ctx| ctx.try_end("tx", tx, outcome, V1));
    }
}

#[test]
fn by_the_second_rules_a_repeat_is_known_by_its_epoch() {
    for outcome in OUTCOMES {
        for fails_over in [false, true] {
            let mut ctx = Context::new();
            let (before, after) = ended(&mut ctx, outcome, V2);
            if fails_over {
                ctx.fail_over();
            }
            let written = ctx.log.len();
            assert_eq!(ctx.try_end("tx", before, outcome, V2), Ok(after));
            assert_eq!(ctx.log.len(), written);
            ctx.refused(ErrorCode::InvalidTxnState, |ctx| {
                ctx.try_end("tx", before, other(outcome), V2)
            });
        }
    }
}

#[test]
fn by_the_second_rules_nothing_can_be_aborted_but_not_committed() {
    let mut ctx = Context::new();
    let tx = ctx.init("tx");
    ctx.refused(ErrorCode::InvalidTxnState, |ctx| ctx.try_end("tx", tx, Commit, V2));
    let tx = ctx.end("tx", tx, Abort, V2);
    assert_eq!(ctx.status("tx"), Status::Complete(Abort));
    for outcome in OUTCOMES {
        let mut ctx = Context::new();
        let (_, after) = ended(&mut ctx, outcome, V2);
        ctx.refused(ErrorCode::InvalidTxnState, |ctx| ctx.try_end("tx", after, Commit, V2));
        assert_eq!(ctx.end("tx", after, Abort, V2), raised(after, 1));
        assert_eq!(ctx.status("tx"), Status::Complete(Abort));
        assert!(ctx.asked_markers.is_empty());
    }
    assert_eq!(ctx.identity("tx"), tx);
}

#[test]
fn a_late_end_does_not_reach_the_next_transaction() {
    for outcome in OUTCOMES {
        let mut ctx = Context::new();
        let (before, after) = ended(&mut ctx, Commit, V2);
        ctx.add("tx", after, &["t-0"], V2);
        ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_end("tx", before, outcome, V2));
        assert_eq!(ctx.status("tx"), Status::Ongoing);
    }
}

#[test]
fn while_markers_are_written_nothing_else_can_end() {
    for (version, foreign) in [
        // By the first rules it is looked first at who asks.
        (V1, ErrorCode::InvalidProducerIdMapping),
        (V2, ErrorCode::ConcurrentTransactions),
    ] {
        let mut ctx = Context::new();
        let tx = ctx.init("tx");
        ctx.add("tx", tx, &["t-0"], version);
        let after = ctx.end("tx", tx, Commit, version);
        for outcome in OUTCOMES {
            ctx.refused(ErrorCode::ConcurrentTransactions, |ctx| {
                ctx.try_end("tx", after, outcome, version)
            });
            let stranger = identity(ProducerId(1), 0);
            ctx.refused(foreign, |ctx| ctx.try_end("tx", stranger, outcome, version));
        }
        ctx.mark();
        assert_eq!(ctx.status("tx"), Status::Complete(Commit));
    }
}

#[test]
fn only_the_present_producer_ends() {
    for version in [V1, V2] {
        for outcome in OUTCOMES {
            let mut ctx = Context::new();
            let tx = ctx.init("tx");
            ctx.add("tx", tx, &["t-0"], version);
            let stranger = identity(ProducerId(1), 0);
            for (id, who, code) in [
                ("tx", stranger, ErrorCode::InvalidProducerIdMapping),
                ("tx", raised(tx, 1), ErrorCode::ProducerFenced),
                ("tx", raised(tx, -1), ErrorCode::ProducerFenced),
                ("other", tx, ErrorCode::InvalidProducerIdMapping),
                ("", tx, ErrorCode::InvalidRequest),
            ] {
                ctx.refused(code, |ctx| ctx.try_end(id, who, outcome, version));
            }
            assert_eq!(ctx.status("tx"), Status::Ongoing);
        }
    }
}

/// A producer that has not ended its transaction by the second rules cannot repeat that end.
#[test]
fn the_epoch_before_is_a_repeat_only_of_an_end_that_raised_it() {
    let mut ctx = Context::new();
    let first = ctx.init("tx");
    let second = ctx.init("tx");
    ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_end("tx", first, Abort, V2));
    ctx.add("tx", second, &["t-0"], V1);
    ctx.end("tx", second, Commit, V1);
    ctx.mark();
    ctx.refused(ErrorCode::ProducerFenced, |ctx| ctx.try_end("tx", first, Commit, V2));
    ctx.refused(ErrorCode::InvalidTxnState, |ctx| ctx.try_end("tx", second, Commit, V2));
}

#[test]
fn an_end_at_the_last_epoch_gives_another_producer_id() {
    for outcome in OUTCOMES {
        let mut ctx = Context::new();
        let last = ctx.with_last_epoch("tx");
        ctx.add("tx", last, &["t-0"], V2);
        let next = ctx.end("tx", last, outcome, V2);
        assert_ne!(next.producer, last.producer);
        assert_eq!(next.epoch, ProducerEpoch(0));
        assert_eq!(
            ctx.asked_markers[0].identity,
            raised(last, 1),
            "the old producer id is fenced"
        );
        ctx.fail_over();
        ctx.mark();
        assert_eq!(ctx.identity("tx"), next, "the promise survives the coordinator");
        assert_eq!(ctx.try_end("tx", last, outcome, V2), Ok(next), "a repeat");
        ctx.refused(ErrorCode::InvalidTxnState, |ctx| {
            ctx.try_end("tx", last, other(outcome), V2)
        });
        ctx.add("tx", next, &["t-0"], V2);
        ctx.refused(ErrorCode::InvalidProducerIdMapping, |ctx| {
            ctx.try_end("tx", last, outcome, V2)
        });
    }
}

#[test]
fn by_the_first_rules_the_last_epoch_lasts() {
    let mut ctx = Context::new();
    let last = ctx.with_last_epoch("tx");
    ctx.add("tx", last, &["t-0"], V1);
    assert_eq!(ctx.end("tx", last, Commit, V1), last);
}
