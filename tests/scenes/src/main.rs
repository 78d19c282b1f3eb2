//! The scenes that make up Ottla's promise, played by real clients against a real broker, from outside.
//!
//! `ottla-scenes run --broker ottla --binary target/release/ottla` plays every scene with every client.

mod broker;
mod check;
mod client;
mod driver;
mod kills;
mod ledger;
mod random;
mod report;
mod run;
mod scene;
mod stage;
mod story;
mod trouble;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::Client;
use scene::Scene;
use std::path::PathBuf;
use std::process::ExitCode;

/// Plays the scenes of the tests with real clients.
#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Play scenes side by side; exits with 1 if one fails.
    Run(Options),
    /// Kill broker and clients amid consume-transform-produce loops; exits with 1 unless all comes through exactly once.
    Kills(kills::Options),
    /// List scenes and clients.
    List,
}

/// What to play, where and how.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The broker to play against.
    #[arg(long, value_enum, default_value_t = Kind::Ottla)]
    broker: Kind,
    /// Ottla's program.
    #[arg(long, default_value = "target/release/ottla")]
    binary: PathBuf,
    /// The clients to play with; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    client: Vec<Client>,
    /// The scenes to play; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    scene: Vec<Scene>,
    /// Fewer records, and little churn.
    #[arg(long)]
    quick: bool,
    /// How much to do at a time. A scene counts once, or more often if its client is heavy.
    #[arg(long, default_value_t = 6)]
    jobs: usize,
    /// Go on without clients whose toolchain is missing.
    #[arg(long)]
    allow_missing: bool,
    /// Play against both brokers and compare what came out.
    #[arg(long)]
    compare: bool,
    /// Decides who joins and leaves when.
    #[arg(long, default_value_t = 20_260_901)]
    seed: u64,
    /// Keep the logs of scenes that passed, too.
    #[arg(long)]
    keep: bool,
}

/// A kind of broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The program under test.
    Ottla,
    /// A real Apache Kafka.
    Kafka,
}

fn main() -> ExitCode {
    match Line::parse().verb {
        Verb::Run(options) => exit(run::run(&options)),
        Verb::Kills(options) => exit(kills::run(&options)),
        Verb::List => {
            for scene in Scene::value_variants() {
                let value = scene.to_possible_value();
                let help = value
                    .as_ref()
                    .and_then(|v| v.get_help())
                    .map(ToString::to_string)
                    .unwrap_or_default();
                println!("{scene:<12} {help}");
            }
            println!();
            for client in Client::value_variants() {
                println!("{client}");
            }
            ExitCode::SUCCESS
        }
    }
}

fn exit(outcome: trouble::Outcome<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("ottla-scenes: {trouble}");
            ExitCode::FAILURE
        }
    }
}
