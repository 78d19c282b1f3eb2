//! A raw connection: frames as they are, no retry, no opinion.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A frame, without its length.
    Frame(Bytes),
    /// Nothing in the time given.
    Silence,
    /// The broker closed the connection.
    Closed,
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    correlation_id: i32,
}

impl Client {
    /// Connects.
    pub fn connect(address: &str) -> Result<Client> {
        let address = address.to_socket_addrs()?.next().context("no such address")?;
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            buffer: BytesMut::new(),
            correlation_id: 0,
        })
    }

    /// The correlation id of the next request.
    pub fn next_correlation_id(&mut self) -> i32 {
        self.correlation_id += 1;
        self.correlation_id
    }

    /// Sends bytes as they are. A connection already closed is noticed when receiving.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Waits for a whole frame.
    pub fn receive(&mut self, patience: Duration) -> Reply {
        let deadline = Instant::now() + patience;
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(frame) = self.split() {
                return Reply::Frame(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Reply::Silence;
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut chunk) {
                Ok(0) => return Reply::Closed,
                Ok(count) => self.buffer.put_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Reply::Closed,
            }
        }
    }

    fn split(&mut self) -> Option<Bytes> {
        let length = u32::from_be_bytes(*self.buffer.first_chunk()?) as usize;
        if self.buffer.len() < 4 + length {
            return None;
        }
        let _ = self.buffer.split_to(4);
        Some(self.buffer.split_to(length).freeze())
    }
}

/// A request with header, without the length in front.
pub fn encode<R: Request>(version: i16, correlation_id: i32, client_id: &str, request: &R) -> Result<Vec<u8>> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, <R as HeaderVersion>::header_version(version))?;
    request.encode(&mut bytes, version)?;
    Ok(bytes.to_vec())
}

/// `bytes` with their length in front.
pub fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut framed = (bytes.len() as u32).to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    framed
}
