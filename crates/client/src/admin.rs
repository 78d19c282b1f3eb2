//! What operators do: topics, configurations, groups, offsets.

mod configs;
mod groups;
mod offsets;
mod topics;

pub use configs::{ConfigChange, ConfigEntry, Resource};
pub use groups::{GroupDescription, GroupListing, MemberDescription};
pub(crate) use offsets::{Commit, commit_offsets, committed, list_offsets};
pub use offsets::{CommittedOffset, FoundOffset, OffsetSpec};
pub use topics::{NewTopic, TopicOutcome};

use crate::client::Client;

/// What operators do, over a [`Client`]. Calls try again on retriable errors until the client's call time-out.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Admin {
    /// Over `client`.
    pub fn new(client: Client) -> Admin {
        Admin { client }
    }

    /// The client below.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn timeout_ms(&self) -> i32 {
        let timeout = self.client.config().connection.request_timeout;
        i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
    }
}
