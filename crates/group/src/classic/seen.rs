//! A group as it stands, wherever that is kept: at rest it is in the log, during a rebalance in the session.

use std::sync::Arc;

use ottla_model::{ErrorCode, Generation, MemberId};

use crate::names::InstanceId;
use crate::reply::ClassicState;
use crate::session::{Live, Phase, Settled};
use crate::state::Classic;
use crate::subscription::Subscribed;

use super::round::Round;

/// A view of one group.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) log: &'a Classic,
    pub(crate) live: Option<&'a Live>,
}

impl<'a> Seen<'a> {
    /// The rebalance under way.
    pub(crate) fn round(&self) -> Option<&'a Round> {
        match &self.live?.phase {
            Phase::Preparing(round) | Phase::Completing(round) => Some(round),
            Phase::Settled(_) => None,
        }
    }

    /// What a group at rest has beyond the log.
    pub(crate) fn settled(&self) -> Option<&'a Settled> {
        match &self.live?.phase {
            Phase::Settled(settled) => Some(settled),
            Phase::Preparing(_) | Phase::Completing(_) => None,
        }
    }

    pub(crate) fn state(&self) -> ClassicState {
        match self.live.map(|live| &live.phase) {
            Some(Phase::Preparing(_)) => ClassicState::PreparingRebalance,
            Some(Phase::Completing(_)) => ClassicState::CompletingRebalance,
            Some(Phase::Settled(_)) | None if self.log.members.is_empty() => ClassicState::Empty,
            Some(Phase::Settled(_)) | None => ClassicState::Stable,
        }
    }

    /// Whether nobody is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.state() == ClassicState::Empty
    }

    pub(crate) fn generation(&self) -> Generation {
        self.round().map_or(self.log.generation, |round| round.generation)
    }

    pub(crate) fn protocol_type(&self) -> Option<&'a Arc<str>> {
        self.round()
            .map_or(self.log.protocol_type.as_ref(), |round| Some(&round.protocol_type))
    }

    pub(crate) fn protocol(&self) -> Option<&'a Arc<str>> {
        self.round()
            .map_or(self.log.protocol.as_ref(), |round| round.protocol.as_ref())
    }

    pub(crate) fn leader(&self) -> Option<&'a MemberId> {
        self.round()
            .map_or(self.log.leader.as_ref(), |round| round.leader.as_ref())
    }

    pub(crate) fn is_leader(&self, member: &MemberId) -> bool {
        self.leader() == Some(member)
    }

    pub(crate) fn has_member(&self, member: &MemberId) -> bool {
        self.round()
            .map_or_else(|| self.log.members.contains_key(member), |round| round.has(member))
    }

    pub(crate) fn members_count(&self) -> usize {
        self.round().map_or(self.log.members.len(), Round::len)
    }

    /// The member that now goes by this instance id (KIP-345).
    pub(crate) fn static_member(&self, instance: &InstanceId) -> Option<&'a MemberId> {
        self.round().map_or_else(
            || self.log.static_member(instance),
            |round| round.static_member(instance),
        )
    }

    /// Whether `member` is who it says: a member, and with an instance id also that very static member.
    pub(crate) fn check_member(&self, member: &MemberId, instance: Option<&InstanceId>) -> Result<(), ErrorCode> {
        // At rest, looking up an instance id means looking at every member, so the common case goes first.
        let log_member = if self.round().is_none() {
            self.log.members.get(member)
        } else {
            None
        };
        if log_member.is_some_and(|found| instance.is_none() || found.instance.as_ref() == instance) {
            return Ok(());
        }
        if let Some(instance) = instance {
            match self.static_member(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(known) if known != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.has_member(member) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    /// What the group subscribes to: by the metadata of the last generation that was agreed on.
    pub(crate) fn subscribed(&self) -> Subscribed {
        self.round()
            .map_or_else(|| self.log.subscribed(), |round| round.subscribed.clone())
    }
}
