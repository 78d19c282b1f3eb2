//! How far the journal is on stable storage, and the answers that wait for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{JournalFault, Lsn};

/// One journal's durable-up-to mark. The flusher moves it; answers wait for it.
#[derive(Debug, Default)]
pub struct Durability {
    durable: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    failed: bool,
    /// In no order: few wait at a time, and one flush usually frees them all.
    wakers: Vec<(Lsn, Waker)>,
}

impl Durability {
    /// Everything up to and including this entry is on stable storage.
    pub fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// A flush succeeded: everything up to `lsn` is on stable storage. Watermarks are moved before this is called, so
    /// that whoever is answered can read what was acknowledged.
    pub fn advance(&self, lsn: Lsn) {
        let mut waiting = self.lock();
        if waiting.failed {
            return;
        }
        self.durable.fetch_max(lsn.0, Ordering::AcqRel);
        let free = waiting
            .wakers
            .extract_if(.., |(wanted, _)| *wanted <= lsn)
            .collect::<Vec<_>>();
        drop(waiting);
        for (_, waker) in free {
            waker.wake();
        }
    }

    /// A flush failed. Nothing that is not durable now will ever be reported so.
    pub fn fail(&self) {
        let mut waiting = self.lock();
        waiting.failed = true;
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    /// Whether a flush has failed.
    pub fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// Resolves when `lsn` is on stable storage, or with the fault that means it may never be.
    pub fn wait(self: &Arc<Self>, lsn: Lsn) -> DurableWait {
        DurableWait {
            durability: Arc::clone(self),
            lsn,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Durability::wait`].
#[derive(Debug)]
pub struct DurableWait {
    durability: Arc<Durability>,
    lsn: Lsn,
}

impl Future for DurableWait {
    type Output = Result<(), JournalFault>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.durability.durable() >= self.lsn {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.durability.lock();
        if self.durability.durable() >= self.lsn {
            return Poll::Ready(Ok(()));
        }
        if waiting.failed {
            return Poll::Ready(Err(JournalFault::Failed));
        }
        let known = waiting
            .wakers
            .iter()
            .any(|(lsn, waker)| *lsn == self.lsn && waker.will_wake(context.waker()));
        if !known {
            waiting.wakers.push((self.lsn, context.waker().clone()));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_its_own_entry() {
        let durability = Arc::new(Durability::default());
        let mut context = Context::from_waker(Waker::noop());
        let mut wait = durability.wait(Lsn(3));
        assert!(Pin::new(&mut wait).poll(&mut context).is_pending());
        durability.advance(Lsn(2));
        assert!(Pin::new(&mut wait).poll(&mut context).is_pending());
        durability.advance(Lsn(3));
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Ready(Ok(())));
    }

    #[test]
    fn after_a_failed_flush_nothing_new_becomes_durable() {
        let durability = Arc::new(Durability::default());
        durability.advance(Lsn(1));
        durability.fail();
        durability.advance(Lsn(2));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(
            Pin::new(&mut durability.wait(Lsn(1))).poll(&mut context),
            Poll::Ready(Ok(()))
        );
        assert_eq!(
            Pin::new(&mut durability.wait(Lsn(2))).poll(&mut context),
            Poll::Ready(Err(JournalFault::Failed))
        );
    }
}
