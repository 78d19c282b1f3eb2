//! The machine: commands in, records and answers out.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_coordinator::{Entry, Machine, Output, Ticket};
use ottla_model::{ErrorCode, Millis, TopicId, TopicName};

use crate::alter_configs::{ConfigReplacement, ResourceAnswer, ResourceChange};
use crate::config::BrokerConfig;
use crate::create_partitions::{MorePartitions, PartitionsAnswer};
use crate::create_topics::{NewTopic, TopicAnswer, Wanted};
use crate::delete_topics::{DeletedTopic, TopicSelector};
use crate::state::CLUSTER_ID_CONFIG;
use crate::{ProducerIdBlock, Record, Refusal, Resource, ResourceKind, State, Topic};
use crate::{alter_configs, create_partitions, create_topics, delete_topics, producer_ids};

/// The rules of the cluster's metadata.
pub struct Cluster;

/// What a caller asks for, and the settings of the broker it asks.
#[derive(Clone, Debug)]
pub struct Command {
    /// The broker's own settings, without dynamic ones.
    pub settings: Arc<BrokerConfig>,
    /// What is asked for.
    pub request: Request,
}

/// What a caller asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// A broker has started: the cluster gets an id and its features, unless it has them.
    Bootstrap {
        /// The id if there is none yet.
        cluster_id: String,
        /// The features and their levels; `metadata.version` first.
        features: Vec<(String, i16)>,
    },
    /// CreateTopics.
    CreateTopics {
        /// The topics, each with a fresh id.
        topics: Vec<NewTopic>,
        /// Answer as if, but do nothing.
        validate_only: bool,
    },
    /// Topics that are needed: clients asked for them, or a coordinator is about to write to its own.
    EnsureTopics {
        /// The topics, each with a fresh id.
        topics: Vec<Wanted>,
    },
    /// DeleteTopics.
    DeleteTopics {
        /// The topics.
        topics: Vec<TopicSelector>,
    },
    /// CreatePartitions.
    CreatePartitions {
        /// The topics and how many partitions they shall have.
        topics: Vec<MorePartitions>,
        /// Answer as if, but do nothing.
        validate_only: bool,
    },
    /// IncrementalAlterConfigs.
    AlterConfigs {
        /// The resources and their changes.
        changes: Vec<ResourceChange>,
        /// Answer as if, but do nothing.
        validate_only: bool,
    },
    /// AlterConfigs, the older request: what is not named is removed.
    ReplaceConfigs {
        /// The resources and all their configs.
        replacements: Vec<ConfigReplacement>,
        /// Answer as if, but do nothing.
        validate_only: bool,
    },
    /// A block of producer ids nobody has had.
    AllocateProducerIds,
}

/// What a caller is told; each variant answers the request of its name, item by item.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The cluster's id.
    Bootstrap {
        /// The one that holds, which may be older than the one asked for.
        cluster_id: String,
    },
    /// One answer for each name.
    CreateTopics(Vec<TopicAnswer>),
    /// One answer for each name, in the order asked.
    EnsureTopics(Vec<(TopicName, Result<Topic, Refusal>)>),
    /// One answer for each topic.
    DeleteTopics(Vec<DeletedTopic>),
    /// One answer for each name.
    CreatePartitions(Vec<PartitionsAnswer>),
    /// One answer for each resource, of IncrementalAlterConfigs and of AlterConfigs.
    AlterConfigs(Vec<ResourceAnswer>),
    /// The block.
    AllocateProducerIds(Result<ProducerIdBlock, Refusal>),
}

/// What the driver is to do, once the records are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open these partitions.
    PartitionsAdded {
        /// The topic.
        topic: TopicName,
        /// Its identity.
        id: TopicId,
        /// The number of the first new partition.
        first: i32,
        /// How many partitions the topic has now.
        partitions: i32,
    },
    /// Drop the partitions of this topic and wake who waits for them.
    TopicDeleted {
        /// The topic.
        topic: TopicName,
        /// Its identity.
        id: TopicId,
        /// How many partitions it had.
        partitions: i32,
    },
    /// What holds for this resource changed: read it again.
    ConfigsChanged(Resource),
}

impl Machine for Cluster {
    type State = State;
    type Session = ();
    type Command = Command;
    type Reply = Reply;
    type Timer = ();
    type Record = Record;
    type Effect = Effect;

    fn decide(state: &State, (): &mut (), _: Millis, ticket: Ticket, command: Command) -> Output<Cluster> {
        let settings = &command.settings;
        let mut output = Output::default();
        let reply = match command.request {
            Request::Bootstrap { cluster_id, features } => bootstrap(state, &mut output, cluster_id, features),
            Request::CreateTopics { topics, validate_only } => {
                let answers = create_topics::create(state, settings, &mut output, topics);
                keep_unless(validate_only, &mut output);
                Reply::CreateTopics(answers)
            }
            Request::EnsureTopics { topics } => {
                Reply::EnsureTopics(create_topics::ensure(state, settings, &mut output, topics))
            }
            Request::DeleteTopics { topics } => {
                Reply::DeleteTopics(delete_topics::delete(state, settings, &mut output, topics))
            }
            Request::CreatePartitions { topics, validate_only } => {
                let answers = create_partitions::create(state, settings, &mut output, topics);
                keep_unless(validate_only, &mut output);
                Reply::CreatePartitions(answers)
            }
            Request::AlterConfigs { changes, validate_only } => {
                let answers = alter_configs::alter(state, settings, &mut output, changes);
                keep_unless(validate_only, &mut output);
                Reply::AlterConfigs(answers)
            }
            Request::ReplaceConfigs {
                replacements,
                validate_only,
            } => {
                let answers = alter_configs::replace(state, settings, &mut output, replacements);
                keep_unless(validate_only, &mut output);
                Reply::AlterConfigs(answers)
            }
            Request::AllocateProducerIds => {
                Reply::AllocateProducerIds(producer_ids::allocate(state, settings.node_id, &mut output))
            }
        };
        output.answer(ticket, reply);
        output
    }

    fn expire(_: &State, (): &mut (), _: Millis, (): ()) -> Output<Cluster> {
        Output::default()
    }

    fn loaded(_: &State, (): &mut (), _: Millis) -> Output<Cluster> {
        Output::default()
    }

    fn apply(state: &mut State, entry: &Entry<Record>) {
        state.apply(entry);
    }
}

/// A request that only validates is judged like any other, and then forgotten.
fn keep_unless(validate_only: bool, output: &mut Output<Cluster>) {
    if validate_only {
        output.records.clear();
        output.effects.clear();
    }
}

/// Kafka reads a metadata log only if it starts with the level of `metadata.version`, so the features go first.
fn bootstrap(state: &State, output: &mut Output<Cluster>, cluster_id: String, features: Vec<(String, i16)>) -> Reply {
    for (name, level) in features {
        if state
            .features()
            .all(|(known, finalized)| known != name || finalized != level)
        {
            output.record(Record::FeatureLevel { name, level });
        }
    }
    if let Some(known) = state.cluster_id() {
        return Reply::Bootstrap {
            cluster_id: known.to_owned(),
        };
    }
    output.record(Record::Config {
        resource_kind: ResourceKind::Broker.number(),
        resource_name: String::new(),
        name: CLUSTER_ID_CONFIG.to_owned(),
        value: Some(cluster_id.clone()),
    });
    Reply::Bootstrap { cluster_id }
}

/// What occurs more than once.
pub(crate) fn duplicates<T: Ord + Copy>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| !seen.insert(*item)).collect()
}

/// The answer to a name that occurs twice in one request.
pub(crate) fn duplicate_topic() -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")
}
