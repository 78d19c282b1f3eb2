//! What the checks ask of a broker, one call each, with the answer's error codes turned into a trouble or a value.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, FetchRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use ottla_model::ErrorCode;

use crate::connection::Connection;
use crate::content::{self, Value};
use crate::trouble::{Trouble, expect};

/// The version of Produce that is spoken here: the last that names topics.
pub const PRODUCE: i16 = 11;
const FETCH: i16 = 12;
/// How long a broker may take to make a topic or find a coordinator.
const SETTLE: Duration = Duration::from_secs(20);

/// A client with one connection.
#[derive(Debug)]
pub struct Client {
    /// The connection, for requests that have no method here.
    pub connection: Connection,
}

/// The member of a group in whose name offsets are committed; the default is none.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The generation.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
}

impl Default for Membership {
    fn default() -> Membership {
        Membership {
            generation: -1,
            member_id: String::new(),
        }
    }
}

/// What one partition gave to a fetch.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The partition.
    pub partition: i32,
    /// Its high watermark.
    pub high_watermark: i64,
    /// The records from the offset asked for on.
    pub records: Vec<(i64, Value)>,
}

impl Client {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Client, Trouble> {
        Ok(Client {
            connection: Connection::open(address)?,
        })
    }

    /// Makes a topic and waits until its partitions have a leader.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<(), Trouble> {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        });
        let topic = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(20_000);
        let answer = self.connection.call(5, &request)?;
        for topic in answer.topics {
            good(
                topic.error_code,
                &format!("create topic {name}: {:?}", topic.error_message),
            )?;
        }
        let deadline = Instant::now() + SETTLE;
        while !self.has_leaders(name, partitions)? {
            expect(Instant::now() < deadline, || {
                format!("topic {name} has no leaders after {SETTLE:?}")
            })?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn has_leaders(&mut self, name: &str, partitions: i32) -> Result<bool, Trouble> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        let answer = self.connection.call(9, &request)?;
        let ready = |partition: &&kafka_protocol::messages::metadata_response::MetadataResponsePartition| {
            partition.error_code == 0 && partition.leader_id.0 >= 0
        };
        let topics = answer.topics.iter().filter(|topic| topic.error_code == 0);
        Ok(topics.flat_map(|topic| topic.partitions.iter().filter(ready)).count() == partitions as usize)
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, name: &str) -> Result<(), Trouble> {
        let state = DeleteTopicState::default().with_name(Some(topic(name)));
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![state])
            .with_timeout_ms(20_000);
        for topic in self.connection.call(6, &request)?.responses {
            good(topic.error_code, &format!("delete topic {name}"))?;
        }
        Ok(())
    }

    /// Moves a partition's log start offset.
    pub fn delete_records(&mut self, name: &str, partition: i32, before: i64) -> Result<(), Trouble> {
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(partition)
            .with_offset(before);
        let asked = DeleteRecordsTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![asked])
            .with_timeout_ms(20_000);
        let answer = self.connection.call(2, &request)?;
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            good(partition.error_code, &format!("delete records of {name}"))?;
        }
        Ok(())
    }

    /// A fresh producer id and its epoch.
    pub fn init_producer(&mut self) -> Result<(i64, i16), Trouble> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id((-1).into());
        let deadline = Instant::now() + SETTLE;
        loop {
            let answer = self.connection.call(4, &request.clone().with_producer_epoch(-1))?;
            if answer.error_code == 0 {
                return Ok((answer.producer_id.0, answer.producer_epoch));
            }
            expect(Instant::now() < deadline, || {
                format!("InitProducerId: {}", code(answer.error_code))
            })?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends one batch and gives its base offset, or the error code of the answer.
    pub fn produce(
        &mut self,
        name: &str,
        partition: i32,
        acks: i16,
        batch: Bytes,
    ) -> Result<Result<i64, i16>, Trouble> {
        let answer = self
            .connection
            .call(PRODUCE, &produce_request(name, acks, [(partition, batch)]))?;
        let answers = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        let partition = answers
            .last()
            .ok_or_else(|| Trouble::new("an answer to Produce without partitions"))?;
        Ok(if partition.error_code == 0 {
            Ok(partition.base_offset)
        } else {
            Err(partition.error_code)
        })
    }

    /// Reads on from an offset in each of the partitions. Waits up to `wait_ms` if there is nothing.
    pub fn fetch(&mut self, name: &str, from: &[(i32, i64)], wait_ms: i32) -> Result<Vec<Fetched>, Trouble> {
        let partitions = from.iter().map(|(partition, offset)| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_current_leader_epoch(-1)
                .with_fetch_offset(*offset)
                .with_last_fetched_epoch(-1)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(8 << 20)
        });
        let asked = FetchTopic::default()
            .with_topic(topic(name))
            .with_partitions(partitions.collect());
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(32 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![asked]);
        let answer = self.connection.call(FETCH, &request)?;
        good(answer.error_code, "fetch")?;
        let mut fetched = Vec::new();
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            let index = partition.partition_index;
            good(partition.error_code, &format!("fetch from partition {index} of {name}"))?;
            let asked = from
                .iter()
                .find(|(asked, _)| *asked == index)
                .map_or(0, |(_, offset)| *offset);
            let records = content::read(partition.records.unwrap_or_default(), asked)
                .map_err(|trouble| Trouble::new(format!("{DAMAGED} in partition {index} of {name}: {trouble}")))?;
            fetched.push(Fetched {
                partition: index,
                high_watermark: partition.high_watermark,
                records,
            });
        }
        Ok(fetched)
    }

    /// The offset at one end of a partition: -1 latest, -2 earliest.
    pub fn list_offset(&mut self, name: &str, partition: i32, timestamp: i64) -> Result<i64, Trouble> {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let asked = ListOffsetsTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![asked]);
        let answer = self.connection.call(5, &request)?;
        let answers = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let partition = answers
            .last()
            .ok_or_else(|| Trouble::new("an answer to ListOffsets without partitions"))?;
        good(partition.error_code, &format!("list offsets of {name}"))?;
        Ok(partition.offset)
    }

    /// Waits until the group's coordinator is known and has loaded.
    pub fn find_coordinator(&mut self, group: &str) -> Result<(), Trouble> {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        let deadline = Instant::now() + SETTLE;
        loop {
            let answer = self.connection.call(3, &request)?;
            if answer.error_code == 0 && self.committed(group, "none", &[0])?.is_ok() {
                return Ok(());
            }
            expect(Instant::now() < deadline, || {
                format!("no coordinator for {group}: {}", code(answer.error_code))
            })?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Commits offsets, each with its own decimal digits as metadata; the first error code otherwise.
    pub fn commit(
        &mut self,
        group: &str,
        member: &Membership,
        name: &str,
        offsets: &[(i32, i64)],
    ) -> Result<Result<(), i16>, Trouble> {
        let partitions = offsets.iter().map(|(partition, offset)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(text(&offset.to_string())))
        });
        let asked = OffsetCommitRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(partitions.collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(member.generation)
            .with_member_id(text(&member.member_id))
            .with_topics(vec![asked]);
        let answer = self.connection.call(8, &request)?;
        let codes = answer
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|partition| partition.error_code));
        Ok(codes.fold(Ok(()), |so_far, code| {
            so_far.and(if code == 0 { Ok(()) } else { Err(code) })
        }))
    }

    /// The committed offsets of some partitions, `None` where there is none; the error code otherwise.
    pub fn committed(
        &mut self,
        group: &str,
        name: &str,
        partitions: &[i32],
    ) -> Result<Result<Vec<(i32, Option<i64>)>, i16>, Trouble> {
        let asked = OffsetFetchRequestTopic::default()
            .with_name(topic(name))
            .with_partition_indexes(partitions.to_vec());
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(Some(vec![asked]));
        let answer = self.connection.call(7, &request)?;
        if answer.error_code != 0 {
            return Ok(Err(answer.error_code));
        }
        let mut found = Vec::new();
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            if partition.error_code != 0 {
                return Ok(Err(partition.error_code));
            }
            let offset = (partition.committed_offset >= 0).then_some(partition.committed_offset);
            let metadata = partition.metadata.as_ref().map_or("", |metadata| metadata.as_str());
            let expected = offset.map_or(String::new(), |offset| offset.to_string());
            expect(metadata == expected, || {
                format!("{DAMAGED}: committed offset {offset:?} of {group} has the metadata `{metadata}`")
            })?;
            found.push((partition.partition_index, offset));
        }
        Ok(Ok(found))
    }
}

/// The words with which a trouble about wrong bytes begins: it is never excused by a crash.
pub const DAMAGED: &str = "damaged data";

/// A Produce request of one topic.
pub fn produce_request(name: &str, acks: i16, batches: impl IntoIterator<Item = (i32, Bytes)>) -> ProduceRequest {
    let partitions = batches.into_iter().map(|(partition, batch)| {
        PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch))
    });
    let data = TopicProduceData::default()
        .with_name(topic(name))
        .with_partition_data(partitions.collect());
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![data])
}

/// A text as the messages hold it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

fn good(number: i16, what: &str) -> Result<(), Trouble> {
    expect(number == 0, || format!("{what}: {}", code(number)))
}

/// An error code with its name.
pub fn code(number: i16) -> String {
    ErrorCode::from_number(number).map_or_else(|| format!("error {number}"), |code| code.to_string())
}
