//! The rules of one coordinator, as a pure function of its state.

use std::fmt::Debug;

use ottla_model::{Millis, Offset};

/// Names one waiting caller. The driver hands it in with a command and gets it back with the reply, at once or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A record with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<R> {
    /// The record's offset in the shard's partition.
    pub offset: Offset,
    /// When it was appended.
    pub timestamp: Millis,
    /// What it says.
    pub record: R,
}

/// A coordinator's rules.
///
/// `State` is what the log says: it changes in [`Machine::apply`] and nowhere else, so replaying the log rebuilds it.
/// `Session` is what a failover may lose: who waits for an answer, which deadlines run. No rule reads a clock or draws a
/// random number; both come in with the command.
pub trait Machine: Sized {
    /// What the log says.
    type State: Default;
    /// What a failover may lose.
    type Session: Default;
    /// What a caller asks for.
    type Command;
    /// What a caller is told.
    type Reply: Debug;
    /// The name of a deadline. Arming a name again moves its deadline.
    type Timer: Clone + Ord + Debug;
    /// What is written to the log.
    type Record: Clone + Debug;
    /// What the driver is to do beside answering (a log line, a metric); leaves with the replies.
    type Effect: Debug;

    /// Judges one command. The reply for `ticket` may be in the output, or come with a later one.
    fn decide(
        state: &Self::State,
        session: &mut Self::Session,
        now: Millis,
        ticket: Ticket,
        command: Self::Command,
    ) -> Output<Self>;

    /// A deadline has passed.
    fn expire(state: &Self::State, session: &mut Self::Session, now: Millis, timer: Self::Timer) -> Output<Self>;

    /// The log was replayed; deadlines are armed anew.
    fn loaded(state: &Self::State, session: &mut Self::Session, now: Millis) -> Output<Self>;

    /// Takes one record of the log into the state.
    fn apply(state: &mut Self::State, entry: &Entry<Self::Record>);
}

/// What a rule decided. The runtime appends and applies `records` first; nothing else leaves before they are durable.
pub struct Output<M: Machine> {
    /// To be appended as one atomic batch.
    pub records: Vec<M::Record>,
    /// Answers, each to the caller with that ticket.
    pub replies: Vec<(Ticket, M::Reply)>,
    /// Deadlines to arm (`Some`) or disarm (`None`), in order.
    pub timers: Vec<(M::Timer, Option<Millis>)>,
    /// For the driver.
    pub effects: Vec<M::Effect>,
}

impl<M: Machine> Default for Output<M> {
    fn default() -> Self {
        Output {
            records: Vec::new(),
            replies: Vec::new(),
            timers: Vec::new(),
            effects: Vec::new(),
        }
    }
}

impl<M: Machine> Output<M> {
    /// Nothing but one answer.
    pub fn reply(ticket: Ticket, reply: M::Reply) -> Output<M> {
        Output {
            replies: vec![(ticket, reply)],
            ..Output::default()
        }
    }

    /// Adds a record.
    pub fn record(&mut self, record: M::Record) {
        self.records.push(record);
    }

    /// Adds an answer.
    pub fn answer(&mut self, ticket: Ticket, reply: M::Reply) {
        self.replies.push((ticket, reply));
    }

    /// Arms or moves a deadline.
    pub fn arm(&mut self, timer: M::Timer, at: Millis) {
        self.timers.push((timer, Some(at)));
    }

    /// Disarms a deadline; no deadline of that name is not an error.
    pub fn disarm(&mut self, timer: M::Timer) {
        self.timers.push((timer, None));
    }

    /// Adds something for the driver to do.
    pub fn effect(&mut self, effect: M::Effect) {
        self.effects.push(effect);
    }
}
