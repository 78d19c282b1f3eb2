//! SyncGroup: the leader brings everybody's assignment, the others wait for theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::command::SyncGroup;
use crate::machine::{Groups, Timer};
use crate::reply::{ClassicState, Reply, Synced};
use crate::session::{Phase, Session};
use crate::state::State;

use super::{Seen, Turn};

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    sync: SyncGroup,
) -> Output<Groups> {
    let refuse = |error| Output::reply(ticket, Reply::SyncGroup(Err(error)));
    if sync.protocol_mandatory && (sync.protocol_type.is_none() || sync.protocol.is_none()) {
        return refuse(ErrorCode::InconsistentGroupProtocol);
    }
    if sync.group.as_str().is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let Some(mut turn) = Turn::of(state, session, now, sync.group.clone()) else {
        return refuse(ErrorCode::UnknownMemberId);
    };
    if let Err(error) = turn.seen().check_sync(&sync) {
        return refuse(error);
    }
    if turn.seen().state() == ClassicState::Stable {
        turn.hand_out_again(ticket, &sync.member);
    } else {
        turn.park_sync(ticket, sync);
    }
    turn.output
}

impl Seen<'_> {
    fn check_sync(&self, sync: &SyncGroup) -> Result<(), ErrorCode> {
        if self.state() == ClassicState::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(&sync.member, sync.instance.as_ref())?;
        if sync.generation != self.generation() {
            return Err(ErrorCode::IllegalGeneration);
        }
        if differs(&sync.protocol_type, self.protocol_type()) || differs(&sync.protocol, self.protocol()) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state() {
            ClassicState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            _ => Ok(()),
        }
    }
}

/// Whether a claim and a fact are both there, and not the same.
fn differs(claim: &Option<Arc<str>>, fact: Option<&Arc<str>>) -> bool {
    matches!((claim, fact), (Some(claim), Some(fact)) if claim != fact)
}

impl Turn<'_> {
    /// The assignment is known: a member that asks again gets the same.
    fn hand_out_again(&mut self, ticket: Ticket, id: &MemberId) {
        if let Phase::Settled(settled) = &mut self.live.phase
            && settled.unsynced.remove(id)
            && settled.unsynced.is_empty()
        {
            self.output.disarm(Timer::Sync(self.id.clone()));
        }
        let assignment = self
            .log
            .members
            .get(id)
            .map(|member| member.assignment.clone())
            .unwrap_or_default();
        let protocol_type = self.log.protocol_type.clone().unwrap_or_else(|| "".into());
        let protocol = self.log.protocol.clone().unwrap_or_else(|| "".into());
        self.output.answer(
            ticket,
            Reply::SyncGroup(Ok(Synced {
                protocol_type,
                protocol,
                assignment,
            })),
        );
    }

    /// A member waits for its assignment; if it is the leader, nobody needs to wait any longer. An earlier SyncGroup of
    /// the same member is answered REBALANCE_IN_PROGRESS (Kafka leaves it without an answer).
    fn park_sync(&mut self, ticket: Ticket, sync: SyncGroup) {
        let is_leader = self.seen().is_leader(&sync.member);
        let Some(round) = self.round_mut() else { return };
        let superseded = round.park_sync(&sync.member, ticket);
        let everybody_asked = round.unsynced.is_empty();
        if let Some(earlier) = superseded {
            self.refuse_sync(earlier, ErrorCode::RebalanceInProgress);
        }
        if everybody_asked {
            self.output.disarm(Timer::Sync(self.id.clone()));
        }
        if is_leader {
            self.assign(sync.assignments);
        }
    }

    /// A member that the leader forgot gets nothing; one that it made up is ignored.
    fn assign(&mut self, assignments: Vec<(MemberId, Bytes)>) {
        let Phase::Completing(mut round) = std::mem::take(&mut self.live.phase) else {
            return;
        };
        let mut assignments: BTreeMap<MemberId, Bytes> = assignments.into_iter().collect();
        for (id, member) in round.members_mut() {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.settle_stable(*round);
    }
}
