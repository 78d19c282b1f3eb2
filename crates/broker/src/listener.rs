//! The socket that clients connect to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::Broker;
use crate::connection;
use crate::peer::Peer;

/// How long accepting rests after the system refused a socket (too many open files, say).
const REST_AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Accepts clients until the broker stops; dropped, it takes the connections along.
pub(crate) async fn run(broker: Arc<Broker>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(
        (broker.config.network.max_connections as usize).min(Semaphore::MAX_PERMITS),
    ));
    loop {
        while connections.try_join_next().is_some() {}
        let (socket, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "no connection can be accepted for the moment");
                tokio::time::sleep(REST_AFTER_REFUSAL).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            warn!(%address, "connection refused: max.connections is reached");
            continue;
        };
        match peer_of(&socket, address) {
            Ok(peer) => {
                let broker = Arc::clone(&broker);
                connections.spawn(async move {
                    connection::serve(broker, socket, peer).await;
                    drop(place);
                });
            }
            Err(error) => debug!(%address, %error, "gone before it was served"),
        }
    }
}

fn peer_of(socket: &TcpStream, address: SocketAddr) -> io::Result<Peer> {
    socket.set_nodelay(true)?;
    Ok(Peer {
        address,
        local: socket.local_addr()?,
        software: None,
    })
}
