//! Records of `__transaction_state`: the first two bytes are the key's length, then key and value. A key alone is a
//! tombstone.

use std::collections::BTreeSet;

use ottla_model::{Millis, ProducerEpoch, ProducerId, TopicPartition};
use ottla_txn::record::{decode, encode};
use ottla_txn::{Identity, Record, Status, Transaction, TransactionVersion};

/// Reads a record; one that was read can be written and read again.
pub fn run(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (key, value) = rest.split_at(length);
    let value = (!value.is_empty()).then_some(value);
    if let Ok(Some(record)) = decode(key, value) {
        let (key, value) = encode(&record);
        let again = decode(&key, value.as_deref());
        assert!(
            again.is_ok_and(|again| again.is_some()),
            "a record that was read can be written"
        );
    }
}

/// Transactions in every status, by both rules, and one that is gone.
pub fn seeds() -> Vec<Vec<u8>> {
    let partitions = || BTreeSet::from(["orders", "payments"].map(|topic| TopicPartition::new(topic, 3)));
    let transaction = |status: Status, version| Transaction {
        identity: Identity {
            producer: ProducerId(7),
            epoch: ProducerEpoch(2),
        },
        previous_producer: Some(ProducerId(6)),
        next_producer: (version == TransactionVersion::V2).then_some(ProducerId(8)),
        raised_from: (version == TransactionVersion::V1).then_some(ProducerEpoch(1)),
        timeout: Millis(60_000),
        status,
        partitions: if status == Status::Empty {
            BTreeSet::new()
        } else {
            partitions()
        },
        started: (status != Status::Empty).then_some(Millis(1_000)),
        updated: Millis(2_000),
        version,
    };
    let both = [TransactionVersion::V1, TransactionVersion::V2];
    let values = both.map(|version| Status::ALL.map(|status| Some(transaction(status, version))));
    let mut seeds: Vec<Vec<u8>> = values.into_iter().flatten().chain([None]).map(seed).collect();
    // Version 0 is read, never written: an open transaction in t-3.
    let (key, _) = encode(&Record {
        id: "tx".into(),
        value: None,
    });
    let value = b"\0\0\0\0\0\0\0\0\0\x07\0\x02\0\0\xea\x60\x01\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03\
        \0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01";
    seeds.push(joined(&key, value));
    seeds
}

fn seed(value: Option<Transaction>) -> Vec<u8> {
    let (key, value) = encode(&Record { id: "tx".into(), value });
    joined(&key, &value.unwrap_or_default())
}

fn joined(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&(key.len() as u16).to_be_bytes(), key, value].concat()
}
