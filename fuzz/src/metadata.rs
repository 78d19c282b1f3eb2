//! Records of `__cluster_metadata`.

use ottla_cluster::{Record, decode, encode};
use ottla_model::{ProducerId, TopicId};

/// Reads a record; one that was read can be written and read again.
pub fn run(data: &[u8]) {
    if let Ok(Some(record)) = decode(data) {
        assert_eq!(
            decode(&encode(&record)),
            Ok(Some(record)),
            "a record that was read can be written"
        );
    }
}

/// One record of each kind but partitions, which are made below by hand.
pub fn seeds() -> Vec<Vec<u8>> {
    let id = TopicId::METADATA;
    let config = |value: Option<&str>| Record::Config {
        resource_kind: 2,
        resource_name: "orders".to_owned(),
        name: "cleanup.policy".to_owned(),
        value: value.map(str::to_owned),
    };
    let records = [
        Record::Topic {
            name: "orders".into(),
            id,
        },
        config(Some("compact")),
        config(None),
        Record::RemoveTopic { id },
        Record::FeatureLevel {
            name: "metadata.version".to_owned(),
            level: 30,
        },
        Record::ProducerIds {
            broker_id: 1,
            broker_epoch: 5,
            next: ProducerId(1_000),
        },
    ];
    let mut seeds = records.iter().map(|record| encode(record).to_vec()).collect::<Vec<_>>();
    seeds.push(partition());
    seeds
}

/// PartitionRecord, version 1, as Kafka lays it out.
fn partition() -> Vec<u8> {
    let mut bytes = vec![1, 3, 1];
    bytes.extend(0_i32.to_be_bytes());
    bytes.extend([0; 15]);
    bytes.push(1);
    for _ in 0..2 {
        bytes.push(2);
        bytes.extend(1_i32.to_be_bytes());
    }
    bytes.extend([1, 1]);
    bytes.extend(1_i32.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.push(0);
    bytes
}
