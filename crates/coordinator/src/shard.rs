//! One machine on one partition of its log: append, apply, then let go of the answers.

use ottla_model::{Millis, Offset};

use crate::{Entry, Machine, Output, Ticket, Timers};

/// A place in the journal, given by the driver at an append; an answer may leave when everything up to its position is
/// durable. Zero is durable from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// Where a batch of records went.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// The offset of its first record.
    pub base: Offset,
    /// The timestamp all its records got.
    pub timestamp: Millis,
    /// The position that must be durable before anybody hears of it.
    pub position: Position,
}

/// What one step of a shard lets go of, once `not_before` is durable.
#[derive(Debug)]
pub struct Step<M: Machine> {
    /// Answers for waiting callers.
    pub replies: Vec<(Ticket, M::Reply)>,
    /// For the driver.
    pub effects: Vec<M::Effect>,
    /// The newest position the shard had written when it decided: a read waits for the writes it saw.
    pub not_before: Position,
}

/// One machine with its state, session and deadlines.
///
/// A failed append leaves the session ahead of the log, so the driver must drop the shard and load it again.
pub struct Shard<M: Machine> {
    state: M::State,
    session: M::Session,
    timers: Timers<M::Timer>,
    written: Position,
}

impl<M: Machine> Default for Shard<M> {
    fn default() -> Self {
        Shard {
            state: M::State::default(),
            session: M::Session::default(),
            timers: Timers::default(),
            written: Position::default(),
        }
    }
}

impl<M: Machine> Shard<M> {
    /// An empty shard whose session starts as given: how a machine gets its configuration.
    pub fn with_session(session: M::Session) -> Shard<M> {
        Shard {
            session,
            ..Shard::default()
        }
    }

    /// Takes one record of the log during replay.
    pub fn replay(&mut self, entry: &Entry<M::Record>) {
        M::apply(&mut self.state, entry);
    }

    /// Ends the replay: deadlines are armed, and what the machine decides at once is carried out.
    pub fn loaded<E>(
        &mut self,
        now: Millis,
        append: impl FnOnce(&[M::Record]) -> Result<Appended, E>,
    ) -> Result<Step<M>, E> {
        let output = M::loaded(&self.state, &mut self.session, now);
        self.carry_out(output, append)
    }

    /// Judges a command.
    pub fn submit<E>(
        &mut self,
        now: Millis,
        ticket: Ticket,
        command: M::Command,
        append: impl FnOnce(&[M::Record]) -> Result<Appended, E>,
    ) -> Result<Step<M>, E> {
        let output = M::decide(&self.state, &mut self.session, now, ticket, command);
        self.carry_out(output, append)
    }

    /// Handles one deadline that is due; `None` if none is.
    pub fn expire<E>(
        &mut self,
        now: Millis,
        append: impl FnOnce(&[M::Record]) -> Result<Appended, E>,
    ) -> Option<Result<Step<M>, E>> {
        let timer = self.timers.pop_due(now)?;
        let output = M::expire(&self.state, &mut self.session, now, timer);
        Some(self.carry_out(output, append))
    }

    /// When [`Shard::expire`] next has something to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// Answers of this shard wait for `written` too: what it replays of the log up to there may not be durable yet.
    pub fn resting_on(self, written: Position) -> Shard<M> {
        Shard { written, ..self }
    }

    /// The newest position that was written.
    pub fn written(&self) -> Position {
        self.written
    }

    /// What the log says.
    pub fn state(&self) -> &M::State {
        &self.state
    }

    /// What a failover may lose.
    pub fn session(&self) -> &M::Session {
        &self.session
    }

    fn carry_out<E>(
        &mut self,
        output: Output<M>,
        append: impl FnOnce(&[M::Record]) -> Result<Appended, E>,
    ) -> Result<Step<M>, E> {
        if !output.records.is_empty() {
            let appended = append(&output.records)?;
            assert!(appended.position >= self.written, "a journal's positions only grow");
            for (index, record) in output.records.into_iter().enumerate() {
                let offset = appended.base.plus(index as i64);
                M::apply(
                    &mut self.state,
                    &Entry {
                        offset,
                        timestamp: appended.timestamp,
                        record,
                    },
                );
            }
            self.written = appended.position;
        }
        for (timer, at) in output.timers {
            match at {
                Some(at) => self.timers.arm(timer, at),
                None => self.timers.disarm(&timer),
            }
        }
        Ok(Step {
            replies: output.replies,
            effects: output.effects,
            not_before: self.written,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter: `Add` is logged, `Read` is not, a timer adds one.
    struct Counter;

    #[derive(Debug)]
    enum Ask {
        Add(i64),
        Read,
    }

    impl Machine for Counter {
        type State = i64;
        type Session = ();
        type Command = Ask;
        type Reply = i64;
        type Timer = ();
        type Record = i64;
        type Effect = ();

        fn decide(state: &i64, _: &mut (), now: Millis, ticket: Ticket, ask: Ask) -> Output<Self> {
            let mut output = Output::default();
            match ask {
                Ask::Add(amount) => {
                    output.record(amount);
                    output.answer(ticket, state + amount);
                    output.arm((), now.plus(Millis(10)));
                }
                Ask::Read => output.answer(ticket, *state),
            }
            output
        }

        fn expire(_: &i64, (): &mut (), _: Millis, (): ()) -> Output<Self> {
            Output {
                records: vec![1],
                ..Output::default()
            }
        }

        fn loaded(_: &i64, (): &mut (), _: Millis) -> Output<Self> {
            Output::default()
        }

        fn apply(state: &mut i64, entry: &Entry<i64>) {
            *state += entry.record;
        }
    }

    fn at(position: u64) -> impl FnOnce(&[i64]) -> Result<Appended, &'static str> {
        move |_| {
            Ok(Appended {
                base: Offset(0),
                timestamp: Millis(0),
                position: Position(position),
            })
        }
    }

    fn refuse(_: &[i64]) -> Result<Appended, &'static str> {
        Err("full")
    }

    #[test]
    fn a_read_waits_for_the_writes_it_saw() {
        let mut shard = Shard::<Counter>::default();
        shard
            .submit(Millis(0), Ticket(1), Ask::Add(5), at(7))
            .expect("appended");
        let step = shard
            .submit(Millis(0), Ticket(2), Ask::Read, refuse)
            .expect("a read appends nothing");
        assert_eq!(step.replies, vec![(Ticket(2), 5)]);
        assert_eq!(step.not_before, Position(7));
    }

    #[test]
    fn a_failed_append_changes_no_state() {
        let mut shard = Shard::<Counter>::default();
        assert_eq!(
            shard.submit(Millis(0), Ticket(1), Ask::Add(5), refuse).err(),
            Some("full")
        );
        assert_eq!(*shard.state(), 0);
    }

    #[test]
    fn a_deadline_is_handled_once() {
        let mut shard = Shard::<Counter>::default();
        shard
            .submit(Millis(0), Ticket(1), Ask::Add(5), at(1))
            .expect("appended");
        assert!(shard.expire(Millis(9), at(2)).is_none());
        shard.expire(Millis(10), at(2)).expect("due").expect("appended");
        assert!(shard.expire(Millis(10), at(3)).is_none());
        assert_eq!(*shard.state(), 6);
    }
}
