//! What a story comes to as a history of transactions, and its judgement: exactly once.

use crate::driver::Driver;
use crate::stage::Stage;
use crate::story::{Event, Kind, Story};
use crate::trouble::{Outcome, expect, unmet};
use ottla_history::{Action, Anomaly, History, Key, Operation, Outcome as Ended};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How far two drivers' clocks may be apart when they are set against each other, in milliseconds.
const CLOCK: i64 = 60;
/// The value that marks the end of what is read at the end.
const LAST: &str = "the end";

/// Reads a topic with a new reader of committed records up to its end, which is marked with one more transaction.
pub fn drain(stage: &Stage, driver: &Driver, id: &str, topic: &str, partitions: u32) -> Outcome<()> {
    let producer = format!("{id}-producer");
    let transactional_id = format!("{}-{producer}", stage.group);
    let open = json!({ "bootstrap": stage.bootstrap(), "transactional_id": transactional_id });
    driver.call("transact", &producer, open)?;
    driver.call("begin", &producer, json!({}))?;
    for partition in 0..partitions {
        let send = json!({ "topic": topic, "partition": partition, "values": [LAST] });
        driver.call("send", &producer, send)?;
    }
    driver.call("end", &producer, json!({ "commit": true }))?;
    driver.call("close", &producer, json!({}))?;
    let all: Vec<_> = (0..partitions).map(|partition| json!([topic, partition])).collect();
    let assign = json!({ "bootstrap": stage.bootstrap(), "partitions": all, "from": "earliest",
        "isolation": "read_committed" });
    driver.call("assign", id, assign)?;
    stage.wait(&format!("{topic} to be read to the end"), |story| {
        let ends = story.values(id).iter().filter(|value| *value == LAST).count();
        (ends == partitions as usize).then_some(())
    })?;
    driver.call("close", id, json!({})).map(drop)
}

/// Every record that was acknowledged in `from` came to `to` exactly once, and the history as a whole is sound.
pub fn exactly_once(story: &Story, from: &str, to: &str) -> Outcome<()> {
    let history = history(story, to);
    let mut anomalies: Vec<Anomaly> = ottla_history::check(&history);
    // The readers are assigned by hand.
    anomalies.retain(|anomaly| !anomaly.kind.is_allowed(false));
    let (certain, perhaps) = produced(story, from);
    let output: Vec<String> = drained(story, to);
    anomalies.extend(ottla_history::transfer(
        certain.iter().map(String::as_str),
        perhaps.iter().map(String::as_str),
        output.iter().map(String::as_str),
    ));
    expect(!certain.is_empty(), || "nothing was put in".to_owned())?;
    judged(&anomalies)
}

/// Fails with the first of what is wrong.
fn judged(anomalies: &[Anomaly]) -> Outcome<()> {
    if anomalies.is_empty() {
        return Ok(());
    }
    let first: Vec<String> = anomalies.iter().take(5).map(ToString::to_string).collect();
    unmet(format!("{} anomalies: {}", anomalies.len(), first.join("; ")))
}

/// What the last reader of a topic read, without the mark at the end.
pub fn drained(story: &Story, topic: &str) -> Vec<String> {
    let reads = records(story, topic);
    let Some(last) = reads.last().map(|event| event.id.clone()) else {
        return Vec::new();
    };
    let of_last = reads.iter().filter(|event| event.id == last);
    of_last
        .flat_map(|event| event.values())
        .filter(|value| value != LAST)
        .collect()
}

fn records<'a>(story: &'a Story, topic: &str) -> Vec<&'a Event> {
    let events = story.events.iter();
    events
        .filter(|e| e.kind == Kind::Records && e.text("topic") == topic)
        .collect()
}

/// The values put into a topic: those acknowledged, and those nobody knows of.
fn produced(story: &Story, topic: &str) -> (Vec<String>, Vec<String>) {
    let (mut certain, mut perhaps) = (Vec::new(), Vec::new());
    for sent in story.events.iter().filter(|e| is_produce(e, topic)) {
        let answer = story
            .events
            .iter()
            .find(|e| e.kind == Kind::Done && e.id == sent.id && e.process == sent.process);
        let acks = answer.and_then(|answer| answer.body["acks"].as_array());
        let acked: BTreeSet<i64> = acks.into_iter().flatten().filter_map(|ack| ack[0].as_i64()).collect();
        for number in sent.number("first")..sent.number("first") + sent.number("count") {
            let into = if acked.contains(&number) {
                &mut certain
            } else {
                &mut perhaps
            };
            into.push(format!("v-{number}"));
        }
    }
    (certain, perhaps)
}

fn is_produce(event: &Event, topic: &str) -> bool {
    event.kind == Kind::Sent && event.text("cmd") == "produce" && event.text("topic") == topic
}

/// The transactions of all transforms, and what was read of the topic they write to.
pub fn history(story: &Story, to: &str) -> History {
    let mut transactions: BTreeMap<(usize, &str, i64), usize> = BTreeMap::new();
    let mut operations: Vec<Operation> = Vec::new();
    for event in &story.events {
        let at = story.when(event);
        let process = format!("{}/{}", event.process, event.id);
        match event.kind {
            Kind::Sending | Kind::Ending | Kind::Finished => {
                let transaction = (event.process, event.id.as_str(), event.number("txn"));
                let index = *transactions.entry(transaction).or_insert_with(|| {
                    operations.push(operation(process, at));
                    operations.len() - 1
                });
                progress(&mut operations[index], event, at);
            }
            Kind::Records if event.text("topic") == to => {
                operations.push(Operation {
                    outcome: Ended::Ok,
                    actions: vec![poll(event)],
                    ..operation(process, at)
                });
            }
            _ => {}
        }
    }
    History {
        operations,
        drained: true,
    }
}

/// An operation that has begun and of which nothing else is known.
fn operation(process: String, at: i64) -> Operation {
    Operation {
        process,
        began: at,
        decided: at - CLOCK,
        ended: at,
        outcome: Ended::Info,
        repositioned: false,
        actions: Vec::new(),
    }
}

/// What an event adds to what is known of a transaction.
fn progress(operation: &mut Operation, event: &Event, at: i64) {
    operation.ended = at;
    match event.kind {
        Kind::Sending => {
            let key = key(event);
            operation
                .actions
                .extend(event.values().into_iter().map(|value| Action::Send {
                    key: key.clone(),
                    value,
                    offset: None,
                }));
        }
        Kind::Ending => {
            operation.decided = at - CLOCK;
            place(operation, event);
        }
        _ if event.body["committed"] == true => operation.outcome = Ended::Ok,
        _ => operation.outcome = Ended::Fail,
    }
}

/// Fills in where the records of a transaction came to lie.
fn place(operation: &mut Operation, event: &Event) {
    let mut placed: BTreeMap<(Key, String), i64> = BTreeMap::new();
    for sent in event.body["sent"].as_array().into_iter().flatten() {
        if let (Some(topic), Some(partition), Some(offset), Some(value)) =
            (sent[0].as_str(), sent[1].as_i64(), sent[2].as_i64(), sent[3].as_str())
        {
            let topic = topic.to_owned();
            placed.insert((Key { topic, partition }, value.to_owned()), offset);
        }
    }
    for action in &mut operation.actions {
        if let Action::Send { key, value, offset } = action {
            *offset = placed.get(&(key.clone(), value.clone())).copied();
        }
    }
}

fn poll(event: &Event) -> Action {
    let records = event.read().into_iter().zip(event.values());
    Action::Poll {
        key: key(event),
        // The mark at the end comes once in every partition and from every reader of its own.
        records: records.filter(|(_, value)| value != LAST).collect(),
    }
}

fn key(event: &Event) -> Key {
    let (topic, partition) = event.partition();
    Key { topic, partition }
}
