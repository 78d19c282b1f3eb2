//! What a failover may lose: rebalances under way, who waits for an answer, ids handed out but not used yet, the history.

use std::collections::{BTreeMap, BTreeSet};

use ottla_model::{GroupId, MemberId};

use crate::classic::round::Round;
use crate::command::Protocol;
use crate::config::GroupConfig;
use crate::history::History;

/// What a failover may lose, of all groups of a shard.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) config: GroupConfig,
    pub(crate) groups: BTreeMap<GroupId, Live>,
    /// The last group that the search for old positions has looked at, while it pauses.
    pub(crate) expired_up_to: Option<GroupId>,
    /// Another broker is the coordinator now.
    pub(crate) resigned: bool,
}

impl Session {
    /// A session that obeys `config`.
    pub fn new(config: GroupConfig) -> Session {
        Session {
            config,
            ..Session::default()
        }
    }

    /// What the groups obey.
    pub fn config(&self) -> &GroupConfig {
        &self.config
    }

    /// Obeys `config` from now on; deadlines that run already stay as they are.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.config = config;
    }
}

/// What a failover may lose, of one group.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Ids handed out to newcomers that have not joined with them yet (KIP-394).
    pub(crate) pending: BTreeSet<MemberId>,
    pub(crate) phase: Phase,
    pub(crate) history: History,
}

/// Where a group stands.
#[derive(Debug)]
pub(crate) enum Phase {
    /// At rest, Empty or Stable: the log says who is in it.
    Settled(Settled),
    /// Members are asked to join anew.
    Preparing(Box<Round>),
    /// All have joined; the leader is to assign.
    Completing(Box<Round>),
}

/// What a group at rest has beyond the log.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// All the protocols each member offered; the log has only the chosen one. After a failover there is nothing here,
    /// and the chosen one stands for all.
    pub(crate) offered: BTreeMap<MemberId, Vec<Protocol>>,
    /// Who has not fetched its assignment yet.
    pub(crate) unsynced: BTreeSet<MemberId>,
}

impl Default for Phase {
    fn default() -> Phase {
        Phase::Settled(Settled::default())
    }
}
