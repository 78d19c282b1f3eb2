//! `flushes`: each acknowledged record and each acknowledged commit waited for a flush of its own. A killed process cannot
//! show this, for the page cache outlives it; the system calls can.

use std::net::SocketAddr;

use ottla_log::Codec;

use crate::broker::{Launch, Program};
use crate::client::{Client, Membership};
use crate::content::{Shape, Value, batch};
use crate::evidence::{Evidence, within};
use crate::trace::{self, Call, Deed};
use crate::trouble::{Trouble, expect};

const TOPIC: &str = "flushes";
const GROUP: &str = "flushes";
/// Requests of each kind, sent one at a time.
const REQUESTS: usize = 100;
const SHAPE: Shape = Shape {
    records: 1,
    record_bytes: 100,
    codec: Codec::None,
};

/// Counts the flushes, and looks at what stands before each answer.
pub fn run(program: &Program) -> Result<String, Trouble> {
    within("flushes", |evidence| trace_requests(program, evidence))
}

fn trace_requests(program: &Program, evidence: &Evidence) -> Result<String, Trouble> {
    let file = evidence.path().join("strace");
    let mut launch = Launch::new(program, evidence.path())?;
    launch.wrapper = trace::wrapper(&file);
    let broker = launch.start()?;
    let address = launch.address();
    let mut client = Client::open(address)?;
    client.create_topic(TOPIC, 1, &[])?;
    client.find_coordinator(GROUP)?;
    let all = produce(address, -1)?;
    let commits = commit(address)?;
    let one = produce(address, 1)?;
    broker.stop()?;

    let calls = trace::read(&file)?;
    let all = Exchange::of(&calls, all);
    let commits = Exchange::of(&calls, commits);
    let one = Exchange::of(&calls, one);
    all.demand("records with acks=all")?;
    commits.demand("offset commits")?;
    expect(one.answers >= REQUESTS, || {
        format!("{} answers to acks=1 are on the trace", one.answers)
    })?;
    let words = format!(
        "{} flushes for {REQUESTS} records with acks=all, {} for {REQUESTS} commits, no answer before its flush; with \
         acks=1 {} flushes before the last of {REQUESTS} answers, {} answers had waited for one",
        all.flushes, commits.flushes, one.flushes, one.covered
    );
    Ok(words)
}

/// Sends records one at a time over a connection of their own; its port.
fn produce(address: SocketAddr, acks: i16) -> Result<u16, Trouble> {
    let mut client = Client::open(address)?;
    for number in 0..REQUESTS as u64 {
        let value = Value::new(u64::from(acks.unsigned_abs()) + u64::from(acks > 0), 0, number);
        let answer = client.produce(TOPIC, 0, acks, batch(value, SHAPE, None))?;
        expect(answer.is_ok(), || format!("record {number} was refused: {answer:?}"))?;
    }
    client.connection.local_port()
}

fn commit(address: SocketAddr) -> Result<u16, Trouble> {
    let mut client = Client::open(address)?;
    for number in 0..REQUESTS as i64 {
        let answer = client.commit(GROUP, &Membership::default(), TOPIC, &[(0, number)])?;
        expect(answer.is_ok(), || format!("commit {number} was refused: {answer:?}"))?;
    }
    client.connection.local_port()
}

/// What one connection's requests caused.
struct Exchange {
    answers: usize,
    /// Answers before which something was written and flushed after their request had come.
    covered: usize,
    /// Flushes from the first request to the last answer.
    flushes: usize,
}

impl Exchange {
    fn of(calls: &[Call], port: u16) -> Exchange {
        let end = format!("->127.0.0.1:{port}]");
        let ours = |call: &&Call, deed: Deed| call.deed == deed && call.target.ends_with(&end);
        let sends = calls.iter().filter(|call| ours(call, Deed::Send)).collect::<Vec<_>>();
        let receives = calls
            .iter()
            .filter(|call| ours(call, Deed::Receive))
            .collect::<Vec<_>>();
        let request_of = |send: &Call| receives.iter().rev().find(|receive| receive.end < send.begin);
        let covered = |send: &&&Call| request_of(send).is_some_and(|request| flushed(calls, request.end, send.begin));
        let first = receives.first().map_or(0, |receive| receive.begin);
        let last = sends.last().map_or(0, |send| send.begin);
        let is_flush = |call: &&Call| matches!(call.deed, Deed::Flush | Deed::DurableWrite);
        Exchange {
            answers: sends.len(),
            covered: sends.iter().filter(covered).count(),
            flushes: calls
                .iter()
                .filter(is_flush)
                .filter(|call| call.begin > first && call.end < last)
                .count(),
        }
    }

    fn demand(&self, what: &str) -> Result<(), Trouble> {
        expect(self.answers >= REQUESTS, || {
            format!("{} answers to {what} are on the trace", self.answers)
        })?;
        expect(self.flushes >= REQUESTS, || {
            format!("{} flushes for {REQUESTS} {what}", self.flushes)
        })?;
        let early = self.answers - self.covered;
        expect(early == 0, || {
            format!("{early} of {} answers to {what} left before their flush", self.answers)
        })
    }
}

/// Whether, between two lines, a file was written and then flushed, or written durably.
fn flushed(calls: &[Call], after: usize, before: usize) -> bool {
    let from = calls.partition_point(|call| call.begin <= after);
    let within = calls[from..]
        .iter()
        .take_while(|call| call.begin < before)
        .filter(|call| call.end < before);
    let within = within.collect::<Vec<_>>();
    within.iter().any(|flush| match flush.deed {
        Deed::DurableWrite => true,
        Deed::Flush => within
            .iter()
            .any(|write| write.deed == Deed::Write && write.target == flush.target && write.end < flush.begin),
        _ => false,
    })
}
