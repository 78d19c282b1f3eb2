//! JoinGroup: who may take part in the next generation, and whether there has to be one.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::{Output, Ticket};
use ottla_fields::TEXT_MAX;
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::command::JoinGroup;
use crate::history::{Cause, Trigger};
use crate::machine::Groups;
use crate::reply::{ClassicState, JoinRefused, Joined, Reply};
use crate::session::Session;
use crate::state::State;

use super::member::{Member, NEWCOMER_TIMEOUT};
use super::{Seen, Turn};

/// How many ids a group hands out to newcomers that have not joined with them yet (KIP-394). Kafka knows no limit.
pub(crate) const PENDING_MEMBERS_MAX: usize = 10_000;

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    mut join: JoinGroup,
) -> Output<Groups> {
    // Kafka lets a negative time-out pass, and it is over at once.
    join.rebalance_timeout = join.rebalance_timeout.max(Millis(0));
    let refuse = |error| Output::reply(ticket, Reply::JoinGroup(Err(JoinRefused::Error(error))));
    if join.group.as_str().is_empty() {
        return refuse(ErrorCode::InvalidGroupId);
    }
    let config = &session.config;
    if join.session_timeout < config.session_timeout_min || join.session_timeout > config.session_timeout_max {
        return refuse(ErrorCode::InvalidSessionTimeout);
    }
    if !join.fits_a_record() {
        return refuse(ErrorCode::InvalidRequest);
    }
    if join.member.is_some() && state.group(&join.group).is_none() {
        return refuse(ErrorCode::UnknownMemberId);
    }
    // From here on even a refused request creates the group, as in Kafka.
    let mut turn = Turn::of_new(state, session, now, join.group.clone());
    if let Err(error) = turn.judge(ticket, join) {
        turn.refuse_join(ticket, error);
    }
    turn.output
}

impl Turn<'_> {
    fn judge(&mut self, ticket: Ticket, join: JoinGroup) -> Result<(), ErrorCode> {
        if !self.has_room_for(join.member.as_ref()) {
            if let Some(id) = &join.member {
                self.make_room(id);
            }
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        if !self.seen().shares_protocol(&join) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match join.member.clone() {
            None => self.join_without_id(ticket, join),
            Some(id) if self.live.pending.contains(&id) && join.instance.is_none() => {
                self.add_member(ticket, join, id);
                Ok(())
            }
            Some(id) => self.join_again(ticket, join, id),
        }
    }

    /// A rebalance forgets who was there before: those whose JoinGroup comes first have the places (`group.max.size`).
    fn has_room_for(&self, member: Option<&MemberId>) -> bool {
        let seen = self.seen();
        let max = self.config.members_max;
        match seen.round() {
            Some(round) if seen.state() == ClassicState::PreparingRebalance => {
                let is_here = |id| round.has(id) && !round.absent().contains(id);
                member.is_some_and(is_here) || round.joined_count() < max
            }
            _ if seen.state() == ClassicState::Empty => true,
            _ => member.is_some_and(|id| seen.has_member(id)) || seen.members_count() < max,
        }
    }

    /// A member that found no room is no member any more.
    fn make_room(&mut self, id: &MemberId) {
        if self.seen().state() == ClassicState::PreparingRebalance && self.seen().has_member(id) {
            self.drop_member(id, ErrorCode::GroupMaxSizeReached);
            self.advance();
        } else if self.live.pending.remove(id) {
            self.unwatch(id);
            self.advance();
        }
    }

    fn join_without_id(&mut self, ticket: Ticket, join: JoinGroup) -> Result<(), ErrorCode> {
        let id = join.new_member_id();
        if let Some(instance) = &join.instance {
            match self.seen().static_member(instance).cloned() {
                Some(before) => self.take_over(ticket, join, &before, id),
                None => self.add_member(ticket, join, id),
            }
        } else if join.member_id_required {
            self.hand_out_id(ticket, &join, id)?;
        } else {
            self.add_member(ticket, join, id);
        }
        Ok(())
    }

    /// KIP-394: a client that retries must not leave a member behind with every try, so it joins only under an id it
    /// knows. The id is good for one session timeout.
    fn hand_out_id(&mut self, ticket: Ticket, join: &JoinGroup, id: MemberId) -> Result<(), ErrorCode> {
        if self.live.pending.len() >= PENDING_MEMBERS_MAX {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        self.live.pending.insert(id.clone());
        self.watch(&id, join.session_timeout);
        self.output
            .answer(ticket, Reply::JoinGroup(Err(JoinRefused::MemberIdRequired(id))));
        Ok(())
    }

    fn add_member(&mut self, ticket: Ticket, join: JoinGroup, id: MemberId) {
        let trigger = Trigger::new(Cause::NewMember, self.now)
            .of(&id, &join.client)
            .because(join.reason.as_deref());
        self.live.pending.remove(&id);
        let round = self.open_join_phase(trigger);
        if let Some(initial) = &mut round.initial
            && !round.is_fresh
        {
            initial.newcomers = true;
        }
        if round.len() == 0 {
            round.protocol_type = join.protocol_type.clone();
        }
        let member = Member {
            instance: join.instance,
            client: join.client,
            rebalance_timeout: join.rebalance_timeout,
            session_timeout: join.session_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            is_new: true,
            joining: Some(ticket),
            syncing: None,
        };
        round.insert(id.clone(), member);
        self.watch(&id, NEWCOMER_TIMEOUT);
        self.advance();
    }

    fn join_again(&mut self, ticket: Ticket, join: JoinGroup, id: MemberId) -> Result<(), ErrorCode> {
        let seen = self.seen();
        seen.check_member(&id, join.instance.as_ref())?;
        let changed = !seen.offers_as_before(&id, &join);
        let cause = match seen.state() {
            ClassicState::PreparingRebalance => Cause::MetadataChanged,
            ClassicState::Stable if seen.is_leader(&id) => Cause::LeaderRejoined,
            ClassicState::Stable | ClassicState::CompletingRebalance if changed => Cause::MetadataChanged,
            ClassicState::Stable | ClassicState::CompletingRebalance => {
                // Its answer was lost, or it is in doubt: the generation is as it was.
                let joined = seen.joined(&id);
                self.output.answer(ticket, Reply::JoinGroup(Ok(joined)));
                return Ok(());
            }
            ClassicState::Empty | ClassicState::Dead => return Err(ErrorCode::UnknownMemberId),
        };
        // While everybody is joining anew, only a change is worth a note.
        if changed || seen.state() != ClassicState::PreparingRebalance {
            let trigger = self.trigger(cause, &id).because(join.reason.as_deref());
            self.open_join_phase(trigger);
        }
        self.park_join(ticket, join, &id);
        self.advance();
        Ok(())
    }

    /// A member is here. An earlier JoinGroup of it is answered REBALANCE_IN_PROGRESS: a client that still waits for it
    /// asks again, one that does not has gone elsewhere. (Kafka leaves it without an answer.)
    pub(super) fn park_join(&mut self, ticket: Ticket, join: JoinGroup, id: &MemberId) {
        let now = self.now;
        let Some(round) = self.round_mut() else { return };
        let was_awaited = round.absent().contains(id);
        round.update(id, join.protocols, join.rebalance_timeout, join.session_timeout);
        let superseded = round.park_join(id, ticket);
        if let Some(earlier) = superseded {
            self.refuse_join(earlier, ErrorCode::RebalanceInProgress);
        }
        if was_awaited {
            self.live.history.arrived(id, now);
        }
    }
}

impl Seen<'_> {
    /// Whether the request has a type and a protocol that all members have.
    fn shares_protocol(&self, join: &JoinGroup) -> bool {
        let mut names = join.protocols.iter().map(|protocol| &protocol.name);
        if self.state() == ClassicState::Empty {
            return !join.protocol_type.is_empty() && names.next().is_some();
        }
        if self.protocol_type() != Some(&join.protocol_type) {
            return false;
        }
        match (self.round(), self.settled()) {
            (Some(round), _) => round.len() == 0 || round.shares_protocol(names),
            (None, settled) => names.any(|name| {
                let offered = settled.map(|settled| &settled.offered);
                self.log
                    .members
                    .keys()
                    .all(|id| match offered.and_then(|offered| offered.get(id)) {
                        Some(protocols) => protocols.iter().any(|protocol| protocol.name == *name),
                        None => self.log.protocol.as_ref() == Some(name),
                    })
            }),
        }
    }

    /// Whether a member can do what it could, in the same order, with the same metadata.
    fn offers_as_before(&self, id: &MemberId, join: &JoinGroup) -> bool {
        if let Some(round) = self.round() {
            return round
                .member(id)
                .is_some_and(|member| member.protocols == join.protocols);
        }
        match self.settled().and_then(|settled| settled.offered.get(id)) {
            Some(protocols) => *protocols == join.protocols,
            None => self.log.members.get(id).is_some_and(|member| {
                matches!(&join.protocols[..], [only]
                    if Some(&only.name) == self.log.protocol.as_ref() && only.metadata == member.subscription)
            }),
        }
    }

    /// What a member is told about the generation that is.
    fn joined(&self, id: &MemberId) -> Joined {
        match self.round() {
            Some(round) => round.joined(id),
            None => Joined {
                member: id.clone(),
                generation: self.log.generation,
                protocol_type: self.log.protocol_type.clone().unwrap_or_else(|| "".into()),
                protocol: self.log.protocol.clone().unwrap_or_else(|| "".into()),
                leader: self.log.leader.clone().unwrap_or_else(|| "".into()),
                members: Vec::new(),
                skip_assignment: false,
            },
        }
    }
}

impl JoinGroup {
    /// The id of a member that has none: the client or the instance stays recognisable in it.
    fn new_member_id(&self) -> MemberId {
        let name = self
            .instance
            .as_ref()
            .map_or(&*self.client.id, |instance| instance.as_str());
        MemberId::new(format!("{name}-{}", self.fresh_uuid))
    }

    /// Whether every text, and the id made from it, is short enough to be written.
    fn fits_a_record(&self) -> bool {
        let fits = |text: &str| text.len() < TEXT_MAX - self.fresh_uuid.len();
        let names: BTreeSet<&Arc<str>> = self.protocols.iter().map(|protocol| &protocol.name).collect();
        fits(self.group.as_str())
            && fits(&self.protocol_type)
            && fits(&self.client.id)
            && fits(&self.client.host)
            && self.instance.as_ref().is_none_or(|instance| fits(instance.as_str()))
            && names.into_iter().all(|name| fits(name))
            && self.member.as_ref().is_none_or(|id| id.as_str().len() <= TEXT_MAX)
            && self.rebalance_timeout.0 <= i64::from(i32::MAX)
    }
}
