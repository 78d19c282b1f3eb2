//! Where a case runs that starts brokers of its own: nothing is there but a kind of broker and the rules.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::broker::Broker;
use crate::figure::{Figure, Subject};
use crate::machine::{Usage, Watch};
use crate::samples::Samples;
use crate::stage::Rules;

/// A case's surroundings.
pub struct Ground<'a> {
    /// Who is measured.
    pub subject: Subject,
    /// How to measure.
    pub rules: Rules,
    binary: &'a Path,
    samples: &'a mut Samples,
    noisy: bool,
}

impl<'a> Ground<'a> {
    /// The surroundings of one case.
    pub fn new(subject: Subject, binary: &'a Path, rules: Rules, samples: &'a mut Samples) -> Ground<'a> {
        Ground {
            subject,
            rules,
            binary,
            samples,
            noisy: false,
        }
    }

    /// Starts a broker on a fresh directory.
    pub fn start(&self) -> Result<Broker, String> {
        Broker::start(self.subject.kind(), self.binary, &[])
    }

    /// Starts a broker on a directory of one that was killed.
    pub fn start_in(&self, directory: PathBuf) -> Result<Broker, String> {
        Broker::start_in(self.subject.kind(), self.binary, directory, &[])
    }

    /// Prepares something, then starts a broker and does something with it, again if other work has spoilt that; gives
    /// that broker, too.
    pub fn measure<P, T>(
        &mut self,
        prepare: impl Fn(&Ground<'_>) -> Result<P, String>,
        run: impl Fn(&Ground<'_>, P) -> Result<(Broker, T), String>,
    ) -> Result<(Broker, T), String> {
        for count in 1.. {
            let began = Instant::now();
            let prepared = prepare(self)?;
            let (broker, value, usage) = self.attempt(prepared, &run)?;
            if !self.throws_away(&usage, count, began) {
                return Ok((broker, value));
            }
        }
        unreachable!("the last attempt is kept")
    }

    /// The same where the preparation is done to a broker, and the next attempt takes the broker of the last.
    pub fn measure_on<P, T>(
        &mut self,
        mut broker: Broker,
        prepare: impl Fn(Broker) -> Result<P, String>,
        run: impl Fn(&Ground<'_>, P) -> Result<(Broker, T), String>,
    ) -> Result<(Broker, T), String> {
        for count in 1.. {
            let began = Instant::now();
            let prepared = prepare(broker)?;
            let (next, value, usage) = self.attempt(prepared, &run)?;
            if !self.throws_away(&usage, count, began) {
                return Ok((next, value));
            }
            broker = next;
        }
        unreachable!("the last attempt is kept")
    }

    fn throws_away(&mut self, usage: &Usage, count: u32, began: Instant) -> bool {
        self.noisy = usage.is_noisy();
        !self.rules.keep_noisy && self.samples.throws_away(usage, count, began.elapsed())
    }

    fn attempt<P, T>(
        &self,
        prepared: P,
        run: &impl Fn(&Ground<'_>, P) -> Result<(Broker, T), String>,
    ) -> Result<(Broker, T, Usage), String> {
        rustix::fs::sync();
        let watch = Watch::before_start()?;
        let (broker, value) = run(self, prepared)?;
        let usage = watch.finish(broker.process())?;
        Ok((broker, value, usage))
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
}
