//! The binary `ottla`: a broker and the tools to talk to one.
//!
//! stdout is data, stderr is talk, and the exit code says how it went.

mod commands;
mod exit;
mod explain;
mod lag;
mod nearest;
mod output;
mod place;
mod session;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// A streaming broker that speaks Kafka's protocol, with the consumer group at its centre.
#[derive(Parser)]
#[command(name = "ottla", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "To begin:
  ottla serve                            # a broker at 127.0.0.1:9092
  ottla topic create orders --partitions 6
  echo hello | ottla produce orders
  ottla consume orders --group billing   # Ctrl-C ends it
  ottla group describe billing")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a broker on this machine.
    Serve(commands::serve::Serve),
    /// Create, list, describe, change and delete topics.
    #[command(subcommand)]
    Topic(commands::topic::Topic),
    Produce(commands::produce::Produce),
    Consume(commands::consume::Consume),
    /// List, describe and delete consumer groups, and move their offsets.
    #[command(subcommand)]
    Group(commands::group::Group),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let exit = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Topic(topic) => topic.run(),
        Command::Produce(produce) => produce.run(),
        Command::Consume(consume) => consume.run(),
        Command::Group(group) => group.run(),
    };
    exit.unwrap_or_else(|failure| {
        if failure.exit() != Exit::Done {
            output::say(format_args!("ottla: {failure}"));
        }
        failure.exit()
    })
    .into()
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
