//! The version order of every partition, and who wrote what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::anomaly::{Anomaly, Kind};
use crate::history::{Action, History, Key, Outcome};

/// What is known of the records of a history.
pub(crate) struct Versions<'a> {
    /// Every value that was seen at an offset, by acknowledgement or poll.
    seen: BTreeMap<&'a Key, BTreeMap<i64, BTreeSet<&'a str>>>,
    /// The operations that sent a value: several, if it was aborted and sent again.
    writers: HashMap<(&'a Key, &'a str), Vec<(usize, Outcome)>>,
    /// The one whose record was acknowledged at an offset.
    placed: HashMap<(&'a Key, i64), (usize, &'a str)>,
    polled: HashMap<&'a Key, BTreeSet<i64>>,
    /// The order of what counts, by partition: committed, or read by somebody.
    order: BTreeMap<&'a Key, Vec<(i64, &'a str)>>,
}

impl<'a> Versions<'a> {
    pub(crate) fn of(history: &'a History) -> Versions<'a> {
        let mut versions = Versions {
            seen: BTreeMap::new(),
            writers: HashMap::new(),
            placed: HashMap::new(),
            polled: HashMap::new(),
            order: BTreeMap::new(),
        };
        for (index, operation) in history.operations.iter().enumerate() {
            for action in &operation.actions {
                versions.add(index, operation.outcome, action);
            }
        }
        versions
    }

    fn add(&mut self, index: usize, outcome: Outcome, action: &'a Action) {
        match action {
            Action::Send { key, value, offset } => {
                self.writers.entry((key, value)).or_default().push((index, outcome));
                if let Some(offset) = offset {
                    self.placed.insert((key, *offset), (index, value));
                    self.see(key, *offset, value, outcome == Outcome::Ok);
                }
            }
            Action::Poll { key, records } => {
                for (offset, value) in records {
                    self.polled.entry(key).or_default().insert(*offset);
                    self.see(key, *offset, value, true);
                }
            }
        }
    }

    fn see(&mut self, key: &'a Key, offset: i64, value: &'a str, counts: bool) {
        self.seen
            .entry(key)
            .or_default()
            .entry(offset)
            .or_default()
            .insert(value);
        if counts {
            let order = self.order.entry(key).or_default();
            if let Err(place) = order.binary_search(&(offset, value)) {
                order.insert(place, (offset, value));
            }
        }
    }

    /// The operation that sent the value at an offset: the one it was acknowledged to; else one of which nobody knows.
    pub(crate) fn writer(&self, key: &Key, offset: i64, value: &str) -> Option<usize> {
        if let Some((index, placed)) = self.placed.get(&(key, offset))
            && *placed == value
        {
            return Some(*index);
        }
        let all = self.writers.get(&(key, value))?;
        let unknown = all.iter().find(|(_, outcome)| *outcome == Outcome::Info);
        unknown.or(all.last()).map(|(index, _)| *index)
    }

    /// Every partition with its records that count, by offset.
    pub(crate) fn orders(&self) -> impl Iterator<Item = (&'a Key, &[(i64, &'a str)])> {
        self.order.iter().map(|(key, order)| (*key, order.as_slice()))
    }

    /// The records that count between two offsets, both excluded.
    pub(crate) fn between(&self, key: &Key, low: i64, high: i64) -> &[(i64, &'a str)] {
        let order = self.order.get(key).map_or(&[][..], Vec::as_slice);
        let from = order.partition_point(|(offset, _)| *offset <= low);
        let to = order.partition_point(|(offset, _)| *offset < high);
        order.get(from..to).unwrap_or_default()
    }

    /// The first record that counts after an offset.
    pub(crate) fn next(&self, key: &Key, offset: i64) -> Option<(i64, &'a str)> {
        self.between(key, offset, i64::MAX).first().copied()
    }

    /// Whether somebody read an offset.
    pub(crate) fn is_polled(&self, key: &Key, offset: i64) -> bool {
        self.polled.get(key).is_some_and(|offsets| offsets.contains(&offset))
    }

    /// The highest offset somebody read.
    pub(crate) fn last_polled(&self, key: &Key) -> Option<i64> {
        self.polled.get(key).and_then(|offsets| offsets.last().copied())
    }

    /// Offsets with two values, values with two offsets.
    pub(crate) fn conflicts(&self) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        for (key, offsets) in &self.seen {
            let mut places: HashMap<&str, i64> = HashMap::new();
            for (offset, values) in offsets {
                if values.len() > 1 {
                    let what = format!("{key} offset {offset} was seen as {values:?}");
                    anomalies.push(Anomaly::new(Kind::InconsistentOffsets, what));
                }
            }
            // What was aborted may well be sent again.
            for (offset, value) in self.order.get(key).into_iter().flatten() {
                if let Some(other) = places.insert(value, *offset)
                    && other != *offset
                {
                    let what = format!("{key} has {value} at {other} and at {offset}");
                    anomalies.push(Anomaly::new(Kind::Duplicate, what));
                }
            }
        }
        anomalies
    }
}
