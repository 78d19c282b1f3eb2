//! The command line of the comparison.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use ottla_compare::cases::{self, Case};
use ottla_compare::differences::{self, Accepted, Difference};
use ottla_compare::script::Broker;
use ottla_compare::transcript::{self, Transcripts};
use ottla_compare::{runner, setup};

/// Compare what two brokers answer to the same requests.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the cases.
    List {
        #[command(flatten)]
        choice: Choice,
    },
    /// Write down what a broker answers, one file per area.
    Record {
        /// The broker, host:port.
        #[arg(long)]
        bootstrap: String,
        /// The directory of the files.
        #[arg(long, default_value = RECORDED)]
        out: PathBuf,
        #[command(flatten)]
        choice: Choice,
    },
    /// Compare a broker with the recording.
    Check {
        /// The broker, host:port.
        #[arg(long)]
        bootstrap: String,
        /// The directory of the recording.
        #[arg(long, default_value = RECORDED)]
        recorded: PathBuf,
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        output: Output,
    },
    /// Compare two brokers.
    Run {
        /// The broker that is right, host:port.
        #[arg(long)]
        left: String,
        /// The broker that is tried, host:port.
        #[arg(long)]
        right: String,
        #[command(flatten)]
        choice: Choice,
        #[command(flatten)]
        output: Output,
    },
}

/// Which cases, and how.
#[derive(Args)]
struct Choice {
    /// Only this area (may be given several times).
    #[arg(long)]
    area: Vec<String>,
    /// Only cases whose name matches this glob.
    #[arg(long)]
    case: Option<String>,
    /// Only so many cases, spread over all areas.
    #[arg(long)]
    subset: Option<usize>,
    /// So many cases at a time.
    #[arg(long, default_value_t = 24)]
    at_once: usize,
}

/// What to say of differences.
#[derive(Args)]
struct Output {
    /// The document of differences that are meant.
    #[arg(long, default_value = DIFFERENCES)]
    differences: PathBuf,
    /// Show the whole transcripts of cases that differ.
    #[arg(long)]
    show: bool,
}

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorded");
const DIFFERENCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/differences.md");

fn main() -> Result<ExitCode> {
    let cases = cases::all();
    match Arguments::parse().command {
        Command::List { choice } => {
            for case in choice.of(&cases) {
                println!("{}", case.name);
            }
        }
        Command::Record { bootstrap, out, choice } => {
            let chosen = choice.of(&cases);
            record(&bootstrap, &chosen, choice.at_once, &out)?;
        }
        Command::Check {
            bootstrap,
            recorded,
            choice,
            output,
        } => {
            let chosen = choice.of(&cases);
            let left = transcript::read(&recorded)?;
            let right = timed(&bootstrap, &chosen, choice.at_once)?;
            let retry = |cases: &[&Case]| Ok((None, Some(patient(&bootstrap, cases)?)));
            return report(&chosen, (left, right), retry, &output);
        }
        Command::Run {
            left,
            right,
            choice,
            output,
        } => {
            let chosen = choice.of(&cases);
            let transcripts = (
                timed(&left, &chosen, choice.at_once)?,
                timed(&right, &chosen, choice.at_once)?,
            );
            let retry = |cases: &[&Case]| Ok((Some(patient(&left, cases)?), Some(patient(&right, cases)?)));
            return report(&chosen, transcripts, retry, &output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Choice {
    fn of<'a>(&self, cases: &'a [Case]) -> Vec<&'a Case> {
        let is_chosen = |case: &&Case| {
            let area = transcript::area(&case.name);
            let in_area = self.area.is_empty() || self.area.iter().any(|wanted| wanted == area);
            in_area
                && self
                    .case
                    .as_ref()
                    .is_none_or(|glob| differences::matches(glob, &case.name))
        };
        let chosen: Vec<&Case> = cases.iter().filter(is_chosen).collect();
        match self.subset {
            Some(count) => runner::subset(&chosen, count),
            None => chosen,
        }
    }
}

/// Runs all cases twice; those that differ were hurried and are run once more with more time. A recording of some cases
/// leaves the files' other cases as they are.
fn record(bootstrap: &str, cases: &[&Case], at_once: usize, out: &Path) -> Result<()> {
    let mut first = timed(bootstrap, cases, at_once)?;
    let second = timed(bootstrap, cases, at_once)?;
    let differing: Vec<&Case> = cases
        .iter()
        .copied()
        .filter(|case| first.get(&case.name) != second.get(&case.name))
        .collect();
    if !differing.is_empty() {
        eprintln!(
            "{} cases differ between two runs; once more with more time",
            differing.len()
        );
        first.extend(patient(bootstrap, &differing)?);
    }
    let known = cases::all();
    let mut transcripts = transcript::read(out).unwrap_or_default();
    transcripts.retain(|name, _| known.iter().any(|case| case.name == *name));
    transcripts.extend(first);
    transcript::write(out, &transcripts)?;
    eprintln!("{} cases recorded in {}", cases.len(), out.display());
    Ok(())
}

fn timed(bootstrap: &str, cases: &[&Case], at_once: usize) -> Result<Transcripts> {
    let broker = connect(bootstrap, 1)?;
    let start = Instant::now();
    let transcripts = runner::run(&broker, cases, at_once);
    eprintln!(
        "{bootstrap}: {} cases in {:.1} s",
        cases.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(transcripts)
}

/// With long waits: what differs here does not differ for want of time.
fn patient(bootstrap: &str, cases: &[&Case]) -> Result<Transcripts> {
    let broker = connect(bootstrap, 3)?;
    Ok(runner::run(&broker, cases, 16))
}

fn connect(bootstrap: &str, slowness: u32) -> Result<Broker> {
    setup::broker(bootstrap, slowness).with_context(|| format!("preparing {bootstrap}"))
}

/// Prints what differs; cases that do are run once more with more time.
fn report(
    cases: &[&Case],
    (mut left, mut right): (Transcripts, Transcripts),
    retry: impl Fn(&[&Case]) -> Result<(Option<Transcripts>, Option<Transcripts>)>,
    output: &Output,
) -> Result<ExitCode> {
    let document = std::fs::read_to_string(&output.differences).unwrap_or_default();
    let accepted = Accepted::read(&document)?;
    let differing: Vec<&Case> = cases
        .iter()
        .copied()
        .filter(|case| left.get(&case.name) != right.get(&case.name))
        .collect();
    if !differing.is_empty() {
        eprintln!("{} cases differ; once more with more time", differing.len());
        let (again_left, again_right) = retry(&differing)?;
        left.extend(again_left.into_iter().flatten());
        right.extend(again_right.into_iter().flatten());
    }

    let mut used = vec![0; accepted.len()];
    let (mut wrong_cases, mut meant, mut wrong) = (0, 0, 0);
    for case in &differing {
        let none = Vec::new();
        let transcripts = (
            left.get(&case.name).unwrap_or(&none),
            right.get(&case.name).unwrap_or(&none),
        );
        let found = differences::find(&case.name, transcripts.0, transcripts.1);
        let unlisted: Vec<&Difference> = found
            .iter()
            .filter(|found| !is_accepted(&accepted, &mut used, found))
            .collect();
        meant += found.len() - unlisted.len();
        wrong += unlisted.len();
        if !unlisted.is_empty() {
            wrong_cases += 1;
            print_case(&case.name, &unlisted, transcripts, output.show);
        }
    }
    for (entry, _) in accepted.iter().zip(&used).filter(|(_, count)| **count == 0) {
        println!("not seen: {}", entry.text);
    }
    let equal = cases.len() - wrong_cases;
    println!(
        "{} cases, {equal} as expected, {wrong_cases} not ({wrong} differences, {meant} more are meant)",
        cases.len()
    );
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_accepted(accepted: &[Accepted], used: &mut [usize], difference: &Difference) -> bool {
    let entry = accepted.iter().position(|entry| entry.allows(difference));
    if let Some(entry) = entry {
        used[entry] += 1;
    }
    entry.is_some()
}

fn print_case(
    name: &str,
    differences: &[&Difference],
    (left, right): (&transcript::Transcript, &transcript::Transcript),
    show: bool,
) {
    println!("== {name}");
    for difference in differences {
        println!("{difference}");
    }
    if show {
        for (side, transcript) in [("left", left), ("right", right)] {
            println!("  {side}:");
            for step in transcript {
                println!("    {} -> {}", step.label, step.outcome);
            }
        }
    }
}
