//! Many simulated members of classic groups on one thread, each on a connection of its own, as clients have it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::link::Link;
use super::member::{Led, Member};
use super::ready::Ready;
use super::run::PATIENCE;

/// How often a member sends a heartbeat while the group is waited for.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// Room for a member's answers; only the leader's are larger, and it grows.
const INPUT_BYTES: usize = 1 << 10;
/// How often it is looked whether heartbeats are due.
const BEAT_STEP: Duration = Duration::from_millis(10);

/// Some groups with their members.
pub struct Crowd {
    address: String,
    groups: Vec<Group>,
    seats: Vec<Seat>,
    ready: Ready,
}

struct Group {
    name: String,
    members: usize,
    /// The latest generation, as the leader was told of it.
    led: Option<Led>,
}

/// A member with its connection.
struct Seat {
    group: usize,
    member: Member,
    link: Link,
    output: Vec<u8>,
    beat_at: Instant,
}

impl Crowd {
    /// Connects so many members for each of some groups; none has joined.
    pub fn connect(address: &str, groups: &[String], members: usize) -> Result<Crowd, String> {
        let groups_of = groups.iter().map(|name| Group {
            name: name.clone(),
            members: 0,
            led: None,
        });
        let mut crowd = Crowd {
            address: address.to_owned(),
            groups: groups_of.collect(),
            seats: Vec::new(),
            ready: Ready::new()?,
        };
        for group in 0..groups.len() {
            for _ in 0..members {
                crowd.add(group)?;
            }
        }
        Ok(crowd)
    }

    /// Connects one member more; it has not joined.
    pub fn add(&mut self, group: usize) -> Result<(), String> {
        let link = Link::with_room(&self.address, INPUT_BYTES)?;
        self.ready.watch(&link, self.seats.len())?;
        self.groups[group].members += 1;
        self.seats.push(Seat {
            group,
            member: Member::new(&self.groups[group].name),
            link,
            output: Vec::new(),
            beat_at: Instant::now(),
        });
        Ok(())
    }

    /// Every member joins, for the first time or again, at once. Gives the time until all have their assignments, those of a
    /// group in one generation.
    pub fn join_all(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        self.join(0, start)
    }

    /// The member added last joins, the others hear of it by their heartbeats.
    pub fn join_last(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        // As after a long peace, heartbeats are spread over their interval.
        let count = self.seats.len() as u32;
        for (number, seat) in self.seats.iter_mut().enumerate() {
            seat.beat_at = start + HEARTBEAT * number as u32 / count;
        }
        self.join(self.seats.len() - 1, start)
    }

    fn join(&mut self, from: usize, start: Instant) -> Result<Duration, String> {
        for seat in &mut self.seats[from..] {
            self.groups[seat.group].led = None;
            if let Some(request) = seat.member.join()? {
                seat.send(&request)?;
            }
        }
        self.until_settled(start)
    }

    fn until_settled(&mut self, start: Instant) -> Result<Duration, String> {
        let mut ready = Vec::new();
        let mut beaten = start;
        while !self.is_settled() {
            self.ready.wait(BEAT_STEP, &mut ready)?;
            for number in &ready {
                let seat = &mut self.seats[*number];
                seat.go_on()?;
                if let Some(led) = seat.member.led() {
                    let group = &mut self.groups[seat.group];
                    let known = group.led.map_or(-1, |known| known.generation);
                    if led.generation > known {
                        group.led = Some(led);
                    }
                }
            }
            let now = Instant::now();
            if now - beaten >= BEAT_STEP {
                beaten = now;
                self.beat(now)?;
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("the group did not come to rest: {}", self.describe()));
            }
        }
        Ok(start.elapsed())
    }

    fn beat(&mut self, now: Instant) -> Result<(), String> {
        for seat in &mut self.seats {
            if seat.beat_at <= now && seat.member.can_beat() {
                seat.beat_at = now + HEARTBEAT;
                let request = seat.member.beat()?;
                seat.send(&request)?;
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.groups
            .iter()
            .all(|group| group.led.is_some_and(|led| led.members == group.members))
            && self.seats.iter().all(|seat| self.is_in_place(seat))
    }

    fn is_in_place(&self, seat: &Seat) -> bool {
        let led = self.groups[seat.group].led;
        led.is_some() && seat.member.owns_in() == led.map(|led| led.generation)
    }

    /// For each member its group, id and generation.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.seats
            .iter()
            .map(|seat| (self.groups[seat.group].name.as_str(), &seat.member))
    }

    fn describe(&self) -> String {
        let placed = self.seats.iter().filter(|seat| self.is_in_place(seat)).count();
        format!("{placed} of {} members have their assignment", self.seats.len())
    }
}

impl Seat {
    fn go_on(&mut self) -> Result<(), String> {
        let (member, output) = (&mut self.member, &mut self.output);
        self.link.read(|frame| {
            if let Some(request) = member.answered(frame)? {
                output.extend_from_slice(&request);
            }
            Ok(())
        })?;
        self.flush()
    }

    fn send(&mut self, request: &Bytes) -> Result<(), String> {
        self.output.extend_from_slice(request);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        let mut written = 0;
        while written < self.output.len() {
            match self.link.write(&self.output[written..])? {
                0 => break,
                more => written += more,
            }
        }
        self.output.drain(..written);
        Ok(())
    }
}
