//! The load: batches made once and sent again and again, several requests in flight on several connections.

use std::thread;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::{CreateTopicsResponse, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_log::BatchBuilder;
use ottla_model::Millis;
use ottla_wire::Api;

use crate::wire::{self, Wire};

/// Connections of the produce load.
const CONNECTIONS: i32 = 4;
/// Requests in flight on each.
const IN_FLIGHT: usize = 5;
/// Records of 1 KiB in a batch of the produce load.
const RECORDS: usize = 63;
const PRODUCE_VERSION: i16 = 9;

/// A client that waits for each answer.
pub struct Client {
    wire: Wire,
}

impl Client {
    /// Connects.
    pub fn connect(address: &str) -> Result<Client, String> {
        Ok(Client {
            wire: Wire::connect(address)?,
        })
    }

    /// Creates a topic.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> Result<(), String> {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(60_000);
        let answer: CreateTopicsResponse = self.wire.ask(Api::CreateTopics, 5, &request)?;
        match answer.topics.first() {
            Some(topic) if topic.error_code == 0 => Ok(()),
            other => Err(format!("{name} was not created: {other:?}")),
        }
    }

    /// Sends one batch and waits until it is durable.
    pub fn produce_and_wait(&mut self, topic: &str, partition: i32, batch: &Bytes) -> Result<(), String> {
        let answer = self
            .wire
            .ask(Api::Produce, PRODUCE_VERSION, &request(topic, &[partition], batch))?;
        check(&answer)
    }

    /// Sends a batch to every partition, a thousand a request.
    pub fn produce_to_each(&mut self, topic: &str, partitions: i32, batch: &Bytes) -> Result<(), String> {
        let all: Vec<i32> = (0..partitions).collect();
        for some in all.chunks(1_000) {
            let answer = self
                .wire
                .ask(Api::Produce, PRODUCE_VERSION, &request(topic, some, batch))?;
            check(&answer)?;
        }
        Ok(())
    }
}

/// A batch of `count` records with values of `size` bytes.
pub fn batch(count: usize, size: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    let value = vec![b'x'; size];
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    for _ in 0..count {
        builder.push(Millis(now.as_millis() as i64), None, Some(&value));
    }
    builder.build()
}

/// Produces `bytes` in all with acks=all, spread over the partitions, and waits for every answer.
pub fn produce(address: &str, topic: &str, partitions: i32, bytes: u64) -> Result<(), String> {
    let batch = batch(RECORDS, 1024);
    let requests = (bytes / batch.len() as u64 / CONNECTIONS as u64).max(1) as usize;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (address, topic, batch) = (address.to_string(), topic.to_string(), batch.clone());
            let mine: Vec<i32> = (0..partitions)
                .filter(|partition| partition % CONNECTIONS == connection)
                .collect();
            thread::spawn(move || pipeline(&address, &topic, &mine, &batch, requests))
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a load thread panicked".to_string())??;
    }
    Ok(())
}

fn pipeline(address: &str, topic: &str, partitions: &[i32], batch: &Bytes, requests: usize) -> Result<(), String> {
    let mut wire = Wire::connect(address)?;
    let frames: Vec<Bytes> = partitions
        .iter()
        .map(|partition| wire::frame(Api::Produce, PRODUCE_VERSION, 0, &request(topic, &[*partition], batch)))
        .collect::<Result<_, _>>()?;
    let mut answered = 0;
    for sent in 0..requests {
        wire.send(&frames[sent % frames.len()])?;
        while sent + 1 - answered >= IN_FLIGHT {
            check(&wire::decode(Api::Produce, PRODUCE_VERSION, wire.receive()?)?)?;
            answered += 1;
        }
    }
    while answered < requests {
        check(&wire::decode(Api::Produce, PRODUCE_VERSION, wire.receive()?)?)?;
        answered += 1;
    }
    Ok(())
}

fn request(topic: &str, partitions: &[i32], batch: &Bytes) -> ProduceRequest {
    let data = partitions.iter().map(|partition| {
        PartitionProduceData::default()
            .with_index(*partition)
            .with_records(Some(batch.clone()))
    });
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(data.collect());
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

fn check(answer: &ProduceResponse) -> Result<(), String> {
    let refused = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .find(|one| one.error_code != 0);
    refused.map_or(Ok(()), |refused| Err(format!("refused: {refused:?}")))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}
