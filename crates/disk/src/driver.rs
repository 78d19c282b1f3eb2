//! The threads that drive a store: one flushes the journal, one settles, one prepares journal files. Nothing is decided
//! here but when a step is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use ottla_log::StorageFault;

use crate::journal::Flushed;
use crate::store::Shared;

/// How long a step that failed waits before it is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// The running threads.
pub struct Driver {
    flusher: JoinHandle<()>,
    settler: JoinHandle<()>,
    preparer: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
}

impl Driver {
    /// Starts the threads.
    pub(crate) fn start(shared: &Arc<Shared>) -> Driver {
        let stopping = Arc::new(AtomicBool::new(false));
        let (of_preparer, stop) = (Arc::clone(shared), Arc::clone(&stopping));
        let preparer = spawn("ottla-prepare", move || prepare(&of_preparer, &stop));
        let (of_flusher, stop) = (Arc::clone(shared), Arc::clone(&stopping));
        let wake = preparer.thread().clone();
        let flusher = spawn("ottla-flush", move || flush(&of_flusher, &wake, &stop));
        let of_settler = Arc::clone(shared);
        let settler = spawn("ottla-settle", move || settle(&of_settler));
        Driver {
            flusher,
            settler,
            preparer,
            stopping,
        }
    }

    /// Waits for the threads, which end once the journal is stopped.
    pub fn join(self) {
        self.stopping.store(true, Ordering::Release);
        self.preparer.thread().unpark();
        for thread in [self.flusher, self.settler, self.preparer] {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.expect("the system starts the few threads of a store")
}

fn flush(shared: &Shared, preparer: &Thread, stopping: &AtomicBool) {
    while shared.journal.wait_for_entries() {
        match shared.journal.flush_once() {
            Ok(Flushed::UpTo(_)) => {
                if shared.journal.wants_file() {
                    preparer.unpark();
                }
            }
            Ok(Flushed::Nothing) => {}
            Ok(Flushed::NoSpace) if stopping.load(Ordering::Acquire) => return,
            Ok(Flushed::NoSpace) => thread::sleep(RETRY),
            Err(_) => return,
        }
    }
}

fn prepare(shared: &Shared, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Acquire) {
        if let Err(fault) = shared.journal.prepare_once() {
            tracing::warn!(%fault, "the next journal file could not be prepared");
            // Flushes wake this thread; without a real pause each of them would try, and say so.
            thread::sleep(RETRY);
        }
        thread::park();
    }
}

fn settle(shared: &Shared) {
    let mut last_checkpoint = Instant::now();
    // What a replay left in the journal counts: a broker that is killed often must not replay more each time.
    let mut bytes_then = 0;
    let mut failed = false;
    let crowded = || shared.journal.live_bytes() * 2 >= shared.options.journal.bytes_max;
    // Producers wait while the journal is nearly full, so that nothing more may be written that would end a long wait.
    let age = |failed| {
        if failed || crowded() {
            RETRY
        } else {
            shared.options.settle_age
        }
    };
    while shared.journal.wait_for_written(age(failed)) {
        let live = shared.journal.live_bytes();
        let grown = live.saturating_sub(bytes_then) >= shared.options.checkpoint_bytes;
        let due = grown || crowded() || last_checkpoint.elapsed() >= shared.options.checkpoint_age;
        let result = match due {
            true => shared.checkpoint_once(false).map(|_| ()),
            false => shared.settle_once(),
        };
        if due && result.is_ok() {
            last_checkpoint = Instant::now();
            bytes_then = shared.journal.live_bytes();
        }
        report(&result, &mut failed);
        shared.settling_fails.store(failed, Ordering::Release);
        while let Ok(true) = shared.delete_once() {}
        if failed {
            thread::sleep(RETRY);
        }
    }
}

/// Says once that something fails, and once that it is over.
fn report(result: &Result<(), StorageFault>, failed: &mut bool) {
    match result {
        Err(fault) if !*failed => {
            tracing::error!(%fault, "settling failed; batches stay in memory and journal, and it is tried again");
            *failed = true;
        }
        Ok(()) if *failed => {
            tracing::info!("settling works again");
            *failed = false;
        }
        _ => {}
    }
}
