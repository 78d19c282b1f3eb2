//! A well-behaved client beside all the others: it writes and reads, and must not notice them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::ledger::Ledger;
use crate::trouble::{During, Trouble, expect};

const TOPIC: &str = "neighbour";
/// What 99 of 100 of its requests may take, and the slowest one.
const P99_MAX: Duration = Duration::from_millis(250);
const SLOWEST_MAX: Duration = Duration::from_secs(2);

/// The client, at work.
#[derive(Debug)]
pub(super) struct Neighbour {
    stop: Arc<AtomicBool>,
    work: JoinHandle<Result<Vec<Duration>, Trouble>>,
}

impl Neighbour {
    /// Begins to write and read.
    pub(super) fn begin(address: SocketAddr) -> Result<Neighbour, Trouble> {
        let mut client = Client::open(address)?;
        client.create_topic(TOPIC, 1, &[])?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let work = std::thread::spawn(move || work(&mut client, &told));
        Ok(Neighbour { stop, work })
    }

    /// Ends, and says how it was.
    pub(super) fn end(self) -> Result<String, Trouble> {
        self.stop.store(true, Ordering::Relaxed);
        let outcome = self.work.join().map_err(|_| Trouble::new("the neighbour panicked"))?;
        let mut times = outcome.during("the neighbour")?;
        times.sort();
        let p99 = times[times.len() * 99 / 100];
        let slowest = times[times.len() - 1];
        expect(p99 <= P99_MAX && slowest <= SLOWEST_MAX, || {
            format!("the neighbour's requests took {p99:?} (99 %) and {slowest:?} at most")
        })?;
        let (p99, slowest) = (p99.as_secs_f32() * 1e3, slowest.as_secs_f32() * 1e3);
        Ok(format!(
            "{} requests of a neighbour took {p99:.1} ms (99 %), {slowest:.1} ms at most",
            times.len()
        ))
    }
}

fn work(client: &mut Client, stop: &AtomicBool) -> Result<Vec<Duration>, Trouble> {
    let mut ledger = Ledger::new(TOPIC, 1, 100);
    let mut times = Vec::new();
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) || times.is_empty() {
        let began = Instant::now();
        let answer = ledger.write(client)?;
        times.push(began.elapsed());
        expect(answer == Ok(()), || format!("a write was answered with {answer:?}"))?;
        let began = Instant::now();
        let fetched = client.fetch(TOPIC, &[(0, next)], 0)?;
        times.push(began.elapsed());
        next = fetched
            .iter()
            .flat_map(|fetched| &fetched.records)
            .map(|(offset, _)| offset + 1)
            .max()
            .unwrap_or(next);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(times)
}
