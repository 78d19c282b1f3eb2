//! Fetch (key 1), versions 4 to 18: read records, wait for more if there are too few, remember the session.
//!
//! A fetch that finds enough is answered on the spot. Otherwise it subscribes to its partitions' watermarks, looks once
//! more (so that nothing slips in between) and waits for a move or its deadline.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::fetch_request::FetchRequest;
use ottla_log::{EpochEnd, Isolation, Offsets, Partition, Patience, Read, ReadLimit, Reading, Signal};
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset, PartitionIndex, TopicName};
use ottla_wire::fetch::{AbortedTransaction, DivergingEpoch, FetchAnswer, FetchPartition, FetchTopic};

use crate::Broker;
use crate::fetch_session::{Plan, SessionRequest, Target, Told, TopicKey};
use crate::handlers::Cx;
use crate::reply::Handled;

/// The first version with sessions (KIP-227).
const SESSIONS_SINCE: i16 = 7;
/// The first version that names topics by id (KIP-516).
const TOPIC_ID_SINCE: i16 = 13;
/// What an answer says of offsets beside an error.
const UNKNOWN: Offset = Offset(-1);
/// A reader of committed records only.
const READ_COMMITTED: i8 = 1;

/// One fetch, while it lasts.
struct Fetch {
    broker: Arc<Broker>,
    plan: Plan,
    isolation: Isolation,
    bytes_min: usize,
    bytes_max: usize,
}

/// One look at every target.
struct Look<'a> {
    fetch: &'a Fetch,
    /// Bytes that the answer still has room for.
    left: usize,
    /// Whether no records were found yet.
    empty: bool,
    found: Vec<Found>,
}

/// What was found for one target.
enum Found {
    Read(Read),
    Fault(ErrorCode),
    /// The client's log has left ours: it must truncate to this epoch and offset (KIP-595).
    Diverging {
        offsets: Offsets,
        epoch: LeaderEpoch,
        end: Offset,
    },
}

pub(crate) fn handle(cx: &Cx<'_>, request: FetchRequest) -> Handled<FetchAnswer> {
    let wait = Duration::from_millis(request.max_wait_ms.max(0) as u64);
    let isolation = if request.isolation_level == READ_COMMITTED {
        Isolation::ReadCommitted
    } else {
        Isolation::ReadUncommitted
    };
    let bytes_max = (request.max_bytes.max(0) as usize).min(cx.broker.config.network.fetch_max_bytes as usize);
    // An answer that is as large as it may be is never too small.
    let bytes_min = (request.min_bytes.max(0) as usize).min(bytes_max);
    let now = cx.broker.clock.steady();
    let plan = match cx.broker.sessions().plan(now, session_request(cx, request)) {
        Ok(plan) => plan,
        Err(code) => return Handled::Now(refused(code)),
    };
    let fetch = Fetch {
        broker: Arc::clone(cx.broker),
        plan,
        isolation,
        bytes_min,
        bytes_max,
    };
    let found = fetch.look();
    if wait.is_zero() || fetch.suffices(&found) {
        return Handled::Now(fetch.answer(found));
    }
    Handled::Parked(Box::pin(fetch.wait(Instant::now() + wait)))
}

fn session_request(cx: &Cx<'_>, request: FetchRequest) -> SessionRequest {
    let by_id = cx.version >= TOPIC_ID_SINCE;
    let key = |name: &kafka_protocol::messages::TopicName, id| {
        if by_id {
            TopicKey::Id(ottla_model::TopicId(id))
        } else {
            TopicKey::Name(TopicName::new(name.as_str()))
        }
    };
    let mut targets = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            targets.push(Target {
                topic: key(&topic.topic, topic.topic_id),
                index: PartitionIndex(partition.partition),
                offset: Offset(partition.fetch_offset),
                bytes_max: partition.partition_max_bytes,
                current_leader_epoch: LeaderEpoch(partition.current_leader_epoch),
                last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
            });
        }
    }
    let forgotten = request.forgotten_topics_data.iter();
    let forgotten = forgotten.flat_map(|topic| {
        topic
            .partitions
            .iter()
            .map(|index| (key(&topic.topic, topic.topic_id), PartitionIndex(*index)))
    });
    let targets = last_of_each(targets);
    let (id, epoch) = if cx.version >= SESSIONS_SINCE {
        (request.session_id, request.session_epoch)
    } else {
        (0, -1)
    };
    SessionRequest {
        id,
        epoch,
        forgotten: forgotten.collect(),
        targets,
        by_id,
    }
}

/// A partition named twice is fetched once, as its last entry says.
fn last_of_each(targets: Vec<Target>) -> Vec<Target> {
    let mut places = HashMap::with_capacity(targets.len());
    let mut kept: Vec<Target> = Vec::with_capacity(targets.len());
    for target in targets {
        match places.entry((target.topic.clone(), target.index)) {
            Entry::Occupied(place) => kept[*place.get()] = target,
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(target);
            }
        }
    }
    kept
}

impl Fetch {
    /// Reads every target once, within the limits.
    fn look(&self) -> Vec<Found> {
        let mut look = Look {
            fetch: self,
            left: self.bytes_max,
            empty: true,
            found: Vec::with_capacity(self.plan.targets.len()),
        };
        let mut targets = self.plan.targets.iter();
        while let Some(target) = targets.as_slice().first() {
            if !look.take(target, Patience::Now) {
                // Not in memory: the disk is waited for, and the runtime goes on with other clients elsewhere.
                tokio::task::block_in_place(|| {
                    for target in targets.by_ref() {
                        let taken = look.take(target, Patience::Wait);
                        assert!(taken, "the read was told to wait");
                    }
                });
                break;
            }
            targets.next();
        }
        look.found
    }

    fn partition(&self, target: &Target) -> Result<Arc<Partition>, ErrorCode> {
        let topic = match &target.topic {
            TopicKey::Name(name) => self.broker.topics.by_name(name.as_str()),
            TopicKey::Id(id) => self.broker.topics.by_id(*id),
        };
        let topic = topic.map_err(|fault| fault.code())?;
        topic.partition(target.index.0).map_err(|fault| fault.code())
    }

    /// Whether the answer may leave now: enough bytes, or something other than records to tell.
    fn suffices(&self, found: &[Found]) -> bool {
        if self.plan.targets.is_empty() {
            return true;
        }
        let mut bytes = 0;
        for found in found {
            match found {
                Found::Read(read) => bytes += read.bytes,
                // An unknown partition beside others waits like an empty one, as on Kafka; out of range does not.
                Found::Fault(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => {}
                Found::Fault(_) | Found::Diverging { .. } => return true,
            }
        }
        bytes >= self.bytes_min
    }

    async fn wait(self, deadline: Instant) -> FetchAnswer {
        let signal = Arc::new(Signal::default());
        let subscriptions: Vec<_> = (self.plan.targets.iter())
            .filter_map(|target| self.partition(target).ok())
            .map(|partition| partition.watermark().subscribe(&signal))
            .collect();
        loop {
            let found = self.look();
            let known = self.plan.targets.iter().filter(|target| self.partition(target).is_ok());
            // A topic that was deleted meanwhile is news.
            if self.suffices(&found) || known.count() < subscriptions.len() {
                return self.answer(found);
            }
            let moved = std::future::poll_fn(|context| signal.poll_raised(context));
            if tokio::time::timeout_at(deadline.into(), moved).await.is_err() {
                let found = self.look();
                return self.answer(found);
            }
        }
    }

    fn answer(&self, found: Vec<Found>) -> FetchAnswer {
        let told: Vec<Told> = found.iter().map(Found::told).collect();
        let news = self.broker.sessions().news(&self.plan, &told);
        let mut answer = FetchAnswer {
            session_id: self.plan.session_id,
            ..refused(ErrorCode::None)
        };
        for ((target, found), is_news) in self.plan.targets.iter().zip(found).zip(news) {
            if !is_news {
                continue;
            }
            let (name, id) = self.naming(&target.topic);
            let starts_topic = answer
                .topics
                .last()
                .is_none_or(|topic| topic.name != name || topic.id != id);
            if starts_topic {
                answer.topics.push(FetchTopic {
                    name,
                    id,
                    partitions: Vec::new(),
                });
            }
            let topic = answer.topics.last_mut().expect("just made sure");
            topic.partitions.push(found.encode(target, self.isolation));
        }
        answer
    }

    fn naming(&self, key: &TopicKey) -> (TopicName, ottla_model::TopicId) {
        match key {
            TopicKey::Name(name) => (name.clone(), ottla_model::TopicId::ZERO),
            TopicKey::Id(id) => (TopicName::new(""), *id),
        }
    }
}

impl Look<'_> {
    /// Reads the next target; `false` if it would have to be waited for and may not.
    fn take(&mut self, target: &Target, patience: Patience) -> bool {
        match self.read(target, patience) {
            Ok(Some(read)) => {
                self.left = self.left.saturating_sub(read.bytes);
                self.empty &= read.bytes == 0;
                self.found.push(Found::Read(read));
            }
            Ok(None) => return false,
            Err(found) => self.found.push(found),
        }
        true
    }

    /// The first records of an answer may exceed every limit, so that a large batch cannot block its reader (KIP-74).
    fn read(&self, target: &Target, patience: Patience) -> Result<Option<Read>, Found> {
        let partition = self.fetch.partition(target).map_err(Found::Fault)?;
        // Here any negative epoch is none, as on Kafka; other requests know only -1 as such.
        let claimed = target.current_leader_epoch.max(LeaderEpoch::UNKNOWN);
        check_epoch(&partition, claimed).map_err(Found::Fault)?;
        if let Some(diverging) = diverging(&partition, target) {
            return Err(diverging);
        }
        let limit = ReadLimit {
            bytes_max: self.left.min(target.bytes_max.max(0) as usize),
            at_least_one: self.empty,
            isolation: self.fetch.isolation,
            patience,
            before: None,
        };
        match partition.read(target.offset, limit) {
            Ok(Reading::Done(read)) => Ok(Some(read)),
            Ok(Reading::WouldWait) => Ok(None),
            Err(fault) => Err(Found::Fault(fault.code())),
        }
    }
}

/// Checks the leader epoch a client believes in (KIP-320).
pub(crate) fn check_epoch(partition: &Partition, claimed: LeaderEpoch) -> Result<(), ErrorCode> {
    let current = partition.leader_epoch();
    match claimed {
        LeaderEpoch::UNKNOWN => Ok(()),
        older if older < current => Err(ErrorCode::FencedLeaderEpoch),
        newer if newer > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Whether the client's last record is from an epoch that ended earlier here than the client's position. An epoch that was
/// never here leaves nothing to go back to.
fn diverging(partition: &Partition, target: &Target) -> Option<Found> {
    if target.last_fetched_epoch < LeaderEpoch(0) {
        return None;
    }
    match partition.epoch_end(target.last_fetched_epoch) {
        EpochEnd::At { epoch, end } if epoch < target.last_fetched_epoch || end < target.offset => {
            let offsets = partition.offsets();
            Some(Found::Diverging { offsets, epoch, end })
        }
        EpochEnd::At { .. } => None,
        EpochEnd::Unknown => Some(Found::Fault(ErrorCode::OffsetOutOfRange)),
    }
}

impl Found {
    fn told(&self) -> Told {
        let (high_watermark, log_start) = match self {
            Found::Read(read) => (read.high_watermark, read.log_start),
            Found::Fault(_) => (UNKNOWN, UNKNOWN),
            Found::Diverging { offsets, .. } => (offsets.high_watermark, offsets.log_start),
        };
        Told {
            high_watermark,
            log_start,
            has_records: matches!(self, Found::Read(read) if read.bytes > 0),
            has_error: !matches!(self, Found::Read(_)),
        }
    }

    fn encode(self, target: &Target, isolation: Isolation) -> FetchPartition {
        let mut partition = FetchPartition {
            index: target.index,
            ..FetchPartition::default()
        };
        match self {
            Found::Read(read) => {
                partition.high_watermark = read.high_watermark;
                partition.last_stable_offset = read.last_stable;
                partition.log_start_offset = read.log_start;
                partition.aborted_transactions = (isolation == Isolation::ReadCommitted).then(|| aborted(&read));
                partition.records = read.chunks;
            }
            Found::Fault(code) => {
                partition.error = code;
                partition.high_watermark = UNKNOWN;
                let nowhere = matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId);
                partition.aborted_transactions = nowhere.then(Vec::new);
            }
            Found::Diverging { offsets, epoch, end } => {
                partition.high_watermark = offsets.high_watermark;
                partition.last_stable_offset = offsets.last_stable;
                partition.log_start_offset = offsets.log_start;
                let end_offset = end;
                partition.diverging_epoch = Some(DivergingEpoch { epoch, end_offset });
            }
        }
        partition
    }
}

fn aborted(read: &Read) -> Vec<AbortedTransaction> {
    let aborted = read.aborted.iter();
    aborted
        .map(|aborted| AbortedTransaction {
            producer_id: aborted.producer,
            first_offset: aborted.first_offset,
        })
        .collect()
}

/// An answer without any partition.
fn refused(error: ErrorCode) -> FetchAnswer {
    FetchAnswer {
        throttle_time: Millis(0),
        error,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    }
}
