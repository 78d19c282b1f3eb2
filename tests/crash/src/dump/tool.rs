//! Kafka's DumpLogSegments over every file of a data directory, and its output held against what clients read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Contents, GROUP, transactions};
use crate::content::{Value, body};
use crate::evidence::Evidence;
use crate::trouble::{During, Trouble, expect};

/// The endings of files the tool reads.
const ENDINGS: &[&str] = &["log", "index", "timeindex", "txnindex", "snapshot"];
/// What the tool prints when something is wrong, in lines that are not records.
const WRONG: &[&str] = &[
    "ismatch",
    "out of order",
    "invalid bytes",
    "isvalid: false",
    "xception",
    "Could not",
    "Error",
    "nknown",
    "No such",
];
/// Printed of compacted logs, which have gaps.
const GAPS: &str = "Non-consecutive offsets";

/// Lets the tool read everything; the words are what it read.
pub(super) fn check(
    script: &Path,
    data: &Path,
    read: &Contents,
    committed: i64,
    evidence: &Evidence,
) -> Result<String, Trouble> {
    let files = files(data)?
        .into_iter()
        .filter(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0));
    let (mut users, mut offsets, mut cluster) = (Vec::new(), Vec::new(), Vec::new());
    let (mut coordinators, mut transacted) = (Vec::new(), Vec::new());
    for file in files {
        let folder = file
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match folder {
            folder if folder.starts_with("__consumer_offsets-") => offsets.push(file),
            folder if folder.starts_with("__cluster_metadata-") => cluster.push(file),
            folder if folder.starts_with("__transaction_state-") => coordinators.push(file),
            folder if folder.starts_with(transactions::TOPIC) => transacted.push(file),
            folder if folder.starts_with("dump-gone-") => {
                return Err(Trouble::new(format!("{} outlived its topic", file.display())));
            }
            _ => users.push(file),
        }
    }
    let count = users.len() + offsets.len() + cluster.len() + coordinators.len() + transacted.len();
    let dumped = run(script, &users, "--print-data-log", evidence)?;
    expect(!dumped.contains(GAPS), || {
        "the tool found offsets that do not follow one another".to_owned()
    })?;
    let records = compare(&dumped, read)?;
    let dumped = run(script, &offsets, "--offsets-decoder", evidence)?;
    compare_commits(&dumped, committed)?;
    let dumped = run(script, &cluster, "--cluster-metadata-decoder", evidence)?;
    let states = run(script, &coordinators, "--transaction-log-decoder", evidence)?;
    transactions::compare_states(&states)?;
    transactions::compare_markers(&run(script, &transacted, "--print-data-log", evidence)?)?;
    let topics = dumped.matches("\"type\":\"TOPIC_RECORD\"").count();
    expect(topics >= read.len() / 50, || {
        format!("the metadata log has {topics} topics")
    })?;
    Ok(format!(
        "{count} files and {records} records are as read, {topics} topics in the metadata log"
    ))
}

/// All files the tool reads, below a directory.
pub(super) fn files(data: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(data).during(data.display())? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&folder)? {
            let file = file?.path();
            if file
                .extension()
                .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
            {
                found.push(file);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The tool's output, free of complaints.
fn run(script: &Path, files: &[PathBuf], how: &str, evidence: &Evidence) -> Result<String, Trouble> {
    expect(!files.is_empty(), || format!("there are no files for {how}"))?;
    let names = files
        .iter()
        .map(|file| file.display().to_string())
        .collect::<Vec<_>>()
        .join(",");
    let mut command = Command::new(script);
    command.args(["run", "org.apache.kafka.tools.DumpLogSegments", how, "--files", &names]);
    let output = command.output().during(script.display())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::write(evidence.path().join(format!("dump{how}.txt")), &output.stdout)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(output.status.success(), || {
        format!("DumpLogSegments {how}: {}", said.trim())
    })?;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("| offset"))
        .chain(said.lines());
    let wrong = lines
        .into_iter()
        .find(|line| WRONG.iter().any(|word| line.contains(word)));
    expect(wrong.is_none(), || {
        format!("DumpLogSegments {how} says: {}", wrong.unwrap_or_default())
    })?;
    let skipped = text
        .lines()
        .find(|line| line.contains("Error at ") || line.contains("skipping"));
    expect(skipped.is_none(), || {
        format!("DumpLogSegments {how} says: {}", skipped.unwrap_or_default())
    })?;
    Ok(text)
}

/// The records in the dump are exactly those that clients read, but for deleted ones before the log start.
fn compare(dumped: &str, read: &Contents) -> Result<usize, Trouble> {
    let mut found = BTreeMap::<(String, i32), BTreeMap<i64, Value>>::new();
    let mut partition = (String::new(), 0);
    for line in dumped.lines() {
        if let Some(path) = line.strip_prefix("Dumping ") {
            partition = partition_of(Path::new(path)).ok_or_else(|| Trouble::new(format!("what is {path}?")))?;
        }
        let Some(record) = line.strip_prefix("| offset: ") else {
            continue;
        };
        let (offset, value) = record_of(record).ok_or_else(|| Trouble::new(format!("the tool printed {line}")))?;
        found.entry(partition.clone()).or_default().insert(offset, value);
    }
    for (partition, records) in read {
        let empty = BTreeMap::new();
        let dumped = found.get(partition).unwrap_or(&empty);
        for (offset, value) in records {
            expect(dumped.get(offset) == Some(value), || {
                format!(
                    "{partition:?} has {value} at offset {offset}, the file has {:?}",
                    dumped.get(offset)
                )
            })?;
        }
        let start = records.first().map_or(i64::MAX, |(offset, _)| *offset);
        let beyond = dumped.range(start..).count();
        expect(beyond == records.len(), || {
            format!(
                "{partition:?} has {} records for clients and {beyond} in its files",
                records.len()
            )
        })?;
    }
    Ok(found.values().map(BTreeMap::len).sum())
}

/// `12 CreateTime: .. keySize: .. valueSize: .. sequence: .. headerKeys: [] key: .. payload: ..`
fn record_of(line: &str) -> Option<(i64, Value)> {
    let offset = line.split(' ').next()?.parse().ok()?;
    let (_, rest) = line.split_once(" key: ")?;
    let (key, payload) = rest.split_once(" payload: ")?;
    let value = Value::of_key(key.as_bytes())?;
    (payload.as_bytes() == body(value, payload.len())).then_some((offset, value))
}

/// The topic and the number in `.../topic-number/file`.
fn partition_of(path: &Path) -> Option<(String, i32)> {
    let folder = path.parent()?.file_name()?.to_str()?;
    let (topic, number) = folder.rsplit_once('-')?;
    Some((topic.to_owned(), number.parse().ok()?))
}

/// The last commit of each partition of the group is the one that was acknowledged last.
fn compare_commits(dumped: &str, committed: i64) -> Result<(), Trouble> {
    let mut last = BTreeMap::new();
    for line in dumped.lines().filter(|line| line.starts_with("| offset: ")) {
        let Some((key, payload)) = line
            .split_once(" key: ")
            .and_then(|(_, rest)| rest.split_once(" payload: "))
        else {
            continue;
        };
        let Ok(key) = serde_json::from_str::<serde_json::Value>(key) else {
            return Err(Trouble::new(format!(
                "the tool cannot read a key of __consumer_offsets: {line}"
            )));
        };
        let data = &key["data"];
        if data["group"] == GROUP && data["partition"].is_number() {
            let payload: serde_json::Value = serde_json::from_str(payload).during(format!("the payload in {line}"))?;
            last.insert(
                data["partition"].as_i64().unwrap_or(-1),
                payload["data"]["offset"].as_i64().unwrap_or(-1),
            );
        }
    }
    expect(last.len() == super::WIDE as usize, || {
        format!("the dump has {} commits of {GROUP}", last.len())
    })?;
    let other = last.iter().find(|(_, offset)| **offset != committed);
    expect(other.is_none(), || {
        format!("the dump has {other:?} as last commit, acknowledged was {committed}")
    })
}
