//! What a Kafka Streams application has counted: every step once, in order, up to the right end.

use super::Worker;
use crate::story::Story;
use crate::trouble::{Outcome, expect, unmet};
use std::collections::BTreeMap;

/// How many records the reader has seen counted.
pub(super) fn counted(story: &Story, worker: Worker) -> usize {
    let mut highest: BTreeMap<String, usize> = BTreeMap::new();
    for value in story.values("along") {
        if let Some((word, count)) = result(&value) {
            let known = highest.entry(word.to_owned()).or_default();
            *known = count.max(*known);
        }
    }
    match worker {
        Worker::Words => highest.get("all").copied().unwrap_or_default(),
        _ => highest.values().sum(),
    }
}

/// `word COUNT ...`
fn result(value: &str) -> Option<(&str, usize)> {
    let mut parts = value.split(' ');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Every word was counted from one to its number of records without a gap or a repeat, and the sums are right.
pub(super) fn counts(output: &[String], worker: Worker, put_in: u64) -> Outcome<()> {
    let mut last: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for value in output {
        let Some((word, count)) = result(value) else {
            return unmet(format!("{value} is no count"));
        };
        let (before, _) = last.insert(word, (count, value)).unwrap_or_default();
        expect(count == before + 1, || format!("{value} came after {word} {before}"))?;
    }
    let mut wanted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for number in 0..put_in {
        let words = match worker {
            Worker::Words => vec![format!("word-{}", number % 20), "all".to_owned()],
            _ => vec![format!("sum-{}", number % 7)],
        };
        for word in words {
            let counted = wanted.entry(word).or_default();
            *counted = (counted.0 + 1, counted.1 + number);
        }
    }
    for (word, (count, sum)) in &wanted {
        let line = match worker {
            Worker::Words => format!("{word} {count}"),
            _ => format!("{word} {count} {sum}"),
        };
        let found = last.get(word.as_str()).map(|(_, value)| *value);
        expect(found == Some(line.as_str()), || format!("{found:?} instead of {line}"))?;
    }
    expect(last.len() == wanted.len(), || {
        format!("{} words instead of {}", last.len(), wanted.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn counts_that_repeat_or_miss_are_found() {
        let good = [
            "sum-0 1 0",
            "sum-1 1 1",
            "sum-0 2 7",
            "sum-2 1 2",
            "sum-3 1 3",
            "sum-4 1 4",
            "sum-5 1 5",
            "sum-6 1 6",
        ];
        assert!(counts(&lines(&good), Worker::Sums, 8).is_ok());
        assert!(counts(&lines(&good), Worker::Sums, 9).is_err(), "one is missing");
        assert!(counts(&lines(&good), Worker::Sums, 7).is_err(), "one is too many");
        let twice = [&good[..], &["sum-6 1 6"]].concat();
        assert!(counts(&lines(&twice), Worker::Sums, 8).is_err(), "counted twice");
        let wrong = [&good[..7], &["sum-6 1 7"]].concat();
        assert!(counts(&lines(&wrong), Worker::Sums, 8).is_err(), "summed wrongly");
    }
}
