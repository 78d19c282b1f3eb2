//! Requests made beforehand and sent as fast as they are answered, whatever they ask: a few in flight on each connection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;

use super::link::Link;
use super::ready::Ready;
use super::run::{PATIENCE, latencies};

/// What is sent, and how.
pub struct Exchange<'a> {
    /// For each connection its requests, sent in turn again and again.
    pub connections: Vec<Vec<Bytes>>,
    /// Requests in flight on each.
    pub in_flight: usize,
    /// How many are sent at most on each.
    pub requests: u64,
    /// How long requests are sent at most.
    pub time: Duration,
    /// Looks whether an answer, without its length, is a good one.
    pub check: &'a dyn Fn(&[u8]) -> Result<(), String>,
}

/// What came of it.
pub struct Answers {
    /// How many answers.
    pub count: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From the sending of a request to its answer, in microseconds.
    pub latency: Histogram<u64>,
}

impl Answers {
    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile of the latencies, in milliseconds.
    pub fn millis_at(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// One connection.
struct Caller {
    link: Link,
    requests: Vec<Bytes>,
    /// The request to be written next, or half written.
    next: usize,
    written: usize,
    in_flight: VecDeque<Instant>,
    /// Requests still to be sent.
    left: u64,
}

impl Exchange<'_> {
    /// Does it.
    pub fn run(self, address: &str) -> Result<Answers, String> {
        let mut ready = Ready::new()?;
        let mut callers = Vec::new();
        for requests in self.connections {
            assert!(!requests.is_empty(), "a connection has requests to send");
            let caller = Caller::connect(address, requests, self.requests)?;
            ready.watch(&caller.link, callers.len())?;
            callers.push(caller);
        }
        let start = Instant::now();
        let mut answers = Answers {
            count: 0,
            elapsed: Duration::ZERO,
            latency: latencies(),
        };
        let mut numbers: Vec<usize> = (0..callers.len()).collect();
        let mut progress = (0, start);
        loop {
            for number in &numbers {
                let caller = &mut callers[*number];
                caller.read(&mut answers, self.check)?;
                if start.elapsed() >= self.time {
                    caller.left = 0;
                }
                caller.write(self.in_flight)?;
            }
            if callers.iter().all(Caller::is_done) {
                break;
            }
            ready.wait(WAIT_MAX, &mut numbers)?;
            if answers.count != progress.0 {
                progress = (answers.count, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                return Err(format!(
                    "no answer came for {PATIENCE:?} after {} answers",
                    answers.count
                ));
            }
        }
        answers.elapsed = start.elapsed();
        Ok(answers)
    }
}

impl Caller {
    fn connect(address: &str, requests: Vec<Bytes>, left: u64) -> Result<Caller, String> {
        Ok(Caller {
            link: Link::connect(address)?,
            requests,
            next: 0,
            written: 0,
            in_flight: VecDeque::new(),
            left,
        })
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.in_flight.is_empty() && self.written == 0
    }

    fn write(&mut self, in_flight: usize) -> Result<(), String> {
        while self.written > 0 || (self.left > 0 && self.in_flight.len() < in_flight) {
            let request = &self.requests[self.next];
            if self.written == 0 {
                self.in_flight.push_back(Instant::now());
                self.left -= 1;
            }
            let written = self.link.write(&request[self.written..])?;
            self.written += written;
            if self.written == request.len() {
                self.written = 0;
                self.next = (self.next + 1) % self.requests.len();
            } else if written == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read(&mut self, answers: &mut Answers, check: &dyn Fn(&[u8]) -> Result<(), String>) -> Result<(), String> {
        let in_flight = &mut self.in_flight;
        self.link.read(|frame| {
            let sent = in_flight.pop_front().ok_or("an answer came to no request")?;
            answers.count += 1;
            answers
                .latency
                .saturating_record(sent.elapsed().as_micros().max(1) as u64);
            check(frame)
        })
    }
}

/// How long to wait where nothing happens, so that the end of the time is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
