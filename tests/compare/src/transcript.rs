//! Transcripts: what was answered in a case, step by step, and the files they are kept in.
//!
//! A file holds one area. Cases whose transcripts are equal share one:
//!
//! ```text
//! == heartbeat/none/v0
//! == heartbeat/none/v1
//! member wrong -> {error_code: UNKNOWN_MEMBER_ID}
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// One thing asked and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// What was asked.
    pub label: String,
    /// The answer as the text of a tree, or `silence` or `closed`.
    pub outcome: String,
}

/// All steps of one case.
pub type Transcript = Vec<Step>;

/// Transcripts by the names of their cases.
pub type Transcripts = BTreeMap<String, Transcript>;

/// The area of a case: its name up to the first slash.
pub fn area(case: &str) -> &str {
    case.split('/').next().unwrap_or(case)
}

/// Writes one file per area into `directory`.
pub fn write(directory: &Path, transcripts: &Transcripts) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut areas: BTreeMap<&str, Vec<(&String, &Transcript)>> = BTreeMap::new();
    for (case, transcript) in transcripts {
        areas.entry(area(case)).or_default().push((case, transcript));
    }
    for (area, cases) in areas {
        std::fs::write(directory.join(format!("{area}.txt")), render(&cases))?;
    }
    Ok(())
}

/// Reads all files of `directory`.
pub fn read(directory: &Path) -> Result<Transcripts> {
    let mut transcripts = Transcripts::new();
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path)?;
            parse(&text, &mut transcripts).with_context(|| format!("in {}", path.display()))?;
        }
    }
    Ok(transcripts)
}

fn render(cases: &[(&String, &Transcript)]) -> String {
    let mut shared: Vec<(Vec<&str>, &Transcript)> = Vec::new();
    let mut positions: BTreeMap<&Transcript, usize> = BTreeMap::new();
    for (case, transcript) in cases {
        let position = *positions.entry(transcript).or_insert_with(|| {
            shared.push((Vec::new(), transcript));
            shared.len() - 1
        });
        shared[position].0.push(case);
    }
    let mut text = String::new();
    for (cases, transcript) in shared {
        for case in cases {
            text += &format!("== {case}\n");
        }
        for Step { label, outcome } in transcript {
            text += &format!("{label}{ARROW}{outcome}\n");
        }
    }
    text
}

fn parse(text: &str, transcripts: &mut Transcripts) -> Result<()> {
    let mut cases: Vec<String> = Vec::new();
    let mut is_heading = false;
    for line in text.lines() {
        if let Some(case) = line.strip_prefix("== ") {
            if !is_heading {
                cases.clear();
            }
            is_heading = true;
            cases.push(case.to_owned());
            transcripts.insert(case.to_owned(), Transcript::new());
            continue;
        }
        is_heading = false;
        let Some((label, outcome)) = line.split_once(ARROW) else {
            bail!("no step: {line}");
        };
        for case in &cases {
            let step = Step {
                label: label.to_owned(),
                outcome: outcome.to_owned(),
            };
            transcripts.entry(case.clone()).or_default().push(step);
        }
    }
    Ok(())
}

const ARROW: &str = " -> ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_written() {
        let step = |outcome: &str| Step {
            label: "beat".into(),
            outcome: outcome.into(),
        };
        let (a, b, c) = ("x/a".to_owned(), "x/b".to_owned(), "x/c".to_owned());
        let (one, two) = (vec![step("{e: 1}"), step("silence")], vec![step("closed")]);
        let text = render(&[(&a, &one), (&b, &two), (&c, &one)]);
        assert_eq!(
            text,
            "== x/a\n== x/c\nbeat -> {e: 1}\nbeat -> silence\n== x/b\nbeat -> closed\n"
        );
        let mut read = Transcripts::new();
        parse(&text, &mut read).unwrap();
        assert_eq!(read, [(a, one.clone()), (b, two), (c, one)].into());
    }
}
