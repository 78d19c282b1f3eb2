//! Who is at the other end of a connection, as far as is known.

use std::net::SocketAddr;

/// One client, as its connection shows it.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// The address it used to reach the broker: what it is told to come back to, unless a listener is advertised.
    pub local: SocketAddr,
    /// Name and version of its library, if it said so (KIP-511).
    pub software: Option<(String, String)>,
}

impl Peer {
    /// The host as Kafka writes it into group records: Java's text of an address, `/127.0.0.1`.
    pub(crate) fn host(&self) -> String {
        format!("/{}", self.address.ip().to_canonical())
    }
}
