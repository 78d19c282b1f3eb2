//! The machine: which rule answers which command and which deadline.

use ottla_coordinator::{Entry, Machine, Output, Ticket};
use ottla_model::{ErrorCode, GroupId, MemberId, Millis};

use crate::classic::{self, Turn};
use crate::command::Command;
use crate::effect::Effect;
use crate::offset;
use crate::record::Record;
use crate::reply::{CommitRefused, JoinRefused, Reply};
use crate::session::Session;
use crate::state::State;

/// The groups of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub enum Groups {}

/// The name of a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A member must be heard of.
    Session(GroupId, MemberId),
    /// The join phase ends.
    Join(GroupId),
    /// Everybody must have fetched the assignment.
    Sync(GroupId),
    /// Old positions are looked for.
    ExpireOffsets,
}

impl Machine for Groups {
    type State = State;
    type Session = Session;
    type Command = Command;
    type Reply = Reply;
    type Timer = Timer;
    type Record = Record;
    type Effect = Effect;

    fn decide(state: &State, session: &mut Session, now: Millis, ticket: Ticket, command: Command) -> Output<Groups> {
        if session.resigned {
            return Output::reply(ticket, refusal(&command));
        }
        match command {
            Command::JoinGroup(command) => classic::join::decide(state, session, now, ticket, command),
            Command::SyncGroup(command) => classic::sync::decide(state, session, now, ticket, command),
            Command::Heartbeat(command) => classic::heartbeat::decide(state, session, now, ticket, command),
            Command::LeaveGroup(command) => classic::leave::decide(state, session, now, ticket, command),
            Command::OffsetCommit(command) => offset::commit::decide(state, session, now, ticket, command),
            Command::TransactionalCommit(command) => {
                offset::transactional::decide(state, session, now, ticket, command)
            }
            Command::EndTransaction(command) => offset::transactional::end(ticket, command),
            Command::OffsetFetch(command) => offset::fetch::decide(state, ticket, command),
            Command::OffsetDelete(command) => offset::delete::offsets(state, session, ticket, command),
            Command::DescribeGroup(group) => classic::describe::group(state, session, ticket, group),
            Command::DescribeHistory(group) => classic::describe::history(state, session, ticket, &group),
            Command::ListGroups(command) => classic::describe::list(state, session, ticket, &command),
            Command::DeleteGroup(group) => offset::delete::group(state, session, ticket, group),
            Command::TopicsDeleted(topics) => offset::delete::topics(state, ticket, &topics),
            Command::Resign => classic::resign::decide(session, ticket),
        }
    }

    fn expire(state: &State, session: &mut Session, now: Millis, timer: Timer) -> Output<Groups> {
        let group = match timer {
            Timer::ExpireOffsets => return offset::expire::tick(state, session, now),
            Timer::Session(ref group, _) | Timer::Join(ref group) | Timer::Sync(ref group) => group.clone(),
        };
        let Some(mut turn) = Turn::of(state, session, now, group) else {
            return Output::default();
        };
        match timer {
            Timer::Session(_, member) => turn.session_expired(&member),
            Timer::Join(_) => turn.join_expired(),
            Timer::Sync(_) => turn.sync_expired(),
            Timer::ExpireOffsets => {}
        }
        turn.output
    }

    fn loaded(state: &State, session: &mut Session, now: Millis) -> Output<Groups> {
        let mut output = Output::default();
        output.arm(
            Timer::ExpireOffsets,
            now.plus(session.config.offsets_retention_check_interval),
        );
        for (group, _) in state.groups() {
            if let Some(mut turn) = Turn::of(state, session, now, group.clone()) {
                turn.loaded();
                classic::append(&mut output, turn.output);
            }
        }
        output
    }

    fn apply(state: &mut State, entry: &Entry<Record>) {
        state.apply(entry);
    }
}

/// What a coordinator says that is none any more. All its groups are Dead.
fn refusal(command: &Command) -> Reply {
    const GONE: ErrorCode = ErrorCode::CoordinatorNotAvailable;
    match command {
        Command::JoinGroup(_) => Reply::JoinGroup(Err(JoinRefused::Error(GONE))),
        Command::SyncGroup(_) => Reply::SyncGroup(Err(GONE)),
        Command::Heartbeat(_) => Reply::Heartbeat(Err(GONE)),
        Command::LeaveGroup(_) => Reply::LeaveGroup(Err(GONE)),
        Command::OffsetCommit(_) => Reply::OffsetCommit(Err(GONE)),
        Command::TransactionalCommit(_) => Reply::TransactionalCommit(Err(CommitRefused::Error(GONE))),
        Command::EndTransaction(_) => Reply::TransactionEnded,
        Command::OffsetFetch(_) => Reply::OffsetFetch(Err(ErrorCode::NotCoordinator)),
        Command::OffsetDelete(_) => Reply::OffsetDelete(Err(ErrorCode::GroupIdNotFound)),
        Command::DescribeGroup(_) => Reply::DescribeGroup(Err(ErrorCode::GroupIdNotFound)),
        Command::DescribeHistory(_) => Reply::DescribeHistory(Err(ErrorCode::GroupIdNotFound)),
        Command::ListGroups(_) => Reply::ListGroups(Err(GONE)),
        Command::DeleteGroup(_) => Reply::DeleteGroup(Err(ErrorCode::GroupIdNotFound)),
        Command::TopicsDeleted(_) => Reply::TopicsDeleted(0),
        Command::Resign => Reply::Resigned,
    }
}
