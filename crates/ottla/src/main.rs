//! The binary `ottla`: a broker and the tools to talk to one.
//!
//! stdout is data, stderr is talk, and the exit code says how it went.

mod commands;
mod exit;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// A streaming broker that speaks Kafka's protocol, with the consumer group at its centre.
#[derive(Parser)]
#[command(name = "ottla", version, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a broker on this machine.
    Serve(commands::serve::Serve),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let exit = match cli.command {
        Command::Serve(serve) => serve.run(),
    };
    exit.unwrap_or_else(|failure| {
        eprintln!("ottla: {failure}");
        failure.exit()
    })
    .into()
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}
