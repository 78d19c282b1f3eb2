//! The high watermark: the offset below which every record is durable, and those who wait for it to move.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use ottla_model::Offset;

/// One partition's high watermark. Readers never see a record at or above it.
#[derive(Debug)]
pub struct Watermark {
    high: AtomicI64,
    subscribers: Mutex<HashMap<u64, Arc<Signal>>>,
    next_subscriber: AtomicU64,
}

impl Watermark {
    /// A watermark that stands at `high`.
    pub fn new(high: Offset) -> Watermark {
        Watermark {
            high: AtomicI64::new(high.0),
            subscribers: Mutex::default(),
            next_subscriber: AtomicU64::new(0),
        }
    }

    /// Where it stands.
    pub fn get(&self) -> Offset {
        Offset(self.high.load(Ordering::Acquire))
    }

    /// Moves it forward to `high` and wakes the subscribers; never moves it back.
    pub fn advance(&self, high: Offset) {
        if self.high.fetch_max(high.0, Ordering::AcqRel) < high.0 {
            self.raise();
        }
    }

    /// Raises the signal of every subscriber, also for news other than a moved watermark (a deleted topic, a fault).
    pub fn raise(&self) {
        let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        for signal in subscribers.values() {
            signal.raise();
        }
    }

    /// Has `signal` raised at every move from now on, until the subscription is dropped. To miss nothing, subscribe
    /// first, then look at the watermark.
    pub fn subscribe(self: &Arc<Self>, signal: &Arc<Signal>) -> Subscription {
        let id = self.next_subscriber.fetch_add(1, Ordering::Relaxed);
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(signal));
        Subscription {
            watermark: Arc::clone(self),
            id,
        }
    }
}

/// Ends a subscription when dropped.
#[derive(Debug)]
pub struct Subscription {
    watermark: Arc<Watermark>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.watermark
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// A flag that one task waits for and any watermark may raise. Once raised it stays so until taken.
#[derive(Debug, Default)]
pub struct Signal {
    raised: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    /// Raises the flag and wakes the waiting task.
    pub fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Ready, and the flag taken down, once it is raised.
    pub fn poll_raised(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.raised.swap(false, Ordering::AcqRel) {
            return Poll::Ready(());
        }
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        // Raised between the look and the registration: nobody woke us, so look again.
        if self.raised.swap(false, Ordering::AcqRel) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_moves_forward_and_wakes_on_moves() {
        let watermark = Arc::new(Watermark::new(Offset(5)));
        let signal = Arc::new(Signal::default());
        let mut context = Context::from_waker(Waker::noop());
        let subscription = watermark.subscribe(&signal);
        watermark.advance(Offset(5));
        assert_eq!(signal.poll_raised(&mut context), Poll::Pending);
        watermark.advance(Offset(9));
        watermark.advance(Offset(7));
        assert_eq!(watermark.get(), Offset(9));
        assert_eq!(signal.poll_raised(&mut context), Poll::Ready(()));
        assert_eq!(signal.poll_raised(&mut context), Poll::Pending);
        drop(subscription);
        watermark.advance(Offset(10));
        assert_eq!(signal.poll_raised(&mut context), Poll::Pending);
    }
}
