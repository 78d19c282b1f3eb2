//! A cluster's client: finds the right broker, keeps one connection to each, tries again where that can help.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FindCoordinatorRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_model::ErrorCode;
use ottla_wire::Api;

use crate::cluster::{Cluster, Topic};
use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::error::{ClientError, Result};

/// A cluster's client. Clones share connections and what is known of the cluster.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    cluster: Cluster,
    topics: HashMap<String, (Instant, Arc<Topic>)>,
    connections: HashMap<(String, Purpose), Connection>,
    /// The broker that coordinates a group.
    coordinators: HashMap<String, i32>,
}

/// What a connection is for. Kafka answers the requests of one connection one after the other, so what may wait for
/// long (a fetch, a join) must not stand before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    General,
    Coordinator,
    Fetch,
}

impl Client {
    /// Connects to the first bootstrap address that answers and learns the brokers.
    pub async fn connect(config: ClientConfig) -> Result<Client> {
        let client = Client {
            inner: Arc::new(Inner {
                config,
                known: Mutex::default(),
            }),
        };
        client.metadata(Some(&[]), false).await?;
        Ok(client)
    }

    /// A client of the same cluster with connections of its own.
    pub fn fork(&self) -> Client {
        let known = Known {
            cluster: self.known().cluster.clone(),
            ..Known::default()
        };
        Client {
            inner: Arc::new(Inner {
                config: self.inner.config.clone(),
                known: Mutex::new(known),
            }),
        }
    }

    /// How this client was configured.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// Asks for metadata of `topics`, or of all with `None`. With `create`, the broker may create those that do not
    /// exist, if it is configured so.
    pub async fn metadata(&self, topics: Option<&[&str]>, create: bool) -> Result<Cluster> {
        let connection = self.any().await?;
        let name = |name: &&str| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
        let request = MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(name).collect()))
            .with_allow_auto_topic_creation(create);
        let cluster = Cluster::read(&connection.ask(&request).await?);
        let mut known = self.known();
        let now = Instant::now();
        for topic in cluster.topics.values() {
            if topic.error == ErrorCode::None {
                known.topics.insert(topic.name.clone(), (now, Arc::new(topic.clone())));
            } else {
                known.topics.remove(&topic.name);
            }
        }
        known.cluster = Cluster {
            topics: Default::default(),
            ..cluster.clone()
        };
        Ok(cluster)
    }

    /// A topic from the cache, or asked for if it is not there or too old. Its error is returned as one.
    pub async fn topic(&self, name: &str, create: bool) -> Result<Arc<Topic>> {
        if let Some((since, topic)) = self.known().topics.get(name)
            && since.elapsed() < self.inner.config.metadata_max_age
        {
            return Ok(topic.clone());
        }
        let cluster = self.metadata(Some(&[name]), create).await?;
        let connection = self.any().await?;
        let missing = || connection.missing(Api::Metadata, format!("topic {name}"));
        let topic = cluster.topics.get(name).ok_or_else(missing)?;
        connection.accept(Api::Metadata, topic.error.number(), format!("topic {name}"))?;
        Ok(Arc::new(topic.clone()))
    }

    /// The id of the broker that leads a partition.
    pub async fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        let known = self.topic(topic, false).await?;
        let found = known.partitions.iter().find(|known| known.index == partition);
        match found.map(|found| found.leader) {
            Some(Some(leader)) => Ok(leader),
            found => {
                self.forget_topic(topic);
                let code = match found {
                    Some(_) => ErrorCode::LeaderNotAvailable,
                    None => ErrorCode::UnknownTopicOrPartition,
                };
                let subject = format!("{topic}-{partition}");
                Err(self.any().await?.refusal(Api::Metadata, code.number(), subject, None))
            }
        }
    }

    /// The leader of a partition as far as it is known, without asking.
    pub(crate) fn known_leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let known = self.known();
        let (_, topic) = known.topics.get(topic)?;
        topic.partitions.iter().find(|known| known.index == partition)?.leader
    }

    /// A connection to some broker: an open one if there is any.
    pub async fn any(&self) -> Result<Connection> {
        let mut addresses = {
            let known = self.known();
            let is_usable = |((_, purpose), connection): &(&(_, Purpose), &Connection)| {
                *purpose == Purpose::General && connection.is_open()
            };
            if let Some((_, open)) = known.connections.iter().find(is_usable) {
                return Ok(open.clone());
            }
            known
                .cluster
                .brokers
                .values()
                .map(|broker| broker.address())
                .collect::<Vec<_>>()
        };
        let is_new = |address: &&String| !addresses.contains(address);
        let bootstrap: Vec<_> = self.inner.config.bootstrap.iter().filter(is_new).cloned().collect();
        addresses.extend(bootstrap);
        let mut last = ClientError::Misuse("no bootstrap address is given".to_owned());
        for address in &addresses {
            match self.open(address, Purpose::General).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(ClientError::Bootstrap {
            tried: addresses.join(", "),
            last: Box::new(last),
        })
    }

    /// A connection to the broker with this id.
    pub async fn broker(&self, id: i32) -> Result<Connection> {
        self.broker_for(id, Purpose::General).await
    }

    pub(crate) async fn broker_for(&self, id: i32, purpose: Purpose) -> Result<Connection> {
        let address = |known: &Known| known.cluster.brokers.get(&id).map(|broker| broker.address());
        let found = address(&self.known());
        let address = match found {
            Some(address) => address,
            None => {
                self.metadata(Some(&[]), false).await?;
                let found = address(&self.known());
                let connection = self.any().await?;
                found.ok_or_else(|| connection.missing(Api::Metadata, format!("broker {id}")))?
            }
        };
        self.open(&address, purpose).await
    }

    /// A connection to the coordinator of a group.
    pub async fn coordinator(&self, group: &str) -> Result<Connection> {
        let cached = self.known().coordinators.get(group).copied();
        if let Some(id) = cached {
            return self.broker_for(id, Purpose::Coordinator).await;
        }
        let id = self.find_coordinator(group).await?;
        self.known().coordinators.insert(group.to_owned(), id);
        self.broker_for(id, Purpose::Coordinator).await
    }

    /// Forgets which broker coordinates a group, after it said it does not.
    pub fn forget_coordinator(&self, group: &str) {
        self.known().coordinators.remove(group);
    }

    /// Forgets what is known of a topic, after a broker said it is otherwise.
    pub fn forget_topic(&self, topic: &str) {
        self.known().topics.remove(topic);
    }

    /// Makes attempts until one succeeds, fails for good, or the call's time is up. Between them all that may be
    /// outdated is forgotten.
    pub async fn retry<T, F, Fut>(&self, attempt: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let config = &self.inner.config;
        let deadline = Instant::now() + config.call_timeout;
        let mut pause = config.retry_backoff;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) if error.is_retriable() && Instant::now() + pause < deadline => error,
                Err(error) => return Err(error),
            };
            tracing::debug!(%error, "trying again");
            self.forget_all();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(config.retry_backoff_max);
        }
    }

    async fn open(&self, address: &str, purpose: Purpose) -> Result<Connection> {
        let key = (address.to_owned(), purpose);
        if let Some(connection) = self.known().connections.get(&key)
            && connection.is_open()
        {
            return Ok(connection.clone());
        }
        let opened = Connection::open(address, self.inner.config.connection.clone()).await?;
        let mut known = self.known();
        known.connections.retain(|_, connection| connection.is_open());
        // Whoever was faster wins, so that all share one.
        Ok(known.connections.entry(key).or_insert(opened).clone())
    }

    async fn find_coordinator(&self, group: &str) -> Result<i32> {
        let api = Api::FindCoordinator;
        let connection = self.any().await?;
        let version = connection.version(api, i16::MAX)?;
        let request = if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)])
        } else {
            FindCoordinatorRequest::default().with_key(text(group))
        };
        let response = connection.start(version, &request)?.answer(Default::default()).await?;
        let subject = format!("group {group}");
        if version < 4 {
            connection.accept(api, response.error_code, subject)?;
            return Ok(response.node_id.0);
        }
        let missing = || connection.missing(api, subject.clone());
        let found = response.coordinators.first().ok_or_else(missing)?;
        connection.accept(api, found.error_code, subject)?;
        Ok(found.node_id.0)
    }

    fn forget_all(&self) {
        let mut known = self.known();
        known.topics.clear();
        known.coordinators.clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.inner.config.bootstrap).finish()
    }
}

/// Text as the wire's own string.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
