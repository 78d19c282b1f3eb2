//! The values that were measured, for each figure and subject in the order of the passes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::figure::{Figure, Subject};
use crate::machine::Usage;
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

/// How often a run that other work has spoilt is tried.
const ATTEMPTS: u32 = 4;

/// All values.
#[derive(Default)]
pub struct Samples {
    values: BTreeMap<(&'static str, &'static str, Subject), Vec<Sample>>,
    /// The pass that goes on.
    pub pass: usize,
    /// Runs thrown away because of other work.
    pub thrown_away: u32,
    /// Runs that were kept although other work disturbed them, because no time was left to repeat them.
    pub disturbed: u32,
    /// Time left for repeating runs.
    spare: Duration,
    /// What could not be measured.
    pub failures: Vec<Failure>,
}

impl Samples {
    /// None yet, and so much time for repeating runs.
    pub fn with_spare(spare: Duration) -> Samples {
        Samples {
            spare,
            ..Samples::default()
        }
    }

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

    /// Whether a run that others used so much of is thrown away and repeated; it took `took`. Not the last attempt at it, and
    /// none once repeating has taken its time: those are kept, and marked.
    pub fn throws_away(&mut self, usage: &Usage, attempt: u32, took: Duration) -> bool {
        if !usage.is_noisy() {
            return false;
        }
        let repeats = attempt < ATTEMPTS && !self.spare.is_zero();
        self.spare = self.spare.saturating_sub(took);
        self.thrown_away += u32::from(repeats);
        self.disturbed += u32::from(!repeats);
        let kept = if repeats { "thrown away" } else { "DISTURBED" };
        let (foreign, steal) = (usage.foreign_share * 100.0, usage.steal_share * 100.0);
        eprintln!("    {kept}: other work took {foreign:.1} % of the CPU, the host {steal:.1} %");
        repeats
    }

    /// The values of a figure: those that were not disturbed, if there are any.
    pub fn of(&self, figure: &Figure, subject: Subject) -> Vec<f64> {
        self.counted(figure, subject).map(|sample| sample.value).collect()
    }

    /// The median of a figure in each pass that has values, by its number.
    pub fn by_pass(&self, figure: &Figure, subject: Subject) -> BTreeMap<usize, f64> {
        let mut passes: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for sample in self.counted(figure, subject) {
            passes.entry(sample.pass).or_default().push(sample.value);
        }
        let medians = passes
            .into_iter()
            .filter_map(|(pass, values)| Some((pass, spread(&values)?.median)));
        medians.collect()
    }

    /// How many of the values of a figure are disturbed: none or all.
    pub fn noisy(&self, figure: &Figure, subject: Subject) -> usize {
        self.counted(figure, subject).filter(|sample| sample.noisy).count()
    }

    /// Whether it was tried to measure nobody but Ottla.
    pub fn are_of_ottla_alone(&self) -> bool {
        let measured = self.values.keys().map(|(_, _, subject)| *subject);
        let failed = self.failures.iter().map(|failure| failure.subject);
        measured.chain(failed).all(|subject| subject == Subject::Ottla)
    }

    fn counted(&self, figure: &Figure, subject: Subject) -> impl Iterator<Item = &Sample> {
        let all = self.list(figure, subject);
        let any_quiet = all.iter().any(|sample| !sample.noisy);
        all.iter().filter(move |sample| !(any_quiet && sample.noisy))
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
            "runs_disturbed": self.disturbed,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::PLAIN;

    const NOISY: Usage = Usage {
        broker: 1.0,
        own: 1.0,
        kernel: 0.0,
        foreign_share: 0.5,
        steal_share: 0.0,
    };
    const QUIET: Usage = Usage {
        foreign_share: 0.0,
        ..NOISY
    };

    #[test]
    fn a_disturbed_run_is_repeated_but_not_for_ever() {
        let mut samples = Samples::with_spare(Duration::from_secs(100));
        let thrown: Vec<bool> = (1..=ATTEMPTS)
            .map(|attempt| samples.throws_away(&NOISY, attempt, Duration::from_secs(1)))
            .collect();
        assert_eq!(thrown, [true, true, true, false]);
        assert_eq!((samples.thrown_away, samples.disturbed), (3, 1));
        assert!(!samples.throws_away(&QUIET, 1, Duration::from_secs(1)));
    }

    #[test]
    fn repeating_takes_no_more_time_than_it_is_given() {
        let mut samples = Samples::with_spare(Duration::from_secs(10));
        assert!(samples.throws_away(&NOISY, 1, Duration::from_secs(11)));
        assert!(!samples.throws_away(&NOISY, 2, Duration::from_secs(11)));
    }

    #[test]
    fn disturbed_values_count_where_there_is_no_other() {
        let mut samples = Samples::default();
        samples.add(&PLAIN, Subject::Ottla, 9.0, true);
        assert_eq!(samples.of(&PLAIN, Subject::Ottla), [9.0]);
        assert_eq!(samples.noisy(&PLAIN, Subject::Ottla), 1);
        samples.add(&PLAIN, Subject::Ottla, 1.0, false);
        assert_eq!(samples.of(&PLAIN, Subject::Ottla), [1.0]);
        assert_eq!(samples.noisy(&PLAIN, Subject::Ottla), 0);
        assert_eq!(samples.by_pass(&PLAIN, Subject::Ottla), BTreeMap::from([(0, 1.0)]));
    }
}
