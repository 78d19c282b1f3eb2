//! What the driver is to do beside answering: mostly, to tell people.

use std::fmt;

use ottla_model::{Generation, GroupId, MemberId};

use crate::history::{Outcome, Rebalance, Trigger};

/// Something worth a log line or a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A rebalance began.
    RebalanceStarted {
        /// Where.
        group: GroupId,
        /// The generation that ends.
        generation: Generation,
        /// Why.
        trigger: Trigger,
    },
    /// A rebalance ended, or was interrupted by another.
    RebalanceEnded {
        /// Where.
        group: GroupId,
        /// All there is to say about it.
        rebalance: Rebalance,
    },
    /// A static member came back under a new id, and no work had to move (KIP-345).
    StaticMemberReturned {
        /// Where.
        group: GroupId,
        /// Its id before.
        before: MemberId,
        /// Its id now.
        now: MemberId,
    },
    /// Positions were forgotten because they were too old.
    OffsetsExpired {
        /// Whose.
        group: GroupId,
        /// How many.
        count: usize,
    },
    /// A group is gone, because it was deleted or because nothing was left of it.
    GroupForgotten {
        /// Which.
        group: GroupId,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::RebalanceStarted {
                group,
                generation,
                trigger,
            } => {
                write!(f, "group {group} rebalances after generation {generation}: {trigger}")
            }
            Effect::RebalanceEnded { group, rebalance } => write!(f, "group {group} {rebalance}"),
            Effect::StaticMemberReturned { group, before, now } => {
                write!(
                    f,
                    "group {group}: static member {before} is back as {now}, nothing moves"
                )
            }
            Effect::OffsetsExpired { group, count } => write!(f, "group {group}: {count} offsets expired"),
            Effect::GroupForgotten { group } => write!(f, "group {group} is gone"),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        if let Some(member) = &self.member {
            write!(f, " (member {member}")?;
            if let Some(client) = &self.client {
                write!(f, ", client {} at {}", client.id, client.host)?;
            }
            f.write_str(")")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ", saying: {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rebalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::UnderWay => f.write_str("is rebalancing")?,
            Outcome::Stable => f.write_str("is stable")?,
            Outcome::Empty => f.write_str("is empty")?,
            Outcome::Interrupted => f.write_str("has to begin its rebalance again")?,
        }
        if let Some(generation) = self.generation {
            write!(f, " in generation {generation}")?;
        }
        if let (Some(after), before) = (self.members_after, self.members_before) {
            write!(f, ", members {before} -> {after}")?;
        }
        if let Some(ended) = self.ended {
            let joined = self.joined.unwrap_or(ended);
            write!(
                f,
                ", join {} ms, sync {} ms",
                joined.since(self.started),
                ended.since(joined)
            )?;
        }
        match &self.waited_for {
            Some(waited) => write!(f, ", waited {} ms for {}", waited.span, waited.member),
            None => Ok(()),
        }
    }
}
