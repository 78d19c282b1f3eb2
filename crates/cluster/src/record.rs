//! The records of `__cluster_metadata-0`: Kafka's own KRaft metadata records.
//!
//! A record's value is a frame around a flexible struct; its key is null.
//!
//! ```text
//! uvarint frame version = 1 │ uvarint api key │ uvarint version │ fields ... │ tagged fields
//! ```

use bytes::Bytes;
use ottla_model::{PartitionIndex, ProducerId, TopicId, TopicName};

use crate::codec::{Reader, Writer};

/// One fact about the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A topic exists (TopicRecord, 2).
    Topic {
        /// Its name.
        name: TopicName,
        /// Its identity.
        id: TopicId,
    },
    /// A partition exists (PartitionRecord, 3).
    Partition(PartitionRecord),
    /// A config was set or removed (ConfigRecord, 4).
    Config {
        /// The number of the resource's kind; kinds unknown here are kept as they are.
        resource_kind: i8,
        /// The resource's name.
        resource_name: String,
        /// The property.
        name: String,
        /// Its value; `None` removes it.
        value: Option<String>,
    },
    /// A topic is gone, with its partitions and its configs (RemoveTopicRecord, 9).
    RemoveTopic {
        /// Its identity.
        id: TopicId,
    },
    /// A feature has this level (FeatureLevelRecord, 12).
    FeatureLevel {
        /// Such as `metadata.version`.
        name: String,
        /// The finalized level.
        level: i16,
    },
    /// Producer ids below `next` were handed out (ProducerIdsRecord, 15).
    ProducerIds {
        /// Who asked for the last block.
        broker_id: i32,
        /// The epoch of that broker.
        broker_epoch: i64,
        /// The first id of the next block.
        next: ProducerId,
    },
}

/// A partition and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    /// The topic.
    pub topic: TopicId,
    /// The number within the topic.
    pub index: PartitionIndex,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// The one that leads; -1 if none.
    pub leader: i32,
    /// How often the leader changed.
    pub leader_epoch: i32,
    /// How often anything about the partition changed.
    pub partition_epoch: i32,
}

/// Why bytes are not a metadata record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The bytes end inside a field.
    #[error("the record ends inside a field")]
    Truncated,
    /// A variable-length number has more than 32 bits.
    #[error("a variable-length number is longer than 32 bits")]
    Varint,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A field is null that must not be.
    #[error("the field {0} is null")]
    Null(&'static str),
    /// A field holds a number that cannot be.
    #[error("the field {field} cannot be {value}")]
    Number {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i64,
    },
    /// The frame around the record is of another version than 1.
    #[error("the frame has version {0}, expected 1")]
    FrameVersion(u32),
    /// The record is of a known type but of a version not known here.
    #[error("version {version} of the record type {api_key} is not known")]
    Version {
        /// The type.
        api_key: u32,
        /// The version.
        version: u32,
    },
    /// Bytes follow the record.
    #[error("{0} bytes follow the record")]
    Garbage(usize),
}

const FRAME_VERSION: u32 = 1;
const TOPIC: u32 = 2;
const PARTITION: u32 = 3;
const CONFIG: u32 = 4;
const REMOVE_TOPIC: u32 = 9;
const FEATURE_LEVEL: u32 = 12;
const PRODUCER_IDS: u32 = 15;

/// The newest version of PartitionRecord that is read; version 1 is written (KIP-858 directories, no KIP-966 fields).
const PARTITION_VERSION_MAX: u32 = 2;
const PARTITION_VERSION: u32 = 1;

/// The value of the log record that says this.
pub fn encode(record: &Record) -> Bytes {
    let mut writer = Writer::default();
    writer.unsigned_varint(FRAME_VERSION);
    let (api_key, version) = type_of(record);
    writer.unsigned_varint(api_key);
    writer.unsigned_varint(version);
    match record {
        Record::Topic { name, id } => {
            writer.string(name.as_str());
            writer.uuid(*id);
        }
        Record::Partition(partition) => encode_partition(&mut writer, partition),
        Record::Config {
            resource_kind,
            resource_name,
            name,
            value,
        } => {
            writer.int8(*resource_kind);
            writer.string(resource_name);
            writer.string(name);
            writer.nullable_string(value.as_deref());
        }
        Record::RemoveTopic { id } => writer.uuid(*id),
        Record::FeatureLevel { name, level } => {
            writer.string(name);
            writer.int16(*level);
        }
        Record::ProducerIds {
            broker_id,
            broker_epoch,
            next,
        } => {
            writer.int32(*broker_id);
            writer.int64(*broker_epoch);
            writer.int64(next.0);
        }
    }
    writer.no_tags();
    Bytes::from(writer.0)
}

/// Reads the value of a log record. `None` is a record of a type this crate has no use for.
pub fn decode(value: &[u8]) -> Result<Option<Record>, RecordFault> {
    let mut reader = Reader(value);
    let frame = reader.unsigned_varint()?;
    if frame != FRAME_VERSION {
        return Err(RecordFault::FrameVersion(frame));
    }
    let api_key = reader.unsigned_varint()?;
    let version = reader.unsigned_varint()?;
    let version_max = match api_key {
        PARTITION => PARTITION_VERSION_MAX,
        TOPIC | CONFIG | REMOVE_TOPIC | FEATURE_LEVEL | PRODUCER_IDS => 0,
        _ => return Ok(None),
    };
    if version > version_max {
        return Err(RecordFault::Version { api_key, version });
    }
    let record = match api_key {
        TOPIC => Record::Topic {
            name: TopicName::new(reader.string("Name")?),
            id: reader.uuid()?,
        },
        PARTITION => Record::Partition(decode_partition(&mut reader, version)?),
        CONFIG => Record::Config {
            resource_kind: reader.int8()?,
            resource_name: reader.string("ResourceName")?,
            name: reader.string("Name")?,
            value: reader.nullable_string()?,
        },
        REMOVE_TOPIC => Record::RemoveTopic { id: reader.uuid()? },
        FEATURE_LEVEL => Record::FeatureLevel {
            name: reader.string("Name")?,
            level: reader.int16()?,
        },
        _ => Record::ProducerIds {
            broker_id: reader.int32()?,
            broker_epoch: reader.int64()?,
            next: ProducerId(reader.int64()?),
        },
    };
    reader.skip_tags()?;
    match reader.0.len() {
        0 => Ok(Some(record)),
        count => Err(RecordFault::Garbage(count)),
    }
}

fn type_of(record: &Record) -> (u32, u32) {
    match record {
        Record::Topic { .. } => (TOPIC, 0),
        Record::Partition(_) => (PARTITION, PARTITION_VERSION),
        Record::Config { .. } => (CONFIG, 0),
        Record::RemoveTopic { .. } => (REMOVE_TOPIC, 0),
        Record::FeatureLevel { .. } => (FEATURE_LEVEL, 0),
        Record::ProducerIds { .. } => (PRODUCER_IDS, 0),
    }
}

fn encode_partition(writer: &mut Writer, partition: &PartitionRecord) {
    writer.int32(partition.index.0);
    writer.uuid(partition.topic);
    writer.int32_array(&partition.replicas);
    writer.int32_array(&partition.isr);
    writer.int32_array(&[]); // RemovingReplicas
    writer.int32_array(&[]); // AddingReplicas
    writer.int32(partition.leader);
    writer.int32(partition.leader_epoch);
    writer.int32(partition.partition_epoch);
    // Directories, one for each replica: all zeroes is Kafka's "unassigned".
    writer.unsigned_varint(partition.replicas.len() as u32 + 1);
    for _ in &partition.replicas {
        writer.uuid(TopicId::ZERO);
    }
}

fn decode_partition(reader: &mut Reader<'_>, version: u32) -> Result<PartitionRecord, RecordFault> {
    let index = reader.int32()?;
    if index < 0 {
        return Err(RecordFault::Number {
            field: "PartitionId",
            value: i64::from(index),
        });
    }
    let topic = reader.uuid()?;
    let replicas = reader.int32_array("Replicas")?;
    let isr = reader.int32_array("Isr")?;
    reader.fixed_array("RemovingReplicas", 4)?;
    reader.fixed_array("AddingReplicas", 4)?;
    let leader = reader.int32()?;
    let leader_epoch = reader.int32()?;
    let partition_epoch = reader.int32()?;
    if version >= 1 {
        reader.fixed_array("Directories", 16)?;
    }
    Ok(PartitionRecord {
        topic,
        index: PartitionIndex(index),
        replicas,
        isr,
        leader,
        leader_epoch,
        partition_epoch,
    })
}
