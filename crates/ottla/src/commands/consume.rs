//! `ottla consume`: records to stdout, alone or as a member of a group.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use ottla_client::{Client, ConsumedRecord, Consumer, ConsumerConfig, Event, OffsetSpec, Reset};
use ottla_model::TopicPartition;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};
use crate::lag::Extent;
use crate::output::{Output, counted, runs, say};
use crate::place::Place;
use crate::session::{Session, Shared, check_partition, partitions_of};

mod record;

/// Read records: each value on a line, until Ctrl-C.
///
/// Alone, it reads all partitions from the first record on, or from where --from says. With --group it joins the group,
/// reads what the group assigns to it from where the group left off (where nothing is committed: from the first record
/// on, or with --from latest from the next), commits what it printed, and leaves the group at the end.
#[derive(Args)]
#[command(after_help = "Examples:
  ottla consume orders                            # everything, then what comes
  ottla consume orders --from \"10m ago\" --json    # with keys, offsets and times
  ottla consume orders refunds --group billing    # share the work; Ctrl-C leaves at once
  ottla consume orders --partition 3 --from 42 --max 1")]
pub(crate) struct Consume {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Join this group and commit to it
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Where to begin: earliest, latest, an offset (or the nearest each partition has), "2h ago", or a time as in
    /// 2026-09-01T10:00:00Z
    #[arg(long, value_name = "PLACE", default_value = "earliest", allow_hyphen_values = true)]
    from: Place,
    /// End after so many records
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// How long the group waits for this member if it is killed, in seconds
    #[arg(long, value_name = "SECONDS", requires = "group", value_parser = clap::value_parser!(u64).range(1..))]
    session_timeout: Option<u64>,
    /// Only this partition of each topic
    #[arg(long, value_name = "N", conflicts_with = "group")]
    partition: Option<i32>,
    #[command(flatten)]
    shared: Shared,
}

impl Consume {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let reset = self.reset()?;
        let shared = self.shared.clone();
        shared.run(async |session| {
            let consumer = self.consumer(&session, reset).await?;
            let mut reading = Reading {
                consumer,
                group: self.group,
                json: session.json,
                left: self.max,
                output: Output::stdout(),
                printed: BTreeMap::new(),
                uncommitted: BTreeMap::new(),
                commit_at: Instant::now() + COMMIT_INTERVAL,
                client: session.client,
                is_unreachable: false,
                checked_at: Instant::now(),
            };
            let mut ends = Ends::new()?;
            let outcome = reading.follow(&mut ends).await;
            let closed = tokio::select! {
                closed = reading.close() => closed,
                () = ends.wait() => Err(Failure::failed("stopped before the broker answered the farewell")),
                () = tokio::time::sleep(FAREWELL_MAX) => Err(Failure::failed(
                    "the broker does not answer the farewell, so the last offsets may not be committed, and the group \
                     waits until the session times out",
                )),
            };
            outcome.and(closed)
        })
    }

    /// Where to begin without an offset of the group's.
    fn reset(&self) -> Result<Reset, Failure> {
        match (self.from, &self.group) {
            (Place::Latest, _) => Ok(Reset::Latest),
            (Place::Earliest, _) | (_, None) => Ok(Reset::Earliest),
            (_, Some(group)) => Err(Failure::usage(format!(
                "a group goes on from what it committed, so --from is earliest or latest with --group; to move its \
                 offsets: ottla group reset-offsets {group} --topic {} --to PLACE",
                self.topics[0]
            ))),
        }
    }

    async fn consumer(&self, session: &Session, reset: Reset) -> Result<Consumer, Failure> {
        let config = ConsumerConfig {
            group: self.group.clone(),
            auto_commit: None,
            reset,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            session_timeout: self.session_timeout.map_or(SESSION_TIMEOUT, Duration::from_secs),
            ..ConsumerConfig::default()
        };
        let topics = session.topics(&self.topics).await?;
        let client = session.client.clone();
        if self.group.is_some() {
            let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
            return Ok(Consumer::subscribe(client, config, &names)?);
        }
        let mut partitions = Vec::new();
        for topic in &topics {
            match self.partition {
                Some(index) => {
                    check_partition(topic, index)?;
                    partitions.push(TopicPartition::new(topic.name.as_str(), index));
                }
                None => partitions.extend(partitions_of(topic)),
            }
        }
        let mut consumer = Consumer::assign(client, config, &partitions).await?;
        for (partition, offset) in self.starts(session, &partitions).await? {
            consumer.seek(&partition, offset)?;
        }
        Ok(consumer)
    }

    /// The offsets to begin at, where they are neither the first nor the next.
    async fn starts(
        &self,
        session: &Session,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        match self.from {
            Place::Earliest | Place::Latest => Ok(BTreeMap::new()),
            Place::Offset(offset) => {
                let extents = session.extents(partitions).await?;
                if let (true, Some((partition, extent))) = (extents.len() == 1, extents.first_key_value()) {
                    refuse_outside(offset, partition, *extent)?;
                }
                let start = |(partition, extent): (_, Extent)| (partition, offset.clamp(extent.start, extent.end));
                Ok(extents.into_iter().map(start).collect())
            }
            Place::Time(time) => {
                let spec = OffsetSpec::AtOrAfter(time.as_millisecond());
                let found = session.admin.list_offsets(partitions, spec, false).await?;
                let extents = session.extents(partitions).await?;
                let start = |(partition, extent): (TopicPartition, Extent)| {
                    let offset = found.get(&partition).and_then(|found| found.offset);
                    (partition, offset.unwrap_or(extent.end))
                };
                Ok(extents.into_iter().map(start).collect())
            }
        }
    }
}

fn refuse_outside(offset: i64, partition: &TopicPartition, extent: Extent) -> Result<(), Failure> {
    let Extent { start, end } = extent;
    match offset {
        _ if (start..=end).contains(&offset) => Ok(()),
        _ if start == end => Err(Failure::usage(format!(
            "{partition} has no offset {offset}: it is empty, and its next record gets {end}"
        ))),
        _ => Err(Failure::usage(format!(
            "{partition} has no offset {offset}: its records are at {start} to {}",
            end - 1
        ))),
    }
}

/// A consumer whose records go to stdout. What is committed was printed.
struct Reading {
    consumer: Consumer,
    group: Option<String>,
    json: bool,
    /// How many more to print; `None` for no end.
    left: Option<u64>,
    output: Output,
    /// How many were printed, by topic.
    printed: BTreeMap<String, u64>,
    uncommitted: BTreeMap<TopicPartition, i64>,
    commit_at: Instant,
    client: Client,
    is_unreachable: bool,
    checked_at: Instant,
}

impl Reading {
    async fn follow(&mut self, ends: &mut Ends) -> Result<(), Failure> {
        while self.left != Some(0) {
            let Some(event) = self.next(ends).await? else {
                return Ok(());
            };
            match event {
                Some(Event::Records(records)) => self.print(&records)?,
                Some(Event::Assigned(partitions)) => self.assigned(&partitions),
                Some(Event::Revoked(partitions)) => {
                    self.commit().await;
                    self.tell("rebalances, so this member gives back", &partitions);
                }
                Some(Event::Lost(partitions)) => {
                    self.uncommitted.clear();
                    self.tell("took this member out; others may read what it had:", &partitions);
                }
                None => self.check_broker().await,
            }
            if Instant::now() >= self.commit_at {
                self.commit().await;
            }
        }
        Ok(())
    }

    /// What comes next within a poll; `None` outside is the end. Joining may take long, and then says so.
    async fn next(&mut self, ends: &mut Ends) -> Result<Option<Option<Event>>, Failure> {
        let poll = self.consumer.poll(POLL);
        tokio::pin!(poll);
        tokio::select! {
            biased;
            () = ends.wait() => return Ok(None),
            event = &mut poll => return Ok(Some(event?)),
            () = tokio::time::sleep(PATIENCE) => {}
        }
        if let Some(group) = &self.group {
            say(format_args!(
                "group {group} is still rebalancing; `ottla group describe {group}` shows its members"
            ));
        }
        tokio::select! {
            biased;
            () = ends.wait() => Ok(None),
            event = poll => Ok(Some(event?)),
        }
    }

    /// Fetches go on by themselves until the broker is back, so only this tells that it is gone.
    async fn check_broker(&mut self) {
        if self.checked_at.elapsed() < PATIENCE {
            return;
        }
        self.checked_at = Instant::now();
        match (self.client.metadata(Some(&[]), false).await, self.is_unreachable) {
            (Err(error), false) => {
                let error = crate::explain::explain(&error);
                say(format_args!("going on when the broker is back: {error}"));
                self.is_unreachable = true;
            }
            (Ok(_), true) => {
                say("the broker is back");
                self.is_unreachable = false;
            }
            _ => {}
        }
    }

    fn print(&mut self, records: &[ConsumedRecord]) -> Result<(), Failure> {
        let mut positions = BTreeMap::new();
        for record in records {
            if self.left == Some(0) {
                break;
            }
            match self.json {
                true => self.output.object(&record::Json::of(record))?,
                false => self.output.line(record.value.as_deref().unwrap_or(b"null"))?,
            }
            self.left = self.left.map(|left| left - 1);
            positions.insert(record.partition.clone(), record.offset + 1);
            *self.printed.entry(record.partition.topic.to_string()).or_default() += 1;
        }
        // Only what has left this process may be committed.
        self.output.flush()?;
        if self.group.is_some() {
            self.uncommitted.extend(positions);
        }
        Ok(())
    }

    /// Where a member begins is committed too: else a partition without new records would begin anew each time.
    fn assigned(&mut self, partitions: &[TopicPartition]) {
        self.uncommitted = self.consumer.positions();
        self.tell("assigned to this member:", partitions);
    }

    fn tell(&self, what: &str, partitions: &[TopicPartition]) {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            topics
                .entry(partition.topic.as_str())
                .or_default()
                .push(partition.index.0);
        }
        let topic = |(topic, mut indexes): (&str, Vec<i32>)| {
            indexes.sort_unstable();
            format!("{topic} {}", runs(&indexes))
        };
        let share = match topics.is_empty() {
            true => "nothing: there are more members than partitions".to_owned(),
            false => topics.into_iter().map(topic).collect::<Vec<_>>().join("; "),
        };
        say(format_args!(
            "group {} {what} {share}",
            self.group.as_deref().unwrap_or_default()
        ));
    }

    /// A commit that fails is told but ends nothing: the records are read again.
    async fn commit(&mut self) {
        self.commit_at = Instant::now() + COMMIT_INTERVAL;
        if self.group.is_none() || self.uncommitted.is_empty() {
            return;
        }
        let offsets = std::mem::take(&mut self.uncommitted);
        if let Err(error) = self.consumer.commit_offsets(&offsets).await {
            let error = crate::explain::explain(&error);
            say(format_args!(
                "offsets were not committed, so records may be read again: {error}"
            ));
        }
    }

    async fn close(mut self) -> Result<(), Failure> {
        self.commit().await;
        self.consumer.close().await?;
        let printed: u64 = self.printed.values().sum();
        let printed = counted(printed, "record");
        match &self.group {
            Some(group) => say(format_args!("left group {group}; {printed} read")),
            None => say(format_args!("{printed} read")),
        }
        Ok(())
    }
}

/// Ctrl-C and SIGTERM.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    fn new() -> Result<Ends, Failure> {
        let signals = || -> std::io::Result<Ends> {
            Ok(Ends {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        };
        signals().map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

const POLL: Duration = Duration::from_millis(500);
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Members learn of a rebalance with a heartbeat. Kafka's 3 s would be felt at a terminal.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// A tool that was killed should not hold up its group for Kafka's 45 s.
const SESSION_TIMEOUT: Duration = Duration::from_secs(20);
/// Silence for longer than this is explained.
const PATIENCE: Duration = Duration::from_secs(3);
/// Whoever pressed Ctrl-C does not wait for longer than this.
const FAREWELL_MAX: Duration = Duration::from_secs(5);
