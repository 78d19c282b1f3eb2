//! The comparison bench: Ottla, and if wanted Apache Kafka beside it, measured from outside on the same machine.
//!
//! Passes over the brokers alternate; each starts a broker, warms it, runs the cases and stops it. The figures of all passes
//! become one table. Nothing here knows how a broker works inside.

mod admin;
mod arguments;
mod broker;
mod case;
mod figure;
mod ground;
mod group_admin;
mod load;
mod machine;
mod pass;
mod read_ahead;
mod report;
mod rows;
mod samples;
mod stage;
mod statistics;
mod table;
mod wire;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::Arguments;
use broker::{Kind, left_behind, null};
use case::Case;
use clap::Parser;
use report::Circumstances;
use samples::Samples;
use tokio::signal::unix::{SignalKind, signal};

/// How long runs that other work has spoilt are repeated, all together.
const REPEATING_MAX: Duration = Duration::from_secs(240);
/// The same in the quick extent.
const REPEATING_MAX_QUICK: Duration = Duration::from_secs(45);

fn main() -> ExitCode {
    let outcome = if std::env::args().nth(1).as_deref() == Some(null::COMMAND) {
        null::run()
    } else {
        machine::raise_file_limit();
        let outcome = end_with_signals().and_then(|()| bench(&Arguments::parse()));
        left_behind::put_back();
        outcome
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ottla-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<(), String> {
    let started = Instant::now();
    let read_ahead = read_ahead::lower();
    let (cases, rules, pairs) = (arguments.cases()?, arguments.rules(), arguments.pairs());
    let mut samples = Samples::with_spare(rules.extent.of(REPEATING_MAX, REPEATING_MAX_QUICK));
    let against: &[Kind] = if arguments.against.is_some() {
        pass::run(Kind::Null, &arguments.binary, &cases, rules, &mut samples);
        &[Kind::Ottla, Kind::Kafka]
    } else {
        &[Kind::Ottla]
    };
    for pair in 1..=pairs {
        samples.pass = pair;
        let due = cases.iter().filter(|case| case.runs_in(pair, pairs));
        let due: Vec<Case> = due.copied().collect();
        for kind in against {
            eprintln!("== pass {pair} of {pairs}, {:.0} s", started.elapsed().as_secs_f64());
            pass::run(*kind, &arguments.binary, &due, rules, &mut samples);
        }
    }
    let how = Circumstances {
        command: &arguments.command(),
        rules,
        pairs,
        took: started.elapsed(),
        read_ahead: &read_ahead,
    };
    let page = report::markdown(&cases, &samples, &how);
    println!("{page}");
    let place = report::write(&arguments.results, &arguments.name(), &page, &samples, &how)?;
    eprintln!("written to {}", place.display());
    match samples.failures.len() {
        0 => Ok(()),
        failed => Err(format!("{failed} times a case failed; the report says which")),
    }
}

/// An interrupted run leaves no broker and no data behind.
fn end_with_signals() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("signals cannot be received: {error}"))?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                eprintln!("ottla-bench: signals cannot be received; an interrupted run leaves data behind");
                return;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            left_behind::end_all(130)
        });
    });
    Ok(())
}
