//! The values that were measured, for each figure and subject in the order of the passes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::figure::{Figure, Subject};

/// One value with what went on beside it.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The value in the figure's unit.
    pub value: f64,
    /// Whether other work disturbed it and it was kept all the same.
    pub noisy: bool,
}

/// All values.
#[derive(Default)]
pub struct Samples {
    values: BTreeMap<(&'static str, &'static str, Subject), Vec<Sample>>,
    /// Runs thrown away because of other work, and runs that are left out because none was quiet.
    pub thrown_away: u32,
    /// Runs of which no attempt was quiet.
    pub left_out: u32,
}

impl Samples {
    /// Adds a value.
    pub fn add(&mut self, figure: &Figure, subject: Subject, sample: Sample) {
        let key = (figure.row, figure.name, subject);
        self.values.entry(key).or_default().push(sample);
    }

    /// The values of a figure.
    pub fn of(&self, figure: &Figure, subject: Subject) -> Vec<f64> {
        self.list(figure, subject).iter().map(|sample| sample.value).collect()
    }

    /// Values that were kept although other work disturbed them.
    pub fn noisy(&self, figure: &Figure, subject: Subject) -> usize {
        self.list(figure, subject).iter().filter(|sample| sample.noisy).count()
    }

    /// Whether nobody else was measured beside the one.
    pub fn are_of_one_subject(&self) -> bool {
        let mut subjects = self.values.keys().map(|(_, _, subject)| subject);
        let first = subjects.next();
        subjects.all(|subject| Some(subject) == first)
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
                "noisy": samples.iter().map(|sample| sample.noisy).collect::<Vec<_>>(),
            })
        });
        json!({
            "samples": values.collect::<Vec<_>>(),
            "runs_thrown_away": self.thrown_away,
            "runs_left_out": self.left_out,
        })
    }
}
