//! A member of a rebalance under way.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::Ticket;
use ottla_model::Millis;

use crate::command::Protocol;
use crate::names::{Client, InstanceId};
use crate::reply::{Joined, JoinedMember};
use crate::state::LoggedMember;

/// A member, with all that does not go into the log.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: Client,
    pub(crate) rebalance_timeout: Millis,
    pub(crate) session_timeout: Millis,
    /// What it can do, best first.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Nobody has told it a generation yet: it cannot send heartbeats, so it is given [`NEWCOMER_TIMEOUT`].
    pub(crate) is_new: bool,
    /// Its parked JoinGroup.
    pub(crate) joining: Option<Ticket>,
    /// Its parked SyncGroup.
    pub(crate) syncing: Option<Ticket>,
}

/// How long a newcomer's JoinGroup may stay parked. A client that gave up without a word must not hold a place for good.
pub(crate) const NEWCOMER_TIMEOUT: Millis = Millis(5 * 60 * 1_000);

impl Member {
    /// The member as the log has it. Of what it offered, `offered` knows more than the log, unless a failover lost it.
    pub(crate) fn from_log(
        logged: &LoggedMember,
        protocol: Option<&Arc<str>>,
        offered: Option<Vec<Protocol>>,
    ) -> Member {
        let chosen = || {
            let name = protocol.cloned()?;
            Some(vec![Protocol {
                name,
                metadata: logged.subscription.clone(),
            }])
        };
        Member {
            instance: logged.instance.clone(),
            client: logged.client.clone(),
            rebalance_timeout: logged.rebalance_timeout,
            session_timeout: logged.session_timeout,
            protocols: offered.or_else(chosen).unwrap_or_default(),
            assignment: logged.assignment.clone(),
            is_new: false,
            joining: None,
            syncing: None,
        }
    }

    /// The member as the log is to have it, once `protocol` was chosen.
    pub(crate) fn to_log(&self, protocol: &str) -> LoggedMember {
        LoggedMember {
            instance: self.instance.clone(),
            client: self.client.clone(),
            rebalance_timeout: self.rebalance_timeout,
            session_timeout: self.session_timeout,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// What it told `protocol`.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let offered = self.protocols.iter().find(|offered| &*offered.name == protocol);
        offered.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// The names of what it can do, each once.
    pub(crate) fn offers(&self) -> BTreeSet<&Arc<str>> {
        self.protocols.iter().map(|protocol| &protocol.name).collect()
    }

    /// Whether its silence is excused: it waits for us, not we for it.
    pub(crate) fn is_waiting_for_us(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }
}

impl Joined {
    pub(crate) fn for_leader(self, members: Vec<JoinedMember>) -> Joined {
        Joined { members, ..self }
    }
}
