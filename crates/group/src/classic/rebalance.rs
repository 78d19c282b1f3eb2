//! The rebalance itself: the join phase opens, waits, ends; everybody learns the generation; the group comes to rest.

use ottla_coordinator::Ticket;
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::effect::Effect;
use crate::history::{Cause, Outcome, Trigger};
use crate::machine::Timer;
use crate::reply::{ClassicState, Reply, Synced};
use crate::session::{Phase, Settled};
use crate::state::Classic;

use super::Turn;
use super::round::{InitialDelay, Round};

/// How long a join phase in which nobody came back waits at least before it looks again.
const REJOIN_WAIT_MIN: Millis = Millis(1_000);

impl Turn<'_> {
    /// Sees to it that the join phase is open; `trigger` says why it should be.
    pub(super) fn open_join_phase(&mut self, trigger: Trigger) -> &mut Round {
        if let Phase::Preparing(_) = &self.live.phase {
            self.live.history.also(trigger);
        } else {
            self.begin_rebalance(trigger);
        }
        match &mut self.live.phase {
            Phase::Preparing(round) => round,
            Phase::Settled(_) | Phase::Completing(_) => unreachable!("the join phase has just been opened"),
        }
    }

    fn begin_rebalance(&mut self, trigger: Trigger) {
        let generation = self.seen().generation();
        let effect = Effect::RebalanceStarted {
            group: self.id.clone(),
            generation,
            trigger: trigger.clone(),
        };
        let interrupted = self.live.history.begin(trigger, self.seen().members_count());
        if let Some(rebalance) = interrupted {
            self.output.effect(Effect::RebalanceEnded {
                group: self.id.clone(),
                rebalance,
            });
        }
        self.output.effect(effect);
        self.output.disarm(Timer::Sync(self.id.clone()));
        let mut round = match std::mem::take(&mut self.live.phase) {
            Phase::Settled(settled) => Round::from_log(self.log, settled),
            Phase::Preparing(round) => *round,
            Phase::Completing(mut round) => {
                round.ask_all_to_join();
                self.refuse_syncs(&mut round, ErrorCode::RebalanceInProgress);
                *round
            }
        };
        round.unsynced.clear();
        self.live.phase = Phase::Preparing(Box::new(round));
    }

    /// Whoever waits for its assignment waits in vain.
    fn refuse_syncs(&mut self, round: &mut Round, error: ErrorCode) {
        for (id, member) in round.members_mut() {
            if let Some(ticket) = member.syncing.take() {
                self.output.answer(ticket, Reply::SyncGroup(Err(error)));
                self.output.arm(
                    Timer::Session(self.id.clone(), id.clone()),
                    self.now.plus(member.session_timeout),
                );
            }
        }
    }

    /// Takes a member out of the open join phase, and tells whoever waits in its name.
    pub(super) fn drop_member(&mut self, id: &MemberId, error: ErrorCode) {
        self.unwatch(id);
        self.live.pending.remove(id);
        if let Some(round) = self.round_mut()
            && let Some(mut member) = round.remove(id)
        {
            self.refuse_parked(&mut member, error);
        }
    }

    pub(super) fn round_mut(&mut self) -> Option<&mut Round> {
        match &mut self.live.phase {
            Phase::Preparing(round) | Phase::Completing(round) => Some(round),
            Phase::Settled(_) => None,
        }
    }

    /// Ends the join phase if nobody is missing; else sees to it that it has a deadline. To be called after every change
    /// of who has joined.
    pub(super) fn advance(&mut self) {
        let Phase::Preparing(round) = &mut self.live.phase else {
            return;
        };
        let is_fresh = std::mem::take(&mut round.is_fresh);
        let rebalance_timeout = round.rebalance_timeout();
        let all_here = round.absent().is_empty() && self.live.pending.is_empty();
        match (&mut round.initial, is_fresh) {
            (Some(initial), true) => {
                let step = self.config.initial_rebalance_delay;
                let remaining = Millis(rebalance_timeout.since(step).0.max(0));
                *initial = InitialDelay {
                    step,
                    remaining,
                    newcomers: false,
                };
                self.output.arm(Timer::Join(self.id.clone()), self.now.plus(step));
            }
            (Some(_), false) => {}
            (None, _) if all_here => self.end_join_phase(),
            (None, true) => self
                .output
                .arm(Timer::Join(self.id.clone()), self.now.plus(rebalance_timeout)),
            (None, false) => {}
        }
    }

    /// The deadline of the join phase has passed. A first generation's is moved while newcomers keep coming.
    pub(crate) fn join_expired(&mut self) {
        let Phase::Preparing(round) = &mut self.live.phase else {
            return;
        };
        if let Some(initial) = &mut round.initial
            && initial.newcomers
            && initial.remaining > Millis(0)
        {
            let step = self.config.initial_rebalance_delay.min(initial.remaining);
            let remaining = Millis(initial.remaining.since(initial.step).0.max(0));
            *initial = InitialDelay {
                step,
                remaining,
                newcomers: false,
            };
            self.output.arm(Timer::Join(self.id.clone()), self.now.plus(step));
            return;
        }
        self.end_join_phase();
    }

    fn end_join_phase(&mut self) {
        self.output.disarm(Timer::Join(self.id.clone()));
        self.drop_absent();
        let Phase::Preparing(mut round) = std::mem::take(&mut self.live.phase) else {
            return;
        };
        if round.len() == 0 {
            self.settle_empty(*round);
        } else if round.elect_leader() {
            self.open_sync_phase(round);
        } else {
            // Only static members are left and none came back yet: their session timers decide.
            // With a time-out of zero, asking again at once would never end.
            let wait = round.rebalance_timeout().max(REJOIN_WAIT_MIN);
            self.output.arm(Timer::Join(self.id.clone()), self.now.plus(wait));
            self.live.phase = Phase::Preparing(round);
        }
    }

    /// Gives up dynamic members that did not join again. Static ones keep their place until their session ends.
    fn drop_absent(&mut self) {
        let Some(round) = self.seen().round() else { return };
        let is_dynamic = |id: &&MemberId| round.member(id).is_some_and(|member| member.instance.is_none());
        let absent: Vec<MemberId> = round.absent().iter().filter(is_dynamic).cloned().collect();
        for id in absent {
            let trigger = self.trigger(Cause::DidNotRejoin, &id);
            self.live.history.also(trigger);
            self.live.history.arrived(&id, self.now);
            self.drop_member(&id, ErrorCode::UnknownMemberId);
        }
    }

    /// The last member is gone. That, too, is a generation.
    fn settle_empty(&mut self, mut round: Round) {
        round.begin_generation();
        let (classic, settled) = round.settle(self.now);
        self.live.history.joined(classic.generation, 0, self.now);
        self.settle(
            Classic {
                protocol: None,
                leader: None,
                ..classic
            },
            settled,
            Outcome::Empty,
        );
    }

    /// Everybody learns the generation, and the leader who is in it.
    fn open_sync_phase(&mut self, mut round: Box<Round>) {
        round.begin_generation();
        self.live.history.joined(round.generation, round.len(), self.now);
        let ids: Vec<MemberId> = round.members().map(|(id, _)| id.clone()).collect();
        for id in ids {
            let reply = round.joined(&id);
            let (ticket, session_timeout) = round.welcome(&id);
            if let Some(ticket) = ticket {
                self.output.answer(ticket, Reply::JoinGroup(Ok(reply)));
            }
            self.watch(&id, session_timeout);
        }
        self.output
            .arm(Timer::Sync(self.id.clone()), self.now.plus(round.rebalance_timeout()));
        self.live.phase = Phase::Completing(round);
    }

    /// The leader has assigned: everybody who waits learns its share, and the generation goes into the log.
    pub(super) fn settle_stable(&mut self, mut round: Round) {
        let protocol_type = round.protocol_type.clone();
        let protocol = round.protocol.clone().unwrap_or_else(|| "".into());
        let mut served: Vec<(Ticket, MemberId, Synced, Millis)> = Vec::new();
        for (id, member) in round.members_mut() {
            if let Some(ticket) = member.syncing.take() {
                let assignment = member.assignment.clone();
                let synced = Synced {
                    protocol_type: protocol_type.clone(),
                    protocol: protocol.clone(),
                    assignment,
                };
                served.push((ticket, id.clone(), synced, member.session_timeout));
            }
        }
        for (ticket, id, synced, session_timeout) in served {
            self.output.answer(ticket, Reply::SyncGroup(Ok(synced)));
            self.watch(&id, session_timeout);
        }
        let (classic, settled) = round.settle(self.now);
        self.settle(classic, settled, Outcome::Stable);
    }

    fn settle(&mut self, classic: Classic, settled: Settled, outcome: Outcome) {
        self.write(classic);
        self.live.phase = Phase::Settled(settled);
        if let Some(rebalance) = self.live.history.end(self.now, outcome) {
            self.output.effect(Effect::RebalanceEnded {
                group: self.id.clone(),
                rebalance,
            });
        }
    }

    /// A member was silent for its session timeout.
    pub(crate) fn session_expired(&mut self, id: &MemberId) {
        if self.live.pending.remove(id) {
            // The others may have waited only for this newcomer, who never came.
            self.advance();
            return;
        }
        let seen = self.seen();
        if !seen.has_member(id) {
            return;
        }
        let member = seen.round().and_then(|round| round.member(id));
        if member.is_some_and(super::member::Member::is_waiting_for_us) {
            return;
        }
        let trigger = self.trigger(Cause::SessionExpired, id);
        self.open_join_phase(trigger);
        self.drop_member(id, ErrorCode::UnknownMemberId);
        self.advance();
    }

    /// Members that joined have not fetched their assignment in time: they are gone, and the others begin again.
    pub(crate) fn sync_expired(&mut self) {
        let seen = self.seen();
        let unsynced = match (seen.state(), seen.round(), seen.settled()) {
            (ClassicState::CompletingRebalance, Some(round), _) => round.unsynced.clone(),
            (ClassicState::Stable, _, Some(settled)) => settled.unsynced.clone(),
            _ => return,
        };
        for id in &unsynced {
            let trigger = self.trigger(Cause::DidNotSync, id);
            self.open_join_phase(trigger);
            self.drop_member(id, ErrorCode::UnknownMemberId);
        }
        self.advance();
    }

    /// After a failover: every member must be heard of anew, and a group that has become too large rebalances.
    pub(crate) fn loaded(&mut self) {
        for (id, member) in &self.log.members {
            self.watch(id, member.session_timeout);
        }
        if self.log.members.len() > self.config.members_max {
            self.open_join_phase(Trigger::new(Cause::OverCapacity, self.now));
            self.advance();
        }
    }

    /// A trigger that has to do with a member.
    pub(super) fn trigger(&self, cause: Cause, id: &MemberId) -> Trigger {
        let seen = self.seen();
        let client = match seen.round() {
            Some(round) => round.member(id).map(|member| &member.client),
            None => seen.log.members.get(id).map(|member| &member.client),
        };
        let trigger = Trigger::new(cause, self.now);
        match client {
            Some(client) => trigger.of(id, client),
            None => trigger,
        }
    }
}
