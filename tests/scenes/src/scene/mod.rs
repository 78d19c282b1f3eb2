//! The scenes every client must pass.

mod added;
mod churn;
mod commits;
mod cooperative;
mod groups;
mod idle;
mod kill;
mod manual;
mod one;
mod restart;
mod rewind;
mod share;
mod r#static;
mod transactions;
mod transform;

use crate::stage::Stage;
use crate::trouble::Outcome;
use clap::ValueEnum;
use std::fmt;

/// A scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scene {
    /// Three members share six partitions, every record is read exactly once.
    Share,
    /// A member is killed; the others take over and nothing is lost.
    Kill,
    /// Of seven members on six partitions one is idle, until another leaves.
    Idle,
    /// One member gets all four partitions.
    One,
    /// Two groups get everything each.
    Groups,
    /// A member seeks back; an empty group's offsets are altered.
    Rewind,
    /// A client resumes after a restart from what it committed, by hand or automatically.
    Commits,
    /// The broker is killed and comes back; members recover by themselves.
    Restart,
    /// Cooperative members join and leave without stopping the others.
    Cooperative,
    /// A static member restarts without a rebalance.
    Static,
    /// Two consumers without a group read the same partition.
    Manual,
    /// Partitions added while members run are picked up.
    Added,
    /// Members join and leave at random; the group ends stable.
    Churn,
    /// Readers see what is committed and nothing else; a producer that was replaced is fenced.
    Transactions,
    /// What is read, written elsewhere and committed in transactions comes through exactly once.
    Transform,
}

impl Scene {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Kill => "kill",
            Self::Idle => "idle",
            Self::One => "one",
            Self::Groups => "groups",
            Self::Rewind => "rewind",
            Self::Commits => "commits",
            Self::Restart => "restart",
            Self::Cooperative => "cooperative",
            Self::Static => "static",
            Self::Manual => "manual",
            Self::Added => "added",
            Self::Churn => "churn",
            Self::Transactions => "transactions",
            Self::Transform => "transform",
        }
    }

    /// Plays the scene.
    pub fn play(self, stage: &Stage) -> Outcome<()> {
        match self {
            Self::Share => share::play(stage),
            Self::Kill => kill::play(stage),
            Self::Idle => idle::play(stage),
            Self::One => one::play(stage),
            Self::Groups => groups::play(stage),
            Self::Rewind => rewind::play(stage),
            Self::Commits => commits::play(stage),
            Self::Restart => restart::play(stage),
            Self::Cooperative => cooperative::play(stage),
            Self::Static => r#static::play(stage),
            Self::Manual => manual::play(stage),
            Self::Added => added::play(stage),
            Self::Churn => churn::play(stage),
            Self::Transactions => transactions::play(stage),
            Self::Transform => transform::play(stage),
        }
    }

    /// Whether the scene kills the broker, and so needs one of its own.
    pub fn kills_the_broker(self) -> bool {
        self == Self::Restart
    }

    /// Whether the scene runs long enough to be begun first.
    pub fn is_long(self) -> bool {
        matches!(self, Self::Churn | Self::Restart | Self::Kill | Self::Commits)
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
