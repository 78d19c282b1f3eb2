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
            known: None,
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
    /// Whom to wake, as far as the mark knows.
    known: Option<Waker>,
}

impl Future for DurableWait {
    type Output = Result<(), JournalFault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.durability.durable() >= this.lsn {
            this.known = None;
            return Poll::Ready(Ok(()));
        }
        let mut waiting = this.durability.lock();
        if this.durability.durable() >= this.lsn {
            this.known = None;
            return Poll::Ready(Ok(()));
        }
        if waiting.failed {
            this.known = None;
            return Poll::Ready(Err(JournalFault::Failed));
        }
        if !this
            .known
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()))
        {
            waiting.forget(this.lsn, this.known.take());
            waiting.wakers.push((this.lsn, context.waker().clone()));
            this.known = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for DurableWait {
    /// Who gave up waiting is not woken, and not remembered.
    fn drop(&mut self) {
        if let Some(known) = self.known.take() {
            self.durability.lock().forget(self.lsn, Some(known));
        }
    }
}

impl Waiting {
    fn forget(&mut self, lsn: Lsn, waker: Option<Waker>) {
        let Some(waker) = waker else {
            return;
        };
        let place = self
            .wakers
            .iter()
            .position(|(wanted, known)| *wanted == lsn && known.will_wake(&waker));
        if let Some(place) = place {
            self.wakers.swap_remove(place);
        }
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
    fn who_gives_up_is_forgotten() {
        let durability = Arc::new(Durability::default());
        let mut context = Context::from_waker(Waker::noop());
        let mut wait = durability.wait(Lsn(3));
        assert!(Pin::new(&mut wait).poll(&mut context).is_pending());
        assert!(Pin::new(&mut wait).poll(&mut context).is_pending());
        assert_eq!(durability.lock().wakers.len(), 1, "one for each wait");
        drop(wait);
        assert_eq!(durability.lock().wakers.len(), 0);
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
