//! What is asked of a broker before and after a load, one request at a time.

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsResponse, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest,
    ListOffsetsResponse, ProduceResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use crate::load::Producer;
use crate::wire::{Wire, topic_name};

/// How long a broker may take until a topic can be used.
const PATIENCE: Duration = Duration::from_secs(60);
/// What FindCoordinator calls the coordinator of transactions.
const TRANSACTION_COORDINATOR: i8 = 1;
/// What ListOffsets calls the end of a partition.
const LATEST: i64 = -1;
/// Partitions that one request may create; Kafka's controller takes no more than 10,000 changes in one.
const CREATED_AT_ONCE: i32 = 5_000;
/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(5);
/// What each partition that is waited for adds to the pause, and to the patience.
const PAUSE_FOR_EACH: Duration = Duration::from_micros(10);
const PATIENCE_FOR_EACH: Duration = Duration::from_millis(12);

/// A client that waits for each answer.
pub struct Admin {
    wire: Wire,
}

impl Admin {
    /// Connects.
    pub fn connect(address: &str) -> Result<Admin, String> {
        Ok(Admin {
            wire: Wire::connect(address)?,
        })
    }

    /// Creates a topic and waits until every partition can be used.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<(), String> {
        let error = self.try_to_create(name, partitions.min(CREATED_AT_ONCE), configs)?;
        if error != 0 {
            return Err(format!("topic {name} was not created: error {error}"));
        }
        let mut created = CREATED_AT_ONCE;
        while created < partitions {
            created = partitions.min(created + CREATED_AT_ONCE);
            self.grow(name, created)?;
        }
        self.wait_until_usable(name, partitions)
    }

    fn grow(&mut self, name: &str, partitions: i32) -> Result<(), String> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(partitions)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(60_000);
        let answer: CreatePartitionsResponse = self.wire.ask(Api::CreatePartitions, 3, &request)?;
        match answer.results.iter().find(|result| result.error_code != 0) {
            None => Ok(()),
            Some(refused) => Err(format!("topic {name} did not grow: {refused:?}")),
        }
    }

    /// The same on a broker that has just started and may not be able to at first.
    pub fn create_topic_at_last(&mut self, name: &str, partitions: i32) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_to_create(name, partitions, &[])? {
                0 => return self.wait_until_usable(name, partitions),
                error if Instant::now() > deadline => {
                    return Err(format!("topic {name} can still not be created: error {error}"));
                }
                _ => thread::sleep(PAUSE),
            }
        }
    }

    /// Gives the error code, 0 for none.
    fn try_to_create(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<i16, String> {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*name).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(60_000);
        let answer: CreateTopicsResponse = self.wire.ask(Api::CreateTopics, 5, &request)?;
        let topic = answer
            .topics
            .first()
            .ok_or("CreateTopics was answered without the topic")?;
        Ok(topic.error_code)
    }

    /// A broker may know a topic's leaders before it is ready to lead, so each partition is asked for its end. Those that answered
    /// are not asked again, and many not often: the asking would take the broker's time from making them.
    fn wait_until_usable(&mut self, name: &str, partitions: i32) -> Result<(), String> {
        let mut left: Vec<i32> = (0..partitions).collect();
        let deadline = Instant::now() + PATIENCE + PATIENCE_FOR_EACH * partitions as u32;
        loop {
            left = self.unusable(name, &left)?;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "{} of {partitions} partitions of {name} cannot be used",
                    left.len()
                ));
            }
            thread::sleep(PAUSE + PAUSE_FOR_EACH * left.len() as u32);
        }
    }

    /// Those of some partitions that do not tell their end.
    fn unusable(&mut self, name: &str, partitions: &[i32]) -> Result<Vec<i32>, String> {
        let asked = partitions.iter().map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(*index)
                .with_timestamp(LATEST)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(asked.collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let answer: ListOffsetsResponse = self.wire.ask(Api::ListOffsets, 7, &request)?;
        let told = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let refused = told.filter(|partition| partition.error_code != 0);
        Ok(refused.map(|partition| partition.partition_index).collect())
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, name: &str) -> Result<(), String> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(60_000);
        let answer: DeleteTopicsResponse = self.wire.ask(Api::DeleteTopics, 5, &request)?;
        match answer.responses.iter().find(|topic| topic.error_code != 0) {
            None => Ok(()),
            Some(refused) => Err(format!("topic {name} was not deleted: {refused:?}")),
        }
    }

    /// A new idempotent producer.
    pub fn producer(&mut self) -> Result<Producer, String> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer: InitProducerIdResponse = self.wire.ask(Api::InitProducerId, 4, &request)?;
            if answer.error_code == 0 {
                return Ok(Producer {
                    id: answer.producer_id.0,
                    epoch: answer.producer_epoch,
                });
            }
            if Instant::now() > deadline {
                return Err(format!("no producer id: error {}", answer.error_code));
            }
            thread::sleep(PAUSE);
        }
    }

    /// A transactional producer, which takes the transactional id over.
    pub fn transactional_producer(&mut self, id: &str) -> Result<Producer, String> {
        let key = StrBytes::from_string(id.to_owned());
        // Being looked for is what makes Kafka create the coordinators' topic.
        let find = FindCoordinatorRequest::default()
            .with_key_type(TRANSACTION_COORDINATOR)
            .with_coordinator_keys(vec![key.clone()]);
        let initialize = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(key)))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let _: FindCoordinatorResponse = self.wire.ask(Api::FindCoordinator, 4, &find)?;
            let answer: InitProducerIdResponse = self.wire.ask(Api::InitProducerId, 4, &initialize)?;
            if answer.error_code == 0 {
                return Ok(Producer {
                    id: answer.producer_id.0,
                    epoch: answer.producer_epoch,
                });
            }
            if Instant::now() > deadline {
                return Err(format!("{id} is not initialized: error {}", answer.error_code));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Sends a batch to every partition in one request and waits until all are acknowledged.
    pub fn produce_to_each(&mut self, topic: &str, partitions: i32, batch: &Bytes) -> Result<(), String> {
        let all: Vec<i32> = (0..partitions).collect();
        match self.produce_to(topic, &all, batch)? {
            0 => Ok(()),
            error => Err(format!("a batch for {topic} was refused with error {error}")),
        }
    }

    /// Sends a batch to each of the first partitions until they acknowledge it: a broker that has just started may refuse it at
    /// first.
    pub fn produce_at_last(&mut self, topic: &str, partitions: i32, batch: &Bytes) -> Result<(), String> {
        let all: Vec<i32> = (0..partitions).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.produce_to(topic, &all, batch)? {
                0 => return Ok(()),
                error if Instant::now() > deadline => {
                    return Err(format!("{topic} is still refused with error {error}"));
                }
                _ => thread::sleep(PAUSE),
            }
        }
    }

    /// Gives the first error code, 0 for none.
    fn produce_to(&mut self, topic: &str, partitions: &[i32], batch: &Bytes) -> Result<i16, String> {
        let data = partitions.iter().map(|partition| {
            PartitionProduceData::default()
                .with_index(*partition)
                .with_records(Some(batch.clone()))
        });
        let data = TopicProduceData::default()
            .with_name(topic_name(topic))
            .with_partition_data(data.collect());
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![data]);
        let answer: ProduceResponse = self.wire.ask(Api::Produce, 11, &request)?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        Ok(partitions
            .map(|one| one.error_code)
            .find(|error| *error != 0)
            .unwrap_or(0))
    }
}
