//! The values that were measured, for each figure and subject in the order of the passes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::figure::{Figure, Subject};
use crate::statistics::spread;

/// One value with what went on beside it.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The value in the figure's unit.
    pub value: f64,
    /// The pass it comes from; those of the same number are neighbours in time.
    pub pass: usize,
    /// Whether other work disturbed it and it was kept all the same.
    pub noisy: bool,
}

/// A case that could not be measured in one pass.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The case's name.
    pub case: &'static str,
    /// On whom.
    pub subject: Subject,
    /// In which pass.
    pub pass: usize,
    /// Why, in one line.
    pub why: String,
}

/// All values.
#[derive(Default)]
pub struct Samples {
    values: BTreeMap<(&'static str, &'static str, Subject), Vec<Sample>>,
    /// The pass that goes on.
    pub pass: usize,
    /// Runs thrown away because of other work, and runs that are left out because none was quiet.
    pub thrown_away: u32,
    /// Runs of which no attempt was quiet.
    pub left_out: u32,
    /// What could not be measured.
    pub failures: Vec<Failure>,
}

impl Samples {
    /// Adds a value of the pass that goes on.
    pub fn add(&mut self, figure: &Figure, subject: Subject, value: f64, noisy: bool) {
        let key = (figure.row, figure.name, subject);
        let pass = self.pass;
        self.values.entry(key).or_default().push(Sample { value, pass, noisy });
    }

    /// Notes that a case failed in the pass that goes on.
    pub fn fail(&mut self, case: &'static str, subject: Subject, why: &str) {
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        eprintln!("  {case} on {} FAILED: {why}", subject.name());
        let pass = self.pass;
        self.failures.push(Failure {
            case,
            subject,
            pass,
            why: why.chars().take(WHY_CHARS_MAX).collect(),
        });
    }

    /// The values of a figure.
    pub fn of(&self, figure: &Figure, subject: Subject) -> Vec<f64> {
        self.list(figure, subject).iter().map(|sample| sample.value).collect()
    }

    /// The median of a figure in each pass that has values, by its number.
    pub fn by_pass(&self, figure: &Figure, subject: Subject) -> BTreeMap<usize, f64> {
        let mut passes: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for sample in self.list(figure, subject) {
            passes.entry(sample.pass).or_default().push(sample.value);
        }
        let medians = passes
            .into_iter()
            .filter_map(|(pass, values)| Some((pass, spread(&values)?.median)));
        medians.collect()
    }

    /// Values that were kept although other work disturbed them.
    pub fn noisy(&self, figure: &Figure, subject: Subject) -> usize {
        self.list(figure, subject).iter().filter(|sample| sample.noisy).count()
    }

    /// Whether it was tried to measure nobody but Ottla.
    pub fn are_of_ottla_alone(&self) -> bool {
        let measured = self.values.keys().map(|(_, _, subject)| *subject);
        let failed = self.failures.iter().map(|failure| failure.subject);
        measured.chain(failed).all(|subject| subject == Subject::Ottla)
    }

    fn list(&self, figure: &Figure, subject: Subject) -> &[Sample] {
        let key = (figure.row, figure.name, subject);
        self.values.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Everything, for programs.
    pub fn to_json(&self) -> Value {
        let values = self.values.iter().map(|((row, name, subject), samples)| {
            json!({
                "row": row,
                "figure": name,
                "subject": subject.name(),
                "values": samples.iter().map(|sample| sample.value).collect::<Vec<_>>(),
                "passes": samples.iter().map(|sample| sample.pass).collect::<Vec<_>>(),
                "noisy": samples.iter().map(|sample| sample.noisy).collect::<Vec<_>>(),
            })
        });
        json!({
            "samples": values.collect::<Vec<_>>(),
            "runs_thrown_away": self.thrown_away,
            "runs_left_out": self.left_out,
            "failures": self.failures.iter().map(Failure::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Failure {
    fn to_json(&self) -> Value {
        json!({"case": self.case, "subject": self.subject.name(), "pass": self.pass, "why": self.why})
    }
}

/// As much of a reason as is told; a tool's output may be long.
const WHY_CHARS_MAX: usize = 600;
