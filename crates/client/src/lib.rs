//! A small client of Kafka's protocol: connections, metadata, administration, producers, and consumers with groups.
//!
//! It serves Ottla's command line, benchmarks and tests, and speaks to any broker since Kafka 2.1. It knows nothing of
//! the broker's insides.

mod admin;
mod client;
mod cluster;
mod config;
mod connection;
mod consumer;
mod error;
mod group;
mod partitioner;
mod producer;

pub use admin::{
    Admin, CommittedOffset, ConfigChange, ConfigEntry, FoundOffset, GroupDescription, GroupListing, MemberDescription,
    NewTopic, OffsetSpec, Resource, TopicOutcome,
};
pub use client::Client;
pub use cluster::{Broker, Cluster, Partition, Topic};
pub use config::ClientConfig;
pub use connection::{Connection, ConnectionConfig, Pending};
pub use consumer::{ConsumedRecord, Consumer, ConsumerConfig, Event, Reset};
pub use error::{ClientError, Result, is_retriable};
pub use partitioner::partition_of_key;
pub use producer::{Acks, Delivered, Delivery, Producer, ProducerConfig, ProducerRecord};
