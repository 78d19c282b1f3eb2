//! `ottla group describe`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use ottla_client::{GroupDescription, MemberDescription};
use ottla_model::TopicPartition;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::lag::Lag;
use crate::output::{Output, counted, runs};
use crate::session::{Session, Shared, unknown_group};

/// Show a group's members, what each of them reads, and how far the group is behind.
///
/// COMMITTED is the next offset to be read. STATE says how it compares with the records that are there: "behind 12",
/// "caught up", "no commit" (members begin where their own settings say), "committed below the log start" (records were
/// deleted unread), "ahead of the log".
#[derive(Args)]
#[command(after_help = "Examples:
  ottla group describe billing
  ottla group describe billing --json | jq '[.partitions[].lag | numbers] | add'")]
pub(crate) struct Describe {
    /// The group
    name: String,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Serialize)]
struct Described {
    group: String,
    state: String,
    kind: String,
    protocol_type: String,
    assignor: String,
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Serialize)]
struct Member {
    member: String,
    client: String,
    host: String,
    instance: Option<String>,
    partitions: BTreeMap<String, Vec<i32>>,
}

#[derive(Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    start: Option<i64>,
    end: Option<i64>,
    #[serde(flatten)]
    lag: Lag,
    member: Option<String>,
}

impl Describe {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let name = self.name;
        self.shared.run(async |session| describe(&session, &name).await)
    }
}

async fn describe(session: &Session, name: &str) -> Result<(), Failure> {
    let described = gather(session, name).await?;
    let mut output = Output::stdout();
    if session.json {
        output.object(&described)?;
    } else {
        print(&mut output, &described)?;
    }
    output.flush()
}

async fn gather(session: &Session, name: &str) -> Result<Described, Failure> {
    let (listed, groups) = session.group(name).await?;
    let listed = listed.ok_or_else(|| unknown_group(name, &groups))?;
    let description = session.admin.describe_group(name).await?;
    Ok(Described {
        group: listed.id,
        kind: listed.kind,
        partitions: partitions(session, &description).await?,
        members: description.members.into_iter().map(member).collect(),
        state: description.state,
        protocol_type: description.protocol_type,
        assignor: description.protocol,
    })
}

fn member(member: MemberDescription) -> Member {
    Member {
        member: member.id,
        client: member.client_id,
        host: member.client_host.trim_start_matches('/').to_owned(),
        instance: member.instance_id,
        partitions: member.assignment,
    }
}

/// Every partition that the group committed or a member owns.
async fn partitions(session: &Session, group: &GroupDescription) -> Result<Vec<Partition>, Failure> {
    let committed = session.admin.committed(&group.id, None).await?;
    let mut owners: BTreeMap<TopicPartition, &str> = BTreeMap::new();
    for member in &group.members {
        for (topic, indexes) in &member.assignment {
            let partition = |index: &i32| TopicPartition::new(topic.as_str(), *index);
            owners.extend(indexes.iter().map(|index| (partition(index), member.id.as_str())));
        }
    }
    let keys: BTreeSet<_> = committed.keys().chain(owners.keys()).cloned().collect();
    let keys: Vec<_> = keys.into_iter().collect();
    let extents = session.extents(&keys).await?;
    let partition = |key: TopicPartition| {
        let committed = committed.get(&key).map(|committed| committed.offset);
        let extent = extents.get(&key).copied();
        Partition {
            topic: key.topic.to_string(),
            partition: key.index.0,
            committed,
            start: extent.map(|extent| extent.start),
            end: extent.map(|extent| extent.end),
            lag: Lag::of(committed, extent),
            member: owners.get(&key).map(|member| (*member).to_owned()),
        }
    };
    Ok(keys.into_iter().map(partition).collect())
}

fn print(output: &mut Output, group: &Described) -> Result<(), Failure> {
    let members = counted(group.members.len(), "member");
    let assignor = match group.assignor.as_str() {
        "" => String::new(),
        assignor => format!(", assignor {assignor}"),
    };
    let protocol = match group.protocol_type.as_str() {
        "" => String::new(),
        protocol => format!(", protocol {protocol}"),
    };
    output.line(format!(
        "group {}: {}{protocol}{assignor}, {members}",
        group.group, group.state
    ))?;
    if !group.members.is_empty() {
        output.line("")?;
        let heading = ["MEMBER", "CLIENT", "HOST", "INSTANCE", "PARTITIONS"];
        output.table(heading, &group.members.iter().map(member_row).collect::<Vec<_>>())?;
    }
    if group.partitions.is_empty() {
        return output.line("\nno offsets are committed");
    }
    output.line("")?;
    let heading = ["TOPIC", "PARTITION", "COMMITTED", "END", "STATE", "MEMBER"];
    output.table(heading, &group.partitions.iter().map(partition_row).collect::<Vec<_>>())
}

fn member_row(member: &Member) -> [String; 5] {
    let owned = member.partitions.iter().filter(|(_, indexes)| !indexes.is_empty());
    let owned: Vec<_> = owned
        .map(|(topic, indexes)| format!("{topic} {}", runs(indexes)))
        .collect();
    [
        member.member.clone(),
        member.client.clone(),
        member.host.clone(),
        member.instance.clone().unwrap_or_else(|| "-".to_owned()),
        match owned.is_empty() {
            true => "none: idle".to_owned(),
            false => owned.join("; "),
        },
    ]
}

fn partition_row(partition: &Partition) -> [String; 6] {
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    [
        partition.topic.clone(),
        partition.partition.to_string(),
        number(partition.committed),
        number(partition.end),
        partition.lag.to_string(),
        partition.member.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
