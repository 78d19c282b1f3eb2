//! Which of many connections have something to be read or room to be written to, without looking at all of them.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::link::Link;

/// Events taken at once.
const EVENTS_MAX: usize = 256;

/// Connections under watch, each with a number. A connection is told when that changes, so whoever is told must read all and
/// write all that goes.
pub struct Ready {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Ready {
    /// Watches nothing yet.
    pub fn new() -> Result<Ready, String> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| error.to_string())?;
        Ok(Ready {
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Watches a connection until it is closed.
    pub fn watch(&self, link: &Link, number: usize) -> Result<(), String> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&self.epoll, link, EventData::new_u64(number as u64), flags).map_err(|error| error.to_string())
    }

    /// Waits for something to happen, not longer than `most`, and puts the numbers of the connections into `ready`.
    pub fn wait(&mut self, most: Duration, ready: &mut Vec<usize>) -> Result<(), String> {
        let most = Timespec::try_from(most).map_err(|error| error.to_string())?;
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&most)).map_err(|error| error.to_string())?;
        ready.clear();
        ready.extend(self.events.iter().map(|event| event.data.u64() as usize));
        Ok(())
    }
}
