//! Transactional producers on one thread, each on a connection of its own: a batch for its partitions and a position of its
//! group, then the commit, again and again, by the rules of KIP-890.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{EndTxnRequest, GroupId, ProducerId, TransactionalId};
use kafka_protocol::protocol::{Encodable, StrBytes};
use ottla_wire::Api;

use super::answer::{ended, refused_batch, refused_offset};
use super::frame::{ProduceFrame, Producer};
use super::link::Link;
use super::ready::Ready;
use super::run::{PATIENCE, latencies};
use crate::admin::Admin;
use crate::wire;

const OFFSETS_VERSION: i16 = 5;
const END_VERSION: i16 = 5;
/// Room for a producer's answers, which are small.
const INPUT_BYTES: usize = 4 << 10;
/// How long to wait before asking again what was refused for the moment.
const PAUSE: Duration = Duration::from_millis(5);
/// How long to wait where nothing happens.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// Errors by which a broker asks to be asked again: COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR,
/// NOT_ENOUGH_REPLICAS, CONCURRENT_TRANSACTIONS.
const AGAIN: [i16; 5] = [14, 15, 16, 19, 51];

/// What the producers do.
#[derive(Clone, Copy, Debug)]
pub struct TransactionPlan<'a> {
    /// The topic, whose partitions exist.
    pub topic: &'a str,
    /// How many producers there are.
    pub producers: usize,
    /// Partitions that each of them writes to, which no other does.
    pub partitions_each: usize,
    /// What every transaction writes to each of its partitions.
    pub batch: &'a Bytes,
    /// Transactional ids and groups begin with it.
    pub name: &'a str,
}

/// How long, and how often a producer commits.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// From the beginning of a transaction to its commit, at least.
    pub interval: Duration,
    /// After this no transaction is begun.
    pub time: Duration,
}

/// What came of it.
pub struct Transacted {
    /// Transactions committed.
    pub count: u64,
    /// What was refused for the moment, how often with which error code.
    pub again: BTreeMap<(&'static str, i16), u64>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From asking for the commit to the answer, in microseconds.
    pub commit: Histogram<u64>,
}

impl Transacted {
    /// Transactions a second.
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile of the time a commit takes, in milliseconds.
    pub fn commit_millis_at(&self, quantile: f64) -> f64 {
        self.commit.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Producers that are connected and initialized.
pub struct Transactors {
    all: Vec<Transactor>,
    ready: Ready,
}

impl Transactors {
    /// Connects the producers of a plan and has them initialized.
    pub fn open(address: &str, plan: &TransactionPlan<'_>) -> Result<Transactors, String> {
        let mut admin = Admin::connect(address)?;
        let mut transactors = Transactors {
            all: Vec::new(),
            ready: Ready::new()?,
        };
        for number in 0..plan.producers {
            let transactor = Transactor::open(address, plan, number, &mut admin)?;
            transactors.ready.watch(&transactor.link, number)?;
            transactors.all.push(transactor);
        }
        Ok(transactors)
    }

    /// Does transactions.
    pub fn run(&mut self, rhythm: Rhythm) -> Result<Transacted, String> {
        let start = Instant::now();
        let end = start + rhythm.time;
        let mut tally = Transacted {
            count: 0,
            again: BTreeMap::new(),
            elapsed: Duration::ZERO,
            commit: latencies(),
        };
        let mut numbers: Vec<usize> = (0..self.all.len()).collect();
        let mut progress = (0, start);
        loop {
            for number in &numbers {
                self.all[*number].read(&mut tally)?;
            }
            let now = Instant::now();
            let mut next = now + WAIT_MAX;
            for transactor in &mut self.all {
                if let Some(at) = transactor.go_on(now, end, rhythm.interval)? {
                    next = next.min(at);
                }
            }
            if now >= end && self.all.iter().all(Transactor::is_idle) {
                break;
            }
            if tally.count != progress.0 {
                progress = (tally.count, now);
            } else if now - progress.1 > PATIENCE {
                return Err(format!("no transaction ended for {PATIENCE:?} after {}", tally.count));
            }
            self.ready.wait(next.saturating_duration_since(now), &mut numbers)?;
        }
        tally.elapsed = start.elapsed();
        Ok(tally)
    }
}

/// One producer.
struct Transactor {
    link: Link,
    output: Vec<u8>,
    producer: Producer,
    produce: ProduceFrame,
    offsets: Stamped,
    end: Stamped,
    state: State,
    /// What was asked and is not answered, in order.
    asked: VecDeque<Asked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Produce,
    Offsets,
    End(Instant),
}

impl Asked {
    fn name(self) -> &'static str {
        match self {
            Asked::Produce => "Produce",
            Asked::Offsets => "TxnOffsetCommit",
            Asked::End(_) => "EndTxn",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// Begun at a time; what it consists of is on its way, or to be sent again.
    Open {
        began: Instant,
        produce: Part,
        offsets: Part,
    },
    /// Asked to be committed for the first time then, or to be asked again.
    Ending {
        since: Instant,
        part: Part,
    },
}

/// A request of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Asked,
    Again(Instant),
    Done,
}

impl Part {
    fn refused(error: i16) -> Result<Part, i16> {
        if AGAIN.contains(&error) {
            Ok(Part::Again(Instant::now() + PAUSE))
        } else {
            Err(error)
        }
    }

    fn is_due(self, now: Instant) -> bool {
        matches!(self, Part::Again(at) if at <= now)
    }

    fn at(self) -> Option<Instant> {
        match self {
            Part::Again(at) => Some(at),
            Part::Asked | Part::Done => None,
        }
    }
}

impl Transactor {
    fn open(address: &str, plan: &TransactionPlan<'_>, number: usize, admin: &mut Admin) -> Result<Transactor, String> {
        let id = format!("{}-{number}", plan.name);
        let first = number * plan.partitions_each;
        let partitions: Vec<i32> = (first..first + plan.partitions_each)
            .map(|index| index as i32)
            .collect();
        Ok(Transactor {
            link: Link::with_room(address, INPUT_BYTES)?,
            output: Vec::new(),
            producer: admin.transactional_producer(&id)?,
            produce: ProduceFrame::transactional(&id, plan.topic, &partitions, plan.batch)?,
            offsets: Stamped::new(
                Api::TxnOffsetCommit,
                OFFSETS_VERSION,
                &offsets(&id, plan.topic, partitions[0]),
            )?,
            end: Stamped::new(Api::EndTxn, END_VERSION, &end(&id))?,
            state: State::Idle,
            asked: VecDeque::with_capacity(4),
        })
    }

    fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Sends what is due and says when to look again.
    fn go_on(&mut self, now: Instant, end: Instant, interval: Duration) -> Result<Option<Instant>, String> {
        let next = match &mut self.state {
            State::Idle if now >= end => None,
            State::Idle => {
                self.begin(now);
                None
            }
            State::Open {
                began,
                produce: Part::Done,
                offsets: Part::Done,
            } => {
                let at = *began + interval;
                if at > now {
                    Some(at)
                } else {
                    self.state = State::Ending {
                        since: now,
                        part: Part::Asked,
                    };
                    self.ask(Asked::End(now));
                    None
                }
            }
            State::Open { produce, offsets, .. } => {
                let due = (produce.is_due(now), offsets.is_due(now));
                if due.0 {
                    *produce = Part::Asked;
                }
                if due.1 {
                    *offsets = Part::Asked;
                }
                let next = [produce.at(), offsets.at()].into_iter().flatten().min();
                if due.0 {
                    self.ask(Asked::Produce);
                }
                if due.1 {
                    self.ask(Asked::Offsets);
                }
                next
            }
            State::Ending { since, part } => {
                if part.is_due(now) {
                    *part = Part::Asked;
                    let since = *since;
                    self.ask(Asked::End(since));
                    None
                } else {
                    part.at()
                }
            }
        };
        self.flush()?;
        Ok(next)
    }

    fn begin(&mut self, now: Instant) {
        self.produce.stamp(self.producer);
        self.offsets.stamp(self.producer);
        self.end.stamp(self.producer);
        self.state = State::Open {
            began: now,
            produce: Part::Asked,
            offsets: Part::Asked,
        };
        self.ask(Asked::Produce);
        self.ask(Asked::Offsets);
    }

    fn ask(&mut self, asked: Asked) {
        self.asked.push_back(asked);
        self.output.extend_from_slice(match asked {
            Asked::Produce => self.produce.bytes(),
            Asked::Offsets => &self.offsets.bytes,
            Asked::End(_) => &self.end.bytes,
        });
    }

    fn flush(&mut self) -> Result<(), String> {
        while !self.output.is_empty() {
            let written = self.link.write(&self.output)?;
            if written == 0 {
                break;
            }
            self.output.drain(..written);
        }
        Ok(())
    }

    fn read(&mut self, tally: &mut Transacted) -> Result<(), String> {
        let (asked, state, producer) = (&mut self.asked, &mut self.state, &mut self.producer);
        self.link.read(|frame| {
            let asked = asked.pop_front().ok_or("an answer came to no request")?;
            take(asked, frame, state, producer, tally)
        })
    }
}

/// What an answer makes of a transaction.
fn take(
    asked: Asked,
    frame: &[u8],
    state: &mut State,
    producer: &mut Producer,
    tally: &mut Transacted,
) -> Result<(), String> {
    let refusal = match asked {
        Asked::Produce => refused_batch(frame)?.map(|refusal| refusal.error),
        Asked::Offsets => refused_offset(frame)?.map(|refusal| refusal.error),
        Asked::End(_) => match ended(frame)? {
            Ok(next) => {
                *producer = next;
                None
            }
            Err(error) => Some(error),
        },
    };
    let answered = match refusal {
        None => Part::Done,
        Some(error) => {
            *tally.again.entry((asked.name(), error)).or_default() += 1;
            Part::refused(error).map_err(|error| format!("{asked:?} was refused with error {error}"))?
        }
    };
    match (state, asked) {
        (State::Open { produce, .. }, Asked::Produce) => *produce = answered,
        (State::Open { offsets, .. }, Asked::Offsets) => *offsets = answered,
        (state @ State::Ending { .. }, Asked::End(since)) if answered == Part::Done => {
            tally.count += 1;
            tally
                .commit
                .saturating_record(since.elapsed().as_micros().max(1) as u64);
            *state = State::Idle;
        }
        (State::Ending { part, .. }, Asked::End(_)) => *part = answered,
        (state, asked) => return Err(format!("an answer to {asked:?} came in {state:?}")),
    }
    Ok(())
}

/// A request whose producer is filled in each time it is sent.
struct Stamped {
    bytes: Vec<u8>,
    at: usize,
}

/// Stands for the producer in a request until it is known.
const UNKNOWN: Producer = Producer {
    id: 0x5ee5_5ee5_1dd1_1dd1,
    epoch: 0x7ee7,
};

impl Stamped {
    fn new<Q: Encodable>(api: Api, version: i16, request: &Q) -> Result<Stamped, String> {
        let bytes = wire::frame(api, version, 0, request)?.to_vec();
        let unknown = encoded(UNKNOWN);
        let at = bytes.windows(unknown.len()).position(|window| window == unknown);
        let at = at.ok_or("a request names no producer")?;
        Ok(Stamped { bytes, at })
    }

    fn stamp(&mut self, producer: Producer) {
        self.bytes[self.at..self.at + 10].copy_from_slice(&encoded(producer));
    }
}

fn encoded(producer: Producer) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&producer.id.to_be_bytes());
    bytes[8..].copy_from_slice(&producer.epoch.to_be_bytes());
    bytes
}

/// A position in one partition for a group without members, named as the transactional id.
fn offsets(id: &str, topic: &str, partition: i32) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(1_000_000)
        .with_committed_metadata(Some(StrBytes::default()));
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(wire::topic_name(topic))
        .with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(id.to_owned())))
        .with_group_id(GroupId(StrBytes::from_string(id.to_owned())))
        .with_producer_id(ProducerId(UNKNOWN.id))
        .with_producer_epoch(UNKNOWN.epoch)
        .with_generation_id(-1)
        .with_topics(vec![topic])
}

fn end(id: &str) -> EndTxnRequest {
    EndTxnRequest::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(id.to_owned())))
        .with_producer_id(ProducerId(UNKNOWN.id))
        .with_producer_epoch(UNKNOWN.epoch)
        .with_committed(true)
}

#[cfg(test)]
mod tests {
    use ottla_wire::RequestHeader;

    use super::*;

    #[test]
    fn a_stamped_request_names_the_producer() {
        let mut stamped = Stamped::new(Api::EndTxn, END_VERSION, &end("id")).unwrap();
        stamped.stamp(Producer { id: 77, epoch: 3 });
        let mut body = Bytes::copy_from_slice(&stamped.bytes[4..]);
        let header = RequestHeader::decode(&mut body).unwrap();
        let request: EndTxnRequest = ottla_wire::decode(header.api, header.version, body).unwrap();
        assert_eq!((request.producer_id.0, request.producer_epoch), (77, 3));
    }

    #[test]
    fn what_is_refused_for_the_moment_is_asked_again_and_nothing_else() {
        assert!(matches!(Part::refused(51), Ok(Part::Again(_))));
        assert_eq!(Part::refused(90), Err(90));
    }
}
