//! A static member comes back under its instance id (KIP-345): it takes the place of the process that had it before.

use ottla_coordinator::Ticket;
use ottla_model::{ErrorCode, MemberId};

use crate::command::JoinGroup;
use crate::effect::Effect;
use crate::history::Cause;
use crate::reply::{ClassicState, Joined, Reply};
use crate::session::Phase;

use super::Turn;
use super::round::Round;

impl Turn<'_> {
    /// `before` is fenced; its place is now that of `id`. A group at rest stays so unless the protocol would change.
    pub(super) fn take_over(&mut self, ticket: Ticket, join: JoinGroup, before: &MemberId, id: MemberId) {
        if self.seen().state() == ClassicState::Stable && self.return_quietly(ticket, &join, before, &id) {
            return;
        }
        let (joining, syncing) = self.round_mut().map(|round| round.unpark(before)).unwrap_or_default();
        if let Some(ticket) = joining {
            self.refuse_join(ticket, ErrorCode::FencedInstanceId);
        }
        if let Some(ticket) = syncing {
            self.refuse_sync(ticket, ErrorCode::FencedInstanceId);
        }
        let trigger = self
            .trigger(Cause::StaticMemberReplaced, before)
            .because(join.reason.as_deref());
        let round = self.open_join_phase(trigger);
        round.rename(before, id.clone());
        self.unwatch(before);
        self.watch(&id, join.session_timeout);
        self.park_join(ticket, join, &id);
        self.advance();
    }

    /// Puts `id` in the place of `before` in the group at rest, and answers at once; false if that would change the
    /// group's protocol, in which case nothing has happened.
    fn return_quietly(&mut self, ticket: Ticket, join: &JoinGroup, before: &MemberId, id: &MemberId) -> bool {
        let Phase::Settled(settled) = &mut self.live.phase else {
            return false;
        };
        let was_leader = self.log.leader.as_ref() == Some(before);
        let mut round = Round::from_log(self.log, std::mem::take(settled));
        round.rename(before, id.clone());
        let offered_before = round
            .member(id)
            .map(|member| member.protocols.clone())
            .unwrap_or_default();
        round.update(id, join.protocols.clone(), join.rebalance_timeout, join.session_timeout);
        if round.select_protocol() != self.log.protocol {
            round.rename(id, before.clone());
            round.update(before, offered_before, join.rebalance_timeout, join.session_timeout);
            *settled = round.settle(self.now).1;
            return false;
        }
        let mut joined = Joined {
            skip_assignment: was_leader,
            ..round.joined(id)
        };
        if !join.skip_assignment_understood {
            // A client that cannot be told to skip the assignment would assign if it took itself for the leader.
            let leader = self.log.leader.clone().unwrap_or_else(|| "".into());
            joined = Joined {
                skip_assignment: false,
                leader,
                members: Vec::new(),
                ..joined
            };
        }
        let (classic, settled_now) = round.settle(self.now);
        *settled = settled_now;
        self.write(classic);
        self.unwatch(before);
        self.watch(id, join.session_timeout);
        self.output.answer(ticket, Reply::JoinGroup(Ok(joined)));
        let (before, now) = (before.clone(), id.clone());
        self.output.effect(Effect::StaticMemberReturned {
            group: self.id.clone(),
            before,
            now,
        });
        true
    }
}
