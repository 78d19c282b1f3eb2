//! The accounting: what must hold of a scene's story, whatever the client and the broker.

use crate::story::{Event, Kind, Partition, Reads, Story};
use crate::trouble::{Outcome, expect};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The driver's clocks are told in whole milliseconds and set against each other by their fastest line.
const CLOCK: i64 = 60;

/// The session timeout of every member, in milliseconds.
pub const SESSION: i64 = 6000;
/// The heartbeat interval of every member, in milliseconds.
pub const HEARTBEAT: i64 = 500;

/// The records the broker has acknowledged: their values by partition and offset.
#[derive(Clone, Debug, Default)]
pub struct Acked(BTreeMap<Partition, BTreeMap<i64, String>>);

impl Acked {
    /// Adds what the answer to a `produce` command reports.
    pub fn add(&mut self, topic: &str, prefix: &str, answer: &Event) {
        for ack in answer.body["acks"].as_array().into_iter().flatten() {
            let number = |i: usize| ack[i].as_i64().unwrap_or(-1);
            let partition = (topic.to_owned(), number(1));
            self.0
                .entry(partition)
                .or_default()
                .insert(number(2), format!("{prefix}-{}", number(0)));
        }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// The offset after the last one of every partition.
    pub fn ends(&self) -> BTreeMap<Partition, i64> {
        self.0
            .iter()
            .filter_map(|(p, records)| Some((p.clone(), records.keys().next_back()? + 1)))
            .collect()
    }

    /// Only those from an offset on.
    pub fn from(&self, offset: i64) -> Self {
        Self(
            self.0
                .iter()
                .map(|(p, records)| (p.clone(), records.clone().split_off(&offset)))
                .collect(),
        )
    }

    /// Those that are not in an earlier set.
    pub fn since(&self, earlier: &Self) -> Self {
        let is_new = |p: &Partition, offset: &i64| !earlier.0.get(p).is_some_and(|known| known.contains_key(offset));
        let new = self.0.iter().map(|(p, records)| {
            (
                p.clone(),
                records
                    .iter()
                    .filter(|(o, _)| is_new(p, o))
                    .map(|(o, v)| (*o, v.clone()))
                    .collect(),
            )
        });
        Self(new.collect())
    }

    /// Those not among the reads, at most a handful.
    fn unread(&self, reads: &Reads) -> Vec<(Partition, i64)> {
        let missing = |p: &Partition, offset: &i64| !reads.get(p).is_some_and(|r| r.contains_key(offset));
        let all = self
            .0
            .iter()
            .flat_map(|(p, records)| records.keys().map(move |offset| (p.clone(), *offset)));
        all.filter(|(p, offset)| missing(p, offset)).collect()
    }

    /// Whether all are among the reads.
    pub fn read(&self, reads: &Reads) -> bool {
        let has = |p: &Partition, offset: &i64| reads.get(p).is_some_and(|r| r.contains_key(offset));
        self.0
            .iter()
            .all(|(p, records)| records.keys().all(|offset| has(p, offset)))
    }
}

/// Every acknowledged record was read by these members, with the value it was sent with. Returns the number of repeats.
pub fn complete<S: AsRef<str>>(story: &Story, ids: &[S], acked: &Acked) -> Outcome<usize> {
    for event in events_of(story, ids, Kind::Records) {
        let partition = event.partition();
        let values = event.body["values"].as_array().cloned().unwrap_or_default();
        let span = event.number("first")..=event.number("last");
        expect(span.clone().count() == values.len(), || {
            format!("a batch out of form: {}", event.body)
        })?;
        for (offset, value) in span.zip(values) {
            let sent = acked.0.get(&partition).and_then(|records| records.get(&offset));
            expect(sent.is_none_or(|sent| value == Value::from(sent.as_str())), || {
                format!("{partition:?} offset {offset} was acknowledged as {sent:?} and read as {value}")
            })?;
        }
    }
    let reads = story.reads(ids);
    let lost = acked.unread(&reads);
    expect(lost.is_empty(), || {
        format!(
            "{} of {} records were lost: {:?} ...",
            lost.len(),
            acked.count(),
            &lost[..lost.len().min(5)]
        )
    })?;
    Ok(reads
        .values()
        .flat_map(BTreeMap::values)
        .map(|times| *times as usize - 1)
        .sum())
}

/// Every acknowledged record was read exactly once by these members, and nothing else was read.
pub fn once<S: AsRef<str>>(story: &Story, ids: &[S], acked: &Acked) -> Outcome<()> {
    let repeats = complete(story, ids, acked)?;
    expect(repeats == 0, || {
        let reads = story.reads(ids);
        let twice = reads
            .iter()
            .flat_map(|(p, offsets)| offsets.iter().map(move |(o, times)| (p, o, times)));
        let twice: Vec<_> = twice.filter(|(_, _, times)| **times > 1).take(5).collect();
        format!("{repeats} records were read more than once: {twice:?} ...")
    })?;
    let read: usize = story.reads(ids).values().map(BTreeMap::len).sum();
    expect(read == acked.count(), || {
        format!("{read} records were read, {} were acknowledged", acked.count())
    })
}

/// A member reads on from where its group stood: at each assignment not before the last commit, then without gaps.
pub fn repeats_from_commits_only(story: &Story, group: &str) -> Outcome<()> {
    let ids = story.members(group);
    let mut commits: Vec<(i64, Partition, i64)> = Vec::new();
    for event in events_of(story, &ids, Kind::Committed) {
        commits.extend(
            event
                .offsets()
                .into_iter()
                .map(|(p, offset)| (story.when(event), p, offset)),
        );
    }
    for id in &ids {
        let mut places: BTreeMap<Partition, Place> = BTreeMap::new();
        for event in story.events.iter().filter(|e| e.id == *id) {
            match event.kind {
                Kind::Assigned => {
                    let before = |at: i64| at + CLOCK < story.when(event);
                    for partition in event.partitions() {
                        let floors = commits.iter().filter(|(at, p, _)| *p == partition && before(*at));
                        let floor = floors.map(|commit| commit.2).max().unwrap_or(0);
                        places.insert(partition, Place::From(floor));
                    }
                }
                Kind::Records => {
                    let (partition, first) = (event.partition(), event.number("first"));
                    let fits = match places.insert(partition.clone(), Place::At(event.number("last") + 1)) {
                        Some(Place::From(floor)) if first < floor => Some(format!("though {floor} was committed")),
                        Some(Place::At(next)) if first != next => Some(format!("instead of {next}")),
                        _ => None,
                    };
                    expect(fits.is_none(), || {
                        format!("{id} read {partition:?} from {first} on {}", fits.unwrap_or_default())
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Where a member may read on in a partition.
#[derive(Debug)]
enum Place {
    /// Newly assigned: from this offset on.
    From(i64),
    /// Exactly there.
    At(i64),
}

/// Members read only what they own.
pub fn reads_are_owned(story: &Story, group: &str) -> Outcome<()> {
    let ids: BTreeSet<String> = story.members(group).into_iter().collect();
    let mut owned: BTreeMap<&str, BTreeSet<Partition>> = BTreeMap::new();
    for event in story.events.iter().filter(|e| ids.contains(&e.id)) {
        let own = owned.entry(event.id.as_str()).or_default();
        match event.kind {
            Kind::Assigned => own.extend(event.partitions()),
            Kind::Revoked | Kind::Lost => own.retain(|p| !event.partitions().contains(p)),
            Kind::Ended => own.clear(),
            Kind::Records => expect(own.contains(&event.partition()), || {
                format!("{} read what it did not own: {}", event.id, event.body)
            })?,
            _ => {}
        }
    }
    Ok(())
}

/// One member's time with one partition.
#[derive(Debug)]
struct Tenure<'a> {
    id: &'a str,
    from: i64,
    until: i64,
    /// It ended because the member had been put out of the group without noticing.
    lost: bool,
    /// The member's last commit in that time.
    alive: i64,
}

/// Who had each partition of a group and when.
fn tenures<'a>(story: &'a Story, group: &str) -> BTreeMap<Partition, Vec<Tenure<'a>>> {
    let ids: BTreeSet<String> = story.members(group).into_iter().collect();
    let mut all: BTreeMap<Partition, Vec<Tenure<'a>>> = BTreeMap::new();
    for event in &story.events {
        let now = story.when(event);
        match event.kind {
            Kind::Assigned if ids.contains(&event.id) => {
                for partition in event.partitions() {
                    let of = all.entry(partition).or_default();
                    if !of.iter().any(|t| t.id == event.id && t.until == i64::MAX) {
                        of.push(Tenure {
                            id: &event.id,
                            from: now,
                            until: i64::MAX,
                            lost: false,
                            alive: now,
                        });
                    }
                }
            }
            Kind::Revoked | Kind::Lost => {
                for partition in event.partitions() {
                    for t in all
                        .entry(partition)
                        .or_default()
                        .iter_mut()
                        .filter(|t| t.id == event.id)
                    {
                        end(t, now, event.kind == Kind::Lost);
                    }
                }
            }
            Kind::Committed => {
                let open = |t: &&mut Tenure<'_>| t.id == event.id && t.until == i64::MAX;
                all.values_mut().flatten().filter(open).for_each(|t| t.alive = now);
            }
            Kind::Ended => all
                .values_mut()
                .flatten()
                .filter(|t| t.id == event.id)
                .for_each(|t| end(t, now, false)),
            Kind::Exit => {
                let here = |t: &&mut Tenure<'_>| story.home(t.id) == Some(event.process);
                all.values_mut().flatten().filter(here).for_each(|t| end(t, now, false));
            }
            _ => {}
        }
    }
    all
}

fn end(tenure: &mut Tenure<'_>, now: i64, lost: bool) {
    if tenure.until == i64::MAX {
        tenure.until = now;
        tenure.lost = lost;
    }
}

/// No two members of a group own a partition at a time, but for a member that was put out and has not noticed yet: that
/// is no breach if its session had run out before the next owner came.
pub fn one_owner_at_a_time(story: &Story, group: &str) -> Outcome<()> {
    for (partition, mut of) in tenures(story, group) {
        of.sort_by_key(|t| t.from);
        for (i, later) in of.iter().enumerate() {
            for earlier in of[..i].iter().filter(|t| t.id != later.id) {
                let evicted = earlier.lost && earlier.alive + SESSION - HEARTBEAT <= later.from;
                expect(earlier.until <= later.from + CLOCK || evicted, || {
                    let until = if earlier.until == i64::MAX {
                        "now".into()
                    } else {
                        earlier.until.to_string()
                    };
                    format!(
                        "{partition:?} was given to {} at {} while {} had it from {} until {until}",
                        later.id, later.from, earlier.id, earlier.from
                    )
                })?;
            }
        }
    }
    Ok(())
}

/// No member ended without being told to, and every line was understood.
pub fn nobody_gave_up(story: &Story) -> Outcome<()> {
    let mut leaving = BTreeSet::new();
    for event in &story.events {
        match event.kind {
            Kind::Sent if event.text("cmd") == "consumer" => {
                leaving.remove(&event.id);
            }
            Kind::Sent if event.text("cmd") == "close" => {
                leaving.insert(&event.id);
            }
            Kind::Sent if event.text("cmd") == "end" => {
                leaving.extend(
                    story
                        .events
                        .iter()
                        .filter(|e| e.process == event.process)
                        .map(|e| &e.id),
                );
            }
            Kind::Ended => expect(leaving.contains(&event.id), || format!("{} gave up", event.id))?,
            Kind::Unknown => return crate::trouble::unmet(format!("a line that is no event: {}", event.body)),
            _ => {}
        }
    }
    Ok(())
}

/// The names of the errors that members reported.
pub fn errors(story: &Story) -> BTreeSet<String> {
    story
        .events
        .iter()
        .filter(|e| e.kind == Kind::Error)
        .map(|e| e.text("error").to_owned())
        .collect()
}

fn events_of<'a, S: AsRef<str>>(story: &'a Story, ids: &'a [S], kind: Kind) -> impl Iterator<Item = &'a Event> {
    story
        .events
        .iter()
        .filter(move |e| e.kind == kind && ids.iter().any(|id| id.as_ref() == e.id))
}
