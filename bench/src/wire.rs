//! Frames on a blocking socket: for what is asked before and after a load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use ottla_wire::{Api, RequestHeader, ResponseHeader};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// One connection.
pub struct Wire {
    socket: TcpStream,
    correlation_id: i32,
}

impl Wire {
    /// Connects.
    pub fn connect(address: &str) -> Result<Wire, String> {
        let socket = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        socket
            .set_read_timeout(Some(PATIENCE))
            .map_err(|error| error.to_string())?;
        Ok(Wire {
            socket,
            correlation_id: 0,
        })
    }

    /// Sends a request and waits for its answer.
    pub fn ask<Q: Encodable, R: Decodable>(&mut self, api: Api, version: i16, request: &Q) -> Result<R, String> {
        self.send(&frame(api, version, self.correlation_id, request)?)?;
        self.correlation_id += 1;
        let answer = self.receive()?;
        decode(api, version, answer)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), String> {
        self.socket.write_all(frame).map_err(|error| error.to_string())
    }

    fn receive(&mut self) -> Result<Bytes, String> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).map_err(|error| error.to_string())?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut body).map_err(|error| error.to_string())?;
        Ok(body.into())
    }
}

/// A whole request, length in front.
pub fn frame<Q: Encodable>(api: Api, version: i16, correlation_id: i32, request: &Q) -> Result<Bytes, String> {
    let header = RequestHeader {
        api,
        version,
        correlation_id,
        client_id: Some(StrBytes::from_static_str("bench")),
    };
    let mut body = BytesMut::from(&[0u8; 4][..]);
    header.encode(&mut body);
    request.encode(&mut body, version).map_err(|error| error.to_string())?;
    let length = (body.len() - 4) as u32;
    body[..4].copy_from_slice(&length.to_be_bytes());
    Ok(body.freeze())
}

/// The message in an answer, which comes without its length.
pub fn decode<R: Decodable>(api: Api, version: i16, mut answer: Bytes) -> Result<R, String> {
    ResponseHeader::decode(api, version, &mut answer).map_err(|fault| fault.to_string())?;
    ottla_wire::decode_response(api, version, answer).map_err(|fault| fault.to_string())
}

/// A topic's name as messages hold it.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
