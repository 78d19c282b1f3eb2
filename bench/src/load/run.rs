//! One run of a load: producers and consumers on one thread, from the first request to the last answer and delivery.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::fetch::Fetcher;
use super::lane::Lane;

/// How long nothing may happen before a run is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long after the end of sending the last answer may come; a broker that needs longer cannot hold the rate.
const OVERRUN: Duration = Duration::from_secs(30);

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As fast as they are answered, with so many in flight on each connection.
    Saturate {
        /// Requests in flight on a connection.
        in_flight: usize,
    },
    /// At times fixed beforehand, whatever the broker does.
    Open {
        /// Requests a second, of all connections together.
        rate: f64,
    },
}

/// How long requests are sent, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes of batches produced, or delivered to each consumer where nothing is produced.
    pub bytes: u64,
    /// Time.
    pub time: Duration,
}

/// What is to be done.
pub struct Run {
    /// The producers.
    pub lanes: Vec<Lane>,
    /// The consumers; each is to get all that is produced.
    pub fetchers: Vec<Fetcher>,
    /// When requests are sent.
    pub pace: Pace,
    /// When sending ends.
    pub limit: Limit,
    /// The time at the start that does not count in the latencies.
    pub ramp: Duration,
    /// Records in a batch of the producers, by which deliveries are matched with what was sent.
    pub records_per_batch: i64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// From the first request to the last answer and delivery.
    pub elapsed: Duration,
    /// Bytes of batches produced.
    pub produced: u64,
    /// Requests that produced them.
    pub requests: u64,
    /// Bytes of batches delivered to all consumers together.
    pub delivered: u64,
    /// From the intended time of sending to the answer, in microseconds.
    pub acknowledged: Histogram<u64>,
    /// From the intended time of sending to the delivery, in microseconds.
    pub arrived: Histogram<u64>,
}

impl Outcome {
    /// Bytes produced a second, in MB (a million bytes).
    pub fn produced_mb_per_second(&self) -> f64 {
        self.produced as f64 / 1e6 / self.elapsed.as_secs_f64()
    }

    /// Bytes delivered a second, in MB.
    pub fn delivered_mb_per_second(&self) -> f64 {
        self.delivered as f64 / 1e6 / self.elapsed.as_secs_f64()
    }
}

/// A histogram for microseconds up to ten minutes, good to three digits.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order and the digits few")
}

impl Run {
    /// A run whose latencies nobody looks at.
    pub fn new(lanes: Vec<Lane>, fetchers: Vec<Fetcher>, pace: Pace, limit: Limit) -> Run {
        Run {
            lanes,
            fetchers,
            pace,
            limit,
            ramp: Duration::ZERO,
            records_per_batch: 1,
        }
    }

    /// Runs it.
    pub fn run(self) -> Result<Outcome, String> {
        let start = Instant::now();
        let going = Going {
            sending: !self.lanes.is_empty(),
            intended: Vec::new(),
            counted_from: start + self.ramp,
            start,
            run: self,
            outcome: Outcome {
                elapsed: Duration::ZERO,
                produced: 0,
                requests: 0,
                delivered: 0,
                acknowledged: latencies(),
                arrived: latencies(),
            },
        };
        going.go_on()
    }
}

/// A run that goes on.
struct Going {
    run: Run,
    start: Instant,
    counted_from: Instant,
    /// Whether requests are still to be sent.
    sending: bool,
    /// For each partition, when its batches were to be sent, in their order. Kept only for consumers.
    intended: Vec<Vec<Instant>>,
    outcome: Outcome,
}

impl Going {
    fn go_on(mut self) -> Result<Outcome, String> {
        let mut progress = (0, Instant::now());
        loop {
            self.put_what_is_due(Instant::now());
            self.write()?;
            if self.is_over() {
                break;
            }
            let ready = self.wait()?;
            self.read(&ready)?;
            if self.start.elapsed() > self.run.limit.time + OVERRUN {
                return Err(format!("the broker fell behind: {}", self.describe()));
            }
            let done = self.outcome.delivered + self.outcome.acknowledged.len() + self.outcome.requests;
            if done != progress.0 {
                progress = (done, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                return Err(format!("nothing happened for {PATIENCE:?}: {}", self.describe()));
            }
        }
        self.outcome.elapsed = self.start.elapsed();
        Ok(self.outcome)
    }

    fn put_what_is_due(&mut self, now: Instant) {
        if !self.sending {
            return;
        }
        match self.run.pace {
            Pace::Saturate { in_flight } => {
                for lane in 0..self.run.lanes.len() {
                    while self.sending && self.run.lanes[lane].open_requests() < in_flight {
                        self.put(lane, now);
                    }
                }
            }
            Pace::Open { rate } => {
                while self.sending && self.due(rate) <= now {
                    let intended = self.due(rate);
                    let lane = self.outcome.requests as usize % self.run.lanes.len();
                    self.put(lane, intended);
                }
            }
        }
    }

    /// When the next request is to be sent.
    fn due(&self, rate: f64) -> Instant {
        self.start + intended_after(self.outcome.requests, rate)
    }

    fn put(&mut self, lane: usize, intended: Instant) {
        self.outcome.produced += self.run.lanes[lane].put(intended);
        self.outcome.requests += 1;
        let limit = self.run.limit;
        self.sending =
            self.outcome.produced < limit.bytes && intended.saturating_duration_since(self.start) < limit.time;
    }

    fn write(&mut self) -> Result<(), String> {
        let (intended, remember) = (&mut self.intended, !self.run.fetchers.is_empty());
        for lane in &mut self.run.lanes {
            lane.write(|sent| {
                if remember {
                    sent.partitions
                        .iter()
                        .for_each(|partition| row(intended, *partition).push(sent.intended));
                }
            })?;
        }
        self.run.fetchers.iter_mut().try_for_each(Fetcher::write)
    }

    fn is_over(&self) -> bool {
        if self.run.lanes.is_empty() {
            let limit = self.run.limit;
            return self.start.elapsed() >= limit.time
                || self
                    .run
                    .fetchers
                    .iter()
                    .all(|fetcher| fetcher.delivered() >= limit.bytes);
        }
        let all_answered = self.run.lanes.iter().all(|lane| lane.open_requests() == 0);
        let produced = self.outcome.produced;
        !self.sending && all_answered && self.run.fetchers.iter().all(|fetcher| fetcher.delivered() >= produced)
    }

    /// Waits until a connection is ready or the next request is due; says which are.
    fn wait(&self) -> Result<Vec<bool>, String> {
        let flags = |writes: bool| {
            if writes {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            }
        };
        let lanes = self.run.lanes.iter();
        let lanes = lanes.map(|lane| PollFd::new(lane.link(), flags(lane.wants_to_write())));
        let fetchers = self.run.fetchers.iter();
        let fetchers = fetchers.map(|fetcher| PollFd::new(fetcher.link(), flags(fetcher.wants_to_write())));
        let mut ready: Vec<PollFd<'_>> = lanes.chain(fetchers).collect();
        let timeout = match self.run.pace {
            Pace::Open { rate } if self.sending => self.due(rate).saturating_duration_since(Instant::now()),
            _ => WAIT_MAX,
        };
        let timeout = Timespec::try_from(timeout).map_err(|error| error.to_string())?;
        poll(&mut ready, Some(&timeout)).map_err(|error| error.to_string())?;
        Ok(ready.iter().map(|one| one.revents().intersects(READABLE)).collect())
    }

    fn read(&mut self, ready: &[bool]) -> Result<(), String> {
        let now = Instant::now();
        let (lanes_ready, fetchers_ready) = ready.split_at(self.run.lanes.len());
        let outcome = &mut self.outcome;
        for (lane, _) in self.run.lanes.iter_mut().zip(lanes_ready).filter(|(_, ready)| **ready) {
            lane.read(|intended| count(&mut outcome.acknowledged, self.counted_from, intended, now))?;
        }
        for (fetcher, _) in self
            .run
            .fetchers
            .iter_mut()
            .zip(fetchers_ready)
            .filter(|(_, ready)| **ready)
        {
            let (intended, per_batch) = (&self.intended, self.run.records_per_batch);
            fetcher.read(|batch| {
                outcome.delivered += batch.bytes;
                let row = intended.get(batch.partition as usize);
                let sent = row.and_then(|row| row.get((batch.base_offset / per_batch) as usize));
                if let Some(sent) = sent {
                    count(&mut outcome.arrived, self.counted_from, *sent, now);
                }
            })?;
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let open: Vec<usize> = self.run.lanes.iter().map(Lane::open_requests).collect();
        let delivered: Vec<u64> = self.run.fetchers.iter().map(Fetcher::delivered).collect();
        format!(
            "{} bytes produced, unanswered requests {open:?}, bytes delivered {delivered:?}",
            self.outcome.produced
        )
    }
}

/// When the request of this number is to be sent, counted from the start.
fn intended_after(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

/// Counts a latency, unless its request belongs to the time before.
fn count(histogram: &mut Histogram<u64>, from: Instant, intended: Instant, now: Instant) {
    if intended >= from {
        let micros = now.saturating_duration_since(intended).as_micros();
        histogram.saturating_record(micros.max(1) as u64);
    }
}

fn row(intended: &mut Vec<Vec<Instant>>, partition: i32) -> &mut Vec<Instant> {
    let partition = partition as usize;
    if intended.len() <= partition {
        intended.resize(partition + 1, Vec::new());
    }
    &mut intended[partition]
}

/// What is worth reading: data, or the end of a connection, which reading finds out.
const READABLE: PollFlags = PollFlags::IN.union(PollFlags::HUP).union(PollFlags::ERR);
/// How long to wait where nothing is due.
const WAIT_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_times_fixed_beforehand() {
        assert_eq!(intended_after(0, 1_000.0), Duration::ZERO);
        assert_eq!(intended_after(1, 1_000.0), Duration::from_millis(1));
        assert_eq!(intended_after(90_000, 1_000.0), Duration::from_secs(90));
    }

    #[test]
    fn latency_counts_from_the_intended_time_and_not_before_the_ramp() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut histogram = latencies();
        // Sent late, because the broker stood still: the wait counts.
        count(&mut histogram, at(100), at(150), at(650));
        count(&mut histogram, at(100), at(99), at(700));
        assert_eq!(histogram.len(), 1);
        assert!((499_000..=501_000).contains(&histogram.max()), "{}", histogram.max());
    }
}
