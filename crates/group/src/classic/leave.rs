//! LeaveGroup: members go, or an administrator makes static ones go.

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::command::{LeaveGroup, Leaver};
use crate::history::Cause;
use crate::machine::Groups;
use crate::reply::Reply;
use crate::session::Session;
use crate::state::State;

use super::Turn;

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    leave: LeaveGroup,
) -> Output<Groups> {
    let answer = |result| Output::reply(ticket, Reply::LeaveGroup(result));
    if leave.group.as_str().is_empty() {
        return answer(Err(ErrorCode::InvalidGroupId));
    }
    let Some(mut turn) = Turn::of(state, session, now, leave.group.clone()) else {
        return answer(Ok(leave
            .members
            .iter()
            .map(|_| Err(ErrorCode::UnknownMemberId))
            .collect()));
    };
    let results = leave.members.iter().map(|leaver| turn.let_go(leaver)).collect();
    turn.advance();
    turn.output.answer(ticket, Reply::LeaveGroup(Ok(results)));
    turn.output
}

impl Turn<'_> {
    fn let_go(&mut self, leaver: &Leaver) -> Result<(), ErrorCode> {
        let Some(id) = &leaver.member else {
            let found = leaver
                .instance
                .as_ref()
                .and_then(|instance| self.seen().static_member(instance).cloned());
            let id = found.ok_or(ErrorCode::UnknownMemberId)?;
            self.remove(&id, Cause::AdminRemoved, leaver.reason.as_deref());
            return Ok(());
        };
        if self.live.pending.remove(id) {
            self.unwatch(id);
            return Ok(());
        }
        self.seen().check_member(id, leaver.instance.as_ref())?;
        self.remove(id, Cause::MemberLeft, leaver.reason.as_deref());
        Ok(())
    }

    fn remove(&mut self, id: &MemberId, cause: Cause, reason: Option<&str>) {
        let trigger = self.trigger(cause, id).because(reason);
        self.open_join_phase(trigger);
        self.drop_member(id, ErrorCode::UnknownMemberId);
    }
}
