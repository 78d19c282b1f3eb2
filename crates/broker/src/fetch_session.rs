//! Incremental fetch sessions (KIP-227): the broker remembers which partitions a consumer fetches and what it was last
//! told of each, so that a request names only changes and an answer only news.

use std::collections::{HashMap, HashSet};

use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset, PartitionIndex, TopicId, TopicName};

/// A session unused for this long may make room for a new one (Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION_AGE: Millis = Millis(120_000);
/// The epoch of a request that opens a session.
const EPOCH_INITIAL: i32 = 0;
/// The epoch of a request that closes its session, or wants none.
const EPOCH_FINAL: i32 = -1;

/// How a request names a topic: by name up to version 12, by id from version 13.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    /// By name.
    Name(TopicName),
    /// By id.
    Id(TopicId),
}

/// One partition to fetch from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its topic.
    pub topic: TopicKey,
    /// Its number.
    pub index: PartitionIndex,
    /// Where to read from.
    pub offset: Offset,
    /// The most bytes wanted of it.
    pub bytes_max: i32,
    /// The leader epoch the client knows; checked if not unknown (KIP-320).
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record the client has, for finding a diverging log.
    pub last_fetched_epoch: LeaderEpoch,
}

/// What a fetch request says about sessions.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    /// The session's id, 0 for none.
    pub id: i32,
    /// The session's epoch: 0 opens, -1 closes, else the next one expected.
    pub epoch: i32,
    /// Partitions to add or change; all of them in a full request.
    pub targets: Vec<Target>,
    /// Partitions to forget.
    pub forgotten: Vec<(TopicKey, PartitionIndex)>,
    /// Whether topics are named by id (version 13 and up).
    pub by_id: bool,
}

/// What to fetch for one request.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The id to answer with; 0 outside sessions.
    pub session_id: i32,
    /// Whether the answer leaves out partitions without news.
    pub incremental: bool,
    /// What to read, in this order.
    pub targets: Vec<Target>,
}

/// What an answer is going to say of a partition, as far as it decides whether that is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The high watermark.
    pub high_watermark: Offset,
    /// The log start offset.
    pub log_start: Offset,
    /// Whether there are records to send.
    pub has_records: bool,
    /// Whether there is an error to report; errors are repeated every time.
    pub has_error: bool,
}

/// All sessions of a broker.
#[derive(Debug)]
pub(crate) struct Sessions {
    sessions: HashMap<i32, Session>,
    slots_max: usize,
    next_id: i32,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    by_id: bool,
    last_used: Millis,
    partitions: Vec<Cached>,
    /// Where the next fetch begins, so that a busy partition does not starve those behind it.
    start: usize,
}

#[derive(Debug)]
struct Cached {
    target: Target,
    told: Option<(Offset, Offset)>,
}

impl Sessions {
    /// Room for `slots_max` sessions (`max.incremental.fetch.session.cache.slots`); ids are drawn from `seed` on, so that
    /// a client of an earlier run of the broker does not meet another client's session.
    pub(crate) fn new(slots_max: usize, seed: u32) -> Sessions {
        Sessions {
            sessions: HashMap::new(),
            slots_max,
            next_id: (seed & 0x7fff_ffff) as i32,
        }
    }

    /// Finds out what a request wants; an error is for the whole request.
    pub(crate) fn plan(&mut self, now: Millis, request: SessionRequest) -> Result<Plan, ErrorCode> {
        match request.epoch {
            EPOCH_FINAL => {
                self.sessions.remove(&request.id);
                Ok(Plan {
                    session_id: 0,
                    incremental: false,
                    targets: request.targets,
                })
            }
            EPOCH_INITIAL => {
                self.sessions.remove(&request.id);
                Ok(self.open(now, request))
            }
            _ => self.go_on(now, request),
        }
    }

    /// Records what is being sent and says which partitions of a plan belong into the answer. `told` is in the order of
    /// the plan's targets.
    pub(crate) fn news(&mut self, plan: &Plan, told: &[Told]) -> Vec<bool> {
        assert_eq!(plan.targets.len(), told.len(), "one outcome per target");
        let Some(session) = self.sessions.get_mut(&plan.session_id) else {
            return vec![true; told.len()];
        };
        let places = session.places();
        let mut last_with_records = None;
        let mut news = Vec::with_capacity(told.len());
        for (target, told) in plan.targets.iter().zip(told) {
            let Some(&place) = places.get(&(target.topic.clone(), target.index)) else {
                news.push(true);
                continue;
            };
            let now = (told.high_watermark, told.log_start);
            let before = session.partitions[place].told.replace(now);
            if told.has_records {
                last_with_records = Some(place);
            }
            news.push(!plan.incremental || told.has_records || told.has_error || before != Some(now));
        }
        if let Some(place) = last_with_records {
            session.start = (place + 1) % session.partitions.len();
        }
        news
    }

    fn open(&mut self, now: Millis, request: SessionRequest) -> Plan {
        let targets = request.targets.clone();
        if !self.make_room(now) {
            return Plan {
                session_id: 0,
                incremental: false,
                targets,
            };
        }
        let id = self.fresh_id();
        let mut session = Session {
            epoch: 1,
            by_id: request.by_id,
            last_used: now,
            partitions: Vec::new(),
            start: 0,
        };
        session.change(request.targets, &[]);
        self.sessions.insert(id, session);
        Plan {
            session_id: id,
            incremental: false,
            targets,
        }
    }

    fn go_on(&mut self, now: Millis, request: SessionRequest) -> Result<Plan, ErrorCode> {
        let session = self
            .sessions
            .get_mut(&request.id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != request.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != request.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.last_used = now;
        session.epoch = if session.epoch == i32::MAX {
            1
        } else {
            session.epoch + 1
        };
        session.change(request.targets, &request.forgotten);
        Ok(Plan {
            session_id: request.id,
            incremental: true,
            targets: session.in_turn(),
        })
    }

    /// Frees a slot if there is none; false if every session is in use.
    fn make_room(&mut self, now: Millis) -> bool {
        if self.sessions.len() < self.slots_max {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_used);
        match oldest.map(|(id, session)| (*id, session.last_used)) {
            Some((id, last_used)) if now.since(last_used) >= EVICTION_AGE => self.sessions.remove(&id).is_some(),
            _ => false,
        }
    }

    fn fresh_id(&mut self) -> i32 {
        loop {
            self.next_id = if self.next_id == i32::MAX { 1 } else { self.next_id + 1 };
            if self.next_id > 0 && !self.sessions.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
    }
}

impl Session {
    fn places(&self) -> HashMap<(TopicKey, PartitionIndex), usize> {
        let keys = self
            .partitions
            .iter()
            .map(|cached| (cached.target.topic.clone(), cached.target.index));
        keys.zip(0..).collect()
    }

    fn change(&mut self, targets: Vec<Target>, forgotten: &[(TopicKey, PartitionIndex)]) {
        if !forgotten.is_empty() {
            let forgotten: HashSet<_> = forgotten.iter().cloned().collect();
            self.partitions
                .retain(|cached| !forgotten.contains(&(cached.target.topic.clone(), cached.target.index)));
        }
        if targets.is_empty() {
            return;
        }
        let mut places = self.places();
        for target in targets {
            match places.get(&(target.topic.clone(), target.index)) {
                Some(&place) => self.partitions[place].target = target,
                None => {
                    places.insert((target.topic.clone(), target.index), self.partitions.len());
                    self.partitions.push(Cached { target, told: None });
                }
            }
        }
    }

    fn in_turn(&self) -> Vec<Target> {
        let start = self.start.min(self.partitions.len());
        let (before, from) = self.partitions.split_at(start);
        from.iter().chain(before).map(|cached| cached.target.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(index: i32, offset: i64) -> Target {
        Target {
            topic: TopicKey::Name("t".into()),
            index: PartitionIndex(index),
            offset: Offset(offset),
            bytes_max: 1024,
            current_leader_epoch: LeaderEpoch::UNKNOWN,
            last_fetched_epoch: LeaderEpoch::UNKNOWN,
        }
    }

    fn request(id: i32, epoch: i32, targets: Vec<Target>) -> SessionRequest {
        SessionRequest {
            id,
            epoch,
            targets,
            forgotten: Vec::new(),
            by_id: false,
        }
    }

    fn told(high: i64, has_records: bool) -> Told {
        Told {
            high_watermark: Offset(high),
            log_start: Offset(0),
            has_records,
            has_error: false,
        }
    }

    #[test]
    fn a_session_is_opened_continued_and_closed() {
        let mut sessions = Sessions::new(10, 1);
        let full = sessions
            .plan(Millis(0), request(0, 0, vec![target(0, 0), target(1, 0)]))
            .expect("opens");
        assert!(full.session_id > 0 && !full.incremental);
        let next = sessions
            .plan(Millis(0), request(full.session_id, 1, vec![target(1, 7)]))
            .expect("goes on");
        assert_eq!(next.targets, vec![target(0, 0), target(1, 7)]);
        let closed = sessions
            .plan(Millis(0), request(full.session_id, -1, vec![]))
            .expect("closes");
        assert_eq!(closed.session_id, 0);
        let gone = sessions
            .plan(Millis(0), request(full.session_id, 2, vec![]))
            .expect_err("gone");
        assert_eq!(gone, ErrorCode::FetchSessionIdNotFound);
    }

    #[test]
    fn a_repeated_epoch_is_refused() {
        let mut sessions = Sessions::new(10, 1);
        let id = sessions
            .plan(Millis(0), request(0, 0, vec![target(0, 0)]))
            .expect("opens")
            .session_id;
        sessions.plan(Millis(0), request(id, 1, vec![])).expect("goes on");
        let fault = sessions
            .plan(Millis(0), request(id, 1, vec![]))
            .expect_err("same epoch again");
        assert_eq!(fault, ErrorCode::InvalidFetchSessionEpoch);
    }

    #[test]
    fn an_incremental_answer_holds_only_news() {
        let mut sessions = Sessions::new(10, 1);
        let full = sessions
            .plan(Millis(0), request(0, 0, vec![target(0, 0), target(1, 0)]))
            .expect("opens");
        assert_eq!(sessions.news(&full, &[told(5, false), told(5, false)]), [true, true]);
        let next = sessions
            .plan(Millis(0), request(full.session_id, 1, vec![]))
            .expect("goes on");
        assert_eq!(sessions.news(&next, &[told(5, false), told(6, false)]), [false, true]);
    }

    #[test]
    fn a_partition_that_sent_records_goes_to_the_back() {
        let mut sessions = Sessions::new(10, 1);
        let full = sessions
            .plan(Millis(0), request(0, 0, vec![target(0, 0), target(1, 0)]))
            .expect("opens");
        sessions.news(&full, &[told(5, true), told(5, false)]);
        let next = sessions
            .plan(Millis(0), request(full.session_id, 1, vec![]))
            .expect("goes on");
        assert_eq!(next.targets, vec![target(1, 0), target(0, 0)]);
    }

    #[test]
    fn forgotten_partitions_are_fetched_no_more() {
        let mut sessions = Sessions::new(10, 1);
        let id = sessions
            .plan(Millis(0), request(0, 0, vec![target(0, 0), target(1, 0)]))
            .expect("opens")
            .session_id;
        let forget = vec![(TopicKey::Name("t".into()), PartitionIndex(0))];
        let next = sessions.plan(
            Millis(0),
            SessionRequest {
                forgotten: forget,
                ..request(id, 1, vec![])
            },
        );
        assert_eq!(next.expect("goes on").targets, vec![target(1, 0)]);
    }

    #[test]
    fn with_every_slot_in_use_a_fetch_goes_on_without_a_session() {
        let mut sessions = Sessions::new(1, 1);
        sessions
            .plan(Millis(0), request(0, 0, vec![target(0, 0)]))
            .expect("opens");
        let without = sessions
            .plan(Millis(1), request(0, 0, vec![target(0, 0)]))
            .expect("still answered");
        assert_eq!(without.session_id, 0);
        let later = sessions
            .plan(EVICTION_AGE, request(0, 0, vec![target(0, 0)]))
            .expect("opens");
        assert!(later.session_id > 0, "the idle session made room");
    }
}
