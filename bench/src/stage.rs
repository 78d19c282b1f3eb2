//! Where a case runs: a broker that is warm, topics to be had and thrown away, and measurements that other work has not spoilt.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::admin::Admin;
use crate::broker::Broker;
use crate::figure::{Figure, Subject};
use crate::machine::{Usage, Watch};
use crate::samples::Samples;

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every case, long enough for figures that stand.
    Full,
    /// A few cases, shorter.
    Quick,
}

impl Extent {
    /// One of two values.
    pub fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Extent::Full => full,
            Extent::Quick => quick,
        }
    }
}

/// How the program was told to measure.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How much.
    pub extent: Extent,
    /// Whether runs that other work disturbed are kept, and marked.
    pub keep_noisy: bool,
}

/// A case's surroundings.
pub struct Stage<'a> {
    /// The broker.
    pub broker: &'a Broker,
    /// Who is measured.
    pub subject: Subject,
    /// How to measure.
    pub rules: Rules,
    samples: &'a mut Samples,
    /// Bytes produced and delivered so far in the pass.
    traffic: &'a Cell<u64>,
    noisy: bool,
}

impl<'a> Stage<'a> {
    /// The surroundings of one case.
    pub fn new(
        broker: &'a Broker,
        subject: Subject,
        rules: Rules,
        samples: &'a mut Samples,
        traffic: &'a Cell<u64>,
    ) -> Stage<'a> {
        Stage {
            broker,
            subject,
            rules,
            samples,
            traffic,
            noisy: false,
        }
    }

    /// Runs something between two readings of the clocks, again if other work has spoilt it.
    pub fn measure<T>(&mut self, mut run: impl FnMut(&Stage<'_>) -> Result<T, String>) -> Result<(T, Usage), String> {
        self.until_quiet(|stage| stage.attempt(&mut run))
    }

    /// The same with a new topic for each attempt, made before and deleted after it.
    pub fn measure_with_topic<T>(
        &mut self,
        partitions: i32,
        run: impl FnMut(&Stage<'_>, &str) -> Result<T, String>,
    ) -> Result<(T, Usage), String> {
        self.measure_prepared(partitions, |_, _| Ok(()), run)
    }

    /// The same, with something done to the topic before that does not count.
    pub fn measure_prepared<T>(
        &mut self,
        partitions: i32,
        prepare: impl Fn(&Stage<'_>, &str) -> Result<(), String>,
        mut run: impl FnMut(&Stage<'_>, &str) -> Result<T, String>,
    ) -> Result<(T, Usage), String> {
        self.until_quiet(|stage| {
            stage.with_topic(partitions, |topic| {
                prepare(stage, topic)?;
                stage.attempt(&mut |stage| run(stage, topic))
            })
        })
    }

    fn until_quiet<T>(
        &mut self,
        mut attempt: impl FnMut(&Stage<'_>) -> Result<(T, Usage), String>,
    ) -> Result<(T, Usage), String> {
        for count in 1.. {
            let began = Instant::now();
            let (value, usage) = attempt(self)?;
            self.noisy = usage.is_noisy();
            if self.rules.keep_noisy || !self.samples.throws_away(&usage, count, began.elapsed()) {
                return Ok((value, usage));
            }
        }
        unreachable!("the last attempt is kept")
    }

    /// The broker's time counts until it rests, so that work put off by the load is not lost; what earlier loads left to be
    /// written goes first.
    fn attempt<T>(&self, run: &mut impl FnMut(&Stage<'_>) -> Result<T, String>) -> Result<(T, Usage), String> {
        self.broker.settle()?;
        rustix::fs::sync();
        let watch = Watch::start(self.broker.process())?;
        let value = run(self)?;
        self.broker.settle()?;
        Ok((value, watch.finish(self.broker.process())?))
    }

    /// Enters a value of the run measured last.
    pub fn note(&mut self, figure: &Figure, value: f64) {
        eprintln!(
            "    {} {}: {value:.3} {}",
            self.subject.name(),
            figure.name,
            figure.unit
        );
        self.samples.add(figure, self.subject, value, self.noisy);
    }

    /// Counts traffic of the pass.
    pub fn count(&self, bytes: u64) {
        self.traffic.set(self.traffic.get() + bytes);
    }

    /// Bytes produced and delivered so far in the pass.
    pub fn traffic(&self) -> u64 {
        self.traffic.get()
    }

    /// A name that nothing has had yet.
    pub fn new_name(&self, kind: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Something done with a new topic, which is deleted afterwards.
    pub fn with_topic<T>(&self, partitions: i32, act: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
        let name = self.new_name("bench");
        let flushed = [("flush.messages", "1")];
        let configs: &[_] = match self.subject {
            Subject::KafkaFlushed => &flushed,
            _ => &[],
        };
        Admin::connect(self.broker.address())?.create_topic(&name, partitions, configs)?;
        let done = act(&name);
        // A broker that failed meanwhile has said so already.
        let deleted = Admin::connect(self.broker.address()).and_then(|mut admin| admin.delete_topic(&name));
        done.and_then(|value| deleted.map(|()| value))
    }
}
