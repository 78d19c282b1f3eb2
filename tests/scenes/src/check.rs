//! The accounting: what must hold of a scene's story, whatever the client and the broker.

use crate::story::{Event, Kind, Partition, Reads, Story};
use crate::trouble::{Outcome, expect};
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
        let span = event.read();
        expect(span.len() == values.len(), || {
            format!("a batch out of form: {}", event.body)
        })?;
        for (offset, value) in span.into_iter().zip(values) {
            let sent = acked.0.get(&partition).and_then(|records| records.get(&offset));
            expect(sent.is_none_or(|sent| value.as_str() == Some(sent)), || {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A story of one process, whose lines carry their times themselves.
    fn story(lines: &[Value]) -> Story {
        let mut story = Story::new();
        for id in ["a", "b"] {
            story.sent(0, json!({ "cmd": "consumer", "id": id, "group": "g" }));
        }
        for line in lines {
            story.received(0, &line.to_string());
        }
        story
    }

    fn turn(ms: i64, id: &str, event: &str) -> Value {
        json!({ "event": event, "id": id, "ms": ms, "partitions": [["t", 0]] })
    }

    fn read(ms: i64, id: &str, first: i64, last: i64) -> Value {
        let values: Vec<_> = (first..=last).map(|i| format!("v-{i}")).collect();
        json!({ "event": "records", "id": id, "ms": ms, "topic": "t", "partition": 0, "first": first, "last": last,
            "count": values.len(), "values": values })
    }

    fn commit(ms: i64, id: &str, offset: i64) -> Value {
        json!({ "event": "committed", "id": id, "ms": ms, "offsets": [["t", 0, offset]] })
    }

    fn acked(count: i64) -> Acked {
        let mut acked = Acked::default();
        let acks: Vec<_> = (0..count).map(|i| json!([i, 0, i])).collect();
        let body = json!({ "acks": acks });
        acked.add(
            "t",
            "v",
            &Event {
                kind: Kind::Done,
                id: "p".into(),
                process: 0,
                arrived: 0,
                body,
            },
        );
        acked
    }

    #[test]
    fn lost_repeated_and_changed_records_are_found() {
        let good = story(&[read(1, "a", 0, 4), read(2, "b", 5, 9)]);
        assert!(once(&good, &["a", "b"], &acked(10)).is_ok());
        assert!(once(&good, &["a", "b"], &acked(9)).is_err(), "read what nobody sent");
        assert!(complete(&good, &["a"], &acked(10)).is_err(), "half is lost");
        let again = story(&[read(1, "a", 0, 4), read(2, "b", 4, 9)]);
        assert!(matches!(complete(&again, &["a", "b"], &acked(10)), Ok(1)));
        assert!(once(&again, &["a", "b"], &acked(10)).is_err());
        let mut wrong = read(1, "a", 0, 0);
        wrong["values"][0] = "v-7".into();
        assert!(complete(&story(&[wrong]), &["a"], &acked(1)).is_err());
    }

    #[test]
    fn two_owners_are_found() {
        let handed_on = [
            turn(0, "a", "assigned"),
            turn(1000, "a", "revoked"),
            turn(1001, "b", "assigned"),
        ];
        assert!(one_owner_at_a_time(&story(&handed_on), "g").is_ok());
        let early = [
            turn(0, "a", "assigned"),
            turn(500, "b", "assigned"),
            turn(1000, "a", "revoked"),
        ];
        assert!(one_owner_at_a_time(&story(&early), "g").is_err());
        let never = [turn(0, "a", "assigned"), turn(9000, "b", "assigned")];
        assert!(one_owner_at_a_time(&story(&never), "g").is_err());
    }

    #[test]
    fn an_evicted_member_may_notice_late() {
        let expired = [
            turn(0, "a", "assigned"),
            turn(6000, "b", "assigned"),
            turn(7000, "a", "lost"),
        ];
        assert!(one_owner_at_a_time(&story(&expired), "g").is_ok());
        let alive = [&expired[..1], &[commit(3000, "a", 1)], &expired[1..]].concat();
        assert!(
            one_owner_at_a_time(&story(&alive), "g").is_err(),
            "its session had not run out"
        );
    }

    #[test]
    fn needless_repeats_and_gaps_are_found() {
        let first = [
            turn(0, "a", "assigned"),
            read(10, "a", 0, 4),
            commit(20, "a", 5),
            turn(100, "a", "revoked"),
        ];
        let then = |from: i64| [&first[..], &[turn(200, "b", "assigned"), read(300, "b", from, 9)]].concat();
        assert!(repeats_from_commits_only(&story(&then(5)), "g").is_ok());
        assert!(repeats_from_commits_only(&story(&then(4)), "g").is_err());
        let gap = [turn(0, "a", "assigned"), read(10, "a", 0, 4), read(20, "a", 6, 9)];
        assert!(repeats_from_commits_only(&story(&gap), "g").is_err());
    }

    #[test]
    fn reading_without_owning_is_found() {
        let before = [read(1, "a", 0, 4), turn(2, "a", "assigned")];
        assert!(reads_are_owned(&story(&before), "g").is_err());
        let after = [turn(0, "a", "assigned"), turn(1, "a", "revoked"), read(2, "a", 0, 4)];
        assert!(reads_are_owned(&story(&after), "g").is_err());
    }

    #[test]
    fn a_member_that_ends_unbidden_is_found() {
        let ended = json!({ "event": "ended", "id": "a", "ms": 1 });
        assert!(nobody_gave_up(&story(&[ended])).is_err());
        assert!(nobody_gave_up(&story(&[json!("not an event")])).is_err());
    }
}
