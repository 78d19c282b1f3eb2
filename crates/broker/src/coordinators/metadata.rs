//! The cluster's metadata, driven over `__cluster_metadata-0`, and what follows from each change: partitions to serve, files
//! to drop, settings to take over.
//!
//! What follows is done in the log's order and only once the change is durable, before its caller is answered.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use ottla_cluster::config::BrokerConfig;
use ottla_cluster::{
    Cluster, Command, Effect, InternalTopic, Origin, ProducerIdBlock, Reply, Request, Resource, ResourceKind, State,
    Wanted,
};
use ottla_log::{Durability, Partition, Replayed, StorageFault};
use ottla_model::{ErrorCode, ProducerId, TopicId, TopicName};
use tracing::{info, warn};
use uuid::Uuid;

use crate::clock::Clock;
use crate::coordinators::{Driver, GroupCoordinators, Logged, Unanswered};
use crate::topics::{Standing, Topics};

/// The features this broker's logs are written by, as Kafka 4.3 finalizes them: what its tools expect to find first.
const FEATURES: &[(&str, i16)] = &[("metadata.version", 30), ("transaction.version", 2)];
/// The topics that must exist before the first client asks for a coordinator.
const BOOTSTRAP_TOPICS: [InternalTopic; 2] = [InternalTopic::ConsumerOffsets, InternalTopic::TransactionState];

impl Logged for Cluster {
    const NAME: &'static str = "__cluster_metadata";
    type Settings = ();

    fn session((): &()) {}

    fn writes(_: &Command) -> bool {
        true
    }

    fn encode(record: &Self::Record) -> (Option<Bytes>, Option<Bytes>) {
        (None, Some(ottla_cluster::encode(record)))
    }

    fn decode(entry: &Replayed) -> Result<Option<Self::Record>, String> {
        let Replayed::Record(record) = entry else {
            return Ok(None);
        };
        let Some(value) = &record.value else {
            return Err("a record without a value".into());
        };
        ottla_cluster::decode(value).map_err(|fault| fault.to_string())
    }
}

/// The cluster's metadata.
pub(crate) struct ClusterMetadata {
    driver: Arc<Driver<Cluster>>,
    settings: Arc<BrokerConfig>,
    topics: Arc<Topics>,
    /// Told of deleted topics; absent only while the broker starts.
    groups: OnceLock<Arc<GroupCoordinators>>,
    producer_ids: Mutex<ProducerIdBlock>,
    /// What follows from changes is done in their order.
    carrying_out: tokio::sync::Mutex<()>,
    /// The cluster's id, once it has one.
    cluster_id: OnceLock<String>,
    /// One block is asked for at a time.
    allocating: tokio::sync::Mutex<()>,
}

impl ClusterMetadata {
    /// Replays the log and serves what it says.
    pub(crate) fn load(
        partition: Arc<Partition>,
        durability: Arc<Durability>,
        clock: Arc<Clock>,
        settings: Arc<BrokerConfig>,
        topics: Arc<Topics>,
    ) -> Result<ClusterMetadata, StorageFault> {
        let driver = Driver::<Cluster>::load(partition, durability, clock, Arc::new(()))?;
        driver.with_state(|state| {
            for topic in state.topics() {
                topics.stand(Standing::of(state, &settings, topic));
            }
        });
        Ok(ClusterMetadata {
            driver,
            settings,
            topics,
            groups: OnceLock::new(),
            producer_ids: Mutex::new(ProducerIdBlock {
                first: ProducerId(0),
                count: 0,
            }),
            carrying_out: tokio::sync::Mutex::new(()),
            cluster_id: OnceLock::new(),
            allocating: tokio::sync::Mutex::new(()),
        })
    }

    /// Sees to it that the cluster has an id and its features, and that the topics coordinators need exist before the first
    /// client asks for them.
    pub(crate) async fn bootstrap(self: &Arc<Self>, cluster_id: String) -> Result<(), ErrorCode> {
        let known = self.driver.with_state(|state| {
            let has_feature = |wanted: &(&str, i16)| state.features().any(|known| known == *wanted);
            let has_topic = |topic: &InternalTopic| state.topic(topic.name()).is_some();
            state.cluster_id().is_some() && FEATURES.iter().all(has_feature) && BOOTSTRAP_TOPICS.iter().all(has_topic)
        });
        if known {
            return Ok(());
        }
        let features = FEATURES
            .iter()
            .map(|(name, level)| ((*name).to_string(), *level))
            .collect();
        self.ask(Request::Bootstrap { cluster_id, features }).await?;
        let topics = BOOTSTRAP_TOPICS.iter().map(|topic| Wanted {
            name: TopicName::new(topic.name()),
            id: TopicId(Uuid::new_v4()),
            origin: Origin::Coordinator,
        });
        let topics = topics.collect();
        self.ask(Request::EnsureTopics { topics }).await?;
        Ok(())
    }

    /// Tells groups of deleted topics from now on.
    pub(crate) fn tell(&self, groups: Arc<GroupCoordinators>) {
        assert!(self.groups.set(groups).is_ok(), "the groups are made once");
    }

    /// Asks the machine; when this returns, the change is durable and served. It is carried through even if the caller goes
    /// away meanwhile: a change that is in the log must be served as well.
    pub(crate) async fn ask(self: &Arc<Self>, request: Request) -> Result<Reply, ErrorCode> {
        let this = Arc::clone(self);
        let carried = tokio::spawn(async move { this.carry_through(request).await }).await;
        carried.unwrap_or(Err(ErrorCode::UnknownServerError))
    }

    async fn carry_through(&self, request: Request) -> Result<Reply, ErrorCode> {
        let command = Command {
            settings: Arc::clone(&self.settings),
            request,
        };
        let reply = self.driver.ask(command).await.map_err(|_| ErrorCode::KafkaStorageError);
        let _in_order = self.carrying_out.lock().await;
        for effect in self.driver.durable_effects() {
            self.carry_out(effect);
        }
        reply
    }

    /// Creates the topics that clients asked for and that do not exist; a refusal leaves a topic unknown.
    pub(crate) async fn create_on_first_use(self: &Arc<Self>, names: Vec<TopicName>) {
        let wanted = names.into_iter().map(|name| Wanted {
            name,
            id: TopicId(Uuid::new_v4()),
            origin: Origin::Client,
        });
        match self
            .ask(Request::EnsureTopics {
                topics: wanted.collect(),
            })
            .await
        {
            Ok(Reply::EnsureTopics(answers)) => {
                for (name, answer) in answers {
                    match answer {
                        Ok(topic) => info!(topic = %name, partitions = topic.partitions, "created on first use"),
                        Err(refusal) => warn!(topic = %name, "not created on first use: {refusal}"),
                    }
                }
            }
            Ok(other) => unreachable!("EnsureTopics is answered as such, not with {other:?}"),
            Err(code) => warn!("topics cannot be created: {code}"),
        }
    }

    /// A producer id nobody has had.
    pub(crate) async fn producer_id(self: &Arc<Self>) -> Result<ProducerId, ErrorCode> {
        if let Some(id) = self.next_of_block() {
            return Ok(id);
        }
        let _one_at_a_time = self.allocating.lock().await;
        if let Some(id) = self.next_of_block() {
            return Ok(id);
        }
        match self.ask(Request::AllocateProducerIds).await? {
            Reply::AllocateProducerIds(Ok(block)) => {
                *self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner) = block;
                self.next_of_block().ok_or(ErrorCode::UnknownServerError)
            }
            Reply::AllocateProducerIds(Err(refusal)) => Err(refusal.code),
            other => unreachable!("AllocateProducerIds is answered as such, not with {other:?}"),
        }
    }

    /// Looks at what the log says.
    pub(crate) fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.driver.with_state(look)
    }

    /// The cluster's id.
    pub(crate) fn cluster_id(&self) -> String {
        let known = self.cluster_id.get_or_init(|| {
            let id = self.with_state(|state| state.cluster_id().map(str::to_string));
            id.expect("the broker is bootstrapped before it is asked")
        });
        known.clone()
    }

    fn next_of_block(&self) -> Option<ProducerId> {
        let mut block = self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner);
        if block.count == 0 {
            return None;
        }
        let id = block.first;
        *block = ProducerIdBlock {
            first: ProducerId(id.0 + 1),
            count: block.count - 1,
        };
        Some(id)
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::PartitionsAdded {
                topic, id, partitions, ..
            } => {
                let standing = self.with_state(|state| Standing::named(state, &self.settings, &topic, id));
                self.topics.stand(Standing { partitions, ..standing });
            }
            Effect::TopicDeleted { id, .. } => {
                if let Some(gone) = self.topics.fall(id)
                    && let Some(groups) = self.groups.get()
                {
                    groups.forget_topic(&gone);
                }
            }
            Effect::ConfigsChanged(resource) => {
                let standings = self.with_state(|state| self.standings_under(state, &resource));
                standings.into_iter().for_each(|standing| self.topics.stand(standing));
            }
        }
    }

    /// The topics for which a resource's configs hold.
    fn standings_under(&self, state: &State, resource: &Resource) -> Vec<Standing> {
        let standing = |topic| Standing::of(state, &self.settings, topic);
        match resource.kind {
            ResourceKind::Topic => state.topic(&resource.name).map(standing).into_iter().collect(),
            // A broker's defaults hold for every topic that says nothing else.
            ResourceKind::Broker => state.topics().map(standing).collect(),
            ResourceKind::BrokerLogger | ResourceKind::ClientMetrics | ResourceKind::Group => Vec::new(),
        }
    }
}

impl From<Unanswered> for ErrorCode {
    fn from(unanswered: Unanswered) -> ErrorCode {
        unanswered.code()
    }
}
