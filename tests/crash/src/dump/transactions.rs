//! Transactions of every fate, and what Kafka's tool must say of them: of their coordinator's log and of their markers.

use std::collections::BTreeMap;

use kafka_protocol::messages::{EndTxnRequest, InitProducerIdRequest, TransactionalId};
use ottla_log::BatchBuilder;
use ottla_model::{ProducerEpoch, ProducerId};

use crate::client::{Client, code, produce_request, text};
use crate::content::{Value, body, now};
use crate::trouble::{During, Trouble, expect};

/// The topic they write to.
pub(super) const TOPIC: &str = "dump-transacted";
/// Transactions of each kind that were ended.
const ENDED: u64 = 3;
/// The states by Kafka's numbers in which they were left.
const LEFT: [(&str, i64); 4] = [
    ("dump-commits", 4),
    ("dump-aborts", 5),
    ("dump-open", 1),
    ("dump-goes-on", 0),
];
/// So long that none is aborted for its age. The most that a broker takes by default.
const TIMEOUT_MS: i32 = 900_000;

/// A producer's id and epoch.
type Identity = (i64, i16);

/// Commits, aborts, leaves one open, and lets one go on from its epoch, which Ottla notes with a tag of its own.
pub(super) fn transact(client: &mut Client) -> Result<(), Trouble> {
    client.create_topic(TOPIC, 1, &[])?;
    let [(commits, _), (aborts, _), (open, _), (goes_on, _)] = LEFT;
    for (name, committed) in [(commits, true), (aborts, false)] {
        let mut producer = begin(client, name, (-1, -1))?;
        for number in 0..ENDED {
            write(client, name, producer, number)?;
            producer = end(client, name, producer, committed)?;
        }
    }
    let producer = begin(client, open, (-1, -1))?;
    write(client, open, producer, 0)?;
    let producer = begin(client, goes_on, (-1, -1))?;
    begin(client, goes_on, producer).map(drop)
}

fn begin(client: &mut Client, name: &str, known: Identity) -> Result<Identity, Trouble> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(name))))
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id(known.0.into())
        .with_producer_epoch(known.1);
    let answer = client.connection.call(4, &request)?;
    expect(answer.error_code == 0, || {
        format!("InitProducerId of {name}: {}", code(answer.error_code))
    })?;
    Ok((answer.producer_id.0, answer.producer_epoch))
}

fn write(client: &mut Client, name: &str, producer: Identity, number: u64) -> Result<(), Trouble> {
    let mut batch = BatchBuilder::new()
        .producer(ProducerId(producer.0), ProducerEpoch(producer.1), 0)
        .transactional();
    let value = Value::new(23, 0, number);
    batch.push(now(), Some(value.key().as_bytes()), Some(&body(value, 40)));
    let request = produce_request(TOPIC, -1, [(0, batch.build())]);
    let request = request.with_transactional_id(Some(TransactionalId(text(name))));
    let answer = client.connection.call(12, &request)?;
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let error = partitions.next().map_or(-1, |partition| partition.error_code);
    expect(error == 0, || format!("a batch of {name}: {}", code(error)))
}

fn end(client: &mut Client, name: &str, producer: Identity, committed: bool) -> Result<Identity, Trouble> {
    let request = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(text(name)))
        .with_producer_id(producer.0.into())
        .with_producer_epoch(producer.1)
        .with_committed(committed);
    let answer = client.connection.call(5, &request)?;
    expect(answer.error_code == 0, || {
        format!("EndTxn of {name}: {}", code(answer.error_code))
    })?;
    Ok((answer.producer_id.0, answer.producer_epoch))
}

/// The last record of each transactional id in the coordinators' log says how it was left.
pub(super) fn compare_states(dumped: &str) -> Result<(), Trouble> {
    let mut last = BTreeMap::new();
    for line in dumped.lines().filter(|line| line.starts_with("| offset: ")) {
        let parts = line
            .split_once(" key: ")
            .and_then(|(_, rest)| rest.split_once(" payload: "));
        let (key, payload) = parts.ok_or_else(|| Trouble::new(format!("the tool printed {line}")))?;
        let key: serde_json::Value = serde_json::from_str(key).during(format!("the key in {line}"))?;
        let payload: serde_json::Value = serde_json::from_str(payload).during(format!("the payload in {line}"))?;
        if let Some(name) = key["data"]["transactionalId"].as_str() {
            last.insert(name.to_owned(), payload["data"]["transactionStatus"].as_i64());
        }
    }
    for (name, state) in LEFT {
        let found = last.get(name).copied().flatten();
        expect(found == Some(state), || {
            format!("{name} was left in state {state}, the dump says {found:?}")
        })?;
    }
    Ok(())
}

/// Every end is there with its marker.
pub(super) fn compare_markers(dumped: &str) -> Result<(), Trouble> {
    for word in ["COMMIT", "ABORT"] {
        let marker = format!("endTxnMarker: {word}");
        let found = dumped.lines().filter(|line| line.contains(&marker)).count() as u64;
        expect(found == ENDED, || {
            format!("{found} instead of {ENDED} markers say {word}")
        })?;
    }
    Ok(())
}
