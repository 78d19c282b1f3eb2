//! Drives one coordinator shard: gives it the clock and the log, lets answers go when the journal has what they rest on.
//!
//! The shard itself is pure (crate `coordinator`). Under one short lock a command is judged, its records are appended to
//! the shard's partition and applied; outside the lock the answer waits for the flush. If an append is refused the shard
//! is ahead of its log, so it is dropped and replayed, and whoever waited is told to ask again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ottla_coordinator::{Appended, Entry, Machine, Position, Shard, Step, Ticket};
use ottla_log::{AppendFault, BatchBuilder, Durability, Lsn, Origin, Partition, Replayed, StorageFault};
use ottla_model::{ErrorCode, Millis, ProducerEpoch, ProducerId};
use tokio::sync::{Notify, oneshot};
use tracing::{error, info, warn};

use crate::clock::Clock;

/// How often a shard whose log cannot be read is tried again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// What a record of a coordinator rarely exceeds, in bytes: a committed position with its key.
const RECORD_SIZE_USUAL: usize = 128;

/// A machine whose records have bytes.
pub(crate) trait Logged: Machine {
    /// What its log is called in log lines.
    const NAME: &'static str;

    /// A fresh session, with the broker's configuration.
    fn session(settings: &Self::Settings) -> Self::Session;

    /// What a session is made from.
    type Settings: Send + Sync;

    /// Whether a command may end in records.
    fn writes(command: &Self::Command) -> bool;

    /// A record's key and value.
    fn encode(record: &Self::Record) -> (Option<Bytes>, Option<Bytes>);

    /// What was decided at once, as a batch, and who writes it.
    fn batch(records: &[Self::Record], timestamp: Millis) -> (Bytes, Origin) {
        let batch = with_records::<Self>(BatchBuilder::new(), records, timestamp);
        (batch.build(), Origin::Coordinator)
    }

    /// The record behind an entry of the log; `None` for one that this version does not know.
    fn decode(entry: &Replayed) -> Result<Option<Self::Record>, String>;

    /// What a log line says of an effect that asks for nothing else; `None` leaves it to
    /// [`Driver::with_durable_effects`].
    fn log_line(_effect: &Self::Effect) -> Option<String> {
        None
    }
}

/// Puts records into a batch.
pub(crate) fn with_records<M: Logged>(
    mut batch: BatchBuilder,
    records: &[M::Record],
    timestamp: Millis,
) -> BatchBuilder {
    batch.reserve(records.len() * RECORD_SIZE_USUAL);
    for record in records {
        let (key, value) = M::encode(record);
        batch.push(timestamp, key.as_deref(), value.as_deref());
    }
    batch
}

/// Why a command got no answer from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The write was refused or never became durable, or the shard was replayed while the caller waited.
    NotAvailable,
}

impl Unanswered {
    /// What the protocol calls it: clients look for the coordinator again and retry.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Unanswered::NotAvailable => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// One shard with its log.
pub(crate) struct Driver<M: Logged> {
    partition: Arc<Partition>,
    durability: Arc<Durability>,
    clock: Arc<Clock>,
    settings: Arc<M::Settings>,
    inner: Mutex<Inner<M>>,
    /// The deadline the timer task sleeps for; an earlier one wakes it.
    slept_for: AtomicI64,
    earlier: Notify,
}

struct Inner<M: Logged> {
    shard: Shard<M>,
    tickets: HashMap<Ticket, oneshot::Sender<(M::Reply, Position)>>,
    next_ticket: u64,
    /// Whether the shard holds all that its log says.
    loaded: bool,
    /// What is to be done once its position is durable, in the log's order.
    effects: VecDeque<(Position, M::Effect)>,
}

/// An answer on its way.
pub(crate) enum Pending<R> {
    /// Decided; may leave when the position is durable.
    Decided(R, Position),
    /// To come.
    Parked(oneshot::Receiver<(R, Position)>),
    /// Refused by the log.
    Unanswered(Unanswered),
}

impl<M: Logged> Driver<M> {
    /// Replays the partition and starts from what it says.
    pub(crate) fn load(
        partition: Arc<Partition>,
        durability: Arc<Durability>,
        clock: Arc<Clock>,
        settings: Arc<M::Settings>,
    ) -> Result<Arc<Driver<M>>, StorageFault> {
        let shard = Shard::with_session(M::session(&settings));
        let inner = Inner {
            shard,
            tickets: HashMap::new(),
            next_ticket: 0,
            loaded: false,
            effects: VecDeque::new(),
        };
        let driver = Arc::new(Driver {
            partition,
            durability,
            clock,
            settings,
            inner: Mutex::new(inner),
            slept_for: AtomicI64::new(i64::MAX),
            earlier: Notify::new(),
        });
        driver.reload(&mut driver.lock())?;
        Ok(driver)
    }

    /// Judges a command now; the answer may come at once or later.
    pub(crate) fn submit(&self, command: M::Command) -> Pending<M::Reply> {
        let mut inner = self.lock();
        let pending = self.judge(&mut inner, command);
        self.let_go(inner);
        pending
    }

    /// Judges a command that is answered at once, and does `then` before anything else of the shard is decided. `then` may
    /// append to other logs; what it appends is durable after what the command wrote, never before.
    pub(crate) fn decide_and<T>(&self, command: M::Command, then: impl FnOnce(Result<M::Reply, Unanswered>) -> T) -> T {
        let mut inner = self.lock();
        let decided = match self.judge(&mut inner, command) {
            Pending::Decided(reply, _) => Ok(reply),
            Pending::Parked(_) => Err(Unanswered::NotAvailable),
            Pending::Unanswered(unanswered) => Err(unanswered),
        };
        let done = then(decided);
        self.let_go(inner);
        done
    }

    fn judge(&self, inner: &mut Inner<M>, command: M::Command) -> Pending<M::Reply> {
        // A refused write would cost a replay, so a full journal is asked first.
        if !inner.loaded || (M::writes(&command) && !self.partition.has_room()) {
            return Pending::Unanswered(Unanswered::NotAvailable);
        }
        inner.next_ticket += 1;
        let ticket = Ticket(inner.next_ticket);
        let now = self.clock.steady();
        match inner.shard.submit(now, ticket, command, |records| self.append(records)) {
            Ok(step) => {
                let own = inner.deliver(step, Some(ticket));
                own.unwrap_or_else(|| {
                    let (sender, receiver) = oneshot::channel();
                    inner.tickets.insert(ticket, sender);
                    Pending::Parked(receiver)
                })
            }
            Err(fault) => {
                self.fall_back(inner, &fault);
                Pending::Unanswered(Unanswered::NotAvailable)
            }
        }
    }

    /// Waits for an answer and for what it rests on.
    pub(crate) async fn wait(durability: Arc<Durability>, pending: Pending<M::Reply>) -> Result<M::Reply, Unanswered> {
        let (reply, position) = match pending {
            Pending::Decided(reply, position) => (reply, position),
            Pending::Parked(receiver) => receiver.await.map_err(|_| Unanswered::NotAvailable)?,
            Pending::Unanswered(unanswered) => return Err(unanswered),
        };
        durability
            .wait(Lsn(position.0))
            .await
            .map_err(|_| Unanswered::NotAvailable)?;
        Ok(reply)
    }

    /// Submits and waits.
    pub(crate) async fn ask(&self, command: M::Command) -> Result<M::Reply, Unanswered> {
        let pending = self.submit(command);
        Self::wait(Arc::clone(&self.durability), pending).await
    }

    /// Takes, in the log's order, the effects whose records are durable by now. The caller sees to it that two do not carry
    /// theirs out at a time.
    pub(crate) fn durable_effects(&self) -> Vec<M::Effect> {
        let mut inner = self.lock();
        let durable = self.durability.durable();
        let due = inner
            .effects
            .iter()
            .take_while(|(position, _)| position.0 <= durable.0)
            .count();
        inner.effects.drain(..due).map(|(_, effect)| effect).collect()
    }

    /// Takes, in the log's order, all effects, those whose records are not durable yet as well: for such as end in records
    /// of the same journal, behind them.
    pub(crate) fn effects(&self) -> Vec<M::Effect> {
        let mut inner = self.lock();
        inner.effects.drain(..).map(|(_, effect)| effect).collect()
    }

    /// Whether a producer has a successor, by what its transactions left in the log.
    pub(crate) fn is_superseded(&self, producer: ProducerId, epoch: ProducerEpoch) -> bool {
        self.partition.is_superseded(producer, epoch)
    }

    /// Looks at what the log says.
    pub(crate) fn with_state<T>(&self, look: impl FnOnce(&M::State) -> T) -> T {
        look(self.lock().shard.state())
    }

    /// The mark answers wait for.
    pub(crate) fn durability(&self) -> &Arc<Durability> {
        &self.durability
    }

    /// Handles deadlines as they come, for ever, and calls `carry_out` whenever there may be effects. That says how long to
    /// wait before it is called again, if it could not do all.
    pub(crate) async fn keep_time(self: Arc<Self>, carry_out: impl Fn() -> Option<Millis> + Send) {
        loop {
            if !self.lock().loaded {
                tokio::time::sleep(RELOAD_INTERVAL).await;
                self.reload_or_rest(&mut self.lock());
                continue;
            }
            let again = carry_out().map(|after| self.clock.steady().plus(after));
            let deadline = self.lock().shard.next_deadline();
            let next = deadline.into_iter().chain(again).min();
            self.slept_for
                .store(next.map_or(i64::MAX, |at| at.0), Ordering::Release);
            let earlier = self.earlier.notified();
            match next {
                // Armed between the look and the store: look again.
                _ if self.lock().shard.next_deadline() != deadline => continue,
                Some(at) => {
                    let _ = tokio::time::timeout_at(self.clock.instant_of(at).into(), earlier).await;
                }
                None => earlier.await,
            }
            if !self.expire_due() {
                tokio::time::sleep(RELOAD_INTERVAL).await;
            }
        }
    }

    /// Has `carry_out` called soon.
    pub(crate) fn wake(&self) {
        self.earlier.notify_one();
    }

    /// Handles what is due. False if the log refused a write: what is due then still is, and would be refused again at once.
    fn expire_due(&self) -> bool {
        let now = self.clock.steady();
        loop {
            let mut inner = self.lock();
            match inner.shard.expire(now, |records| self.append(records)) {
                None => return true,
                Some(Ok(step)) => {
                    inner.deliver(step, None);
                    self.let_go(inner);
                }
                Some(Err(fault)) => {
                    self.fall_back(&mut inner, &fault);
                    return false;
                }
            }
        }
    }

    /// Lets go of the lock and wakes the timer task if a deadline has become nearer.
    fn let_go(&self, inner: MutexGuard<'_, Inner<M>>) {
        let next = inner.shard.next_deadline();
        drop(inner);
        if next.is_some_and(|at| at.0 < self.slept_for.load(Ordering::Acquire)) {
            self.earlier.notify_one();
        }
    }

    fn append(&self, records: &[M::Record]) -> Result<Appended, AppendFault> {
        let timestamp = self.clock.wall();
        let (batch, origin) = M::batch(records, timestamp);
        let appended = self.partition.append(batch, origin, timestamp)?;
        Ok(Appended {
            base: appended.base_offset,
            timestamp,
            position: Position(appended.lsn.0),
        })
    }

    /// The log refused a write: what the shard holds in memory no longer follows from the log.
    fn fall_back(&self, inner: &mut Inner<M>, fault: &AppendFault) {
        warn!(log = M::NAME, partition = %self.partition.id().index, "a write was refused, replaying: {fault}");
        self.reload_or_rest(inner);
    }

    /// Replays the log; if that fails nothing is served until it works, for half a state would be taken for the whole.
    fn reload_or_rest(&self, inner: &mut Inner<M>) {
        // Whoever waited is told by the dropped sender.
        inner.tickets.clear();
        inner.loaded = false;
        if let Err(fault) = tokio::task::block_in_place(|| self.reload(inner)) {
            error!(log = M::NAME, partition = %self.partition.id().index, "cannot be replayed, tried again: {fault}");
        }
        self.earlier.notify_one();
    }

    fn reload(&self, inner: &mut Inner<M>) -> Result<(), StorageFault> {
        let session = M::session(&self.settings);
        let mut shard = Shard::with_session(session).resting_on(inner.shard.written());
        let replayed = self.replay(&mut shard)?;
        let step = shard.loaded(self.clock.steady(), |records| self.append(records));
        inner.shard = shard;
        // Refused by the log, the shard is ahead of it again; the timer task tries anew.
        inner.loaded = step.is_ok();
        if let Ok(step) = step {
            inner.deliver(step, None);
        }
        if replayed > 0 {
            info!(log = M::NAME, partition = %self.partition.id().index, records = replayed, "loaded");
        }
        Ok(())
    }

    /// Applies every record of the log, also those whose flush is still under way.
    fn replay(&self, shard: &mut Shard<M>) -> Result<usize, StorageFault> {
        let mut replayed = 0;
        self.partition.replay(|entry| {
            let decoded = entry.map_err(|fault| fault.to_string()).and_then(|entry| {
                let decoded = M::decode(&entry)?;
                let (offset, timestamp) = entry.place();
                Ok((offset, timestamp, decoded))
            });
            match decoded {
                Ok((offset, timestamp, Some(record))) => {
                    shard.replay(&Entry {
                        offset,
                        timestamp,
                        record,
                    });
                    replayed += 1;
                }
                Ok((_, _, None)) => {}
                Err(fault) => warn!(log = M::NAME, "something unreadable is left out: {fault}"),
            }
        })?;
        Ok(replayed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Logged> Inner<M> {
    /// Hands the answers to those who wait; the one for `own` comes back.
    fn deliver(&mut self, step: Step<M>, own: Option<Ticket>) -> Option<Pending<M::Reply>> {
        let mut decided = None;
        for (ticket, reply) in step.replies {
            if Some(ticket) == own {
                decided = Some(Pending::Decided(reply, step.not_before));
            } else if let Some(sender) = self.tickets.remove(&ticket) {
                // A caller that has gone no longer listens, which is its own affair.
                let _ = sender.send((reply, step.not_before));
            }
        }
        for effect in step.effects {
            match M::log_line(&effect) {
                Some(line) => info!("{line}"),
                None => self.effects.push_back((step.not_before, effect)),
            }
        }
        decided
    }
}
