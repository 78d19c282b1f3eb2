//! The speed table: what the built binary costs, measured from outside.
//!
//! `ottla-bench [BINARY [PART]]` starts brokers on fresh directories, loads them over the wire with batches made beforehand, and
//! prints one row a figure with its median and spread. Broker CPU is the broker process's own, user and system.

mod broker;
mod load;
mod row;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::row::Row;

/// Bytes produced for the cost row, per run.
const COST_BYTES: u64 = 1 << 30;
/// Runs of a quick row.
const RUNS: usize = 15;
/// Runs of a heavy row.
const RUNS_HEAVY: usize = 5;

fn main() -> ExitCode {
    let binary = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/release/ottla"), PathBuf::from);
    match table(&binary, &std::env::args().nth(2).unwrap_or_default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ottla-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn table(binary: &Path) -> Result<(), String> {
    println!("{}", row::HEAD);
    println!("{}", start_to_first_ack(binary)?);
    println!("{}", idle_memory(binary)?);
    let (cost, rate, memory) = produce_cost(binary)?;
    println!("{cost}\n{rate}\n{memory}");
    println!(
        "{}",
        reopen(binary, "open again after SIGKILL, little data", 64 * 1024, RUNS)?
    );
    println!(
        "{}",
        reopen(
            binary,
            "open again after SIGKILL, 1 GiB just written",
            COST_BYTES,
            RUNS_HEAVY
        )?
    );
    for row in many_partitions(binary)? {
        println!("{row}");
    }
    Ok(())
}

fn start_to_first_ack(binary: &Path) -> Result<Row, String> {
    let mut row = Row::new("start on an empty directory to first acknowledged record", "ms", 25.0);
    for _ in 0..RUNS {
        let directory = broker::fresh_directory()?;
        let started = Instant::now();
        let broker = Broker::start(binary, directory)?;
        let mut client = load::Client::connect(broker.address())?;
        client.create_topic("first", 1)?;
        client.produce_and_wait("first", 0, &load::batch(1, 1024))?;
        row.add(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(row)
}

fn idle_memory(binary: &Path) -> Result<Row, String> {
    let mut row = Row::new("idle resident memory", "MB", 15.0);
    for _ in 0..RUNS_HEAVY {
        let broker = Broker::start(binary, broker::fresh_directory()?)?;
        std::thread::sleep(Duration::from_secs(1));
        row.add(broker.resident_mb()?);
    }
    Ok(row)
}

fn produce_cost(binary: &Path) -> Result<(Row, Row, Row), String> {
    let mut cost = Row::new(
        "produce, durable: broker CPU per GB (1 KiB records, 64 KiB batches, 16 partitions)",
        "CPU-s/GB",
        1.0,
    );
    let mut rate = Row::new("produce, durable: throughput in the same runs", "MB/s", f64::NAN);
    let mut memory = Row::new("resident memory after them", "MB", f64::NAN);
    for _ in 0..RUNS_HEAVY {
        let broker = Broker::start(binary, broker::fresh_directory()?)?;
        load::Client::connect(broker.address())?.create_topic("cost", 16)?;
        load::produce(broker.address(), "cost", 16, COST_BYTES / 4)?;
        let (before, started) = (broker.cpu_seconds()?, Instant::now());
        load::produce(broker.address(), "cost", 16, COST_BYTES)?;
        let seconds = started.elapsed().as_secs_f64();
        cost.add((broker.cpu_seconds()? - before) / (COST_BYTES as f64 / 1e9));
        rate.add(COST_BYTES as f64 / 1e6 / seconds);
        memory.add(broker.resident_mb()?);
    }
    Ok((cost, rate, memory))
}

fn reopen(binary: &Path, name: &str, bytes: u64, runs: usize) -> Result<Row, String> {
    let limit = if bytes >= COST_BYTES { 3_000.0 } else { 30.0 };
    let mut row = Row::new(name, "ms", limit);
    for _ in 0..runs {
        let directory = broker::fresh_directory()?;
        let mut broker = Broker::start(binary, directory.clone())?;
        load::Client::connect(broker.address())?.create_topic("again", 16)?;
        load::produce(broker.address(), "again", 16, bytes)?;
        broker.kill()?;
        let started = Instant::now();
        let broker = Broker::start(binary, directory)?;
        let mut client = load::Client::connect(broker.address())?;
        client.produce_and_wait("again", 0, &load::batch(1, 1024))?;
        row.add(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(row)
}

fn many_partitions(binary: &Path) -> Result<Vec<Row>, String> {
    const COUNT: i32 = 10_000;
    let mut create = Row::new("create a topic of 10,000 partitions", "ms", f64::NAN);
    let mut serve = Row::new("write one record to each of them and wait for all", "ms", f64::NAN);
    let mut files = Row::new("files open a while later", "", f64::NAN);
    let mut memory = Row::new("resident memory then", "MB", f64::NAN);
    let broker = Broker::start(binary, broker::fresh_directory()?)?;
    let mut client = load::Client::connect(broker.address())?;
    let started = Instant::now();
    client.create_topic("many", COUNT)?;
    create.add(started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    client.produce_to_each("many", COUNT, &load::batch(1, 100))?;
    serve.add(started.elapsed().as_secs_f64() * 1e3);
    std::thread::sleep(Duration::from_secs(15));
    files.add(broker.open_files()? as f64);
    memory.add(broker.resident_mb()?);
    Ok(vec![create, serve, files, memory])
}
