//! What differs between two transcripts, and which differences are meant to be.
//!
//! A difference that is meant stands in `docs/differences.md` under a heading, with its reason in prose and with one or
//! more lines in a block fenced as `differences`:
//!
//! ```text
//! case: join/*  step: *  field: members.metadata  left: *  right: null
//! ```
//!
//! Every part is a glob and may be left out, but for the case. A field is named by its path without indices; what the
//! whole answer is (`silence`, `closed`) is the field `answer`.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::transcript::Transcript;
use crate::tree::Tree;

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The case.
    pub case: String,
    /// The label of the step.
    pub step: String,
    /// The path of the field.
    pub field: String,
    /// The value on the left, usually Kafka's.
    pub left: String,
    /// The value on the right, usually Ottla's.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} / {}", self.step, self.field)?;
        writeln!(f, "    left:  {}", self.left)?;
        write!(f, "    right: {}", self.right)
    }
}

/// All values in which two transcripts of `case` differ.
pub fn find(case: &str, left: &Transcript, right: &Transcript) -> Vec<Difference> {
    let mut finder = Finder {
        case,
        step: "",
        found: Vec::new(),
    };
    for index in 0..left.len().max(right.len()) {
        match (left.get(index), right.get(index)) {
            (Some(left), Some(right)) if left.label == right.label => {
                finder.step = &left.label;
                finder.outcomes(&left.outcome, &right.outcome);
            }
            (left, right) => {
                finder.step = left.or(right).map_or("", |step| &step.label);
                let text = |step: Option<&crate::transcript::Step>| {
                    step.map_or("no such step".to_owned(), |step| {
                        format!("{}: {}", step.label, step.outcome)
                    })
                };
                finder.add("steps", &text(left), &text(right));
                // What follows a step that is missing says nothing more.
                break;
            }
        }
    }
    finder.found
}

struct Finder<'a> {
    case: &'a str,
    step: &'a str,
    found: Vec<Difference>,
}

impl Finder<'_> {
    fn outcomes(&mut self, left: &str, right: &str) {
        if left == right {
            return;
        }
        match (Tree::parse(left), Tree::parse(right)) {
            (Ok(left @ Tree::Struct(_)), Ok(right @ Tree::Struct(_))) => self.trees("", &left, &right),
            _ => self.add("answer", left, right),
        }
    }

    fn trees(&mut self, path: &str, left: &Tree, right: &Tree) {
        match (left, right) {
            (Tree::Struct(left), Tree::Struct(right)) if left.iter().map(|f| &f.0).eq(right.iter().map(|f| &f.0)) => {
                for ((name, left), (_, right)) in left.iter().zip(right) {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.trees(&path, left, right);
                }
            }
            (Tree::List(left), Tree::List(right)) if left.len() == right.len() => {
                for (left, right) in left.iter().zip(right) {
                    self.trees(path, left, right);
                }
            }
            (Tree::List(left), Tree::List(right)) => self.lists(path, left, right),
            (left, right) if left != right => self.add(path, &left.to_string(), &right.to_string()),
            _ => {}
        }
    }

    /// Lists of different lengths: entries with a name are paired by it, so that one missing entry is one difference.
    fn lists(&mut self, path: &str, left: &[Tree], right: &[Tree]) {
        let names = |list: &[Tree]| list.iter().map(entry_name).collect::<Option<Vec<String>>>();
        let (Some(left_names), Some(right_names)) = (names(left), names(right)) else {
            let (left, right) = (Tree::List(left.to_vec()), Tree::List(right.to_vec()));
            return self.add(path, &left.to_string(), &right.to_string());
        };
        for (name, entry) in left_names.iter().zip(left) {
            let named = format!("{path}({name})");
            match right_names.iter().position(|other| other == name) {
                Some(at) => self.trees(path, entry, &right[at]),
                None => self.add(&named, &entry.to_string(), "missing"),
            }
        }
        for (name, entry) in right_names.iter().zip(right) {
            if !left_names.contains(name) {
                self.add(&format!("{path}({name})"), "missing", &entry.to_string());
            }
        }
    }

    fn add(&mut self, field: &str, left: &str, right: &str) {
        self.found.push(Difference {
            case: self.case.to_owned(),
            step: self.step.to_owned(),
            field: field.to_owned(),
            left: left.to_owned(),
            right: right.to_owned(),
        });
    }
}

fn entry_name(entry: &Tree) -> Option<String> {
    let name = ["name", "api_key", "group_id", "partition_index", "topic"]
        .iter()
        .find_map(|field| entry.field(field))?;
    Some(name.to_string().trim_matches('"').to_owned())
}

/// A kind of difference that is meant.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its line in the document.
    pub text: String,
    globs: Vec<(&'static str, String)>,
}

impl Accepted {
    /// Reads all entries of a document.
    pub fn read(document: &str) -> Result<Vec<Accepted>> {
        let mut entries = Vec::new();
        let mut is_inside = false;
        for line in document.lines() {
            if line.starts_with("```") {
                is_inside = line == "```differences";
            } else if is_inside && !line.trim().is_empty() {
                entries.push(Accepted::parse(line).with_context(|| format!("in {line}"))?);
            }
        }
        Ok(entries)
    }

    /// Whether this entry allows `difference`.
    pub fn allows(&self, difference: &Difference) -> bool {
        self.globs.iter().all(|(part, pattern)| {
            let value = match *part {
                "case" => &difference.case,
                "step" => &difference.step,
                "field" => &difference.field,
                "left" => &difference.left,
                _ => &difference.right,
            };
            matches(pattern, value)
        })
    }

    fn parse(line: &str) -> Result<Accepted> {
        const PARTS: [&str; 5] = ["case", "step", "field", "left", "right"];
        let start_of = |part: &str| match line.find(&format!("  {part}: ")) {
            Some(at) => Some(at + 2),
            None => line.starts_with(&format!("{part}: ")).then_some(0),
        };
        let starts: Vec<(&'static str, usize)> = PARTS
            .into_iter()
            .filter_map(|part| start_of(part).map(|at| (part, at)))
            .collect();
        if starts.first().is_none_or(|(part, at)| *part != "case" || *at != 0) || !starts.is_sorted_by_key(|s| s.1) {
            bail!("an entry is `case: ..  step: ..  field: ..  left: ..  right: ..`, two spaces between");
        }
        let globs = starts.iter().enumerate().map(|(index, (part, at))| {
            let end = starts.get(index + 1).map_or(line.len(), |next| next.1);
            (*part, line[at + part.len() + 2..end].trim().to_owned())
        });
        Ok(Accepted {
            text: line.to_owned(),
            globs: globs.collect(),
        })
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let mut cuts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    cuts.any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Step;

    fn transcript(outcomes: &[&str]) -> Transcript {
        let step = |outcome: &&str| Step {
            label: "ask".into(),
            outcome: (*outcome).to_owned(),
        };
        outcomes.iter().map(step).collect()
    }

    #[test]
    fn differences_are_named_by_field() {
        let left = transcript(&["{a: {b: 1}, c: [{name: \"x\", d: 1}, {name: \"y\", d: 2}]}", "silence"]);
        let right = transcript(&["{a: {b: 2}, c: [{name: \"y\", d: 3}]}", "closed"]);
        let found = find("case", &left, &right);
        let fields: Vec<&str> = found.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!(fields, ["a.b", "c(x)", "c.d", "answer"]);
        assert!(find("case", &left, &left).is_empty());
    }

    #[test]
    fn entries_of_the_document_allow_what_they_name() {
        let document = "# T\n```differences\ncase: join/*/v?  field: a\ncase: *  field: a.*  left: 1\n```\nWhy.\n";
        let entries = Accepted::read(document).unwrap();
        let found = find("c", &transcript(&["{a: {b: 1}}"]), &transcript(&["{a: {b: 2}}"]));
        assert!(!entries[0].allows(&found[0]));
        assert!(entries[1].allows(&found[0]));
        assert!(Accepted::read("```differences\nfield: x\n```").is_err());
    }

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("a*c*", "abcd"));
        assert!(matches("*", ""));
        assert!(!matches("a*c", "abcd"));
    }
}
