//! What metadata says of a cluster: brokers, topics, leaders.

use std::collections::BTreeMap;

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use ottla_model::{ErrorCode, TopicId};

use crate::error::code_of;

/// A cluster as metadata described it.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The broker that clients are to take for the controller.
    pub controller: Option<i32>,
    /// Its brokers, by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for, by name.
    pub topics: BTreeMap<String, Topic>,
}

/// A broker and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

impl Broker {
    /// `host:port`, with brackets around an IPv6 address.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A topic, or why it cannot be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its identity; zero from brokers before 2.8.
    pub id: TopicId,
    /// Whether the broker keeps it for itself.
    pub is_internal: bool,
    /// `None` if all is well.
    pub error: ErrorCode,
    /// Its partitions, by index.
    pub partitions: Vec<Partition>,
}

/// A partition and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// What is wrong with it, if anything.
    pub error: ErrorCode,
    /// The leader's broker id, if there is one.
    pub leader: Option<i32>,
    /// The leader's epoch; -1 if unknown.
    pub leader_epoch: i32,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub in_sync: Vec<i32>,
}

impl Cluster {
    /// What an answer says.
    pub fn read(response: &MetadataResponse) -> Cluster {
        let broker = |broker: &kafka_protocol::messages::metadata_response::MetadataResponseBroker| Broker {
            id: broker.node_id.0,
            host: broker.host.to_string(),
            port: broker.port,
            rack: broker.rack.as_ref().map(|rack| rack.to_string()),
        };
        Cluster {
            id: response.cluster_id.as_ref().map(|id| id.to_string()),
            controller: (response.controller_id.0 >= 0).then_some(response.controller_id.0),
            brokers: response
                .brokers
                .iter()
                .map(broker)
                .map(|broker| (broker.id, broker))
                .collect(),
            topics: response
                .topics
                .iter()
                .filter_map(read_topic)
                .map(|topic| (topic.name.clone(), topic))
                .collect(),
        }
    }
}

fn read_topic(topic: &MetadataResponseTopic) -> Option<Topic> {
    let mut partitions: Vec<_> = topic.partitions.iter().map(read_partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    Some(Topic {
        name: topic.name.as_ref()?.to_string(),
        id: TopicId(topic.topic_id),
        is_internal: topic.is_internal,
        error: code_of(topic.error_code),
        partitions,
    })
}

fn read_partition(partition: &MetadataResponsePartition) -> Partition {
    let ids = |brokers: &[kafka_protocol::messages::BrokerId]| brokers.iter().map(|id| id.0).collect();
    Partition {
        index: partition.partition_index,
        error: code_of(partition.error_code),
        leader: (partition.leader_id.0 >= 0).then_some(partition.leader_id.0),
        leader_epoch: partition.leader_epoch,
        replicas: ids(&partition.replica_nodes),
        in_sync: ids(&partition.isr_nodes),
    }
}
