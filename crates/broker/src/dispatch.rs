//! From a frame to its handler and back: the one place where APIs are matched with code.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_request::ApiVersionsRequest;
use kafka_protocol::protocol::{Decodable, Encodable};
use ottla_wire::{Api, RequestHeader, api_versions};
use tracing::error;

use crate::Broker;
use crate::handlers::{self, Cx};
use crate::peer::Peer;
use crate::reply::{Answer, Handled, Hold, Reply};

/// What is needed to encode an answer once it is there.
#[derive(Clone, Copy)]
struct Envelope {
    api: Api,
    version: i16,
    correlation_id: i32,
}

/// Handles one request.
pub(crate) fn handle(broker: &Arc<Broker>, peer: &mut Peer, mut frame: Bytes) -> Reply {
    let header = match RequestHeader::decode(&mut frame) {
        Ok(header) => header,
        Err(fault) => return Reply::Close(fault.to_string()),
    };
    let envelope = Envelope {
        api: header.api,
        version: header.version,
        correlation_id: header.correlation_id,
    };
    if header.wants_fallback() {
        // Any client can read version 0.
        return Envelope { version: 0, ..envelope }.encode(&api_versions::fallback());
    }
    if header.api == Api::ApiVersions
        && let Ok(request) = ottla_wire::decode::<ApiVersionsRequest>(Api::ApiVersions, header.version, frame.clone())
    {
        handlers::api_versions::remember_software(peer, header.version, &request);
    }
    let client_id = header.client_id.as_deref().unwrap_or_default();
    let cx = Cx {
        broker,
        peer,
        version: header.version,
        client_id,
    };
    route(&cx, envelope, frame)
}

fn route(cx: &Cx<'_>, envelope: Envelope, body: Bytes) -> Reply {
    use crate::handlers as h;
    let e = envelope;
    match e.api {
        Api::Produce => serve(cx, e, body, h::produce::handle),
        Api::Fetch => serve_fetch(cx, e, body),
        Api::ListOffsets => serve(cx, e, body, h::list_offsets::handle),
        Api::Metadata => serve(cx, e, body, h::metadata::handle),
        Api::OffsetCommit => serve(cx, e, body, h::offset_commit::handle),
        Api::OffsetFetch => serve(cx, e, body, h::offset_fetch::handle),
        Api::FindCoordinator => serve(cx, e, body, h::find_coordinator::handle),
        Api::JoinGroup => serve(cx, e, body, h::join_group::handle),
        Api::Heartbeat => serve(cx, e, body, h::heartbeat::handle),
        Api::LeaveGroup => serve(cx, e, body, h::leave_group::handle),
        Api::SyncGroup => serve(cx, e, body, h::sync_group::handle),
        Api::DescribeGroups => serve(cx, e, body, h::describe_groups::handle),
        Api::ListGroups => serve(cx, e, body, h::list_groups::handle),
        Api::ApiVersions => serve(cx, e, body, h::api_versions::handle),
        Api::CreateTopics => serve(cx, e, body, h::create_topics::handle),
        Api::DeleteTopics => serve(cx, e, body, h::delete_topics::handle),
        Api::DeleteRecords => serve(cx, e, body, h::delete_records::handle),
        Api::InitProducerId => serve(cx, e, body, h::init_producer_id::handle),
        Api::OffsetForLeaderEpoch => serve(cx, e, body, h::offset_for_leader_epoch::handle),
        Api::AddPartitionsToTxn => serve(cx, e, body, h::add_partitions_to_txn::handle),
        Api::AddOffsetsToTxn => serve(cx, e, body, h::add_offsets_to_txn::handle),
        Api::EndTxn => serve(cx, e, body, h::end_txn::handle),
        Api::WriteTxnMarkers => serve(cx, e, body, h::write_txn_markers::handle),
        Api::TxnOffsetCommit => serve(cx, e, body, h::txn_offset_commit::handle),
        Api::DescribeConfigs => serve(cx, e, body, h::describe_configs::handle),
        Api::AlterConfigs => serve(cx, e, body, h::alter_configs::replace),
        Api::IncrementalAlterConfigs => serve(cx, e, body, h::alter_configs::change),
        Api::DescribeLogDirs => serve(cx, e, body, h::describe_log_dirs::handle),
        Api::CreatePartitions => serve(cx, e, body, h::create_partitions::handle),
        Api::DeleteGroups => serve(cx, e, body, h::delete_groups::handle),
        Api::OffsetDelete => serve(cx, e, body, h::offset_delete::handle),
        Api::DescribeCluster => serve(cx, e, body, h::describe_cluster::handle),
        Api::DescribeProducers => serve(cx, e, body, h::describe_producers::handle),
        Api::DescribeTransactions => serve(cx, e, body, h::describe_transactions::handle),
        Api::ListTransactions => serve(cx, e, body, h::list_transactions::handle),
        Api::DescribeTopicPartitions => serve(cx, e, body, h::describe_topic_partitions::handle),
    }
}

/// Decodes, handles, encodes.
fn serve<Q, R>(cx: &Cx<'_>, envelope: Envelope, body: Bytes, handler: fn(&Cx<'_>, Q) -> Handled<R>) -> Reply
where
    Q: Decodable,
    R: Encodable + Send + 'static,
{
    match ottla_wire::decode(envelope.api, envelope.version, body) {
        Ok(request) => finish(handler(cx, request), move |response| envelope.encode(&response)),
        Err(fault) => Reply::Close(fault.to_string()),
    }
}

/// A fetch has an encoder of its own, which leaves the records where they are.
fn serve_fetch(cx: &Cx<'_>, envelope: Envelope, body: Bytes) -> Reply {
    match ottla_wire::decode(envelope.api, envelope.version, body) {
        Ok(request) => finish(handlers::fetch::handle(cx, request), move |response| {
            match response.encode(envelope.version, envelope.correlation_id) {
                Ok(frame) => Reply::Answer(frame.into_chunks().into_iter().collect()),
                Err(fault) => refuse_own(&fault),
            }
        }),
        Err(fault) => Reply::Close(fault.to_string()),
    }
}

fn finish<R: Send + 'static>(handled: Handled<R>, encode: impl FnOnce(R) -> Reply + Send + 'static) -> Reply {
    let (hold, answer) = match handled {
        Handled::Now(response) => return encode(response),
        Handled::Silent => return Reply::Silence,
        Handled::Close(reason) => return Reply::Close(reason),
        Handled::Pipelined(answer) => (Hold::Pipelined, answer),
        Handled::Parked(answer) => (Hold::Parked, answer),
        Handled::Delayed(delayed) => {
            let answer = Box::pin(async move { finish(delayed.await, encode) });
            let hold = Hold::Delayed;
            return Reply::Later { hold, answer };
        }
    };
    Reply::Later {
        hold,
        answer: Box::pin(async move { encode(answer.await) }),
    }
}

impl Envelope {
    fn encode<R: Encodable>(self, response: &R) -> Reply {
        match ottla_wire::encode(self.api, self.version, self.correlation_id, response) {
            Ok(frame) => {
                let mut answer = Answer::default();
                answer.push(frame.freeze());
                Reply::Answer(answer)
            }
            Err(fault) => refuse_own(&fault),
        }
    }
}

/// An answer of our own making that cannot be encoded is a bug; the client is better off with a closed connection than
/// with a wrong answer.
fn refuse_own(fault: &ottla_wire::EncodeFault) -> Reply {
    error!("{fault}");
    Reply::Close(fault.to_string())
}
