//! Fetches: one on its way to each leader, so that the next records travel while the last are worked on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use ottla_model::{ErrorCode, TopicPartition};
use ottla_wire::Api;
use tokio::task::JoinSet;

use super::records;
use super::{ConsumedRecord, ConsumerConfig};
use crate::client::{Client, Purpose, text};
use crate::connection::Connection;
use crate::error::{ClientError, Result, code_of, is_retriable};

/// Fetches for the partitions that are assigned.
pub(super) struct Fetcher {
    client: Client,
    config: ConsumerConfig,
    positions: BTreeMap<TopicPartition, i64>,
    under_way: JoinSet<Answer>,
    busy: BTreeSet<i32>,
    /// No fetch before this, after one failed.
    not_before: Option<Instant>,
}

/// What came of waiting.
pub(super) enum Fetched {
    Records(Vec<ConsumedRecord>),
    /// There is nothing at this offset of this partition.
    OutOfRange(TopicPartition, i64),
    /// The time is up.
    Nothing,
}

struct Answer {
    leader: i32,
    asked: BTreeMap<TopicPartition, i64>,
    result: Result<(Connection, FetchResponse)>,
}

impl Fetcher {
    pub(super) fn new(client: Client, config: ConsumerConfig) -> Fetcher {
        Fetcher {
            client,
            config,
            positions: BTreeMap::new(),
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            not_before: None,
        }
    }

    pub(super) fn positions(&self) -> BTreeMap<TopicPartition, i64> {
        self.positions.clone()
    }

    /// Reads these from now on, and nothing else. What is on its way for others is dropped when it comes.
    pub(super) fn assign(&mut self, positions: BTreeMap<TopicPartition, i64>) {
        self.positions = positions;
    }

    /// Whether the partition is assigned; if so, it is read from `offset` on.
    pub(super) fn seek(&mut self, partition: &TopicPartition, offset: i64) -> bool {
        match self.positions.get_mut(partition) {
            Some(position) => {
                *position = offset;
                true
            }
            None => false,
        }
    }

    /// Waits until `deadline` for records. Safe to drop: fetches go on by themselves.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Fetched> {
        loop {
            self.learn_leaders().await;
            self.start_fetches();
            let wake = self.not_before.map_or(deadline, |at| at.min(deadline));
            let joined = tokio::time::timeout_at(wake.into(), async {
                match self.under_way.join_next().await {
                    Some(joined) => joined,
                    None => std::future::pending().await,
                }
            });
            match joined.await {
                Ok(Ok(answer)) => {
                    self.busy.remove(&answer.leader);
                    let fetched = self.take(answer)?;
                    if !matches!(fetched, Fetched::Nothing) {
                        // No await from here on: the positions have moved, the records must arrive.
                        self.start_fetches();
                        return Ok(fetched);
                    }
                }
                // A fetch that died left no answer; which one is unknown, so ask all leaders again.
                Ok(Err(_)) => self.busy.clear(),
                Err(_) if Instant::now() >= deadline => return Ok(Fetched::Nothing),
                Err(_) => self.not_before = None,
            }
        }
    }

    async fn learn_leaders(&mut self) {
        if self.must_pause() {
            return;
        }
        let is_unknown = |partition: &&TopicPartition| self.leader_of(partition).is_none();
        let unknown: Vec<_> = self.positions.keys().filter(is_unknown).cloned().collect();
        for partition in unknown {
            if let Err(error) = self.client.leader(partition.topic.as_str(), partition.index.0).await {
                self.pause(&error);
            }
        }
    }

    fn start_fetches(&mut self) {
        if self.must_pause() {
            return;
        }
        let mut by_leader: BTreeMap<i32, BTreeMap<TopicPartition, i64>> = BTreeMap::new();
        for (partition, position) in &self.positions {
            if let Some(leader) = self.leader_of(partition) {
                by_leader
                    .entry(leader)
                    .or_default()
                    .insert(partition.clone(), *position);
            }
        }
        for (leader, asked) in by_leader {
            if self.busy.insert(leader) {
                let (client, config) = (self.client.clone(), self.config.clone());
                self.under_way.spawn(async move {
                    let result = fetch(&client, &config, leader, &asked).await;
                    Answer { leader, asked, result }
                });
            }
        }
    }

    fn leader_of(&self, partition: &TopicPartition) -> Option<i32> {
        self.client.known_leader(partition.topic.as_str(), partition.index.0)
    }

    fn must_pause(&self) -> bool {
        self.not_before.is_some_and(|at| Instant::now() < at)
    }

    fn pause(&mut self, error: &ClientError) {
        tracing::debug!(%error, "fetching again soon");
        self.not_before = Some(Instant::now() + self.client.config().retry_backoff);
    }

    fn take(&mut self, answer: Answer) -> Result<Fetched> {
        let (connection, response) = match answer.result {
            Ok(answered) => answered,
            Err(error) if error.is_retriable() => {
                for partition in answer.asked.keys() {
                    self.client.forget_topic(partition.topic.as_str());
                }
                self.pause(&error);
                return Ok(Fetched::Nothing);
            }
            Err(error) => return Err(error),
        };
        connection.accept(Api::Fetch, response.error_code, "")?;
        let mut all = Vec::new();
        let mut out_of_range = None;
        for topic in &response.responses {
            for data in &topic.partitions {
                let partition = TopicPartition::new(topic.topic.as_str(), data.partition_index);
                let asked = answer.asked.get(&partition).copied();
                // Unless it was revoked or sought elsewhere meanwhile.
                let Some(position) = asked.filter(|asked| self.positions.get(&partition) == Some(asked)) else {
                    continue;
                };
                if data.error_code == ErrorCode::OffsetOutOfRange.number() {
                    out_of_range = Some((partition, position));
                } else {
                    self.take_partition(&connection, partition, position, data, &mut all)?;
                }
            }
        }
        Ok(match (all.is_empty(), out_of_range) {
            (false, _) => Fetched::Records(all),
            (true, Some((partition, position))) => Fetched::OutOfRange(partition, position),
            (true, None) => Fetched::Nothing,
        })
    }

    fn take_partition(
        &mut self,
        connection: &Connection,
        partition: TopicPartition,
        position: i64,
        data: &PartitionData,
        all: &mut Vec<ConsumedRecord>,
    ) -> Result<()> {
        if data.error_code != 0 {
            let error = connection.refusal(Api::Fetch, data.error_code, partition.to_string(), None);
            if !is_retriable(code_of(data.error_code)) {
                return Err(error);
            }
            self.client.forget_topic(partition.topic.as_str());
            self.pause(&error);
            return Ok(());
        }
        let Some(bytes) = data.records.clone().filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        let aborted = data.aborted_transactions.iter().flatten();
        let aborted = aborted
            .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
            .collect();
        let (records, behind) = records::read(&partition, bytes, position, aborted)?;
        self.positions.insert(partition, behind);
        all.extend(records);
        Ok(())
    }
}

async fn fetch(
    client: &Client,
    config: &ConsumerConfig,
    leader: i32,
    asked: &BTreeMap<TopicPartition, i64>,
) -> Result<(Connection, FetchResponse)> {
    let connection = client.broker_for(leader, Purpose::Fetch).await?;
    // From version 13 on topics are named by their ids.
    let version = connection.version(Api::Fetch, 12)?;
    let request = fetch_request(config, asked);
    let answer = connection
        .start(version, &request)?
        .answer(config.fetch_wait_max)
        .await?;
    Ok((connection, answer))
}

fn fetch_request(config: &ConsumerConfig, asked: &BTreeMap<TopicPartition, i64>) -> FetchRequest {
    let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
    for (partition, position) in asked {
        let wanted = FetchPartition::default()
            .with_partition(partition.index.0)
            .with_fetch_offset(*position)
            .with_partition_max_bytes(config.partition_bytes_max);
        topics.entry(partition.topic.as_str()).or_default().push(wanted);
    }
    let topic = |(name, partitions): (&str, Vec<_>)| {
        FetchTopic::default()
            .with_topic(TopicName(text(name)))
            .with_partitions(partitions)
    };
    FetchRequest::default()
        .with_max_wait_ms(i32::try_from(config.fetch_wait_max.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(config.fetch_bytes_min)
        .with_max_bytes(config.fetch_bytes_max)
        .with_isolation_level(config.committed_only.into())
        .with_topics(topics.into_iter().map(topic).collect())
}
