//! What is not a request: unknown keys and versions, lengths that lie, bodies cut short or too long; and InitProducerId,
//! whose plain form is little more than a header.

use anyhow::Result;
use bytes::BufMut;
use kafka_protocol::messages::{
    DescribeGroupsRequest, GroupId, HeartbeatRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    TransactionalId,
};
use kafka_protocol::protocol::Request;

use crate::cases::{Case, in_versions};
use crate::client;
use crate::requests::text;
use crate::script::{CLIENT_ID, Script};

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("wire/unknown_keys", unknown_keys),
        Case::new("wire/unknown_versions", unknown_versions),
        Case::new("wire/lengths", lengths),
        Case::new("wire/headers", headers),
        Case::new("wire/other_protocols", other_protocols),
        Case::new("wire/pipelined", pipelined),
    ];
    cases.extend(in_versions("wire/cut/heartbeat", 0..=4, |s, version| {
        cut(s, version, &beat())
    }));
    cases.extend(in_versions("wire/cut/describe_groups", 0..=6, |s, version| {
        cut(
            s,
            version,
            &DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]),
        )
    }));
    cases.extend(in_versions("wire/cut/list_offsets", 1..=10, |s, version| {
        cut(s, version, &ListOffsetsRequest::default().with_replica_id((-1).into()))
    }));
    cases.extend(in_versions("wire/cut/metadata", 0..=13, |s, version| {
        cut(
            s,
            version,
            &MetadataRequest::default()
                .with_topics(Some(vec![]))
                .with_allow_auto_topic_creation(true),
        )
    }));
    cases.extend(in_versions("wire/trailing", 0..=4, trailing));
    cases.extend(in_versions("wire/arrays", 0..=13, arrays));
    cases.extend(in_versions("wire/tags", 4..=4, tags));
    cases.extend(in_versions("init_producer_id/plain", 0..=5, init));
    cases
}

fn beat() -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(GroupId(text("no-such-group")))
        .with_member_id(text("m"))
}

fn header(key: i16, version: i16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i16(key);
    bytes.put_i16(version);
    bytes.put_i32(7);
    bytes.put_i16(CLIENT_ID.len() as i16);
    bytes.extend(CLIENT_ID.bytes());
    bytes
}

fn unknown_keys(s: &mut Script<'_>) -> Result<()> {
    for key in [-1, 4, 5, 6, 7, 52, 58, 200, i16::MAX, i16::MIN] {
        let mut frame = header(key, 0);
        frame.extend([0; 8]);
        s.ask_bytes(format!("key {key}"), &client::frame(&frame))?;
        s.disconnect();
    }
    Ok(())
}

fn unknown_versions(s: &mut Script<'_>) -> Result<()> {
    let newest = [
        (0, 14),
        (1, 19),
        (3, 14),
        (8, 11),
        (9, 11),
        (10, 7),
        (11, 10),
        (12, 5),
        (13, 6),
        (14, 6),
        (19, 8),
        (75, 1),
    ];
    let oldest = [
        (0, 2),
        (0, 0),
        (1, 3),
        (2, 0),
        (8, 1),
        (9, 0),
        (19, 1),
        (20, 0),
        (23, 1),
        (32, 0),
        (35, 0),
    ];
    for (key, version) in newest.into_iter().chain(oldest).chain([(3, -1), (12, i16::MAX)]) {
        let mut frame = header(key, version);
        frame.extend([0; 16]);
        s.ask_bytes(format!("key {key}, version {version}"), &client::frame(&frame))?;
        s.disconnect();
    }
    Ok(())
}

fn lengths(s: &mut Script<'_>) -> Result<()> {
    for length in [0_i32, 1, 4, 7, 8, 9, -1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1] {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(header(3, 1).iter().take(length.clamp(0, 9) as usize));
        s.ask_bytes(format!("length {length}"), &bytes)?;
        s.disconnect();
    }
    s.ask_bytes("half a length", &[0, 0])?;
    s.disconnect();
    s.ask_bytes("half a frame", &client::frame(&header(3, 1))[..9])?;
    Ok(())
}

fn headers(s: &mut Script<'_>) -> Result<()> {
    for (label, client_id) in [
        ("no client id", &[0xff, 0xff][..]),
        ("empty client id", &[0, 0]),
        ("client id not UTF-8", &[0, 2, 0xff, 0xfe]),
        ("client id -2", &[0xff, 0xfe]),
        ("client id too long", &[0x7f, 0xff]),
    ] {
        let mut frame = vec![0, 12, 0, 0, 0, 0, 0, 7];
        frame.extend(client_id);
        frame.extend([0, 1, b'g', 0, 0, 0, 1, 0, 1, b'm']);
        s.ask_frame::<HeartbeatRequest>(label, 0, &frame)?;
        s.disconnect();
    }
    Ok(())
}

fn other_protocols(s: &mut Script<'_>) -> Result<()> {
    let tls = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for (label, bytes) in [
        ("HTTP", &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..]),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("TLS", &tls),
        ("text", b"hello, is there anybody in there?\r\n"),
    ] {
        s.ask_bytes(label, bytes)?;
        s.disconnect();
    }
    Ok(())
}

/// Many requests at once are answered in their order.
fn pipelined(s: &mut Script<'_>) -> Result<()> {
    for version in 0..=4 {
        s.send(version, &beat())?;
    }
    s.send(0, &MetadataRequest::default().with_topics(Some(vec![])))?;
    for version in 0..=4 {
        s.receive::<HeartbeatRequest>(format!("heartbeat v{version}"), version, crate::script::ANSWER)?;
    }
    Ok(())
}

/// The request cut at every byte of its body.
fn cut<R>(s: &mut Script<'_>, version: i16, request: &R) -> Result<()>
where
    R: Request,
    R::Response: std::fmt::Debug,
{
    let whole = client::encode(version, 7, CLIENT_ID, request)?;
    let first = header(R::KEY, version).len();
    for length in first..whole.len() {
        s.ask_frame::<R>(
            format!("{} bytes fewer", whole.len() - length),
            version,
            &whole[..length],
        )?;
        s.disconnect();
    }
    Ok(())
}

fn trailing(s: &mut Script<'_>, version: i16) -> Result<()> {
    for count in [1, 2, 100] {
        let mut whole = client::encode(version, 7, CLIENT_ID, &beat())?;
        whole.extend(vec![0; count]);
        s.ask_frame::<HeartbeatRequest>(format!("{count} bytes more"), version, &whole)?;
        s.disconnect();
    }
    Ok(())
}

/// Arrays that claim to be longer than their frame, or shorter than nothing.
fn arrays(s: &mut Script<'_>, version: i16) -> Result<()> {
    s.own_only();
    let is_flexible = version >= 9;
    let lengths: &[(&str, Vec<u8>)] = if is_flexible {
        &[
            ("too long", vec![0xff, 0xff, 0xff, 0xff, 0x07]),
            ("longest", vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
            ("no end", vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            ("five for one", vec![5]),
        ]
    } else {
        &[
            ("too long", vec![0x7f, 0xff, 0xff, 0xff]),
            ("-2", vec![0xff, 0xff, 0xff, 0xfe]),
            ("-1", vec![0xff, 0xff, 0xff, 0xff]),
            ("five for one", vec![0, 0, 0, 5]),
        ]
    };
    for (label, length) in lengths {
        // Version 0 takes null for nothing it knows; what follows would be the next fields.
        let mut frame = header(MetadataRequest::KEY, version);
        if is_flexible {
            frame.push(0);
        }
        frame.extend(length);
        frame.extend([0, 1, b'x', 0, 0]);
        s.ask_frame::<MetadataRequest>(*label, version, &frame)?;
        s.disconnect();
    }
    Ok(())
}

/// Unknown tagged fields are skipped; bad ones are not.
fn tags(s: &mut Script<'_>, version: i16) -> Result<()> {
    let whole = client::encode(version, 7, CLIENT_ID, &beat())?;
    let body = &whole[..whole.len() - 1];
    for (label, tags) in [
        ("one", vec![1, 77, 2, 1, 2]),
        ("two", vec![2, 77, 0, 78, 1, 9]),
        ("out of order", vec![2, 78, 0, 77, 0]),
        ("twice the same", vec![2, 77, 0, 77, 0]),
        ("too long", vec![1, 77, 100, 1]),
        ("too many", vec![100, 77, 0]),
        ("none given", vec![]),
    ] {
        let mut frame = body.to_vec();
        frame.extend(tags);
        s.ask_frame::<HeartbeatRequest>(label, version, &frame)?;
        s.disconnect();
    }
    Ok(())
}

fn init(s: &mut Script<'_>, version: i16) -> Result<()> {
    let request = || {
        InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
    };
    s.ask("plain", version, &request())?;
    s.ask("again", version, &request())?;
    for timeout in [0, -1, i32::MAX] {
        s.ask(
            format!("timeout {timeout}"),
            version,
            &request().with_transaction_timeout_ms(timeout),
        )?;
    }
    s.ask(
        "empty transactional id",
        version,
        &request().with_transactional_id(Some(TransactionalId(text("")))),
    )?;
    for (id, epoch) in [(1, 1), (-1, 1), (1, -1), (-1, -1)]
        .into_iter()
        .filter(|_| version >= 3)
    {
        let request = request().with_producer_id(id.into()).with_producer_epoch(epoch);
        s.ask(format!("expecting id {id}, epoch {epoch}"), version, &request)?;
    }
    Ok(())
}
