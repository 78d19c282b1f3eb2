//! A producer's connection: its requests in turn, those that wait for the socket and those that wait for an answer.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::answer::check_produced;
use super::frame::{ProduceFrame, Producer};
use super::link::Link;
use crate::admin::Admin;

/// What is produced, and over how many connections.
#[derive(Clone, Copy, Debug)]
pub struct ProducePlan<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Its partitions, shared out among the connections.
    pub partitions: i32,
    /// Partitions that one request writes to.
    pub partitions_per_request: usize,
    /// Connections, each an idempotent producer of its own.
    pub connections: i32,
    /// The batch that every request carries for each of its partitions.
    pub batch: &'a Bytes,
}

/// One producer.
pub struct Lane {
    link: Link,
    producer: Producer,
    frames: Vec<ProduceFrame>,
    /// The frame to be written next, or half written.
    next: usize,
    /// How much of it is written; `None` before it has its sequence, which it must get only once.
    written: Option<usize>,
    /// When the requests that are due were to be sent.
    due: VecDeque<Instant>,
    in_flight: VecDeque<Instant>,
}

/// What a lane has sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// When it was to be sent.
    pub intended: Instant,
    /// The partitions it went to.
    pub partitions: &'a [i32],
}

impl Lane {
    /// Connects the producers of a plan.
    pub fn open(address: &str, plan: &ProducePlan<'_>) -> Result<Vec<Lane>, String> {
        let mut admin = Admin::connect(address)?;
        let mut lanes = Vec::new();
        for connection in 0..plan.connections {
            let mine: Vec<i32> = (0..plan.partitions)
                .filter(|partition| partition % plan.connections == connection)
                .collect();
            let frames = mine
                .chunks(plan.partitions_per_request)
                .map(|partitions| ProduceFrame::new(plan.topic, partitions, plan.batch, -1));
            lanes.push(Lane {
                link: Link::connect(address)?,
                producer: admin.producer()?,
                frames: frames.collect::<Result<_, _>>()?,
                next: 0,
                written: None,
                due: VecDeque::with_capacity(1024),
                in_flight: VecDeque::with_capacity(1024),
            });
        }
        Ok(lanes)
    }

    /// Its connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Requests that are not answered yet.
    pub fn open_requests(&self) -> usize {
        self.due.len() + self.in_flight.len()
    }

    /// Whether something waits for the socket.
    pub fn wants_to_write(&self) -> bool {
        !self.due.is_empty()
    }

    /// One more request is due since `intended`. Gives the bytes of its batches.
    pub fn put(&mut self, intended: Instant) -> u64 {
        let frame = (self.next + self.due.len()) % self.frames.len();
        self.due.push_back(intended);
        self.frames[frame].payload_bytes()
    }

    /// Writes as much as the socket takes; each request that begins is told to `begun`.
    pub fn write(&mut self, mut begun: impl FnMut(Sent<'_>)) -> Result<(), String> {
        while let Some(intended) = self.due.front().copied() {
            let frame = &mut self.frames[self.next];
            let from = *self.written.get_or_insert_with(|| {
                frame.stamp(self.producer);
                begun(Sent {
                    intended,
                    partitions: frame.partitions(),
                });
                0
            });
            let written = self.link.write(&frame.bytes()[from..])?;
            if written == 0 {
                return Ok(());
            }
            self.written = Some(from + written);
            if from + written == frame.bytes().len() {
                self.due.pop_front();
                self.in_flight.push_back(intended);
                self.written = None;
                self.next = (self.next + 1) % self.frames.len();
            }
        }
        Ok(())
    }

    /// Reads answers; for each, `answered` gets the time at which its request was to be sent.
    pub fn read(&mut self, mut answered: impl FnMut(Instant)) -> Result<(), String> {
        let in_flight = &mut self.in_flight;
        self.link.read(|frame| {
            check_produced(frame)?;
            answered(in_flight.pop_front().ok_or("an answer came to no request")?);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;
    use crate::load::{Payload, batch};

    /// A socket that is full just where a frame begins must not make it skip a sequence.
    #[test]
    fn a_frame_begins_once_however_often_the_socket_is_full() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let batch = batch(Payload::plain(63, 1024));
        let frame = ProduceFrame::new("topic", &[0], &batch, -1).unwrap();
        let mut lane = Lane {
            link: Link::connect(&address).unwrap(),
            producer: Producer { id: 1, epoch: 0 },
            frames: vec![frame],
            next: 0,
            written: None,
            due: VecDeque::new(),
            in_flight: VecDeque::new(),
        };
        let (mut peer, _) = listener.accept().unwrap();
        // Fill the socket with other bytes, so that it is full at the beginning of a frame.
        let filler = vec![0; 1 << 16];
        let mut filled = 0;
        while let Ok(more @ 1..) = lane.link.write(&filler) {
            filled += more;
        }
        let mut begun = 0;
        lane.put(Instant::now());
        for _ in 0..3 {
            lane.write(|_| begun += 1).unwrap();
        }
        assert_eq!((begun, lane.wants_to_write()), (1, true));
        let mut others = vec![0; filled];
        peer.read_exact(&mut others).unwrap();
        while lane.wants_to_write() {
            lane.write(|_| begun += 1).unwrap();
        }
        assert_eq!(begun, 1);
    }
}
