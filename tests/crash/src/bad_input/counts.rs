//! Huge counts in every place of every request in every version: answered, or the connection is closed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::protocol::Request;
use ottla_wire::{Api, TABLE};

use super::{Fate, send};
use crate::connection::frame;
use crate::trouble::{Trouble, expect};

/// How long an answer is waited for; a request changed in this way may rightly be one that waits.
const PATIENCE: Duration = Duration::from_millis(60);
/// What is put over the body: the largest count in both encodings.
const HUGE: &[&[u8]] = &[&[0x7f, 0xff, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xff, 0x07]];
/// Places in a body that are tried.
const PLACES_MAX: usize = 48;

/// Sends them all.
pub(super) fn run(address: SocketAddr) -> Result<String, Trouble> {
    let (mut sent, mut answered, mut closed) = (0, 0, 0);
    for row in TABLE {
        for version in row.handled.iter() {
            let Ok(good) = request(row.api, version) else { continue };
            let header = header_length(&good, row.api, version);
            for place in header..good.len().min(header + PLACES_MAX) {
                for huge in HUGE {
                    sent += 1;
                    match send(address, &spoilt(&good, place, huge), PATIENCE)?.0 {
                        Fate::Answered => answered += 1,
                        Fate::Closed => closed += 1,
                        Fate::Silent => {}
                    }
                }
            }
        }
    }
    expect(closed > sent / 4, || {
        format!("only {closed} of {sent} huge counts closed their connection")
    })?;
    Ok(format!("{sent} huge counts: {closed} closed, {answered} answered"))
}

/// The request with `huge` over its bytes from `place` on, and its length made right.
fn spoilt(good: &[u8], place: usize, huge: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    bytes.resize(bytes.len().max(place + huge.len()), 0);
    bytes[place..place + huge.len()].copy_from_slice(huge);
    let length = (bytes.len() - 4) as i32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

fn header_length(frame: &[u8], api: Api, version: i16) -> usize {
    let client_id = (&frame[12..14]).get_i16().max(0) as usize;
    14 + client_id + usize::from(api.header_version(version) >= 2)
}

/// A good request of each kind, with nothing in it.
fn request(api: Api, version: i16) -> Result<BytesMut, Trouble> {
    fn of<R: Request + Default>(version: i16) -> Result<BytesMut, Trouble> {
        frame(version, 1, &R::default())
    }
    match api {
        Api::Produce => of::<m::ProduceRequest>(version),
        Api::Fetch => of::<m::FetchRequest>(version),
        Api::ListOffsets => of::<m::ListOffsetsRequest>(version),
        Api::Metadata => of::<m::MetadataRequest>(version),
        Api::OffsetCommit => of::<m::OffsetCommitRequest>(version),
        Api::OffsetFetch => of::<m::OffsetFetchRequest>(version),
        Api::FindCoordinator => of::<m::FindCoordinatorRequest>(version),
        Api::JoinGroup => of::<m::JoinGroupRequest>(version),
        Api::Heartbeat => of::<m::HeartbeatRequest>(version),
        Api::LeaveGroup => of::<m::LeaveGroupRequest>(version),
        Api::SyncGroup => of::<m::SyncGroupRequest>(version),
        Api::DescribeGroups => of::<m::DescribeGroupsRequest>(version),
        Api::ListGroups => of::<m::ListGroupsRequest>(version),
        Api::ApiVersions => of::<m::ApiVersionsRequest>(version),
        Api::CreateTopics => of::<m::CreateTopicsRequest>(version),
        Api::DeleteTopics => of::<m::DeleteTopicsRequest>(version),
        Api::DeleteRecords => of::<m::DeleteRecordsRequest>(version),
        Api::InitProducerId => of::<m::InitProducerIdRequest>(version),
        Api::OffsetForLeaderEpoch => of::<m::OffsetForLeaderEpochRequest>(version),
        Api::DescribeConfigs => of::<m::DescribeConfigsRequest>(version),
        Api::AlterConfigs => of::<m::AlterConfigsRequest>(version),
        Api::DescribeLogDirs => of::<m::DescribeLogDirsRequest>(version),
        Api::CreatePartitions => of::<m::CreatePartitionsRequest>(version),
        Api::DeleteGroups => of::<m::DeleteGroupsRequest>(version),
        Api::IncrementalAlterConfigs => of::<m::IncrementalAlterConfigsRequest>(version),
        Api::OffsetDelete => of::<m::OffsetDeleteRequest>(version),
        Api::DescribeCluster => of::<m::DescribeClusterRequest>(version),
        Api::DescribeTopicPartitions => of::<m::DescribeTopicPartitionsRequest>(version),
        #[allow(
            unreachable_patterns,
            reason = "APIs that join the table are first tried by the fuzzers"
        )]
        _ => Err(Trouble::new("no request of this kind is made here")),
    }
}
