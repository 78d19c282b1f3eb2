//! One blocking connection that speaks Kafka's protocol: requests out, answers in, as many under way as one likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Request, StrBytes};
use ottla_wire::{Api, RESPONSE_BYTES_MIN, RequestHeader, ResponseHeader, decode_response, split};

use crate::trouble::{During, Trouble, expect};

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer taken.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A connection. After any trouble it can only be dropped.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    input: BytesMut,
    next_correlation_id: i32,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Connection, Trouble> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection {
            socket,
            input: BytesMut::new(),
            next_correlation_id: 0,
        })
    }

    /// Waits for answers at most so long.
    pub fn set_patience(&mut self, patience: Duration) -> Result<(), Trouble> {
        Ok(self.socket.set_read_timeout(Some(patience))?)
    }

    /// Asks and waits for the answer. Nothing else may be under way.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response, Trouble> {
        let expected = self.send(version, request)?;
        let (correlation_id, answer) = self.receive::<R>(version)?;
        expect(correlation_id == expected, || {
            format!("answer {correlation_id} came for request {expected}")
        })?;
        Ok(answer)
    }

    /// Sends a request and returns the number its answer will carry.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<i32, Trouble> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1) & i32::MAX;
        let frame = frame(version, correlation_id, request)?;
        self.socket.write_all(&frame)?;
        Ok(correlation_id)
    }

    /// The next answer, which is one to a request of this kind.
    pub fn receive<R: Request>(&mut self, version: i16) -> Result<(i32, R::Response), Trouble> {
        let api = api_of::<R>()?;
        let mut frame = self.receive_frame()?;
        let header = ResponseHeader::decode(api, version, &mut frame)?;
        let answer = decode_response(api, version, frame)?;
        Ok((header.correlation_id, answer))
    }

    fn receive_frame(&mut self) -> Result<Bytes, Trouble> {
        loop {
            if let Some(frame) = split(&mut self.input, RESPONSE_BYTES_MIN, ANSWER_BYTES_MAX)? {
                return Ok(frame);
            }
            self.input.reserve(64 * 1024);
            let mut chunk = [0; 64 * 1024];
            let got = self.socket.read(&mut chunk).during("waiting for an answer")?;
            expect(got > 0, || "the broker closed the connection".to_owned())?;
            self.input.extend_from_slice(&chunk[..got]);
        }
    }
}

/// A whole request frame, its length in front.
pub fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Result<BytesMut, Trouble> {
    let api = api_of::<R>()?;
    let mut buffer = BytesMut::new();
    buffer.put_i32(0);
    let client_id = Some(StrBytes::from_static_str("ottla-crash"));
    RequestHeader {
        api,
        version,
        correlation_id,
        client_id,
    }
    .encode(&mut buffer);
    request
        .encode(&mut buffer, version)
        .map_err(|error| Trouble::new(format!("{api} v{version}: {error}")))?;
    let length = i32::try_from(buffer.len() - 4)?;
    buffer[..4].copy_from_slice(&length.to_be_bytes());
    Ok(buffer)
}

fn api_of<R: Request>() -> Result<Api, Trouble> {
    Api::from_key(R::KEY).ok_or_else(|| Trouble::new(format!("API key {} is not in the table", R::KEY)))
}
