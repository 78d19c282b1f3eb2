//! One broken history for every kind of anomaly, and whole ones that must pass.

use super::*;

fn key(topic: &str) -> Key {
    Key {
        topic: topic.to_owned(),
        partition: 0,
    }
}

fn send(topic: &str, value: &str, offset: i64) -> Action {
    Action::Send {
        key: key(topic),
        value: value.to_owned(),
        offset: Some(offset),
    }
}

fn poll(topic: &str, records: &[(i64, &str)]) -> Action {
    Action::Poll {
        key: key(topic),
        records: records
            .iter()
            .map(|(offset, value)| (*offset, (*value).to_owned()))
            .collect(),
    }
}

/// A history that is told step by step; every operation takes three ticks.
#[derive(Default)]
struct Told(History);

impl Told {
    fn op(mut self, process: &str, outcome: Outcome, actions: Vec<Action>) -> Told {
        let began = self.0.operations.len() as i64 * 3;
        self.0.operations.push(Operation {
            process: process.to_owned(),
            began,
            decided: began + 1,
            ended: began + 2,
            outcome,
            repositioned: false,
            actions,
        });
        self
    }

    fn ok(self, process: &str, actions: Vec<Action>) -> Told {
        self.op(process, Outcome::Ok, actions)
    }

    fn late(mut self, decided: i64) -> Told {
        if let Some(last) = self.0.operations.last_mut() {
            last.decided = decided;
            last.ended = decided;
        }
        self
    }

    fn repositioned(mut self) -> Told {
        if let Some(last) = self.0.operations.last_mut() {
            last.repositioned = true;
        }
        self
    }

    fn drained(mut self) -> Told {
        self.0.drained = true;
        self
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = check(&self.0).into_iter().map(|anomaly| anomaly.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

#[test]
fn a_whole_history_passes() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), send("x", "b", 1)])
        .op("p", Outcome::Fail, vec![send("x", "c", 3)])
        .op("p", Outcome::Info, vec![send("x", "d", 5)])
        .ok("r", vec![poll("x", &[(0, "a"), (1, "b")])])
        .ok("p", vec![send("x", "e", 7)])
        .ok("r", vec![poll("x", &[(7, "e")])])
        .drained();
    assert_eq!(told.kinds(), []);
    let lines = told.0.lines();
    assert_eq!(History::parse(&lines, true).expect("its own lines"), told.0);
}

#[test]
fn what_nobody_knows_may_be_read() {
    let told = Told::default()
        .op("p", Outcome::Info, vec![send("x", "a", 0)])
        .ok("r", vec![poll("x", &[(0, "a")])]);
    assert_eq!(told.kinds(), []);
}

#[test]
fn one_offset_with_two_values() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0)])
        .ok("r", vec![poll("x", &[(0, "b")])]);
    assert_eq!(told.kinds(), [Kind::InconsistentOffsets]);
}

#[test]
fn one_value_at_two_offsets() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0)])
        .ok("r", vec![poll("x", &[(0, "a"), (1, "a")])]);
    assert_eq!(told.kinds(), [Kind::Duplicate]);
}

#[test]
fn a_committed_record_that_is_passed_over() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), send("x", "b", 1)])
        .ok("r", vec![poll("x", &[(1, "b")])]);
    assert_eq!(told.kinds(), [Kind::LostWrite]);
}

#[test]
fn a_committed_record_that_is_not_there_at_the_end() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), send("x", "b", 1)])
        .ok("r", vec![poll("x", &[(0, "a")])]);
    assert_eq!(told.kinds(), []);
    assert_eq!(told.drained().kinds(), [Kind::Unseen]);
}

#[test]
fn an_aborted_record_that_is_read() {
    let told = Told::default()
        .op("p", Outcome::Fail, vec![send("x", "a", 0)])
        .ok("r", vec![poll("x", &[(0, "a")])]);
    assert_eq!(told.kinds(), [Kind::AbortedRead]);
}

#[test]
fn a_value_that_was_aborted_and_sent_again() {
    let told = |offset| {
        Told::default()
            .op("p", Outcome::Fail, vec![send("x", "a", 0)])
            .ok("p", vec![send("x", "a", 2)])
            .ok("r", vec![poll("x", &[(offset, "a")])])
    };
    assert_eq!(told(2).kinds(), []);
    assert_eq!(told(0).kinds(), [Kind::Duplicate, Kind::AbortedRead]);
}

#[test]
fn a_record_that_is_read_too_early() {
    let early = Told::default()
        .ok("p", vec![send("x", "a", 0)])
        .late(100)
        .ok("r", vec![poll("x", &[(0, "a")])]);
    assert_eq!(early.kinds(), [Kind::PrecommittedRead]);
    let own = Told::default().ok("p", vec![send("x", "a", 0), poll("x", &[(0, "a")])]);
    assert_eq!(own.kinds(), [Kind::PrecommittedRead]);
}

fn three() -> Told {
    Told::default()
        .ok("p", vec![send("x", "a", 0), send("x", "b", 1), send("x", "c", 2)])
        .ok("other", vec![poll("x", &[(0, "a"), (1, "b"), (2, "c")])])
}

#[test]
fn a_poll_with_a_gap() {
    let told = three().ok("r", vec![poll("x", &[(0, "a"), (2, "c")])]);
    assert_eq!(told.kinds(), [Kind::IntPollSkip]);
}

#[test]
fn a_poll_out_of_order() {
    let told = three().ok("r", vec![poll("x", &[(1, "b"), (0, "a")])]);
    assert_eq!(told.kinds(), [Kind::IntNonmonotonicPoll]);
}

#[test]
fn a_reader_that_skips() {
    let told = three()
        .ok("r", vec![poll("x", &[(0, "a")])])
        .ok("r", vec![poll("x", &[(2, "c")])]);
    assert_eq!(told.kinds(), [Kind::PollSkip]);
    assert_eq!(told.repositioned().kinds(), []);
}

#[test]
fn a_reader_that_goes_back() {
    let told = three()
        .ok("r", vec![poll("x", &[(0, "a"), (1, "b")])])
        .ok("r", vec![poll("x", &[(1, "b")])]);
    assert_eq!(told.kinds(), [Kind::NonmonotonicPoll]);
    assert_eq!(told.repositioned().kinds(), []);
}

#[test]
fn records_in_another_order_than_sent() {
    let told = Told::default()
        .ok("p", vec![send("x", "b", 1)])
        .ok("p", vec![send("x", "a", 0)])
        .ok("r", vec![poll("x", &[(0, "a"), (1, "b")])]);
    assert_eq!(told.kinds(), [Kind::NonmonotonicSend]);
}

#[test]
fn records_between_those_of_one_operation() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), send("x", "c", 2)])
        .ok("q", vec![send("x", "b", 1)])
        .ok("r", vec![poll("x", &[(0, "a"), (1, "b"), (2, "c")])]);
    // Two that write between each other's records also follow one another in a circle.
    assert_eq!(told.kinds(), [Kind::IntSendSkip, Kind::G0]);
}

#[test]
fn a_cycle_of_writes() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), send("y", "b", 1)])
        .ok("q", vec![send("x", "c", 1), send("y", "d", 0)]);
    assert_eq!(told.kinds(), [Kind::G0]);
}

#[test]
fn a_cycle_of_reads() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), poll("y", &[(0, "b")])])
        .late(1)
        .ok("q", vec![send("y", "b", 0), poll("x", &[(0, "a")])])
        .late(1);
    assert_eq!(told.kinds(), [Kind::G1c]);
}

#[test]
fn a_cycle_of_a_read_and_a_write() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0), poll("y", &[(0, "c")])])
        .late(1)
        .ok("q", vec![send("x", "b", 1), send("y", "c", 0)])
        .late(1);
    assert_eq!(told.kinds(), [Kind::G1cWithWrites]);
}

#[test]
fn a_read_that_missed_half_of_a_transaction() {
    let told = Told::default()
        .ok("p", vec![send("x", "a", 0)])
        .ok("q", vec![send("x", "b", 1), send("y", "c", 0)])
        .ok("r", vec![poll("x", &[(0, "a")]), poll("y", &[(0, "c")])]);
    assert_eq!(told.kinds(), [Kind::GSingle]);
}

#[test]
fn only_what_kafka_allows_is_allowed() {
    let always = [Kind::G0, Kind::IntSendSkip, Kind::G1cWithWrites];
    assert!(always.iter().all(|kind| kind.is_allowed(false)));
    let moved = [Kind::PollSkip, Kind::NonmonotonicPoll];
    assert!(
        moved
            .iter()
            .all(|kind| kind.is_allowed(true) && !kind.is_allowed(false))
    );
    let never = [
        Kind::AbortedRead,
        Kind::LostWrite,
        Kind::Duplicate,
        Kind::G1c,
        Kind::GSingle,
    ];
    assert!(never.iter().all(|kind| !kind.is_allowed(true)));
}

#[test]
fn what_comes_through_must_be_what_went_in() {
    let kinds = |input: &[&'static str], perhaps: &[&'static str], output: &[&'static str]| {
        let found = transfer(input.iter().copied(), perhaps.iter().copied(), output.iter().copied());
        found.into_iter().map(|anomaly| anomaly.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&["a", "b"], &["c", "d"], &["b", "c", "a"]), []);
    assert_eq!(kinds(&["a", "b"], &[], &["a"]), [Kind::TransferLost]);
    assert_eq!(kinds(&["a"], &[], &["a", "b"]), [Kind::TransferInvented]);
    assert_eq!(kinds(&["a"], &[], &["a", "a"]), [Kind::TransferRepeated]);
    assert_eq!(kinds(&[], &["c"], &["c", "c"]), [Kind::TransferRepeated]);
}
