//! The journal of causes: why a group rebalanced, who was behind it, how long each phase took and whom it waited for.
//!
//! Kept with the session, so a failover begins a new page. Bounded: a group that rebalances without end keeps its last
//! [`REBALANCES_MAX`] rebalances, each with its first [`TRIGGERS_MAX`] triggers.

use std::collections::VecDeque;
use std::fmt;

use ottla_model::{Generation, MemberId, Millis};

use crate::names::Client;

/// How many rebalances of a group are remembered.
pub const REBALANCES_MAX: usize = 64;
/// How many triggers of one rebalance are remembered.
pub const TRIGGERS_MAX: usize = 16;
/// How much of a client's own words is remembered, in characters (KIP-800 has clients send no more than this).
pub const REASON_MAX: usize = 255;

/// One rebalance, from the first cause to the generation it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebalance {
    /// What set it off, and what else happened before all had joined.
    pub triggers: Vec<Trigger>,
    /// When it began.
    pub started: Millis,
    /// When the join phase ended.
    pub joined: Option<Millis>,
    /// When the assignment was known, or the group was empty, or something new interrupted it.
    pub ended: Option<Millis>,
    /// How it ended.
    pub outcome: Outcome,
    /// The generation it led to, once the join phase ended.
    pub generation: Option<Generation>,
    /// The member of the generation before that kept the others waiting longest in the join phase.
    pub waited_for: Option<Waited>,
    /// How many members there were when it began.
    pub members_before: usize,
    /// How many there were when the join phase ended.
    pub members_after: Option<usize>,
}

/// Something that sets off a rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What happened.
    pub cause: Cause,
    /// To whom.
    pub member: Option<MemberId>,
    /// The process behind that member.
    pub client: Option<Client>,
    /// What the client said about it (KIP-800).
    pub reason: Option<String>,
    /// When.
    pub at: Millis,
}

/// What can set off a rebalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A member came.
    NewMember,
    /// A member joined again with other protocols or other metadata.
    MetadataChanged,
    /// The leader joined again: it wants to assign anew, mostly because the partitions changed.
    LeaderRejoined,
    /// A static member came back in a way that work must move (KIP-345).
    StaticMemberReplaced,
    /// A member left by itself.
    MemberLeft,
    /// An administrator removed a static member.
    AdminRemoved,
    /// A member was silent for its session timeout.
    SessionExpired,
    /// A member did not join again within the rebalance timeout.
    DidNotRejoin,
    /// A member joined, but did not fetch its assignment within the rebalance timeout.
    DidNotSync,
    /// A loaded group has more members than `group.max.size` now allows.
    OverCapacity,
}

/// How a rebalance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet.
    UnderWay,
    /// The group is Stable.
    Stable,
    /// No member is left.
    Empty,
    /// Another rebalance began before the assignment was known.
    Interrupted,
}

/// How long somebody kept the others waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Who.
    pub member: MemberId,
    /// From the beginning until it joined, or until it was given up.
    pub span: Millis,
}

/// The rebalances of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    past: VecDeque<Rebalance>,
    current: Option<Rebalance>,
}

impl Trigger {
    pub(crate) fn new(cause: Cause, at: Millis) -> Trigger {
        Trigger {
            cause,
            member: None,
            client: None,
            reason: None,
            at,
        }
    }

    pub(crate) fn of(self, member: &MemberId, client: &Client) -> Trigger {
        Trigger {
            member: Some(member.clone()),
            client: Some(client.clone()),
            ..self
        }
    }

    pub(crate) fn because(self, reason: Option<&str>) -> Trigger {
        let reason = reason.map(|text| text.chars().take(REASON_MAX).collect());
        Trigger { reason, ..self }
    }
}

impl History {
    /// Begins a rebalance; one that is under way ends as interrupted and is returned.
    pub(crate) fn begin(&mut self, trigger: Trigger, members_before: usize) -> Option<Rebalance> {
        let interrupted = self.end(trigger.at, Outcome::Interrupted);
        self.current = Some(Rebalance {
            started: trigger.at,
            triggers: vec![trigger],
            joined: None,
            ended: None,
            outcome: Outcome::UnderWay,
            generation: None,
            waited_for: None,
            members_before,
            members_after: None,
        });
        interrupted
    }

    /// Notes a further trigger of the rebalance under way.
    pub(crate) fn also(&mut self, trigger: Trigger) {
        if let Some(current) = &mut self.current
            && current.triggers.len() < TRIGGERS_MAX
        {
            current.triggers.push(trigger);
        }
    }

    /// Notes that a member of the generation before has joined, or was given up: the last one is the longest awaited.
    pub(crate) fn arrived(&mut self, member: &MemberId, now: Millis) {
        if let Some(current) = &mut self.current {
            current.waited_for = Some(Waited {
                member: member.clone(),
                span: now.since(current.started),
            });
        }
    }

    /// The join phase ended.
    pub(crate) fn joined(&mut self, generation: Generation, members: usize, now: Millis) {
        if let Some(current) = &mut self.current {
            current.joined = Some(now);
            current.generation = Some(generation);
            current.members_after = Some(members);
        }
    }

    /// The rebalance is over; returns it.
    pub(crate) fn end(&mut self, now: Millis, outcome: Outcome) -> Option<Rebalance> {
        let mut ended = self.current.take()?;
        ended.ended = Some(now);
        ended.outcome = outcome;
        if self.past.len() == REBALANCES_MAX {
            self.past.pop_front();
        }
        self.past.push_back(ended.clone());
        Some(ended)
    }

    /// All that is remembered, the oldest first, the one under way last.
    pub(crate) fn all(&self) -> Vec<Rebalance> {
        self.past.iter().chain(&self.current).cloned().collect()
    }
}

impl Cause {
    /// In words, for a log line.
    pub const fn text(self) -> &'static str {
        match self {
            Cause::NewMember => "a member came",
            Cause::MetadataChanged => "a member changed its subscription",
            Cause::LeaderRejoined => "the leader joined again",
            Cause::StaticMemberReplaced => "a static member came back",
            Cause::MemberLeft => "a member left",
            Cause::AdminRemoved => "an administrator removed a member",
            Cause::SessionExpired => "a member was silent for its session timeout",
            Cause::DidNotRejoin => "a member did not join again in time",
            Cause::DidNotSync => "a member did not fetch its assignment in time",
            Cause::OverCapacity => "the group has more members than allowed",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
