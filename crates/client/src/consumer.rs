//! A consumer: records of assigned partitions, assigned by hand or by a classic group.
//!
//! Everything happens in [`Consumer::poll`] except fetches under way and heartbeats. A rebalance is told in two events:
//! [`Event::Revoked`], after which offsets may still be committed, and [`Event::Assigned`] from a later poll.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ottla_model::TopicPartition;

use crate::admin::{Commit, OffsetSpec, commit_offsets, committed, list_offsets};
use crate::client::Client;
use crate::error::{ClientError, Result};

mod fetcher;
mod heartbeat;
mod membership;
mod records;

use fetcher::{Fetched, Fetcher};
use membership::Membership;

/// Where to begin when a group has no offset for a partition, or one that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// At the first record that is there.
    Earliest,
    /// At what comes next.
    Latest,
    /// Nowhere: it is an error.
    None,
}

/// How a consumer behaves. The defaults are those of Kafka's consumer.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The group; needed to subscribe and to commit.
    pub group: Option<String>,
    /// The static id within the group (KIP-345).
    pub instance: Option<String>,
    /// A member that is not heard of for so long is out.
    pub session_timeout: Duration,
    /// The time between heartbeats.
    pub heartbeat_interval: Duration,
    /// A member that does not poll for so long leaves (`max.poll.interval.ms`); also the longest rebalance.
    pub poll_interval_max: Duration,
    /// How often positions are committed without being asked; `None` for never.
    pub auto_commit: Option<Duration>,
    /// Where to begin without an offset.
    pub reset: Reset,
    /// Whether records of open and aborted transactions are held back (`read_committed`).
    pub committed_only: bool,
    /// A fetch waits until there are so many bytes ...
    pub fetch_bytes_min: i32,
    /// ... or so much time has passed.
    pub fetch_wait_max: Duration,
    /// The most bytes of one fetch.
    pub fetch_bytes_max: i32,
    /// The most bytes of one partition in one fetch.
    pub partition_bytes_max: i32,
}

impl Default for ConsumerConfig {
    fn default() -> ConsumerConfig {
        ConsumerConfig {
            group: None,
            instance: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            poll_interval_max: Duration::from_secs(300),
            auto_commit: Some(Duration::from_secs(5)),
            reset: Reset::Latest,
            committed_only: false,
            fetch_bytes_min: 1,
            fetch_wait_max: Duration::from_millis(500),
            fetch_bytes_max: 50 * 1024 * 1024,
            partition_bytes_max: 1024 * 1024,
        }
    }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// Where it lies.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970: of its producer, or of its append if the topic says so.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// What a poll found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Records, in order within each partition. The position is behind them.
    Records(Vec<ConsumedRecord>),
    /// The group rebalanced and these are this member's partitions now (all of them).
    Assigned(Vec<TopicPartition>),
    /// The group rebalances: these are given back with the next poll. Offsets may be committed until then.
    Revoked(Vec<TopicPartition>),
    /// The membership was lost, and with it these: others may own them already, and commits fail.
    Lost(Vec<TopicPartition>),
}

/// A consumer. Dropping it leaves the group to notice by itself; see [`Consumer::close`].
pub struct Consumer {
    client: Client,
    config: ConsumerConfig,
    membership: Option<Membership>,
    fetcher: Fetcher,
    committed_at: Instant,
}

impl Consumer {
    /// A consumer that is a member of `config.group` and reads what the group assigns to it.
    pub fn subscribe(client: Client, config: ConsumerConfig, topics: &[&str]) -> Result<Consumer> {
        if config.group.is_none() {
            return Err(ClientError::Misuse("a subscription needs a group".to_owned()));
        }
        let client = client.fork();
        let mut consumer = Consumer::new(client.clone(), config.clone());
        consumer.membership = Some(Membership::new(client, config, topics));
        Ok(consumer)
    }

    /// A consumer that reads `partitions`, whatever others read. They begin at the group's offsets if there is a group,
    /// else where `config.reset` says.
    pub async fn assign(client: Client, config: ConsumerConfig, partitions: &[TopicPartition]) -> Result<Consumer> {
        let mut consumer = Consumer::new(client.fork(), config);
        consumer.begin(partitions).await?;
        Ok(consumer)
    }

    fn new(client: Client, config: ConsumerConfig) -> Consumer {
        Consumer {
            fetcher: Fetcher::new(client.clone(), config.clone()),
            client,
            config,
            membership: None,
            committed_at: Instant::now(),
        }
    }

    /// Waits up to `patience` for something to happen. Joining a group may take longer: as long as the group takes.
    ///
    /// A future that is dropped loses nothing, except that a join under way begins anew.
    pub async fn poll(&mut self, patience: Duration) -> Result<Option<Event>> {
        let deadline = Instant::now() + patience;
        if let Some(event) = self.follow_group().await? {
            return Ok(Some(event));
        }
        loop {
            self.auto_commit().await;
            let news = async {
                match &self.membership {
                    Some(membership) => membership.news().await,
                    None => std::future::pending().await,
                }
            };
            let fetched = tokio::select! {
                () = news => return self.follow_group().await,
                fetched = self.fetcher.next(deadline) => fetched?,
            };
            match fetched {
                Fetched::Nothing => return Ok(None),
                Fetched::Records(records) => return Ok(Some(Event::Records(records))),
                Fetched::OutOfRange(partition, offset) => self.reset(&partition, offset).await?,
            }
        }
    }

    /// The partitions that are read, and the offset of the next record of each.
    pub fn positions(&self) -> BTreeMap<TopicPartition, i64> {
        self.fetcher.positions()
    }

    /// Goes to `offset` in a partition that is read.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        if self.fetcher.seek(partition, offset) {
            Ok(())
        } else {
            Err(ClientError::Misuse(format!("{partition} is not assigned")))
        }
    }

    /// Commits all positions.
    pub async fn commit(&mut self) -> Result<()> {
        let positions = self.positions();
        self.commit_offsets(&positions).await
    }

    /// Commits offsets: of each partition the next one to read.
    pub async fn commit_offsets(&mut self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<()> {
        let Some(group) = self.config.group.clone() else {
            return Err(ClientError::Misuse("a commit needs a group".to_owned()));
        };
        self.committed_at = Instant::now();
        if offsets.is_empty() {
            return Ok(());
        }
        let (member, generation) = match &self.membership {
            Some(membership) => membership.identity(),
            None => (String::new(), -1),
        };
        let commit = Commit {
            group: &group,
            generation,
            member: &member,
            instance: self.config.instance.as_deref(),
        };
        let client = &self.client;
        client.retry(|| commit_offsets(client, &commit, offsets)).await
    }

    /// Commits if so configured, and leaves the group (a static member stays in it).
    pub async fn close(mut self) -> Result<()> {
        let mut outcome = Ok(());
        if self.config.auto_commit.is_some() && self.config.group.is_some() {
            outcome = self.commit().await;
        }
        if let Some(membership) = self.membership.take() {
            membership.leave().await?;
        }
        outcome
    }

    /// Does what the group asks for; `None` if there is nothing to tell.
    async fn follow_group(&mut self) -> Result<Option<Event>> {
        let Some(membership) = &mut self.membership else {
            return Ok(None);
        };
        membership.polled();
        if let Some(error) = membership.fatal() {
            return Err(error);
        }
        let owned: Vec<_> = self.fetcher.positions().into_keys().collect();
        if membership.is_lost() && !owned.is_empty() {
            self.fetcher.assign(BTreeMap::new());
            return Ok(Some(Event::Lost(owned)));
        }
        if !membership.must_join() {
            return Ok(None);
        }
        if membership.gives_back() && !owned.is_empty() {
            self.auto_commit_now().await;
            return Ok(Some(Event::Revoked(owned)));
        }
        self.fetcher.assign(BTreeMap::new());
        let Some(membership) = &mut self.membership else {
            return Ok(None);
        };
        let partitions = membership.join().await?;
        self.begin(&partitions).await?;
        Ok(Some(Event::Assigned(partitions)))
    }

    /// Starts reading `partitions` where the group left off.
    async fn begin(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut positions = BTreeMap::new();
        if let Some(group) = self.config.group.as_deref().filter(|_| !partitions.is_empty()) {
            let offsets = committed(&self.client, group, Some(partitions)).await?;
            positions.extend(
                offsets
                    .into_iter()
                    .map(|(partition, committed)| (partition, committed.offset)),
            );
        }
        let is_new = |partition: &&TopicPartition| !positions.contains_key(*partition);
        let new: Vec<_> = partitions.iter().filter(is_new).cloned().collect();
        positions.extend(self.reset_positions(&new, -1).await?);
        self.fetcher.assign(positions);
        Ok(())
    }

    async fn reset(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        let found = self.reset_positions(std::slice::from_ref(partition), offset).await?;
        for (partition, offset) in found {
            tracing::info!(%partition, offset, "out of range, starting anew");
            self.fetcher.seek(&partition, offset);
        }
        Ok(())
    }

    async fn reset_positions(
        &self,
        partitions: &[TopicPartition],
        offset: i64,
    ) -> Result<BTreeMap<TopicPartition, i64>> {
        let Some(first) = partitions.first() else {
            return Ok(BTreeMap::new());
        };
        let spec = match self.config.reset {
            Reset::Earliest => OffsetSpec::Earliest,
            Reset::Latest => OffsetSpec::Latest,
            Reset::None => {
                let partition = first.to_string();
                return Err(ClientError::OutOfRange { partition, offset });
            }
        };
        let found = list_offsets(&self.client, partitions, spec, self.config.committed_only).await?;
        let offset = |(partition, found): (_, crate::admin::FoundOffset)| (partition, found.offset.unwrap_or(0));
        Ok(found.into_iter().map(offset).collect())
    }

    async fn auto_commit(&mut self) {
        let is_due = |interval| self.committed_at.elapsed() >= interval;
        if self.config.auto_commit.is_some_and(is_due) {
            self.auto_commit_now().await;
        }
    }

    /// Nobody asked for this commit, so nobody is told of its failure but the log.
    async fn auto_commit_now(&mut self) {
        if self.config.auto_commit.is_some()
            && self.config.group.is_some()
            && let Err(error) = self.commit().await
        {
            tracing::warn!(%error, "automatic commit failed");
        }
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
