//! The one test command: everything, in an order that shows a fault early, with installations going on beside builds.

use std::thread;
use std::time::Instant;

use crate::ottla::Ottla;
use crate::step::{self, Outcome};
use crate::{compare, fuzz, tidy, toolchain};

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is done before work is handed in, and in CI.
    Everything,
    /// What is done between two edits.
    Quick,
}

/// Installation scripts of the clients and of the real Kafka, each quick when there is nothing to do.
const INSTALLERS: &[(&str, &str)] = &[
    ("install Kafka", "tests/oracle/kafka.sh"),
    ("install the Java client", "tests/clients/java/install.sh"),
    ("install Kafka Streams", "tests/clients/streams/install.sh"),
    ("install the Python clients", "tests/clients/python/install.sh"),
    ("install the Go clients", "tests/clients/go/install.sh"),
    ("install the Node client", "tests/clients/node/install.sh"),
];

/// Seconds each fuzz target gets within the test command.
const FUZZ_SECONDS: &str = "5";

/// How often broker or client is killed amid transactions within the test command, all clients together; `ottla-scenes kills`
/// alone does so a hundred times for each of them.
const TRANSACTION_KILLS: &str = "100";
/// How many clients are killed side by side: most of the time one waits for the other's session to end.
const TRANSACTION_JOBS: &str = "6";

/// Runs the tests.
pub fn run(extent: Extent) -> Outcome {
    let started = Instant::now();
    toolchain::check()?;
    tidy::run()?;
    step::run("format", "cargo", &["fmt", "--all", "--check"])?;
    // Registries are waited for while the compiler works.
    let installing = thread::spawn(install);
    step::run(
        "lint",
        "cargo",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    step::run(
        "unit and property tests",
        "cargo",
        &["test", "--workspace", "--locked", "--quiet"],
    )?;
    step::run(
        "build",
        "cargo",
        &["build", "--release", "--workspace", "--bins", "--locked"],
    )?;
    installing
        .join()
        .map_err(|_| "the installation ended in a panic".to_string())??;
    black_box(extent)?;
    eprintln!("all tests passed in {:.0} s", started.elapsed().as_secs_f32());
    Ok(())
}

fn install() -> Outcome {
    for (name, script) in INSTALLERS {
        let arguments: &[&str] = if script.ends_with("kafka.sh") {
            &["install"]
        } else {
            &[]
        };
        step::run_quietly(name, script, arguments)?;
    }
    Ok(())
}

/// Everything that runs against the built binary.
fn black_box(extent: Extent) -> Outcome {
    let binary = "target/release/ottla";
    let scenes = "target/release/ottla-scenes";
    if extent == Extent::Quick {
        return step::run(
            "scenes",
            scenes,
            &[
                "run", "--broker", "ottla", "--binary", binary, "--quick", "--scene", "share",
            ],
        );
    }
    step::run(
        "scenes",
        scenes,
        &["run", "--broker", "ottla", "--binary", binary, "--jobs", "8"],
    )?;
    step::run(
        "kills amid transactions",
        scenes,
        &[
            "kills",
            "--binary",
            binary,
            "--total",
            TRANSACTION_KILLS,
            "--jobs",
            TRANSACTION_JOBS,
        ],
    )?;
    step::run(
        "crash checks",
        "target/release/ottla-crash",
        &["all", "--binary", binary],
    )?;
    own_client()?;
    compare::with_recording()?;
    compare::with_kafka()?;
    fuzz::prepare()?;
    for target in fuzz::targets()? {
        fuzz::one(&target, Some(FUZZ_SECONDS))?;
    }
    Ok(())
}

/// Ottla's own client, whose tests want a broker. The one that wants it restarted is run by hand: see its head.
fn own_client() -> Outcome {
    let ottla = Ottla::start(&[])?;
    let bootstrap = format!("OTTLA_TEST_BOOTSTRAP={}", ottla.address);
    let test = [
        "cargo",
        "test",
        "--quiet",
        "--locked",
        "-p",
        "ottla-client",
        "--test",
        "broker",
    ];
    let mut arguments = vec![bootstrap.as_str()];
    arguments.extend(test);
    arguments.extend(["--", "--ignored", "--skip", "survive_a_restart"]);
    step::run("the client against the broker", "env", &arguments)
}

/// The speed table.
pub fn bench(arguments: &[&str]) -> Outcome {
    step::run(
        "build",
        "cargo",
        &["build", "--release", "--workspace", "--bins", "--locked"],
    )?;
    step::run("bench", "target/release/ottla-bench", arguments)
}
