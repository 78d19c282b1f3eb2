//! A broker that answers what a producer asks and keeps nothing: what is left is the price of the client.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsResponse, InitProducerIdResponse, ListOffsetsResponse,
    ProduceRequest, ProduceResponse, ProducerId,
};
use kafka_protocol::protocol::Encodable;
use ottla_wire::{Api, REQUEST_BYTES_MIN, RequestHeader};

/// The hidden argument that makes this program the null broker.
pub const COMMAND: &str = "null-broker";

const FRAME_BYTES_MAX: usize = 100 << 20;
const READ_BYTES: usize = 256 << 10;

/// Listens on a free port, says which in a line of JSON as Ottla does, and serves until it is killed.
pub fn run() -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{{\"ready\":{{\"bootstrap\":\"{address}\"}}}}").map_err(|error| error.to_string())?;
    stdout.flush().map_err(|error| error.to_string())?;
    serve_all(&listener, &Arc::default())
}

/// What was accepted so far.
#[derive(Debug, Default)]
struct Accepted {
    requests: AtomicU64,
    bytes: AtomicU64,
}

fn serve_all(listener: &TcpListener, accepted: &Arc<Accepted>) -> Result<(), String> {
    loop {
        let (socket, _) = listener.accept().map_err(|error| error.to_string())?;
        let accepted = Arc::clone(accepted);
        thread::spawn(move || {
            if let Err(failure) = serve(socket, &accepted) {
                eprintln!("null broker: {failure}");
            }
        });
    }
}

fn serve(mut socket: TcpStream, accepted: &Accepted) -> Result<(), String> {
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut input = BytesMut::new();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let split = ottla_wire::split(&mut input, REQUEST_BYTES_MIN, FRAME_BYTES_MAX);
        if let Some(frame) = split.map_err(|fault| fault.to_string())? {
            let answer = answer(frame, accepted)?;
            socket.write_all(&answer).map_err(|error| error.to_string())?;
            continue;
        }
        match socket.read(&mut chunk).map_err(|error| error.to_string())? {
            0 => return Ok(()),
            read => input.extend_from_slice(&chunk[..read]),
        }
    }
}

fn answer(mut frame: Bytes, accepted: &Accepted) -> Result<BytesMut, String> {
    let header = RequestHeader::decode(&mut frame).map_err(|fault| fault.to_string())?;
    match header.api {
        Api::Produce => encode(&header, &produced(&decode(&header, frame)?, accepted)),
        Api::CreateTopics => encode(&header, &created(&decode(&header, frame)?)),
        Api::ListOffsets => encode(&header, &ListOffsetsResponse::default()),
        Api::InitProducerId => encode(
            &header,
            &InitProducerIdResponse::default()
                .with_producer_id(ProducerId(1))
                .with_producer_epoch(0),
        ),
        Api::DeleteTopics => encode(&header, &DeleteTopicsResponse::default()),
        other => Err(format!("{} is not for a null broker", other.name())),
    }
}

fn produced(request: &ProduceRequest, accepted: &Accepted) -> ProduceResponse {
    let batches = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let bytes: usize = batches.filter_map(|one| one.records.as_ref()).map(Bytes::len).sum();
    accepted.requests.fetch_add(1, Ordering::Relaxed);
    accepted.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    let topics = request.topic_data.iter().map(|topic| {
        let partitions = topic
            .partition_data
            .iter()
            .map(|partition| PartitionProduceResponse::default().with_index(partition.index));
        TopicProduceResponse::default()
            .with_name(topic.name.clone())
            .with_partition_responses(partitions.collect())
    });
    ProduceResponse::default().with_responses(topics.collect())
}

fn created(request: &CreateTopicsRequest) -> CreateTopicsResponse {
    let topics = request
        .topics
        .iter()
        .map(|topic| CreatableTopicResult::default().with_name(topic.name.clone()));
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn decode<M: kafka_protocol::protocol::Decodable>(header: &RequestHeader, body: Bytes) -> Result<M, String> {
    ottla_wire::decode(header.api, header.version, body).map_err(|fault| fault.to_string())
}

fn encode<M: Encodable>(header: &RequestHeader, message: &M) -> Result<BytesMut, String> {
    ottla_wire::encode(header.api, header.version, header.correlation_id, message).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::{Lane, Limit, Pace, Payload, ProducePlan, Run, batch};

    fn agree(pace: Pace, limit: Limit) -> u64 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepted = Arc::new(Accepted::default());
        let counted = Arc::clone(&accepted);
        thread::spawn(move || serve_all(&listener, &counted));
        let plan = ProducePlan {
            topic: "topic",
            partitions: 6,
            partitions_per_request: 2,
            connections: 2,
            batch: &batch(Payload::plain(10, 1_000)),
        };
        let lanes = Lane::open(&address, &plan).unwrap();
        let outcome = Run::new(lanes, Vec::new(), pace, limit).run().unwrap();
        assert_eq!(outcome.requests, accepted.requests.load(Ordering::Relaxed));
        assert_eq!(outcome.produced, accepted.bytes.load(Ordering::Relaxed));
        assert_eq!(outcome.acknowledged.len(), outcome.requests);
        outcome.requests
    }

    #[test]
    fn the_null_broker_has_accepted_what_a_saturating_load_has_sent() {
        let limit = Limit {
            bytes: 10_000_000,
            time: Duration::from_secs(60),
        };
        assert!(agree(Pace::Saturate { in_flight: 3 }, limit) >= 480);
    }

    #[test]
    fn the_null_broker_has_accepted_what_a_paced_load_has_sent() {
        let limit = Limit {
            bytes: u64::MAX,
            time: Duration::from_millis(200),
        };
        // One request each 2 ms, the first at once and the last at the end.
        assert_eq!(agree(Pace::Open { rate: 500.0 }, limit), 101);
    }
}
