//! An idempotent producer as real clients are: up to five requests in flight, and whatever was not acknowledged is sent
//! again, in order, with the sequences it had.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use ottla_log::Codec;
use ottla_model::ErrorCode;

use super::{PARTITIONS, PAUSE, Stage, TOPIC};
use crate::client::{Client, PRODUCE, code, produce_request};
use crate::content::{Sender, Shape, Value, batch};
use crate::history::Event;
use crate::random::Random;
use crate::trouble::{Trouble, expect};

/// Requests under way at once, as many as Kafka keeps batches of a producer for.
const IN_FLIGHT_MAX: usize = 5;
/// Batches in one request, each of another partition.
const BATCHES_MAX: u64 = 3;
/// Answers in a row that refuse a batch before the broker is said to be stuck.
const REFUSALS_MAX: u32 = 400;

struct Producer<'a> {
    stage: &'a Stage,
    name: String,
    number: u64,
    random: Random,
    id: i64,
    epoch: i16,
    /// How many records each partition was given.
    given: BTreeMap<i32, u64>,
    /// Everything not acknowledged, in the order of sending.
    pending: VecDeque<Pending>,
    refusals: u32,
}

/// A batch that waits for its acknowledgement.
struct Pending {
    partition: i32,
    first: Value,
    count: u64,
    bytes: Bytes,
    /// The partition's end when the batch was about to be sent again.
    end_before: Option<i64>,
}

/// A request under way: which batches it holds.
struct Flight {
    correlation_id: i32,
    firsts: Vec<Value>,
}

/// Produces until the load ends and everything is acknowledged.
pub(super) fn run(stage: &Stage, number: u64, random: Random) {
    let name = format!("producer-{number}");
    let Some((id, epoch)) = init(stage, &name) else { return };
    let mut producer = Producer {
        stage,
        name,
        number,
        random,
        id,
        epoch,
        given: BTreeMap::new(),
        pending: VecDeque::new(),
        refusals: 0,
    };
    while let Some(mut client) = producer.stage.connect() {
        match producer.work(&mut client) {
            Ok(true) => break,
            Ok(false) => {}
            Err(trouble) => stage.excuse(&producer.name, &trouble),
        }
    }
    if !producer.pending.is_empty() {
        let what = format!("{} batches were never acknowledged", producer.pending.len());
        stage.history.add(&producer.name, Event::Wrong { what });
    }
}

fn init(stage: &Stage, name: &str) -> Option<(i64, i16)> {
    loop {
        match stage.connect()?.init_producer() {
            Ok(ids) => return Some(ids),
            Err(trouble) => stage.excuse(name, &trouble),
        }
    }
}

impl Producer<'_> {
    /// Uses one connection until it breaks or an answer refuses a batch; true when all is done for good.
    fn work(&mut self, client: &mut Client) -> Result<bool, Trouble> {
        let mut flights = VecDeque::new();
        self.note_ends(client)?;
        let again = self.pending.iter().map(|pending| pending.first).collect::<Vec<_>>();
        for first in again {
            self.send(client, vec![first], &mut flights)?;
            while flights.len() >= IN_FLIGHT_MAX {
                if !self.receive(client, &mut flights)? {
                    return self.drain(client, flights);
                }
            }
        }
        loop {
            while flights.len() < IN_FLIGHT_MAX && !self.stage.is_ending() && !self.stage.is_paused() {
                let batches = self.make();
                self.send(client, batches, &mut flights)?;
            }
            if flights.is_empty() {
                if self.stage.is_ending() {
                    return Ok(true);
                }
                std::thread::sleep(PAUSE);
            } else if !self.receive(client, &mut flights)? {
                return self.drain(client, flights);
            }
            // Leaves the machine some time for the broker; the more producers wait, the less a round reads back.
            std::thread::sleep(Duration::from_micros(self.random.between(500, 4_000)));
        }
    }

    /// Where the partitions end now: a batch that is acknowledged below was stored when it was sent before.
    fn note_ends(&mut self, client: &mut Client) -> Result<(), Trouble> {
        for pending in &mut self.pending {
            pending.end_before = Some(client.list_offset(TOPIC, pending.partition, -1)?);
        }
        self.stage
            .retried
            .fetch_add(self.pending.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the answers still to come; those after a refused batch are refused as well, or are repeats.
    fn drain(&mut self, client: &mut Client, mut flights: VecDeque<Flight>) -> Result<bool, Trouble> {
        while !flights.is_empty() {
            self.receive(client, &mut flights)?;
        }
        std::thread::sleep(PAUSE);
        Ok(false)
    }

    /// New batches, each for another partition, of all sizes.
    fn make(&mut self) -> Vec<Value> {
        let count = self.random.between(1, BATCHES_MAX);
        let from = self.random.between(0, PARTITIONS as u64 - 1) as i32;
        (0..count as i32)
            .map(|step| self.make_one((from + step) % PARTITIONS))
            .collect()
    }

    fn make_one(&mut self, partition: i32) -> Value {
        let codec = if self.random.once_in(5) {
            Codec::Lz4
        } else {
            Codec::None
        };
        let shape = match self.random.between(0, 39) {
            0 => Shape {
                records: self.random.between(100, 400),
                record_bytes: 1_000,
                codec,
            },
            1..=8 => Shape {
                records: self.random.between(10, 50),
                record_bytes: 200,
                codec,
            },
            _ => Shape {
                records: self.random.between(1, 5),
                record_bytes: 100,
                codec,
            },
        };
        let number = self.given.entry(partition).or_default();
        let first = Value::new(self.number, partition, *number);
        let sender = Sender {
            id: self.id,
            epoch: self.epoch,
            sequence: *number as i32,
        };
        *number += shape.records;
        let bytes = batch(first, shape, Some(sender));
        self.pending.push_back(Pending {
            partition,
            first,
            count: shape.records,
            bytes,
            end_before: None,
        });
        self.stage.open.fetch_add(1, Ordering::Relaxed);
        first
    }

    fn send(&mut self, client: &mut Client, firsts: Vec<Value>, flights: &mut VecDeque<Flight>) -> Result<(), Trouble> {
        let mut batches = Vec::new();
        for pending in self.pending.iter().filter(|pending| firsts.contains(&pending.first)) {
            let Pending {
                partition,
                first,
                count,
                ..
            } = *pending;
            self.stage.history.add(
                &self.name,
                Event::Send {
                    partition,
                    first,
                    count,
                },
            );
            batches.push((partition, pending.bytes.clone()));
        }
        let correlation_id = client.connection.send(PRODUCE, &produce_request(TOPIC, -1, batches))?;
        flights.push_back(Flight { correlation_id, firsts });
        Ok(())
    }

    /// Takes one answer; false if it refuses a batch, so that all must be sent again.
    fn receive(&mut self, client: &mut Client, flights: &mut VecDeque<Flight>) -> Result<bool, Trouble> {
        let (correlation_id, answer) = client.connection.receive::<ProduceRequest>(PRODUCE)?;
        let flight = flights
            .pop_front()
            .ok_or_else(|| Trouble::new("an answer to nothing"))?;
        expect(correlation_id == flight.correlation_id, || {
            "malformed order of answers".to_owned()
        })?;
        Ok(self.judge(&flight, &answer))
    }

    fn judge(&mut self, flight: &Flight, answer: &ProduceResponse) -> bool {
        let mut all_taken = true;
        for partition in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
            let first = flight.firsts.iter().find(|first| first.partition() == partition.index);
            let at = first.and_then(|first| self.pending.iter().position(|pending| pending.first == *first));
            let Some(at) = at else { continue };
            if partition.error_code == 0 {
                self.take(at, partition.base_offset);
            } else {
                all_taken = false;
                self.refused(at, partition.error_code);
            }
        }
        all_taken
    }

    fn take(&mut self, at: usize, offset: i64) {
        let Some(pending) = self.pending.remove(at) else { return };
        let Pending {
            partition,
            first,
            count,
            ..
        } = pending;
        if pending.end_before.is_some_and(|end| offset < end) {
            self.stage.deduplicated.fetch_add(1, Ordering::Relaxed);
        }
        self.refusals = 0;
        self.stage.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.stage.open.fetch_sub(1, Ordering::Relaxed);
        self.stage.history.add(
            &self.name,
            Event::Acked {
                partition,
                first,
                count,
                offset,
            },
        );
    }

    /// Some refusals pass when the batch is sent again; others mean that the broker has forgotten what it acknowledged.
    fn refused(&mut self, at: usize, number: i16) {
        self.refusals += 1;
        let partition = self.pending[at].partition;
        let is_first = !self.pending.iter().take(at).any(|before| before.partition == partition);
        let passes = match ErrorCode::from_number(number) {
            Some(ErrorCode::OutOfOrderSequenceNumber) => !is_first,
            Some(
                ErrorCode::NotLeaderOrFollower
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::RequestTimedOut
                | ErrorCode::KafkaStorageError
                | ErrorCode::NotEnoughReplicas,
            ) => self.refusals < REFUSALS_MAX,
            _ => false,
        };
        if !passes {
            let what = format!("{} was refused: {}", self.pending[at].first, code(number));
            self.stage.history.add(&self.name, Event::Wrong { what });
            // It will never be taken; going on would only repeat this.
            self.pending.remove(at);
            self.stage.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
