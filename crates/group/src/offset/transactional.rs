//! TxnOffsetCommit and the markers that end transactions (KIP-98, KIP-447).

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::classic::{Seen, Turn};
use crate::command::{EndTransaction, OffsetCommit, TransactionalCommit};
use crate::machine::Groups;
use crate::record::Record;
use crate::reply::{CommitRefused, Reply};
use crate::session::Session;
use crate::state::State;

use super::commit;

/// Stores positions that count once the producer's transaction is committed.
pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    asked: TransactionalCommit,
) -> Output<Groups> {
    let refuse = |refused| Output::reply(ticket, Reply::TransactionalCommit(Err(refused)));
    let TransactionalCommit {
        commit,
        producer,
        announced,
    } = asked;
    if !announced && state.open_epoch(producer.id) != Some(producer.epoch) {
        return refuse(CommitRefused::Unannounced);
    }
    let mut output = match Turn::of(state, session, now, commit.group.clone()) {
        Some(turn) => {
            if let Err(error) = turn.seen().check_transactional_commit(&commit) {
                return refuse(CommitRefused::Error(error));
            }
            turn.output
        }
        None if commit.generation.is_none() => Output::default(),
        None => return refuse(CommitRefused::Error(ErrorCode::IllegalGeneration)),
    };
    let answers = commit
        .topics
        .iter()
        .map(|topic| commit::store(&commit, topic, &session.config, now, &mut output))
        .collect();
    let stored = std::mem::take(&mut output.records);
    output.records = stored
        .into_iter()
        .filter_map(|record| record.in_transaction(producer))
        .collect();
    output.answer(ticket, Reply::TransactionalCommit(Ok(answers)));
    output
}

/// The end of a transaction, for all groups of the shard. Whoever asks has seen to it that the producer's log takes it.
pub(crate) fn end(ticket: Ticket, end: EndTransaction) -> Output<Groups> {
    let mut output = Output::reply(ticket, Reply::TransactionEnded);
    output.record(Record::TransactionEnd(end));
    output
}

impl Seen<'_> {
    /// A producer that names neither member nor generation is not checked; a rebalance under way is no hindrance, for the
    /// generation tells whether the assignment still stands.
    fn check_transactional_commit(&self, commit: &OffsetCommit) -> Result<(), ErrorCode> {
        if commit.generation.is_none() && commit.member.is_none() && commit.instance.is_none() {
            return Ok(());
        }
        if commit.generation.is_none() && self.is_empty() {
            return Ok(());
        }
        let nobody = MemberId::from("");
        self.check_member(commit.member.as_ref().unwrap_or(&nobody), commit.instance.as_ref())?;
        if commit.generation != Some(self.generation()) {
            return Err(ErrorCode::IllegalGeneration);
        }
        Ok(())
    }
}
