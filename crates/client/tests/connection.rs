//! One connection against a broker that does as it is told.

#![allow(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest};
use ottla_client::{ClientError, Connection, ConnectionConfig};
use ottla_wire::{Api, REQUEST_BYTES_MIN, RequestHeader, api_versions, encode, split};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The broker's end of one connection.
struct Script {
    socket: TcpStream,
    buffer: BytesMut,
}

impl Script {
    async fn request(&mut self) -> Option<(RequestHeader, Bytes)> {
        loop {
            if let Some(mut frame) = split(&mut self.buffer, REQUEST_BYTES_MIN, 1 << 20).unwrap() {
                return Some((RequestHeader::decode(&mut frame).unwrap(), frame));
            }
            if self.socket.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn negotiate(&mut self, answer: ApiVersionsResponse) {
        let (header, _) = self.request().await.unwrap();
        assert_eq!(header.api, Api::ApiVersions);
        let frame = encode(header.api, header.version, header.correlation_id, &answer).unwrap();
        self.socket.write_all(&frame).await.unwrap();
    }

    async fn beat(&mut self, header: &RequestHeader, throttle: i32) {
        let answer = HeartbeatResponse::default().with_throttle_time_ms(throttle);
        let frame = encode(header.api, header.version, header.correlation_id, &answer).unwrap();
        self.socket.write_all(&frame).await.unwrap();
    }
}

/// A broker that runs `script` on the first connection.
async fn broker<F, Fut>(script: F) -> String
where
    F: FnOnce(Script) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let buffer = BytesMut::new();
        script(Script { socket, buffer }).await;
    });
    address
}

fn config() -> ConnectionConfig {
    ConnectionConfig {
        request_timeout: Duration::from_millis(200),
        response_bytes_max: 1 << 20,
        ..ConnectionConfig::default()
    }
}

#[tokio::test]
async fn answers_find_their_askers_in_any_order() {
    let address = broker(async |mut script: Script| {
        script.negotiate(api_versions::response()).await;
        let (first, _) = script.request().await.unwrap();
        let (second, _) = script.request().await.unwrap();
        script.beat(&second, 2).await;
        script.beat(&first, 1).await;
        script.request().await;
    })
    .await;
    let connection = Connection::open(&address, config()).await.unwrap();
    let version = connection.version(Api::Heartbeat, i16::MAX).unwrap();
    assert_eq!(version, 4);
    let first = connection.start(version, &HeartbeatRequest::default()).unwrap();
    let second = connection.start(version, &HeartbeatRequest::default()).unwrap();
    assert_eq!(first.answer(Duration::ZERO).await.unwrap().throttle_time_ms, 1);
    assert_eq!(second.answer(Duration::ZERO).await.unwrap().throttle_time_ms, 2);
}

#[tokio::test]
async fn silence_ends_the_connection_and_names_the_request() {
    let address = broker(async |mut script: Script| {
        script.negotiate(api_versions::response()).await;
        while script.request().await.is_some() {}
    })
    .await;
    let connection = Connection::open(&address, config()).await.unwrap();
    let error = connection.ask(&HeartbeatRequest::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{address} did not answer Heartbeat within 200 ms")
    );
    assert!(error.is_retriable() && !connection.is_open());
    let error = connection.ask(&HeartbeatRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected { .. }));
}

#[tokio::test]
async fn a_closed_connection_fails_everyone_who_waits() {
    let address = broker(async |mut script: Script| {
        script.negotiate(api_versions::response()).await;
        script.request().await;
    })
    .await;
    let connection = Connection::open(&address, config()).await.unwrap();
    let error = connection.ask(&HeartbeatRequest::default()).await.unwrap_err();
    let expected = format!("{address} closed the connection before it answered Heartbeat");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn hostile_answers_are_errors_without_large_memory() {
    let address = broker(async |mut script: Script| {
        script.negotiate(api_versions::response()).await;
        let (header, _) = script.request().await.unwrap();
        let mut frame = BytesMut::new();
        frame.put_i32(14);
        frame.put_i32(header.correlation_id);
        // No tagged fields, no throttle, then as many brokers as there can be.
        frame.put_u8(0);
        frame.put_i32(0);
        frame.put_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        script.socket.write_all(&frame).await.unwrap();
        script.request().await.unwrap();
        script.socket.write_all(&[0x7f, 0xff, 0xff, 0xff]).await.unwrap();
        script.request().await;
    })
    .await;
    let connection = Connection::open(&address, config()).await.unwrap();
    let error = connection
        .ask(&MetadataRequest::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("malformed Metadata, version 13: `brokers`"), "{error}");
    let error = connection.ask(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
}

#[tokio::test]
async fn an_old_broker_is_asked_again_in_version_0() {
    let address = broker(async |mut script: Script| {
        let (header, _) = script.request().await.unwrap();
        let refusal = encode(header.api, 0, header.correlation_id, &api_versions::fallback()).unwrap();
        script.socket.write_all(&refusal).await.unwrap();
        let (header, body) = script.request().await.unwrap();
        assert_eq!((header.version, body.remaining()), (0, 0));
        let answer = encode(header.api, 0, header.correlation_id, &api_versions::response()).unwrap();
        script.socket.write_all(&answer).await.unwrap();
        script.request().await;
    })
    .await;
    let connection = Connection::open(&address, config()).await.unwrap();
    assert_eq!(connection.version(Api::Fetch, 12).unwrap(), 12);
}

#[tokio::test]
async fn an_api_the_broker_lacks_is_named() {
    let address = broker(async |mut script: Script| {
        let mut answer = api_versions::response();
        answer.api_keys.retain(|key| key.api_key != Api::Heartbeat.key());
        script.negotiate(answer).await;
        script.request().await;
    })
    .await;
    let connection = Connection::open(&address, config()).await.unwrap();
    let error = connection.ask(&HeartbeatRequest::default()).await.unwrap_err();
    let expected = format!("{address} speaks Heartbeat in no version, this client in 0-4");
    assert_eq!(error.to_string(), expected);
}
