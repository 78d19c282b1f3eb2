//! `ottla topic describe`

use std::collections::BTreeMap;

use clap::Args;
use ottla_client::{Partition, Resource, Topic};
use ottla_model::TopicPartition;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::lag::Extent;
use crate::output::Output;
use crate::session::{Session, Shared, partitions_of};

/// Show a topic's partitions, how many offsets they span, and the properties that differ from the defaults.
#[derive(Args)]
#[command(after_help = "Example:
  ottla topic describe orders")]
pub(crate) struct Describe {
    /// The topic
    name: String,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Serialize)]
struct Described {
    topic: String,
    id: String,
    internal: bool,
    partitions: Vec<DescribedPartition>,
    config: BTreeMap<String, Option<String>>,
}

#[derive(Serialize)]
struct DescribedPartition {
    partition: i32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    start: Option<i64>,
    end: Option<i64>,
}

impl Describe {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let names = [self.name];
        self.shared.run(async |session| describe(&session, &names).await)
    }
}

async fn describe(session: &Session, names: &[String]) -> Result<(), Failure> {
    let mut output = Output::stdout();
    for topic in session.topics(names).await? {
        let described = gather(session, topic).await?;
        if session.json {
            output.object(&described)?;
        } else {
            print(&mut output, &described)?;
        }
    }
    output.flush()
}

async fn gather(session: &Session, topic: Topic) -> Result<Described, Failure> {
    let partitions: Vec<_> = partitions_of(&topic).collect();
    let extents = session.extents(&partitions).await?;
    let resource = Resource::Topic(topic.name.clone());
    let entries = session.admin.describe_configs(&resource, None).await?;
    let own = entries.into_iter().filter(|entry| entry.source == TOPIC_SOURCE);
    Ok(Described {
        id: topic.id.to_base64(),
        internal: topic.is_internal,
        config: own.map(|entry| (entry.name, entry.value)).collect(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| {
                let key = TopicPartition::new(topic.name.as_str(), partition.index);
                described_partition(partition, extents.get(&key))
            })
            .collect(),
        topic: topic.name,
    })
}

fn described_partition(partition: &Partition, extent: Option<&Extent>) -> DescribedPartition {
    DescribedPartition {
        partition: partition.index,
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        in_sync: partition.in_sync.clone(),
        start: extent.map(|extent| extent.start),
        end: extent.map(|extent| extent.end),
    }
}

fn print(output: &mut Output, topic: &Described) -> Result<(), Failure> {
    output.line(format!("topic {}, id {}", topic.topic, topic.id))?;
    for (name, value) in &topic.config {
        output.line(format!("{name}={}", value.as_deref().unwrap_or("(secret)")))?;
    }
    output.line("")?;
    let number = |number: Option<i64>| number.map_or("unknown".to_owned(), |number| number.to_string());
    let ids = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let row = |partition: &DescribedPartition| {
        [
            partition.partition.to_string(),
            partition.leader.map_or("none".to_owned(), |leader| leader.to_string()),
            ids(&partition.replicas),
            ids(&partition.in_sync),
            number(partition.start),
            number(partition.end),
        ]
    };
    let heading = ["PARTITION", "LEADER", "REPLICAS", "IN SYNC", "START", "END"];
    output.table(heading, &topic.partitions.iter().map(row).collect::<Vec<_>>())
}

/// Kafka's number for a property that was set for the topic itself.
const TOPIC_SOURCE: i8 = 1;
