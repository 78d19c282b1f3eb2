//! The members of a rebalance under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::Ticket;
use ottla_model::{Generation, MemberId, Millis};

use crate::command::Protocol;
use crate::names::InstanceId;
use crate::reply::{Joined, JoinedMember};
use crate::session::Settled;
use crate::state::Classic;
use crate::subscription::Subscribed;

use super::member::Member;

/// A rebalance under way: its members as they will be.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// While joining: the generation that ends. While assigning: the one that begins.
    pub(crate) generation: Generation,
    pub(crate) protocol_type: Arc<str>,
    /// The protocol of `generation`; `None` before the first.
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<MemberId>,
    /// What the members of `generation` subscribe to.
    pub(crate) subscribed: Subscribed,
    /// Who has not sent its SyncGroup.
    pub(crate) unsynced: BTreeSet<MemberId>,
    /// How long to wait for further newcomers, if the group was Empty.
    pub(crate) initial: Option<InitialDelay>,
    /// The join phase has just begun and has no deadline yet.
    pub(crate) is_fresh: bool,
    members: BTreeMap<MemberId, Member>,
    statics: BTreeMap<InstanceId, MemberId>,
    /// How many members offer each protocol.
    offers: BTreeMap<Arc<str>, usize>,
    /// Members whose JoinGroup is not here.
    absent: BTreeSet<MemberId>,
}

/// The delay before the first generation, in which members that start together are to find together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InitialDelay {
    /// The step that runs now.
    pub(crate) step: Millis,
    /// By how much it may still be extended.
    pub(crate) remaining: Millis,
    /// Somebody came while the step ran.
    pub(crate) newcomers: bool,
}

impl Round {
    /// The members at rest, asked to join anew.
    pub(crate) fn from_log(log: &Classic, mut settled: Settled) -> Round {
        let mut round = Round {
            generation: log.generation,
            protocol_type: log.protocol_type.clone().unwrap_or_else(|| "".into()),
            protocol: log.protocol.clone(),
            leader: log.leader.clone(),
            subscribed: log.subscribed(),
            unsynced: settled.unsynced,
            initial: log.members.is_empty().then(InitialDelay::default),
            is_fresh: true,
            ..Round::default()
        };
        for (id, logged) in &log.members {
            let offered = settled.offered.remove(id);
            round.insert(id.clone(), Member::from_log(logged, log.protocol.as_ref(), offered));
        }
        round
    }

    /// The members at rest, to be written to the log, and what the session keeps of them beyond that.
    pub(crate) fn settle(self, now: Millis) -> (Classic, Settled) {
        let protocol = self.protocol.clone().unwrap_or_else(|| "".into());
        let members = self
            .members
            .iter()
            .map(|(id, member)| (id.clone(), member.to_log(&protocol)))
            .collect();
        let offered = self
            .members
            .into_iter()
            .map(|(id, member)| (id, member.protocols))
            .collect();
        let classic = Classic {
            protocol_type: Some(self.protocol_type).filter(|text| !text.is_empty()),
            generation: self.generation,
            protocol: self.protocol,
            leader: self.leader,
            since: Some(now),
            members,
        };
        (
            classic,
            Settled {
                offered,
                unsynced: self.unsynced,
            },
        )
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn has(&self, id: &MemberId) -> bool {
        self.members.contains_key(id)
    }

    pub(crate) fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        self.members.iter()
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = (&MemberId, &mut Member)> {
        self.members.iter_mut()
    }

    pub(crate) fn static_member(&self, instance: &InstanceId) -> Option<&MemberId> {
        self.statics.get(instance)
    }

    /// Members whose JoinGroup is not here.
    pub(crate) fn absent(&self) -> &BTreeSet<MemberId> {
        &self.absent
    }

    /// How many members' JoinGroups are here.
    pub(crate) fn joined_count(&self) -> usize {
        self.members.len() - self.absent.len()
    }

    /// The longest of the members' rebalance timeouts.
    pub(crate) fn rebalance_timeout(&self) -> Millis {
        self.members
            .values()
            .map(|member| member.rebalance_timeout)
            .max()
            .unwrap_or(Millis(0))
    }

    /// Adds a member. The first one gives the group its protocol type, and leads it.
    pub(crate) fn insert(&mut self, id: MemberId, member: Member) {
        if let Some(instance) = &member.instance {
            let before = self.statics.insert(instance.clone(), id.clone());
            debug_assert!(before.is_none(), "an instance id names one member");
        }
        for name in member.offers() {
            *self.offers.entry(name.clone()).or_default() += 1;
        }
        if member.joining.is_none() {
            self.absent.insert(id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
    }

    /// Takes a member out. If it led, another one leads.
    pub(crate) fn remove(&mut self, id: &MemberId) -> Option<Member> {
        let member = self.members.remove(id)?;
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        self.forget_offers(&member);
        self.absent.remove(id);
        self.unsynced.remove(id);
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// A static member goes on under a new id (KIP-345).
    pub(crate) fn rename(&mut self, before: &MemberId, now: MemberId) {
        let was_leader = self.leader.as_ref() == Some(before);
        let was_unsynced = self.unsynced.contains(before);
        let Some(mut member) = self.remove(before) else { return };
        member.is_new = false;
        if was_leader {
            self.leader = Some(now.clone());
        }
        if was_unsynced {
            self.unsynced.insert(now.clone());
        }
        self.insert(now, member);
    }

    /// A member says what it can do now.
    pub(crate) fn update(&mut self, id: &MemberId, protocols: Vec<Protocol>, rebalance: Millis, session: Millis) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.forget_offers(&member);
        member.protocols = protocols;
        member.rebalance_timeout = rebalance;
        member.session_timeout = session;
        for name in member.offers() {
            *self.offers.entry(name.clone()).or_default() += 1;
        }
        self.members.insert(id.clone(), member);
    }

    /// A member's JoinGroup is here; returns the one that it takes the place of.
    pub(crate) fn park_join(&mut self, id: &MemberId, ticket: Ticket) -> Option<Ticket> {
        self.absent.remove(id);
        self.members.get_mut(id)?.joining.replace(ticket)
    }

    /// A member's SyncGroup is here; returns the one that it takes the place of.
    pub(crate) fn park_sync(&mut self, id: &MemberId, ticket: Ticket) -> Option<Ticket> {
        self.unsynced.remove(id);
        self.members.get_mut(id)?.syncing.replace(ticket)
    }

    /// Takes away whoever waits in a member's name: its JoinGroup and its SyncGroup.
    pub(crate) fn unpark(&mut self, id: &MemberId) -> (Option<Ticket>, Option<Ticket>) {
        let Some(member) = self.members.get_mut(id) else {
            return (None, None);
        };
        let parked = (member.joining.take(), member.syncing.take());
        if parked.0.is_some() {
            self.absent.insert(id.clone());
        }
        parked
    }

    /// Every member is asked to join (anew), and nobody has an assignment.
    pub(crate) fn ask_all_to_join(&mut self) {
        self.is_fresh = true;
        self.initial = None;
        self.unsynced.clear();
        self.absent = self.members.keys().cloned().collect();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
    }

    /// Whether some protocol is offered by all members and is among `names`.
    pub(crate) fn shares_protocol<'a>(&self, mut names: impl Iterator<Item = &'a Arc<str>>) -> bool {
        names.any(|name| self.is_offered_by_all(name))
    }

    /// Makes sure that a member who is here leads; false if none is here.
    pub(crate) fn elect_leader(&mut self) -> bool {
        let here = |id: &MemberId| self.members.contains_key(id) && !self.absent.contains(id);
        if self.leader.as_ref().is_some_and(here) {
            return true;
        }
        match self.members.keys().find(|id| here(id)).cloned() {
            Some(id) => {
                self.leader = Some(id);
                true
            }
            None => false,
        }
    }

    /// The protocol of the next generation: each member votes for the first of its own that all can do.
    pub(crate) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let first = member
                .protocols
                .iter()
                .map(|protocol| &protocol.name)
                .find(|name| self.is_offered_by_all(name));
            if let Some(name) = first {
                *votes.entry(name).or_default() += 1;
            }
        }
        // Kafka leaves a tie to chance; the first by name wins here.
        let most = votes.values().copied().max()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| name.clone())
    }

    /// Begins the generation in which everybody who is left takes part.
    pub(crate) fn begin_generation(&mut self) {
        // A generation is never negative: that is how clients say "none".
        self.generation = Generation(self.generation.0.checked_add(1).unwrap_or(1));
        self.protocol = self.select_protocol();
        let protocol = self.protocol.as_deref().unwrap_or("");
        let metadata: Vec<Bytes> = self.members.values().map(|member| member.metadata(protocol)).collect();
        self.subscribed = Subscribed::of(Some(&self.protocol_type), metadata.iter());
        self.unsynced = self.members.keys().cloned().collect();
    }

    /// What a member is told about the generation.
    pub(crate) fn joined(&self, id: &MemberId) -> Joined {
        let joined = Joined {
            member: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone().unwrap_or_else(|| "".into()),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            members: Vec::new(),
            skip_assignment: false,
        };
        if self.leader.as_ref() == Some(id) {
            joined.for_leader(self.joined_members())
        } else {
            joined
        }
    }

    /// A member that learns its generation is new no longer; returns who waits in its name, and its session timeout.
    pub(crate) fn welcome(&mut self, id: &MemberId) -> (Option<Ticket>, Millis) {
        let Some(member) = self.members.get_mut(id) else {
            return (None, Millis(0));
        };
        member.is_new = false;
        (member.joining.take(), member.session_timeout)
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or("");
        let joined = |(id, member): (&MemberId, &Member)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.iter().map(joined).collect()
    }

    fn is_offered_by_all(&self, name: &Arc<str>) -> bool {
        self.offers.get(name) == Some(&self.members.len())
    }

    fn forget_offers(&mut self, member: &Member) {
        for name in member.offers() {
            if let Some(count) = self.offers.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.offers.remove(name);
                }
            }
        }
    }
}
