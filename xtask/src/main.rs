//! The project's own commands: `cargo xtask test` and its parts. CI calls nothing else.

mod compare;
mod fuzz;
mod ottla;
mod step;
mod test;
mod tidy;
mod toolchain;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  test            everything: lints, unit and property tests, real clients, crash tests, fuzz seeds
  test --quick    the inner loop: lints, unit tests, one scene for each client at hand (under 3 minutes)
  tidy            the rules about files that no compiler checks
  fuzz [TARGET] [SECONDS]
                  fuzz one target, or all, from the kept corpus; without SECONDS until interrupted
  bench [CASE...] [--against kafka] [--quick]
                  the speed table, alone or beside Kafka; see bench/README.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["test"] => test::run(test::Extent::Everything),
        ["test", "--quick"] => test::run(test::Extent::Quick),
        ["tidy"] => tidy::run(),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["bench", rest @ ..] => test::bench(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
