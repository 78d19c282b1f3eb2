//! Which address a client is told to come back to.

use std::net::SocketAddr;

use crate::Broker;
use crate::peer::Peer;

impl Broker {
    /// Host and port for this client: what `advertised.listeners` says, else the address by which the client reached us,
    /// which has just been shown to work.
    pub(crate) fn endpoint(&self, peer: &Peer) -> (String, i32) {
        let local = reached(peer.local);
        match self.config.network.advertised_listeners.first() {
            Some(advertised) => (advertised.host.clone().unwrap_or(local.0), i32::from(advertised.port)),
            None => local,
        }
    }
}

fn reached(local: SocketAddr) -> (String, i32) {
    (local.ip().to_canonical().to_string(), i32::from(local.port()))
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn an_address_mapped_into_ipv6_is_told_as_ipv4() {
        let local = "[::ffff:10.0.0.7]:9092".parse().expect("an address");
        assert_eq!(reached(local), ("10.0.0.7".to_string(), 9092));
    }
}
