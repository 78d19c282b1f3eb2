//! What a failover may lose: which markers are still to be written, and what is found anew by looking through the state.

use std::collections::{BTreeMap, BTreeSet};

use ottla_model::{LeaderEpoch, TopicPartition, TransactionalId};

use crate::config::TransactionConfig;

/// What a failover may lose, of all transactional ids of a shard.
#[derive(Debug)]
pub struct Session {
    pub(crate) config: TransactionConfig,
    /// Stamped into every marker.
    pub(crate) coordinator_epoch: LeaderEpoch,
    /// The transactions whose outcome is decided and that are not complete.
    pub(crate) decided: BTreeMap<TransactionalId, Decided>,
    /// Whether transactions that take too long are going to be looked for.
    pub(crate) watches_timeouts: bool,
    /// The last id that the search for ids out of use has looked at, while it pauses.
    pub(crate) expired_up_to: Option<TransactionalId>,
    latest: Decision,
}

/// A decision on its way to the partitions.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    /// The partitions whose marker is still to be written.
    pub(crate) unmarked: BTreeSet<TopicPartition>,
}

/// Names one decision, so that a late report about it is not taken for one about the same producer's next transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    term: u64,
    number: u64,
}

impl Session {
    /// A session that obeys `config`. A marker carries `coordinator_epoch`, the leader epoch of the shard's partition, so
    /// that those of a coordinator that was replaced are refused. No other session of this process has the same `term`.
    pub fn new(config: TransactionConfig, coordinator_epoch: LeaderEpoch, term: u64) -> Session {
        Session {
            config,
            coordinator_epoch,
            decided: BTreeMap::new(),
            watches_timeouts: false,
            expired_up_to: None,
            latest: Decision { term, number: 0 },
        }
    }

    /// What the transactions obey.
    pub fn config(&self) -> &TransactionConfig {
        &self.config
    }

    /// A name for a decision that no other has.
    pub(crate) fn next_decision(&mut self) -> Decision {
        self.latest.number += 1;
        self.latest
    }
}

impl Default for Session {
    fn default() -> Session {
        Session::new(TransactionConfig::default(), LeaderEpoch(0), 0)
    }
}
