//! `ottla-crash`: the checks by name, one line for each, exit code 1 if one does not hold.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use ottla_crash::breakage::Breakage;
use ottla_crash::broker::Program;
use ottla_crash::kill::Kill;
use ottla_crash::random;
use ottla_crash::trouble::Trouble;
use ottla_crash::{bad_input, disk_full, dump, flush_fails, flushes, kill, lock};

/// Takes a broker's power, disk and patience, and judges what is left.
#[derive(Parser)]
#[command(name = "ottla-crash", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// SIGKILL under load, restart, and nothing acknowledged is lost
    Kill {
        #[command(flatten)]
        target: Target,
        /// How often the broker is killed
        #[arg(long, default_value_t = 30)]
        rounds: u32,
        /// Repeats a run's choices; printed by every run
        #[arg(long)]
        seed: Option<u64>,
        /// Put in a fault and show that it is caught
        #[arg(long = "break", value_name = "MODE")]
        breakage: Option<Breakage>,
    },
    /// Nothing is acknowledged before it is flushed: counted in system calls (needs strace)
    Flushes {
        #[command(flatten)]
        target: Target,
    },
    /// The medium refuses a flush (needs strace)
    FlushFails {
        #[command(flatten)]
        target: Target,
    },
    /// The file system has no room (needs root, for a small mount)
    DiskFull {
        #[command(flatten)]
        target: Target,
    },
    /// Frames, batches and counts that are wrong, connections that stop or crowd
    BadInput {
        #[command(flatten)]
        target: Target,
    },
    /// Kafka's own DumpLogSegments reads the data directory (needs Java)
    Dump {
        #[command(flatten)]
        target: Target,
        /// tests/oracle/kafka.sh, which runs Kafka's tools
        #[arg(long, value_name = "SCRIPT", default_value = "tests/oracle/kafka.sh")]
        tools: PathBuf,
    },
    /// Everything, one line for each
    All {
        #[command(flatten)]
        target: Target,
        /// How often the broker is killed
        #[arg(long, default_value_t = 30)]
        rounds: u32,
        /// tests/oracle/kafka.sh, which runs Kafka's tools
        #[arg(long, value_name = "SCRIPT", default_value = "tests/oracle/kafka.sh")]
        tools: PathBuf,
    },
    /// A second broker on the same directory refuses to start
    Lock {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// The binary `ottla`
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Check a real Kafka instead, by its script tests/oracle/kafka.sh
    #[arg(long, value_name = "SCRIPT")]
    kafka: Option<PathBuf>,
}

impl Target {
    fn program(self) -> Program {
        match (self.binary, self.kafka) {
            (_, Some(script)) => Program::Kafka(script),
            (binary, None) => Program::Ottla(binary.unwrap_or_default()),
        }
    }
}

fn main() -> ExitCode {
    let passed = match Cli::parse().command {
        Command::Kill {
            target,
            rounds,
            seed,
            breakage,
        } => {
            let kill = Kill {
                program: target.program(),
                rounds,
                seed: seed.unwrap_or_else(random::seed),
            };
            check("kill", || match breakage {
                None => kill::run(&kill),
                Some(breakage) => kill::run_broken(&kill, breakage),
            })
        }
        Command::Flushes { target } => check("flushes", || flushes::run(&target.program())),
        Command::FlushFails { target } => check("flush-fails", || flush_fails::run(&target.program())),
        Command::DiskFull { target } => check("disk-full", || disk_full::run(&target.program())),
        Command::BadInput { target } => check("bad-input", || bad_input::run(&target.program())),
        Command::Dump { target, tools } => check("dump", || dump::run(&target.program(), &tools)),
        Command::Lock { target } => check("lock", || lock::run(&target.program())),
        Command::All { target, rounds, tools } => all(&target.program(), rounds, &tools),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every check, one after the other, also when one fails.
fn all(program: &Program, rounds: u32, tools: &Path) -> bool {
    let kill = Kill {
        program: program.clone(),
        rounds,
        seed: random::seed(),
    };
    let outcomes = [
        check("lock", || lock::run(program)),
        check("flushes", || flushes::run(program)),
        check("flush-fails", || flush_fails::run(program)),
        check("kill", || kill::run(&kill)),
        check("kill, rolled back", || kill::run_broken(&kill, Breakage::Rollback)),
        check("kill, journal wiped", || {
            kill::run_broken(&kill, Breakage::JournalFrame)
        }),
        check("disk-full", || disk_full::run(program)),
        check("dump", || dump::run(program, tools)),
        check("bad-input", || bad_input::run(program)),
    ];
    outcomes.iter().all(|passed| *passed)
}

/// Runs one check and says how it went.
fn check(name: &str, run: impl FnOnce() -> Result<String, Trouble>) -> bool {
    let started = Instant::now();
    let outcome = run();
    let (mark, words) = match &outcome {
        Ok(words) => ("ok  ", words.clone()),
        Err(trouble) => ("FAIL", trouble.to_string()),
    };
    println!("{mark} {name} ({:.1} s): {words}", started.elapsed().as_secs_f32());
    outcome.is_ok()
}
