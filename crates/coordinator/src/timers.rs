//! Deadlines as data: a table of names and times that the driver asks for what is due.

use std::collections::{BTreeMap, BTreeSet};

use ottla_model::Millis;

/// Named deadlines. Each name has at most one.
#[derive(Debug)]
pub struct Timers<K> {
    at: BTreeMap<K, Millis>,
    queue: BTreeSet<(Millis, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Timers {
            at: BTreeMap::new(),
            queue: BTreeSet::new(),
        }
    }
}

impl<K: Clone + Ord> Timers<K> {
    /// Sets the deadline of `name`, in place of an earlier one.
    pub fn arm(&mut self, name: K, at: Millis) {
        if let Some(before) = self.at.insert(name.clone(), at) {
            self.queue.remove(&(before, name.clone()));
        }
        self.queue.insert((at, name));
    }

    /// Forgets the deadline of `name`.
    pub fn disarm(&mut self, name: &K) {
        if let Some(before) = self.at.remove(name) {
            self.queue.remove(&(before, name.clone()));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Millis> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes one name whose deadline is at or before `now`, the earliest first.
    pub fn pop_due(&mut self, now: Millis) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, name) = self.queue.pop_first()?;
        self.at.remove(&name);
        Some(name)
    }

    /// How many deadlines are armed.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether none is armed.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arming_again_moves_the_deadline() {
        let mut timers = Timers::default();
        timers.arm("a", Millis(10));
        timers.arm("b", Millis(20));
        timers.arm("a", Millis(30));
        assert_eq!(timers.next(), Some(Millis(20)));
        assert_eq!(timers.pop_due(Millis(19)), None);
        assert_eq!(timers.pop_due(Millis(30)), Some("b"));
        assert_eq!(timers.pop_due(Millis(30)), Some("a"));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_disarmed_deadline_never_comes() {
        let mut timers = Timers::default();
        timers.arm("a", Millis(10));
        timers.disarm(&"a");
        timers.disarm(&"never armed");
        assert_eq!(timers.pop_due(Millis(100)), None);
        assert_eq!(timers.len(), 0);
    }
}
