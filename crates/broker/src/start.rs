//! Starting and stopping: recover, replay, then open the door; and the other way round.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ottla_cluster::InternalTopic;
use ottla_cluster::config::{BrokerConfig, Endpoint, TopicConfig};
use ottla_disk::{Identity, LocalStore, OpenFault, PartitionOpening, RealVfs, RecoveryReport, StoreOptions};
use ottla_log::{Lsn, PartitionConfig, Retention, StorageFault};
use ottla_model::{ErrorCode, Millis, PartitionId, TopicId, TopicName};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{error, info};

use crate::clock::Clock;
use crate::coordinators::{ClusterMetadata, GroupCoordinators, LoadFault, TransactionCoordinators};
use crate::fetch_session::Sessions;
use crate::topics::{Topics, partition_config, segment_config};
use crate::{Broker, LEADER_EPOCH, housekeeping, listener};

/// The name of the cluster's own log.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// A broker that accepts clients.
pub struct Running {
    broker: Arc<Broker>,
    address: SocketAddr,
    directory: PathBuf,
    tasks: JoinSet<()>,
}

/// Why a broker did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The address is no address, or taken.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// What was to be listened on.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The configuration asks for a listener that does not exist here.
    #[error("listeners: {0}")]
    Listeners(String),
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenFault),
    /// Its files cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageFault),
    /// A coordinator's log cannot be replayed.
    #[error(transparent)]
    Load(#[from] LoadFault),
    /// The cluster's first records were not stored.
    #[error("the cluster's metadata cannot be written: {0}")]
    Bootstrap(ErrorCode),
}

/// Starts a broker; when this returns, clients are served.
pub async fn start(config: BrokerConfig) -> Result<Running, StartFault> {
    let config = Arc::new(config);
    // A taken port is found out before anything is touched.
    let (listener, address) = listen(&config).await?;
    let directory = PathBuf::from(
        config
            .log
            .dirs
            .first()
            .expect("the configuration names at least one directory"),
    );
    let clock = Arc::new(Clock::start());
    let (store, report) = open_store(&directory, &config)?;
    tell(&directory, &report);
    let topics = Arc::new(Topics::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        config.transactions.producer_id_expiration_ms,
    ));
    let metadata = Arc::new(load_metadata(&config, &clock, &store, &topics)?);
    metadata
        .bootstrap(report.identity.cluster_id)
        .await
        .map_err(StartFault::Bootstrap)?;
    replay_pending(&store, &topics)?;
    let groups = load_groups(&config, &clock, &store, &topics)?;
    metadata.tell(Arc::clone(&groups));
    let transactions = load_transactions(&config, &clock, &store, &topics, &groups)?;
    let slots = config.network.max_incremental_fetch_session_cache_slots as usize;
    let sessions = Mutex::new(Sessions::new(slots, uuid::Uuid::new_v4().as_fields().0));
    let broker = Arc::new(Broker {
        config,
        clock,
        store,
        topics,
        metadata,
        groups,
        transactions,
        sessions,
    });
    let mut tasks = JoinSet::new();
    for shard in broker.groups.all() {
        tasks.spawn(Arc::clone(shard).keep_time(|| None));
    }
    for task in broker.transactions.keep_time() {
        tasks.spawn(task);
    }
    tasks.spawn(housekeeping::run(Arc::clone(&broker)));
    tasks.spawn(listener::run(Arc::clone(&broker), listener));
    Ok(Running {
        broker,
        address,
        directory,
        tasks,
    })
}

impl Running {
    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its data lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops accepting, lets go of the clients, and leaves a directory that is complete in Kafka's own format.
    pub async fn stop(mut self) -> Result<(), StartFault> {
        self.tasks.shutdown().await;
        tokio::task::block_in_place(|| self.broker.store.stop())?;
        info!("stopped cleanly");
        Ok(())
    }
}

async fn listen(config: &BrokerConfig) -> Result<(TcpListener, SocketAddr), StartFault> {
    let endpoint = only_listener(&config.network.listeners)?;
    let host = endpoint.host.as_deref().unwrap_or("0.0.0.0");
    let wanted = format!("{host}:{}", endpoint.port);
    let fault = |cause| StartFault::Listen {
        address: wanted.clone(),
        cause,
    };
    let listener = TcpListener::bind((host, endpoint.port)).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((listener, address))
}

fn only_listener(listeners: &[Endpoint]) -> Result<&Endpoint, StartFault> {
    let plain: Vec<&Endpoint> = listeners
        .iter()
        .filter(|endpoint| endpoint.listener != "CONTROLLER")
        .collect();
    match plain.as_slice() {
        [only] => Ok(only),
        [] => Err(StartFault::Listeners("none is for clients".into())),
        many => Err(StartFault::Listeners(format!(
            "one is supported so far, {} are set",
            many.len()
        ))),
    }
}

fn load_metadata(
    config: &Arc<BrokerConfig>,
    clock: &Arc<Clock>,
    store: &Arc<LocalStore>,
    topics: &Arc<Topics>,
) -> Result<ClusterMetadata, StorageFault> {
    let topic = TopicConfig::resolve(&BTreeMap::new(), config);
    let partition = store.open_partition(PartitionOpening {
        id: PartitionId::METADATA,
        topic: TopicName::new(METADATA_TOPIC),
        leader_epoch: LEADER_EPOCH,
        segments: segment_config(&topic),
        // The metadata log is never cut: nothing else says which topics there are.
        config: PartitionConfig {
            retention: Retention::Keep,
            ..partition_config(&topic, Millis(i64::MAX))
        },
        now: clock.wall(),
    })?;
    let durability = Arc::clone(store.durability());
    ClusterMetadata::load(
        partition,
        durability,
        Arc::clone(clock),
        Arc::clone(config),
        Arc::clone(topics),
    )
}

/// What the journal holds of partitions is settled now; what it holds of topics that are gone is forgotten.
fn replay_pending(store: &LocalStore, topics: &Topics) -> Result<(), LoadFault> {
    for id in store.partitions_with_pending() {
        match topics.by_id(id.topic) {
            Ok(topic) => {
                topic.partition(id.index.0)?;
            }
            Err(_) => store.forget_topic(id.topic),
        }
    }
    Ok(())
}

fn load_groups(
    config: &BrokerConfig,
    clock: &Arc<Clock>,
    store: &LocalStore,
    topics: &Topics,
) -> Result<Arc<GroupCoordinators>, LoadFault> {
    let topic = topics.by_name(InternalTopic::ConsumerOffsets.name())?;
    let settings = ottla_group::GroupConfig {
        session_timeout_min: config.groups.min_session_timeout_ms,
        session_timeout_max: config.groups.max_session_timeout_ms,
        members_max: config.groups.max_size as usize,
        initial_rebalance_delay: config.groups.initial_rebalance_delay_ms,
        offset_metadata_max: config.groups.offset_metadata_max_bytes.max(0) as usize,
        offsets_retention: config.groups.offsets_retention_ms,
        offsets_retention_check_interval: config.groups.offsets_retention_check_interval_ms,
    };
    Ok(Arc::new(GroupCoordinators::load(
        &topic,
        store.durability(),
        clock,
        settings,
    )?))
}

fn load_transactions(
    config: &BrokerConfig,
    clock: &Arc<Clock>,
    store: &LocalStore,
    topics: &Arc<Topics>,
    groups: &Arc<GroupCoordinators>,
) -> Result<Arc<TransactionCoordinators>, LoadFault> {
    let settings = ottla_txn::TransactionConfig {
        timeout_max: config.transactions.max_timeout_ms,
        timeout_check_interval: config.transactions.abort_check_interval_ms,
        id_expiration: config.transactions.transactional_id_expiration_ms,
        id_expiration_check_interval: config.transactions.expired_check_interval_ms,
    };
    let transactions = TransactionCoordinators::load(store.durability(), clock, settings, topics, groups)?;
    Ok(Arc::new(transactions))
}

fn open_store(directory: &Path, config: &BrokerConfig) -> Result<(Arc<LocalStore>, RecoveryReport), OpenFault> {
    let mut options = StoreOptions::new(Identity {
        // Kafka's ids are UUIDs in the text form of topic ids.
        cluster_id: fresh_id(),
        node_id: config.node_id,
        directory_id: fresh_id(),
    });
    options.journal.bytes_max = config.ottla.journal_bytes_max;
    // A small journal is emptied more often, or it would be full long before a checkpoint is due.
    options.settle_bytes = options.settle_bytes.min(options.journal.bytes_max / 8);
    options.checkpoint_bytes = options.checkpoint_bytes.min(options.journal.bytes_max / 4);
    // Several files, or the one in use could not be left when it is full.
    options.journal.file_bytes = config.ottla.journal_file_bytes.min(config.ottla.journal_bytes_max / 4);
    options.dedupe_bytes = config
        .cleaner
        .enable
        .then_some(config.cleaner.dedupe_buffer_size as usize);
    options.bulk_bytes_min = config.ottla.segment_direct_bytes_min as usize;
    options.snapshot_bytes_min = config.ottla.producer_snapshot_bytes;
    options.tail_cache_bytes = config.ottla.tail_cache_bytes as usize;
    let (store, report) = LocalStore::open(Arc::new(RealVfs), directory, options)?;
    Ok((Arc::new(store), report))
}

fn fresh_id() -> String {
    TopicId(uuid::Uuid::new_v4()).to_base64()
}

/// Says what recovery found; damage loudly.
fn tell(directory: &Path, report: &RecoveryReport) {
    if report.last == Lsn::default() {
        info!(directory = %directory.display(), "a new data directory");
    } else if report.clean {
        info!(directory = %directory.display(), "opened after a clean stop");
    } else if report.entries > 0 {
        let (entries, partitions) = (report.entries, report.partitions.len());
        info!(directory = %directory.display(), entries, partitions, "opened after a crash: the journal is replayed");
    }
    for damage in &report.damages {
        error!(directory = %directory.display(), "damaged data was set aside, the rest is served: {damage:?}");
    }
}
