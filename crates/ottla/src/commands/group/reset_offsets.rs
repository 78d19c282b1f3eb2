//! `ottla group reset-offsets`

use std::collections::BTreeMap;

use clap::Args;
use ottla_client::OffsetSpec;
use ottla_model::{ErrorCode, TopicPartition};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::lag::Extent;
use crate::output::{Output, counted, say};
use crate::place::Place;
use crate::session::{Session, Shared, check_partition, partitions_of};

/// Move a group's offsets: see what would change, then add --execute.
///
/// The group must have no members: they would go on from where they are and commit over the change. An offset outside
/// of the records that are there is moved to the nearest that is. A time means the first record that is not older, or
/// the end if there is none.
#[derive(Args)]
#[command(after_help = "Examples:
  ottla group reset-offsets billing --topic orders --to earliest
  ottla group reset-offsets billing --topic orders:0,3 --to \"2h ago\" --execute
  ottla group reset-offsets billing --topic orders --topic refunds --to 2026-09-01T10:00:00+02:00")]
pub(crate) struct ResetOffsets {
    /// The group; one that does not exist is made, with these offsets
    group: String,
    /// A topic, or some of its partitions; may be repeated
    #[arg(long = "topic", value_name = "TOPIC[:P,...]", required = true, value_parser = selection)]
    topics: Vec<Selection>,
    /// Where to: earliest, latest, an offset, "2h ago", or a time as in 2026-09-01T10:00:00Z
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    to: Place,
    /// Do it; without this, it is only shown
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    shared: Shared,
}

/// A topic, and which of its partitions; none means all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selection {
    topic: String,
    partitions: Vec<i32>,
}

#[derive(Serialize)]
struct Move {
    topic: String,
    partition: i32,
    from: Option<i64>,
    to: i64,
    effect: Effect,
    records: i64,
    executed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Effect {
    /// None: no record is read again or skipped.
    None,
    ReadAgain,
    Skipped,
    /// There was no commit, so what the group would have done is not known.
    First,
}

impl ResetOffsets {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let shared = self.shared.clone();
        shared.run(async |session| self.reset(&session).await)
    }

    async fn reset(self, session: &Session) -> Result<(), Failure> {
        let is_known = self.refuse_members(session).await?;
        let partitions = self.partitions(session).await?;
        let committed = match is_known {
            true => session.admin.committed(&self.group, Some(&partitions)).await?,
            false => BTreeMap::new(),
        };
        let extents = session.extents(&partitions).await?;
        let targets = targets(session, self.to, &extents).await?;
        let mut moves = Vec::new();
        for (partition, to) in &targets {
            let from = committed.get(partition).map(|committed| committed.offset);
            if let Some(extent) = extents.get(partition) {
                let (effect, records) = effect(from, *to, *extent);
                moves.push(Move {
                    topic: partition.topic.to_string(),
                    partition: partition.index.0,
                    from,
                    to: *to,
                    effect,
                    records,
                    executed: self.execute,
                });
            }
        }
        if self.execute {
            self.execute(session, &targets).await?;
        }
        self.report(session, &moves)
    }

    /// Whether the group exists. One with members is refused.
    async fn refuse_members(&self, session: &Session) -> Result<bool, Failure> {
        let (listed, groups) = session.group(&self.group).await?;
        if listed.is_none() {
            let near = crate::nearest::suggestion(&self.group, groups.iter().map(|group| group.id.as_str()));
            say(format_args!("group {} does not exist yet{near}", self.group));
            return Ok(false);
        }
        let description = session.admin.describe_group(&self.group).await?;
        match description.members.len() {
            0 => Ok(true),
            count => Err(self.has_members(&counted(count, "member"))),
        }
    }

    fn has_members(&self, members: &str) -> Failure {
        let group = &self.group;
        Failure::failed(format!(
            "group {group} has {members}, which would go on from where they are and commit over the change. Stop what \
             consumes in it first; `ottla group describe {group}` shows where it runs"
        ))
    }

    async fn partitions(&self, session: &Session) -> Result<Vec<TopicPartition>, Failure> {
        let mut partitions = Vec::new();
        for Selection {
            topic,
            partitions: some,
        } in &self.topics
        {
            for topic in session.topics(std::slice::from_ref(topic)).await? {
                some.iter().try_for_each(|index| check_partition(&topic, *index))?;
                let is_meant = |partition: &TopicPartition| some.is_empty() || some.contains(&partition.index.0);
                partitions.extend(partitions_of(&topic).filter(is_meant));
            }
        }
        partitions.sort();
        partitions.dedup();
        Ok(partitions)
    }

    async fn execute(&self, session: &Session, targets: &BTreeMap<TopicPartition, i64>) -> Result<(), Failure> {
        let altered = session.admin.alter_offsets(&self.group, targets).await;
        altered.map_err(|error| match error.code() {
            // Somebody joined after we looked.
            Some(ErrorCode::UnknownMemberId | ErrorCode::NonEmptyGroup) => self.has_members("members now"),
            _ => Failure::from(error),
        })
    }

    fn report(&self, session: &Session, moves: &[Move]) -> Result<(), Failure> {
        let mut output = Output::stdout();
        if session.json {
            moves.iter().try_for_each(|change| output.object(change))?;
        } else {
            let heading = ["TOPIC", "PARTITION", "FROM", "TO", "EFFECT"];
            output.table(heading, &moves.iter().map(row).collect::<Vec<_>>())?;
        }
        output.flush()?;
        let total = |effect| -> i64 {
            moves
                .iter()
                .filter(|change| change.effect == effect)
                .map(|change| change.records)
                .sum()
        };
        let again = counted(total(Effect::ReadAgain), "record");
        let skipped = counted(total(Effect::Skipped), "record");
        let first = match total(Effect::First) {
            0 => String::new(),
            records => format!(", {} read for the first time", counted(records, "record")),
        };
        match self.execute {
            true => say(format_args!(
                "done: {again} will be read again, {skipped} skipped{first}"
            )),
            false => say(format_args!(
                "nothing is changed yet: {again} would be read again, {skipped} skipped{first}. Add --execute to do it"
            )),
        }
        Ok(())
    }
}

/// The offset that `place` means in each partition, always one that can be read from.
async fn targets(
    session: &Session,
    place: Place,
    extents: &BTreeMap<TopicPartition, Extent>,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let mut found = BTreeMap::new();
    if let Place::Time(time) = place {
        let partitions: Vec<_> = extents.keys().cloned().collect();
        let spec = OffsetSpec::AtOrAfter(time.as_millisecond());
        found = session.admin.list_offsets(&partitions, spec, false).await?;
    }
    let target = |(partition, extent): (&TopicPartition, &Extent)| {
        let offset = match place {
            Place::Earliest => extent.start,
            Place::Latest => extent.end,
            Place::Offset(offset) => offset,
            Place::Time(_) => found
                .get(partition)
                .and_then(|found| found.offset)
                .unwrap_or(extent.end),
        };
        (partition.clone(), offset.clamp(extent.start, extent.end))
    };
    Ok(extents.iter().map(target).collect())
}

/// What a move does to the records that are there, and to how many.
fn effect(from: Option<i64>, to: i64, extent: Extent) -> (Effect, i64) {
    let Some(from) = from else {
        return (Effect::First, extent.end - to);
    };
    // Records below the start are gone, those behind the end not yet there: neither is read again or skipped.
    let readable = from.clamp(extent.start, extent.end);
    match to {
        to if to == from || to == readable => (Effect::None, 0),
        to if to < readable => (Effect::ReadAgain, readable - to),
        to => (Effect::Skipped, to - readable),
    }
}

fn row(change: &Move) -> [String; 5] {
    let records = counted(change.records, "record");
    [
        change.topic.clone(),
        change.partition.to_string(),
        change.from.map_or("no commit".to_owned(), |from| from.to_string()),
        change.to.to_string(),
        match change.effect {
            Effect::None if change.from == Some(change.to) => "unchanged".to_owned(),
            Effect::None => "no record read again or skipped".to_owned(),
            Effect::ReadAgain => format!("{records} read again"),
            Effect::Skipped => format!("{records} skipped"),
            Effect::First => format!("{records} to read"),
        },
    ]
}

fn selection(text: &str) -> Result<Selection, String> {
    let (topic, indexes) = match text.rsplit_once(':') {
        Some((topic, indexes)) => (
            topic,
            indexes.split(',').map(|index| index.trim().parse::<u16>()).collect(),
        ),
        None => (text, Ok(Vec::new())),
    };
    match indexes {
        Ok(indexes) if !topic.is_empty() => Ok(Selection {
            topic: topic.to_owned(),
            partitions: indexes.into_iter().map(i32::from).collect(),
        }),
        _ => Err("not TOPIC or TOPIC:P,P; examples: orders, orders:0,3".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_that_are_there_are_counted() {
        let extent = Extent { start: 10, end: 30 };
        assert_eq!(effect(Some(20), 10, extent), (Effect::ReadAgain, 10));
        assert_eq!(effect(Some(20), 30, extent), (Effect::Skipped, 10));
        assert_eq!(effect(Some(20), 20, extent), (Effect::None, 0));
        assert_eq!(effect(Some(5), 10, extent), (Effect::None, 0));
        assert_eq!(effect(Some(5), 15, extent), (Effect::Skipped, 5));
        assert_eq!(effect(Some(40), 25, extent), (Effect::ReadAgain, 5));
        assert_eq!(effect(None, 25, extent), (Effect::First, 5));
    }

    #[test]
    fn a_selection_names_a_topic_and_perhaps_partitions() {
        let read = |text| selection(text).map(|selection| (selection.topic, selection.partitions));
        assert_eq!(read("orders"), Ok(("orders".to_owned(), vec![])));
        assert_eq!(read("orders:0,3"), Ok(("orders".to_owned(), vec![0, 3])));
        assert!(read("orders:x").is_err());
        assert!(read(":1").is_err());
    }
}
