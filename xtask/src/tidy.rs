//! Rules about files that no compiler checks: every source file says what it owns, none grows too long, nothing is left
//! behind.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{Outcome, root};

/// Lines a file may have, tests aside.
const LINES_MAX: usize = 800;

/// Words that mark unfinished work. Split here so that this file does not find itself.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("#[ig", "nore]"),
];

/// Checks every Rust source of the workspace and reports all that is wrong at once.
pub fn run() -> Outcome {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "tests", "bench", "fuzz"] {
        collect(&root().join(folder), &mut files);
    }
    let mut wrong = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        check(file, &text, &mut wrong);
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("tidy:\n{}", wrong.join("\n")))
    }
}

fn check(file: &Path, text: &str, wrong: &mut Vec<String>) {
    let file = file.strip_prefix(root()).unwrap_or(file).display();
    if !text.starts_with("//!") && !text.starts_with("#![") {
        wrong.push(format!(
            "  {file}: does not open with `//!`: what it owns, what it must never do"
        ));
    }
    let lines = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .count();
    if lines > LINES_MAX {
        wrong.push(format!("  {file}: {lines} lines are above {LINES_MAX}"));
    }
    for leftover in LEFTOVERS {
        if text.contains(leftover) {
            wrong.push(format!("  {file}: {leftover} is left behind"));
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != "node_modules" && name != ".cache" {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
