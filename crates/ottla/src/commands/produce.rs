//! `ottla produce`: lines of stdin become records.

use std::collections::BTreeMap;
use std::io::BufRead;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use ottla_client::{Acks, Delivery, Producer, ProducerConfig, ProducerRecord};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, say};
use crate::session::{Session, Shared, check_partition};

/// Write records: one for each line of stdin.
///
/// Records with a key go to the partition that Kafka's own producer chooses. In the end, stderr says what went where.
#[derive(Args)]
#[command(after_help = "Examples:
  echo hello | ottla produce orders
  ottla produce orders --key-separator : <<< 'customer-7:{\"total\": 12}'
  ottla produce orders --json < lines.txt | jq .offset")]
pub(crate) struct Produce {
    /// The topic; it must exist
    topic: String,
    /// What stands between key and value in each line [default: lines have no key]
    #[arg(long, value_name = "SEP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key_separator: Option<String>,
    /// The partition for all records [default: by the key]
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// Who must have a record before it counts: all replicas, durably; the leader; nobody
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksOption,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AcksOption {
    All,
    #[value(name = "1")]
    Leader,
    #[value(name = "0")]
    None,
}

#[derive(Serialize)]
struct Acknowledged<'a> {
    topic: &'a str,
    partition: i32,
    offset: Option<i64>,
}

impl Produce {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let shared = self.shared.clone();
        shared.run(async |session| self.produce(&session).await)
    }

    async fn produce(self, session: &Session) -> Result<(), Failure> {
        for topic in session.topics(std::slice::from_ref(&self.topic)).await? {
            self.partition.map_or(Ok(()), |index| check_partition(&topic, index))?;
        }
        let producer = Producer::start(session.client.clone(), self.producer_config())?;
        let (deliveries, waiting) = mpsc::channel(WAITING_MAX);
        let acknowledged = tokio::spawn(acknowledge(waiting, session.json));
        let mut lines = lines_of_stdin();
        let mut number = 0_u64;
        let mut sent = Ok(());
        while let Some(line) = lines.recv().await {
            number += 1;
            sent = self.send(&producer, &deliveries, line, number).await;
            // The other side ends early if a record was refused or nobody reads stdout; it knows more.
            if sent.is_err() || deliveries.is_closed() {
                break;
            }
        }
        drop(deliveries);
        let outcome = acknowledged.await.map_err(Failure::failed)?;
        self.summarize(&outcome.records);
        outcome.result.and(sent)
    }

    fn producer_config(&self) -> ProducerConfig {
        let acks = match self.acks {
            AcksOption::All => Acks::All,
            AcksOption::Leader => Acks::Leader,
            AcksOption::None => Acks::None,
        };
        ProducerConfig {
            acks,
            idempotent: acks == Acks::All,
            ..ProducerConfig::default()
        }
    }

    async fn send(
        &self,
        producer: &Producer,
        deliveries: &mpsc::Sender<Delivery>,
        line: std::io::Result<Bytes>,
        number: u64,
    ) -> Result<(), Failure> {
        let line = line.map_err(|error| Failure::failed(format!("cannot read stdin: {error}")))?;
        let (key, value) = match &self.key_separator {
            Some(separator) => {
                let (key, value) = split(&line, separator.as_bytes()).ok_or_else(|| {
                    let what = format!(
                        "line {number} has no {separator:?}, so no key; it and the lines behind it are not sent"
                    );
                    Failure::failed(what)
                })?;
                (Some(key), value)
            }
            None => (None, line),
        };
        let record = ProducerRecord {
            topic: self.topic.clone(),
            partition: self.partition,
            key,
            value: Some(value),
            ..ProducerRecord::default()
        };
        let delivery = producer.send(record).await?;
        // If nobody waits for it any more, the caller sees that.
        let _ = deliveries.send(delivery).await;
        Ok(())
    }

    fn summarize(&self, records: &BTreeMap<i32, u64>) {
        let total: u64 = records.values().sum();
        let total = counted(total, "record");
        let share = |(partition, count): (&i32, &u64)| format!("{count} to partition {partition}");
        let shares = records.iter().map(share).collect::<Vec<_>>().join(", ");
        let topic = &self.topic;
        match (records.is_empty(), self.acks) {
            (true, _) => say(format_args!("no record was written to {topic}")),
            (_, AcksOption::None) => say(format_args!(
                "{total} sent to {topic}, acknowledged by nobody: {shares}"
            )),
            _ => say(format_args!("{total} written to {topic}: {shares}")),
        }
    }
}

struct Outcome {
    /// How many were acknowledged, by partition.
    records: BTreeMap<i32, u64>,
    result: Result<(), Failure>,
}

/// Waits for records in the order in which they were sent, until one fails or no more come.
async fn acknowledge(mut waiting: mpsc::Receiver<Delivery>, json: bool) -> Outcome {
    let mut records = BTreeMap::new();
    let result = async {
        let mut output = Output::stdout();
        while let Some(delivery) = waiting.recv().await {
            let delivered = delivery.wait().await?;
            *records.entry(delivered.partition.index.0).or_default() += 1;
            if json {
                output.object(&Acknowledged {
                    topic: delivered.partition.topic.as_str(),
                    partition: delivered.partition.index.0,
                    offset: delivered.offset,
                })?;
            }
            if waiting.is_empty() {
                output.flush()?;
            }
        }
        output.flush()
    };
    let result = result.await;
    Outcome { records, result }
}

/// stdin has a thread of its own, since reading it cannot be interrupted.
fn lines_of_stdin() -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let line = match stdin.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    line.pop_if(|byte| *byte == b'\n');
                    Ok(Bytes::from(line))
                }
                Err(error) => Err(error),
            };
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    lines
}

/// What is before and behind the first `separator`.
fn split(line: &Bytes, separator: &[u8]) -> Option<(Bytes, Bytes)> {
    let at = line.windows(separator.len()).position(|window| window == separator)?;
    Some((line.slice(..at), line.slice(at + separator.len()..)))
}

/// Lines read ahead.
const LINES_MAX: usize = 1_000;
/// Records sent and not yet acknowledged.
const WAITING_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_separator() {
        let split = |line: &'static str| split(&Bytes::from(line), b"::");
        assert_eq!(split("a::b::c"), Some((Bytes::from("a"), Bytes::from("b::c"))));
        assert_eq!(split("::"), Some((Bytes::new(), Bytes::new())));
        assert_eq!(split("a:b"), None);
    }
}
