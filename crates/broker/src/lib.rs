//! The broker: sockets, handlers, coordinators and logs, wired together.
//!
//! ```text
//!  listener ─▶ connection ─▶ dispatch ─▶ handlers/<api> ─▶ topics ─▶ partition ─▶ journal
//!                                              └─▶ coordinators ─▶ shard ─┘
//! ```
//!
//! Rules live below (crates `log`, `group`, `cluster`); this crate owns the clock, the tasks and the sockets.

mod clock;
mod connection;
mod coordinators;
mod dispatch;
mod endpoint;
mod fetch_session;
mod handlers;
mod housekeeping;
mod listener;
mod peer;
mod reply;
mod start;
mod topics;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ottla_cluster::config::BrokerConfig;
use ottla_disk::LocalStore;
use ottla_model::LeaderEpoch;

pub use ottla_disk::OpenFault;
pub use start::{Running, StartFault, start};

/// The leader epoch of every partition: on one node nobody ever takes over.
pub(crate) const LEADER_EPOCH: LeaderEpoch = LeaderEpoch(0);

/// Everything a request may need.
pub(crate) struct Broker {
    pub config: Arc<BrokerConfig>,
    pub clock: Arc<clock::Clock>,
    pub store: Arc<LocalStore>,
    pub topics: Arc<topics::Topics>,
    pub metadata: Arc<coordinators::ClusterMetadata>,
    pub groups: Arc<coordinators::GroupCoordinators>,
    sessions: Mutex<fetch_session::Sessions>,
}

impl Broker {
    /// The fetch sessions.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, fetch_session::Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
