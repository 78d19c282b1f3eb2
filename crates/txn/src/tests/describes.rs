//! DescribeTransactions and ListTransactions.

use ottla_model::{ErrorCode, Millis, ProducerId};

use super::context::*;
use crate::{Command, ListTransactions, Listing, Reply, Status};

fn list(ctx: &mut Context, asked: ListTransactions) -> Listing {
    match ctx.send(Command::List(asked)) {
        Reply::List(listing) => listing,
        other => panic!("a List is answered as such, not with {other:?}"),
    }
}

fn ids(listing: &Listing) -> Vec<&str> {
    listing.transactions.iter().map(|listed| listed.id.as_str()).collect()
}

/// "a" is Empty, "b" Ongoing, "c" completely committed; each began 10 ms after the other.
fn three() -> Context {
    let mut ctx = Context::new();
    ctx.init("a");
    ctx.now += 10;
    let c = ctx.init("c");
    ctx.add("c", c, &["t-0"], V1);
    ctx.end("c", c, Commit, V1);
    ctx.mark();
    ctx.now += 10;
    let b = ctx.init("b");
    ctx.add("b", b, &["t-0"], V1);
    ctx
}

#[test]
fn an_unknown_id_is_not_found() {
    let mut ctx = Context::new();
    assert_eq!(ctx.describe("tx"), Err(ErrorCode::TransactionalIdNotFound));
    assert_eq!(ctx.describe(""), Err(ErrorCode::InvalidRequest));
}

#[test]
fn without_filters_all_are_listed() {
    let listing = list(&mut three(), ListTransactions::default());
    assert_eq!(ids(&listing), ["a", "b", "c"]);
    assert_eq!(listing.transactions[1].status, Status::Ongoing);
}

#[test]
fn states_are_asked_for_by_name() {
    let states = ["CompleteCommit", "Ongoing", "Dead", "ongoing", "x"]
        .map(str::to_owned)
        .to_vec();
    let listing = list(
        &mut three(),
        ListTransactions {
            states,
            ..ListTransactions::default()
        },
    );
    assert_eq!(ids(&listing), ["b", "c"]);
    assert_eq!(listing.unknown_states, ["ongoing", "x"]);
    let unknown = ListTransactions {
        states: vec!["x".into()],
        ..ListTransactions::default()
    };
    assert_eq!(ids(&list(&mut three(), unknown)), [""; 0]);
}

#[test]
fn producers_are_asked_for_by_id() {
    let mut ctx = three();
    let producers = vec![ctx.identity("b").producer, ProducerId(1)];
    let listing = list(
        &mut ctx,
        ListTransactions {
            producers,
            ..ListTransactions::default()
        },
    );
    assert_eq!(ids(&listing), ["b"]);
}

#[test]
fn what_never_began_is_older_than_anything() {
    let mut ctx = three();
    ctx.now += 5;
    for (age, found) in [(0, vec!["a", "b", "c"]), (5, vec!["a", "c"]), (15, vec!["a"])] {
        let asked = ListTransactions {
            older_than: Some(Millis(age)),
            ..ListTransactions::default()
        };
        assert_eq!(ids(&list(&mut ctx, asked)), found, "older than {age} ms");
    }
}
