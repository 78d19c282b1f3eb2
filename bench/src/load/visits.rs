//! Connections that are only there, and such that come, ask one thing and go.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use super::run::latencies;
use crate::wire;

const VERSIONS_VERSION: i16 = 3;

/// One connection that has asked ApiVersions, as every client does first.
pub fn visit(address: &str) -> Result<TcpStream, String> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("bench"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    let frame = wire::frame(Api::ApiVersions, VERSIONS_VERSION, 0, &request)?;
    let failed = |error: std::io::Error| format!("a connection that comes and goes broke: {error}");
    let mut socket = TcpStream::connect(address).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    socket.write_all(&frame).map_err(failed)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length).map_err(failed)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut answer).map_err(failed)?;
    match answer[4..] {
        [0, 0, ..] => Ok(socket),
        _ => Err("ApiVersions was refused".to_owned()),
    }
}

/// Connects, asks and goes at times fixed beforehand, so many times a second. Gives the microseconds from the intended time to
/// the answer.
pub fn come_and_go(address: &str, rate: f64, time: Duration) -> Result<Histogram<u64>, String> {
    let (start, mut latency) = (Instant::now(), latencies());
    for number in 0..(rate * time.as_secs_f64()) as u64 {
        let intended = start + Duration::from_secs_f64(number as f64 / rate);
        std::thread::sleep(intended.saturating_duration_since(Instant::now()));
        drop(visit(address)?);
        latency.saturating_record(intended.elapsed().as_micros().max(1) as u64);
    }
    Ok(latency)
}

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
