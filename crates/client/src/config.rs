//! How a client reaches its cluster.

use std::time::Duration;

use crate::connection::ConnectionConfig;

/// How a client reaches its cluster. The defaults are those of Kafka's clients unless a field says otherwise.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Addresses (`host:port`) of some brokers; the others are learnt from them.
    pub bootstrap: Vec<String>,
    /// How each socket behaves.
    pub connection: ConnectionConfig,
    /// How long a call may take, attempts and pauses together (`default.api.timeout.ms`).
    pub call_timeout: Duration,
    /// The pause after the first failed attempt; it doubles from one to the next (`retry.backoff.ms`).
    pub retry_backoff: Duration,
    /// The longest pause (`retry.backoff.max.ms`).
    pub retry_backoff_max: Duration,
    /// After this time metadata is asked for again (`metadata.max.age.ms`).
    pub metadata_max_age: Duration,
}

impl ClientConfig {
    /// The defaults, with `bootstrap` a list of addresses with commas between.
    pub fn new(bootstrap: &str) -> ClientConfig {
        let addresses = bootstrap
            .split(',')
            .map(str::trim)
            .filter(|address| !address.is_empty());
        ClientConfig {
            bootstrap: addresses.map(str::to_owned).collect(),
            connection: ConnectionConfig::default(),
            call_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            metadata_max_age: Duration::from_secs(300),
        }
    }

    /// Sets what the client calls itself.
    pub fn client_id(mut self, id: &str) -> ClientConfig {
        self.connection.client_id = id.to_owned();
        self
    }
}
