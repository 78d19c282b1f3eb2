//! Bodies of requests: the first two bytes choose API and version, the rest is the body.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Decodable, Encodable};
use ottla_wire::{Api, RequestHeader, TABLE, decode};

/// Decodes the body; one that was decoded can be encoded.
pub fn run(data: &[u8]) {
    let Some((choice, body)) = data.split_first_chunk::<2>() else {
        return;
    };
    let row = TABLE[usize::from(choice[0]) % TABLE.len()];
    let versions = row.handled.iter().collect::<Vec<_>>();
    let version = versions[usize::from(choice[1]) % versions.len()];
    visit(
        row.api,
        Decode {
            api: row.api,
            version,
            body: Bytes::copy_from_slice(body),
        },
    );
}

/// Something done with the type of a request.
trait Visit {
    type Output;
    fn visit<M: Decodable + Encodable + Default>(self) -> Self::Output;
}

struct Decode {
    api: Api,
    version: i16,
    body: Bytes,
}

impl Visit for Decode {
    type Output = ();

    fn visit<M: Decodable + Encodable + Default>(self) {
        if let Ok(message) = decode::<M>(self.api, self.version, self.body) {
            let mut again = BytesMut::new();
            let _ = message.encode(&mut again, self.version);
        }
    }
}

/// The empty request of a type, if it can be written in the version.
struct Empty(i16);

impl Visit for Empty {
    type Output = Option<Bytes>;

    fn visit<M: Decodable + Encodable + Default>(self) -> Option<Bytes> {
        let mut body = BytesMut::new();
        M::default().encode(&mut body, self.0).ok().map(|()| body.freeze())
    }
}

fn visit<V: Visit>(api: Api, visitor: V) -> V::Output {
    match api {
        Api::Produce => visitor.visit::<m::ProduceRequest>(),
        Api::Fetch => visitor.visit::<m::FetchRequest>(),
        Api::ListOffsets => visitor.visit::<m::ListOffsetsRequest>(),
        Api::Metadata => visitor.visit::<m::MetadataRequest>(),
        Api::OffsetCommit => visitor.visit::<m::OffsetCommitRequest>(),
        Api::OffsetFetch => visitor.visit::<m::OffsetFetchRequest>(),
        Api::FindCoordinator => visitor.visit::<m::FindCoordinatorRequest>(),
        Api::JoinGroup => visitor.visit::<m::JoinGroupRequest>(),
        Api::Heartbeat => visitor.visit::<m::HeartbeatRequest>(),
        Api::LeaveGroup => visitor.visit::<m::LeaveGroupRequest>(),
        Api::SyncGroup => visitor.visit::<m::SyncGroupRequest>(),
        Api::DescribeGroups => visitor.visit::<m::DescribeGroupsRequest>(),
        Api::ListGroups => visitor.visit::<m::ListGroupsRequest>(),
        Api::ApiVersions => visitor.visit::<m::ApiVersionsRequest>(),
        Api::CreateTopics => visitor.visit::<m::CreateTopicsRequest>(),
        Api::DeleteTopics => visitor.visit::<m::DeleteTopicsRequest>(),
        Api::DeleteRecords => visitor.visit::<m::DeleteRecordsRequest>(),
        Api::InitProducerId => visitor.visit::<m::InitProducerIdRequest>(),
        Api::OffsetForLeaderEpoch => visitor.visit::<m::OffsetForLeaderEpochRequest>(),
        Api::DescribeConfigs => visitor.visit::<m::DescribeConfigsRequest>(),
        Api::AlterConfigs => visitor.visit::<m::AlterConfigsRequest>(),
        Api::DescribeLogDirs => visitor.visit::<m::DescribeLogDirsRequest>(),
        Api::CreatePartitions => visitor.visit::<m::CreatePartitionsRequest>(),
        Api::DeleteGroups => visitor.visit::<m::DeleteGroupsRequest>(),
        Api::IncrementalAlterConfigs => visitor.visit::<m::IncrementalAlterConfigsRequest>(),
        Api::OffsetDelete => visitor.visit::<m::OffsetDeleteRequest>(),
        Api::DescribeCluster => visitor.visit::<m::DescribeClusterRequest>(),
        Api::AddPartitionsToTxn => visitor.visit::<m::AddPartitionsToTxnRequest>(),
        Api::AddOffsetsToTxn => visitor.visit::<m::AddOffsetsToTxnRequest>(),
        Api::EndTxn => visitor.visit::<m::EndTxnRequest>(),
        Api::WriteTxnMarkers => visitor.visit::<m::WriteTxnMarkersRequest>(),
        Api::TxnOffsetCommit => visitor.visit::<m::TxnOffsetCommitRequest>(),
        Api::DescribeProducers => visitor.visit::<m::DescribeProducersRequest>(),
        Api::DescribeTransactions => visitor.visit::<m::DescribeTransactionsRequest>(),
        Api::ListTransactions => visitor.visit::<m::ListTransactionsRequest>(),
        Api::DescribeTopicPartitions => visitor.visit::<m::DescribeTopicPartitionsRequest>(),
    }
}

/// The empty request of every API in its oldest and newest version, and fuller ones of those that matter most.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, row) in TABLE.iter().enumerate() {
        let newest = row.handled.max - row.handled.min;
        for version in [0, newest] {
            if let Some(body) = visit(row.api, Empty(row.handled.min + version)) {
                let mut seed = vec![place as u8, version as u8];
                seed.extend(body);
                seeds.push(seed);
            }
        }
    }
    // Metadata 1 for two topics, Produce 3 with a batch, OffsetCommit 2 of one partition.
    seeds.push(b"\x03\x01\0\0\0\x02\0\x06orders\0\x01a".to_vec());
    let batch = &crate::batch::batches()[0];
    let mut produce = b"\0\0\xff\xff\xff\xff\0\0\x75\x30\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\x02".to_vec();
    produce.extend((batch.len() as i32).to_be_bytes());
    produce.extend(batch);
    seeds.push(produce);
    let mut commit = b"\x04\0\0\x01g\0\0\0\x05\0\x01m\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01\0\x06orders".to_vec();
    commit.extend(b"\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\x07\0\x04note");
    seeds.push(commit);
    seeds
}

/// Requests with their headers, as they come over a connection.
pub fn whole_requests() -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for row in TABLE {
        for version in row.handled.iter() {
            let Some(body) = visit(row.api, Empty(version)) else {
                continue;
            };
            let mut frame = BytesMut::new();
            let client_id = Some(kafka_protocol::protocol::StrBytes::from_static_str("seed"));
            RequestHeader {
                api: row.api,
                version,
                correlation_id: 7,
                client_id,
            }
            .encode(&mut frame);
            frame.extend_from_slice(&body);
            requests.push(frame.to_vec());
        }
    }
    requests
}
