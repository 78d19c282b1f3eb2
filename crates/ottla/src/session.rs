//! What the commands share: their options, a connection to the cluster, and finding things by name.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use ottla_client::{Admin, Client, ClientConfig, FoundOffset, GroupListing, OffsetSpec, Topic};
use ottla_model::{ErrorCode, TopicPartition};
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, Failure};
use crate::lag::Extent;
use crate::nearest::suggestion;

/// Options of every command that talks to a broker.
#[derive(Args, Clone, Debug)]
pub(crate) struct Shared {
    /// Where a broker listens; several with commas between
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "OTTLA_BOOTSTRAP",
        default_value = "127.0.0.1:9092"
    )]
    #[arg(value_parser = addresses, hide_env_values = true)]
    bootstrap: String,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A connection to the cluster.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    pub(crate) json: bool,
}

impl Shared {
    /// Connects and does `work`.
    pub(crate) fn run(&self, work: impl AsyncFnOnce(Session) -> Result<(), Failure>) -> Result<Exit, Failure> {
        log_if_asked();
        // Heartbeats must go on while stdout is blocked, so the work has no thread of theirs.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
        runtime.block_on(async {
            let mut config = ClientConfig::new(&self.bootstrap).client_id("ottla");
            config.call_timeout = CALL_TIMEOUT;
            let client = Client::connect(config).await?;
            let session = Session {
                admin: Admin::new(client.clone()),
                client,
                json: self.json,
            };
            work(session).await.map(|()| Exit::Done)
        })
    }
}

impl Session {
    /// The topics with these names, in order. One that does not exist is a failure that names a near one.
    pub(crate) async fn topics(&self, names: &[String]) -> Result<Vec<Topic>, Failure> {
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let cluster = self.admin.describe(Some(&asked)).await?;
        let mut topics = Vec::new();
        for topic in cluster.topics.into_values() {
            match topic.error {
                ErrorCode::None => topics.push(topic),
                ErrorCode::UnknownTopicOrPartition => return Err(self.unknown_topic(&topic.name).await?),
                code => return Err(Failure::failed(format!("topic {}: {}", topic.name, code.name()))),
            }
        }
        Ok(topics)
    }

    /// The sentence about a topic that does not exist.
    pub(crate) async fn unknown_topic(&self, name: &str) -> Result<Failure, Failure> {
        let cluster = self.admin.describe(None).await?;
        let known: Vec<&str> = cluster
            .topics
            .values()
            .filter(|topic| !topic.is_internal)
            .map(|topic| topic.name.as_str())
            .collect();
        let hint = match suggestion(name, known.iter().copied()) {
            hint if !hint.is_empty() => hint,
            _ if known.is_empty() => format!("; there is no topic at all. Make it with: ottla topic create {name}"),
            _ => format!("; `ottla topic list` shows what there is, `ottla topic create {name}` makes it"),
        };
        Ok(Failure::failed(format!("topic {name} does not exist{hint}")))
    }

    /// The listing of a group, and of all, to suggest from.
    pub(crate) async fn group(&self, name: &str) -> Result<(Option<GroupListing>, Vec<GroupListing>), Failure> {
        let groups = self.admin.list_groups().await?;
        let found = groups.iter().find(|group| group.id == name).cloned();
        Ok((found, groups))
    }

    /// First and next offset of each of `partitions` that exists.
    pub(crate) async fn extents(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Extent>, Failure> {
        let mut names: Vec<&str> = partitions.iter().map(|partition| partition.topic.as_str()).collect();
        names.dedup();
        let cluster = self.admin.describe(Some(&names)).await?;
        let exists = |partition: &&TopicPartition| {
            let topic = cluster.topics.get(partition.topic.as_str());
            topic.is_some_and(|topic| topic.partitions.iter().any(|known| known.index == partition.index.0))
        };
        let existing: Vec<_> = partitions.iter().filter(exists).cloned().collect();
        let starts = self.admin.list_offsets(&existing, OffsetSpec::Earliest, false).await?;
        let ends = self.admin.list_offsets(&existing, OffsetSpec::Latest, false).await?;
        let offset = |found: Option<&FoundOffset>| found.and_then(|found| found.offset);
        let extent = |partition: TopicPartition| {
            let start = offset(starts.get(&partition))?;
            let end = offset(ends.get(&partition))?;
            Some((partition, Extent { start, end }))
        };
        Ok(existing.into_iter().filter_map(extent).collect())
    }
}

/// The sentence about a group that does not exist.
pub(crate) fn unknown_group(name: &str, groups: &[GroupListing]) -> Failure {
    let hint = match suggestion(name, groups.iter().map(|group| group.id.as_str())) {
        hint if !hint.is_empty() => hint,
        _ if groups.is_empty() => "; there is no group at all".to_owned(),
        _ => "; `ottla group list` shows what there is".to_owned(),
    };
    Failure::failed(format!("group {name} does not exist{hint}"))
}

/// All partitions of `topic`.
pub(crate) fn partitions_of(topic: &Topic) -> impl Iterator<Item = TopicPartition> {
    let partition = |index| TopicPartition::new(topic.name.as_str(), index);
    topic.partitions.iter().map(move |known| partition(known.index))
}

/// Refuses a partition that `topic` does not have.
pub(crate) fn check_partition(topic: &Topic, index: i32) -> Result<(), Failure> {
    if topic.partitions.iter().any(|known| known.index == index) {
        return Ok(());
    }
    let last = topic.partitions.len().saturating_sub(1);
    Err(Failure::usage(format!(
        "topic {} has no partition {index}; its partitions are 0 to {last}",
        topic.name
    )))
}

/// Splits `NAME=VALUE`.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("not NAME=VALUE; an example: retention.ms=86400000".to_owned()),
    }
}

fn addresses(text: &str) -> Result<String, String> {
    let is_address = |address: &str| {
        let parts = address.trim().rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    match text.split(',').all(is_address) {
        true => Ok(text.to_owned()),
        false => Err("not HOST:PORT; an example: 127.0.0.1:9092".to_owned()),
    }
}

/// Only with `OTTLA_LOG`, so that stderr stays readable.
fn log_if_asked() {
    if let Ok(filter) = EnvFilter::try_from_env("OTTLA_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false)
            .init();
    }
}

/// People wait for a command; what takes longer than this will not come.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
