//! Frames and headers that are wrong, each over a connection of its own: it is closed, and a line says why and from where.

use std::time::Duration;

use super::{CLOSES_WITHIN, Fate, is_kafka, send};
use crate::broker::Launch;
use crate::trouble::{During, Trouble, expect};

/// How long the line about a closed connection may take.
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// What is sent, and a word that the line about it must have.
fn kinds() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        ("a negative length", vec![0xff; 4], "-1"),
        (
            "the most negative length",
            vec![0x80, 0, 0, 0, 1, 2, 3, 4],
            "-2147483648",
        ),
        ("no length", vec![0; 8], "0 bytes"),
        (
            "a frame too short for a header",
            vec![0, 0, 0, 9, 0, 3, 0, 9, 0, 0, 0, 1, 0],
            "9 bytes",
        ),
        ("a frame above the limit", vec![0x06, 0x40, 0, 1, 0, 3], "104857601"),
        ("a declared 2 GiB", vec![0x7f, 0xff, 0xff, 0xff, 0, 3], "2147483647"),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), "HTTP"),
        ("TLS", client_hello(), "TLS"),
        ("an unknown API", request(32_000, 0, &[]), "32000"),
        ("a negative API", request(-5, 0, &[]), "-5"),
        ("an API of controllers", request(52, 0, &[]), "52"),
        ("an unknown version", request(3, 99, &[]), "99"),
        ("a negative version", request(3, -1, &[]), "-1"),
        ("a version long gone", request(0, 0, &[0; 20]), "Produce"),
        ("a cut body", request(3, 1, &[0, 0, 0, 1, 0, 9, b'a']), "Metadata"),
        ("a negative count", request(3, 1, &[0xff, 0xff, 0xff, 0xfe]), "Metadata"),
        ("a huge count", request(3, 1, &[0x7f, 0xff, 0xff, 0xff]), "Metadata"),
        (
            "a long client id",
            vec![0, 0, 0, 12, 0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff, 0, 0],
            "client id",
        ),
    ]
}

/// Sends each kind and looks for its line.
pub(super) fn run(launch: &Launch) -> Result<String, Trouble> {
    let kinds = kinds();
    for (name, bytes, word) in &kinds {
        let (fate, port, _) = send(launch.address(), bytes, CLOSES_WITHIN).during(name)?;
        // Kafka reads a negative count as null here and there, and answers.
        let is_kafka = is_kafka(&launch.program);
        expect(fate == Fate::Closed || is_kafka && fate == Fate::Answered, || {
            format!("{name}: the connection was {fate:?}, it must be closed")
        })?;
        if !is_kafka {
            demand_line(launch, port, word).during(name)?;
        }
    }
    let (fate, _, answer) = send(launch.address(), &request(18, 99, &[0, 1, 1, 0]), CLOSES_WITHIN)?;
    // Version 0 of the answer, whatever was asked: correlation id, then the error code.
    expect(fate == Fate::Answered && answer.get(8..10) == Some(&[0, 35]), || {
        format!("ApiVersions 99 was {fate:?} with {answer:?} instead of UNSUPPORTED_VERSION in version 0")
    })?;
    Ok(format!("{} kinds of frames closed and named", kinds.len()))
}

fn demand_line(launch: &Launch, port: u16, word: &str) -> Result<(), Trouble> {
    let address = format!("127.0.0.1:{port}");
    let mut lines = Vec::new();
    for _ in 0..SAID_WITHIN.as_millis() / 10 {
        let talk = launch.talk();
        lines = talk
            .lines()
            .filter(|line| line.contains(&address))
            .map(str::to_owned)
            .collect();
        if !lines.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    expect(lines.len() == 1, || {
        format!("{} lines on stderr name {address}: {lines:?}", lines.len())
    })?;
    expect(lines[0].contains(word), || {
        format!("the line does not say `{word}`: {}", lines[0])
    })
}

/// A frame with a header of version 1, client id null, and a body.
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    frame.extend(body);
    let length = (frame.len() - 4) as i32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// The beginning of a TLS 1.2 handshake.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x00, 0x50, 0x01, 0x00, 0x00, 0x4c, 0x03, 0x03];
    hello.extend([0x42; 70]);
    hello
}
