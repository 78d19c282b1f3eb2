//! The report: the table with all that one must know to read it, for people and for programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::broker::{kafka, librdkafka};
use crate::case::Case;
use crate::machine;
use crate::samples::Samples;
use crate::stage::{Extent, Rules};
use crate::table::table;

/// How the figures came about.
pub struct Circumstances<'a> {
    /// The program's arguments.
    pub command: &'a str,
    /// How it was measured.
    pub rules: Rules,
    /// Passes over each broker.
    pub pairs: usize,
    /// How long everything took.
    pub took: Duration,
    /// What the disk's read-ahead was meanwhile.
    pub read_ahead: &'a str,
}

/// The report in Markdown.
pub fn markdown(cases: &[Case], samples: &Samples, how: &Circumstances<'_>) -> String {
    let extent = match how.rules.extent {
        Extent::Full => "",
        Extent::Quick => " This is the quick extent: fewer cases, fewer and shorter runs.",
    };
    let noise = if how.rules.keep_noisy {
        "Runs that other work disturbed were KEPT (`--noisy`): no figures to be quoted.".to_owned()
    } else {
        format!(
            "Runs of which other processes or the machine's host took more than {:.0} % of the CPU were thrown away and repeated \
             ({} times). Then repeating had taken its time: {} more disturbed runs count only where no other value is there, and rows \
             made of them are marked (noisy).",
            machine::FOREIGN_SHARE_MAX * 100.0,
            samples.thrown_away,
            samples.disturbed
        )
    };
    let fewer = told_fewer(cases, how.pairs);
    let facts = facts(how);
    let facts: Vec<String> = facts.iter().map(|(name, value)| format!("- {name}: {value}")).collect();
    format!(
        "# Measured by `{}`\n\n{} passes over each broker, alternating, {:.0} minutes in all.{extent}{fewer} {noise}\n\n{}\n\n\
         Values are medians with the least and the largest in brackets; ratios are those of the medians, with the least and \
         the largest of neighbouring passes. CPU is user and system time of the broker's process from rest to rest. Latencies \
         count from the time at which a request was to be sent.\n\n{}",
        how.command,
        how.pairs,
        how.took.as_secs_f64() / 60.0,
        facts.join("\n"),
        table(cases, samples)
    )
}

/// Which cases did not run in every pair, and in how many they did.
fn told_fewer(cases: &[Case], pairs: usize) -> String {
    let dear = cases.iter().filter(|case| case.pairs_max < pairs);
    let dear: Vec<String> = dear.map(|case| format!("{} ({})", case.name, case.pairs_max)).collect();
    match dear.as_slice() {
        [] => String::new(),
        dear => format!(" Dear cases ran in fewer of them: {}.", dear.join(", ")),
    }
}

/// Writes the report and its values to a directory, and says where.
pub fn write(
    directory: &Path,
    name: &str,
    markdown: &str,
    samples: &Samples,
    how: &Circumstances<'_>,
) -> Result<PathBuf, String> {
    let values = json!({
        "command": how.command,
        "pairs": how.pairs,
        "quick": how.rules.extent == Extent::Quick,
        "noisy_runs_kept": how.rules.keep_noisy,
        "facts": facts(how).into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "measured": samples.to_json(),
    });
    let page = directory.join(format!("{name}.md"));
    let result = fs::create_dir_all(directory)
        .and_then(|()| fs::write(&page, markdown))
        .and_then(|()| fs::write(directory.join(format!("{name}.json")), format!("{values:#}\n")));
    result
        .map(|()| page.clone())
        .map_err(|error| format!("{}: {error}", page.display()))
}

fn facts(how: &Circumstances<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("date", date()),
        ("commit", commit()),
        ("machine", format!("{}, {}", machine::description(), how.read_ahead)),
        (
            "Ottla",
            "release build, profile production: every acknowledged write is flushed first".to_owned(),
        ),
        (
            "Kafka",
            format!("4.3.1, one combined KRaft node, {}, Kafka's defaults", kafka::JVM),
        ),
        ("librdkafka", librdkafka::version()),
        ("Java", machine::version_of("java", "-version")),
        (
            "both",
            "group.initial.rebalance.delay.ms=0, log.segment.delete.delay.ms=1000; broker and load share the machine"
                .to_owned(),
        ),
    ]
}

fn date() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let output = Command::new("date")
        .args(["--utc", "+%Y-%m-%d %H:%M UTC", "--date", &format!("@{seconds}")])
        .output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// The commit measured, and whether the work tree differed from it.
fn commit() -> String {
    let output = Command::new("git")
        .args([
            "-C",
            env!("CARGO_MANIFEST_DIR"),
            "describe",
            "--always",
            "--dirty",
            "--abbrev=10",
        ])
        .output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}
