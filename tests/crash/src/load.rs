//! The load under which a broker is killed: producers, committers and a group member that go on over every restart.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::client::{Client, DAMAGED};
use crate::history::{Event, History};
use crate::random::Random;
use crate::trouble::{Trouble, expect};

mod committer;
mod member;
mod producer;

/// The topic of the load.
pub const TOPIC: &str = "crash";
/// Its partitions.
pub const PARTITIONS: i32 = 4;
/// How many producers there are, and how many committers.
const PRODUCERS: u64 = 3;
const COMMITTERS: u64 = 2;
/// How long a running broker may take to acknowledge anything.
const PROGRESS: Duration = Duration::from_secs(15);
/// How long an actor waits before it tries a broker again that refused it.
const PAUSE: Duration = Duration::from_millis(3);

/// What all actors share.
#[derive(Debug)]
pub struct Stage {
    address: SocketAddr,
    /// Everything that happens.
    pub history: History,
    ending: AtomicBool,
    /// Batches sent again after a broken connection.
    pub retried: AtomicU64,
    /// Those of them that the broker had already.
    pub deduplicated: AtomicU64,
    /// Batches acknowledged.
    pub acknowledged: AtomicU64,
    /// Batches sent and not yet acknowledged, by all producers.
    pub open: AtomicU64,
    /// While set, nothing new is begun.
    paused: AtomicBool,
    /// The last trouble that was excused, for the case that nothing goes on.
    excused: Mutex<String>,
}

impl Stage {
    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Connects as soon as the broker accepts; `None` if the load ends first.
    fn connect(&self) -> Option<Client> {
        while !self.is_ending() {
            if let Ok(client) = Client::open(self.address) {
                return Some(client);
            }
            std::thread::sleep(PAUSE);
        }
        None
    }

    /// A trouble with the broker: excused if it is the connection's, kept if bytes were wrong.
    fn excuse(&self, process: &str, trouble: &Trouble) {
        let what = trouble.to_string();
        if what.contains(DAMAGED) || what.contains("malformed") {
            self.history.add(process, Event::Wrong { what: what.clone() });
        }
        *self.excused.lock().unwrap_or_else(PoisonError::into_inner) = format!("{process}: {what}");
        std::thread::sleep(PAUSE);
    }
}

impl Stage {
    /// Waits until something more is acknowledged than `before`: the broker serves again.
    pub fn wait_for_progress(&self, before: u64) -> Result<(), Trouble> {
        let deadline = Instant::now() + PROGRESS;
        while self.acknowledged.load(Ordering::Relaxed) <= before {
            expect(Instant::now() < deadline, || {
                let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
                format!("nothing was acknowledged for {PROGRESS:?}; the last trouble was {excused}")
            })?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// A load under way.
#[derive(Debug)]
pub struct Load {
    /// What is known of it.
    pub stage: Arc<Stage>,
    actors: Vec<JoinHandle<()>>,
}

impl Load {
    /// Makes the topic and lets the actors begin.
    pub fn begin(address: SocketAddr, random: &Random) -> Result<Load, Trouble> {
        let mut client = Client::open(address)?;
        client.create_topic(TOPIC, PARTITIONS, &[("segment.bytes", "1048576")])?;
        client.find_coordinator("any")?;
        Load::begin_again(address, random)
    }

    /// Lets the actors begin on the topic that is there.
    pub fn begin_again(address: SocketAddr, random: &Random) -> Result<Load, Trouble> {
        let stage = Arc::new(Stage {
            address,
            history: History::default(),
            ending: AtomicBool::new(false),
            retried: AtomicU64::new(0),
            deduplicated: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            open: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            excused: Mutex::default(),
        });
        let mut actors = Vec::new();
        for number in 0..PRODUCERS {
            let (stage, random) = (stage.clone(), random.fork(number));
            actors.push(std::thread::spawn(move || producer::run(&stage, number, random)));
        }
        for number in 0..COMMITTERS {
            let (stage, random) = (stage.clone(), random.fork(100 + number));
            actors.push(std::thread::spawn(move || committer::run(&stage, number, random)));
        }
        let member = stage.clone();
        actors.push(std::thread::spawn(move || member::run(&member)));
        Ok(Load { stage, actors })
    }

    /// Waits until nothing is under way, and keeps it so until [`Load::resume`]; false if that takes too long.
    pub fn pause(&self) -> bool {
        self.stage.paused.store(true, Ordering::Relaxed);
        for _ in 0..2_000 {
            if self.stage.open.load(Ordering::Relaxed) == 0 {
                // Whatever a committer had begun is answered well within this.
                std::thread::sleep(Duration::from_millis(50));
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.stage.paused.store(false, Ordering::Relaxed);
    }

    /// Lets every producer get its last batches acknowledged, then ends all actors. The broker must be running.
    pub fn end(mut self) {
        self.pause();
        self.stage.ending.store(true, Ordering::Relaxed);
        self.resume();
        for actor in self.actors.drain(..) {
            if actor.join().is_err() {
                self.stage.history.add(
                    "load",
                    Event::Wrong {
                        what: "an actor ended in a panic".to_owned(),
                    },
                );
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Without a broker the actors cannot finish what they began; they end all the same.
        self.stage.ending.store(true, Ordering::Relaxed);
    }
}
