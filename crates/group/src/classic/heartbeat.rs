//! Heartbeat: a member is alive, and learns whether it has to join anew.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::command::Heartbeat;
use crate::machine::Groups;
use crate::reply::{ClassicState, Reply};
use crate::session::Session;
use crate::state::State;

use super::{Seen, Turn};

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    heartbeat: Heartbeat,
) -> Output<Groups> {
    let answer = |result| Output::reply(ticket, Reply::Heartbeat(result));
    if heartbeat.group.as_str().is_empty() {
        return answer(Err(ErrorCode::InvalidGroupId));
    }
    let Some(mut turn) = Turn::of(state, session, now, heartbeat.group.clone()) else {
        return answer(Err(ErrorCode::UnknownMemberId));
    };
    if let Err(error) = turn.seen().check_heartbeat(&heartbeat) {
        return answer(Err(error));
    }
    turn.heard_of(&heartbeat.member);
    // A member waiting for the leader (CompletingRebalance) has nothing to do but wait, so it is told nothing.
    let result = match turn.seen().state() {
        ClassicState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
        _ => Ok(()),
    };
    turn.output.answer(ticket, Reply::Heartbeat(result));
    turn.output
}

impl Seen<'_> {
    fn check_heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), ErrorCode> {
        self.check_member(&heartbeat.member, heartbeat.instance.as_ref())?;
        if heartbeat.generation == self.generation() {
            Ok(())
        } else {
            Err(ErrorCode::IllegalGeneration)
        }
    }

    fn session_timeout(&self, id: &MemberId) -> Option<Millis> {
        match self.round() {
            Some(round) => round.member(id).map(|member| member.session_timeout),
            None => self.log.members.get(id).map(|member| member.session_timeout),
        }
    }
}

impl Turn<'_> {
    /// A member is alive: its session timeout begins anew.
    pub(crate) fn heard_of(&mut self, id: &MemberId) {
        if let Some(session_timeout) = self.seen().session_timeout(id) {
            self.watch(id, session_timeout);
        }
    }
}
