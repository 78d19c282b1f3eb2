//! Crashes at every point of random runs, on the simulated file system.
//!
//! The rule: what was acknowledged is there, once and in order; what was not may be gone, but only from the end. Of the
//! compacted partition the last record of each key is there, and nothing that was not written. What holds of
//! transactions is said in `transactions`.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use ottla_log::compaction::PlanRules;
use ottla_log::retention::RollRules;
use ottla_log::{BatchBuilder, Origin, Patience, Retention, SegmentRead};
use ottla_model::{PartitionIndex, ProducerEpoch, ProducerId};

use super::*;
use crate::journal::{Flushed, JournalLimits};
use crate::text::Identity;
use crate::vfs::{SimFaults, SimVfs};

mod transactions;

use transactions::{Written, is_transactional};

const ROOT: &str = "/data";
const NOW: Millis = Millis(1_000_000_000);

/// What is known of one partition from outside.
#[derive(Clone, Default)]
struct Known {
    /// Appended batches, as base offset, next offset, entry and bytes.
    batches: Vec<(Offset, Offset, Lsn, Bytes)>,
    /// Of the compacted partition: offset, key, value.
    records: Vec<(Offset, u8, Option<Bytes>)>,
    end: Offset,
    start_acknowledged: Offset,
    starts: Vec<(Offset, Lsn)>,
    sequence: i32,
    /// Of the partitions with transactions.
    written: Written,
}

struct Run {
    random: Random,
    vfs: SimVfs,
    store: Option<LocalStore>,
    known: BTreeMap<PartitionId, Known>,
    next_topic: u128,
    lie: bool,
    /// What happened how often, so that a run which reaches nothing fails.
    seen: BTreeMap<&'static str, u64>,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn options() -> StoreOptions {
    StoreOptions {
        journal: JournalLimits {
            bytes_max: 256 << 10,
            buffered_bytes_max: 128 << 10,
            file_bytes: 32 << 10,
            first_file_bytes: 8 << 10,
            group_bytes_max: 16 << 10,
        },
        tail_cache_bytes: 4 << 10,
        // Some checkpoints write the producers down, some do not.
        snapshot_bytes_min: 3 << 10,
        bulk_bytes_min: 4 << 10,
        // Of five partitions: now together, now one by one.
        sync_together_min: 3,
        open_files_max: 5,
        threads: false,
        ..StoreOptions::new(Identity {
            cluster_id: "cluster".into(),
            node_id: 1,
            directory_id: "directory".into(),
        })
    }
}

fn opening(id: PartitionId) -> PartitionOpening {
    PartitionOpening {
        id,
        topic: topic(id),
        leader_epoch: LeaderEpoch(0),
        segments: SegmentConfig {
            roll: RollRules {
                bytes_max: match id.index {
                    // Long enough to be written and read in bulk.
                    PartitionIndex(0) => 40_000,
                    // Short enough to be compacted often.
                    PartitionIndex(4) => 800,
                    _ => 4096,
                },
                time_max: Millis(i64::MAX),
                jitter: Millis(0),
            },
            index_interval_bytes: 256,
            index_bytes_max: 1 << 20,
            compaction: PlanRules {
                dirty_ratio_min: 0.1,
                ..SegmentConfig::default().compaction
            },
            delete_retention: Millis(0),
        },
        config: PartitionConfig {
            retention: match id.index {
                PartitionIndex(1) => Retention::Delete {
                    time: None,
                    bytes: Some(9000),
                },
                _ => Retention::Keep,
            },
            compacted: is_compacted(id),
            ..PartitionConfig::default()
        },
        now: NOW,
    }
}

fn is_compacted(id: PartitionId) -> bool {
    is_keyed(id) || id.index == PartitionIndex(4)
}

/// Compacted, and written by one producer without transactions.
fn is_keyed(id: PartitionId) -> bool {
    id.index == PartitionIndex(2)
}

fn trace(text: impl FnOnce() -> String) {
    if std::env::var_os("OTTLA_CRASH_TRACE").is_some() {
        println!("{}", text());
    }
}

/// All topics have one name: a new one finds what is left of the old.
fn topic(_id: PartitionId) -> TopicName {
    TopicName::from("orders")
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut run = Run {
            random: Random(seed),
            vfs: SimVfs::new(Path::new("/")),
            store: None,
            known: BTreeMap::new(),
            next_topic: 100,
            lie: false,
            seen: BTreeMap::new(),
        };
        for index in 0..5 {
            run.create(index);
        }
        run
    }

    fn create(&mut self, index: i32) {
        self.next_topic += 1;
        let id = PartitionId {
            topic: TopicId(uuid::Uuid::from_u128(self.next_topic)),
            index: PartitionIndex(index),
        };
        self.known.insert(id, Known::default());
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn store(&self) -> &LocalStore {
        self.store.as_ref().unwrap()
    }

    /// Opens, with the power going on the way now and then, until it works; then everything must be right.
    fn reopen(&mut self) {
        loop {
            let faults = SimFaults {
                power_left: (self.random.below(4) == 0).then(|| self.random.below(60)),
                syncs_lie: self.lie,
                ..SimFaults::default()
            };
            self.vfs.set_faults(faults);
            if self.try_open().is_ok() {
                break;
            }
            assert!(faults.power_left.is_some(), "it opens whenever the power stays");
            self.note("crash while opening");
            self.store = None;
            self.vfs.crash(self.random.next());
        }
    }

    fn try_open(&mut self) -> Result<(), OpenFault> {
        let vfs = Arc::new(self.vfs.clone());
        let (store, report) = LocalStore::open(vfs, Path::new(ROOT), options())?;
        assert_eq!(report.damages, [], "nothing is damaged by a crash");
        for id in store.partitions_with_pending() {
            if !self.known.contains_key(&id) {
                store.forget_topic(id.topic);
            }
        }
        let ids = self.known.keys().copied().collect::<Vec<_>>();
        for id in ids {
            store.open_partition(opening(id))?;
        }
        trace(|| format!("step opened {report:?}"));
        if report.entries > 0 {
            self.note("replay");
        }
        self.store = Some(store);
        Ok(())
    }

    /// Compares every partition with what is known of it, then forgets what did not survive.
    fn check(&mut self, durable: Lsn) {
        let mut known = std::mem::take(&mut self.known);
        for (id, known) in &mut known {
            let partition = self.store().partition(*id).unwrap();
            let offsets = partition.offsets();
            assert_eq!(offsets.high_watermark, offsets.log_end);
            let acknowledged = known.batches.iter().filter(|(.., lsn, _)| *lsn <= durable);
            let acknowledged = acknowledged.map(|(_, next, ..)| *next).max().unwrap_or_default();
            assert!(
                offsets.log_end >= acknowledged,
                "{id:?}: acknowledged up to {acknowledged}, there up to {}",
                offsets.log_end
            );
            assert!(
                offsets.log_end <= known.end,
                "{id:?}: {offsets:?}, but only {} was appended",
                known.end
            );
            let started = known.starts.iter().filter(|(_, lsn)| *lsn <= durable);
            let started = started.map(|(start, _)| *start).max().unwrap_or_default();
            known.start_acknowledged = known.start_acknowledged.max(started);
            let asked = known.starts.iter().map(|(start, _)| *start).max().unwrap_or_default();
            assert!(
                offsets.log_start >= known.start_acknowledged,
                "a log start is not taken back"
            );
            assert!(
                offsets.log_start <= asked.max(known.start_acknowledged),
                "nobody moved the log start there"
            );
            if is_keyed(*id) {
                self.store()
                    .check_records(*id, known, offsets.log_start, offsets.log_end);
            } else if !is_compacted(*id) {
                self.store()
                    .check_batches(*id, known, offsets.log_start, offsets.log_end);
            }
            known.written.cut(offsets.log_end);
            known.records.retain(|(offset, ..)| *offset < offsets.log_end);
            known.batches.retain(|(_, next, ..)| *next <= offsets.log_end);
            for batch in &mut known.batches {
                batch.2 = Lsn(0);
            }
            known.end = offsets.log_end;
            known.start_acknowledged = offsets.log_start;
            known.starts.clear();
            known.sequence = known.end.0 as i32;
            let producers = partition.producers();
            if is_transactional(*id) {
                known.written.check(&partition, is_compacted(*id));
                known.written.check_producers(&producers, offsets.log_end);
                continue;
            }
            let last = producers.first().map(|producer| producer.last_sequence);
            let expected = (known.sequence > 0).then_some(known.sequence - 1);
            assert_eq!(last, expected, "{id:?}: the producer goes on where its last batch was");
        }
        self.known = known;
    }

    /// Random steps until one fails because the power went, or the count is over.
    fn work(&mut self) {
        let faults = SimFaults {
            power_left: Some(self.random.below(250)),
            syncs_lie: self.lie,
            ..SimFaults::default()
        };
        self.vfs.set_faults(faults);
        for _ in 0..self.random.below(120) {
            if self.step().is_err() {
                self.note("crash in a step");
                return;
            }
        }
        self.note("crash at rest");
    }

    fn step(&mut self) -> Result<(), ()> {
        let step = self.random.below(40);
        trace(|| format!("step {step}"));
        match step {
            0..18 => self.append(),
            18..26 => match self.store().flush_once() {
                Ok(Flushed::NoSpace) | Err(_) => Err(()),
                Ok(_) => Ok(()),
            },
            26..31 => self.store().settle_once().map_err(drop),
            31..34 => {
                self.note("checkpoint");
                self.store().checkpoint_once().map(drop).map_err(drop)
            }
            34 => self.store().prepare_once().map_err(drop),
            35 => self.retain(),
            36 => self.delete_records(),
            37 => self.delete_topic(),
            38 => self.store().delete_once().map(drop).map_err(drop),
            _ => self.stop(),
        }
    }

    fn some_partition(&mut self) -> PartitionId {
        let index = self.random.below(self.known.len() as u64) as usize;
        *self.known.keys().nth(index).unwrap()
    }

    fn append(&mut self) -> Result<(), ()> {
        let id = self.some_partition();
        if is_transactional(id) {
            self.append_in_transaction(id);
            return Ok(());
        }
        if is_keyed(id) {
            self.append_keyed(id);
            return Ok(());
        }
        let size = match self.random.below(12) {
            0 => 5000,
            1 => 40_000,
            _ => self.random.below(400) as usize,
        };
        let size = if size == 40_000 && self.random.below(4) > 0 {
            100
        } else {
            size
        };
        let known = &self.known[&id];
        let mut batch = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(0), known.sequence);
        let value = vec![self.random.next() as u8; size];
        batch.push(
            NOW.plus(Millis(self.random.below(1000) as i64)),
            Some(b"key"),
            Some(&value),
        );
        let partition = self.store().partition(id).unwrap();
        let Ok(appended) = partition.append(batch.build(), Origin::Client, NOW) else {
            self.note("refused");
            return Ok(());
        };
        assert!(!appended.duplicate);
        trace(|| format!("append {id:?} {appended:?} {:?}", partition.offsets()));
        let known = self.known.get_mut(&id).unwrap();
        assert_eq!(appended.base_offset, known.end, "offsets run on");
        known.sequence += 1;
        known.end = appended.last_offset.next();
        known
            .batches
            .push((appended.base_offset, known.end, appended.lsn, value.into()));
        Ok(())
    }

    fn append_keyed(&mut self, id: PartitionId) {
        let known = &self.known[&id];
        let mut batch = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(0), known.sequence);
        let mut records = Vec::new();
        for offset in 0..=self.random.below(3) as i64 {
            let key = b'a' + self.random.below(6) as u8;
            let value = vec![self.random.next() as u8; self.random.below(300) as usize];
            let value = (self.random.below(8) > 0).then(|| Bytes::from(value));
            batch.push(NOW, Some(&[key]), value.as_deref());
            records.push((known.end.plus(offset), key, value));
        }
        let partition = self.store().partition(id).unwrap();
        let Ok(appended) = partition.append(batch.build(), Origin::Client, NOW) else {
            self.note("refused");
            return;
        };
        let known = self.known.get_mut(&id).unwrap();
        assert_eq!(appended.base_offset, known.end, "offsets run on");
        known.sequence += records.len() as i32;
        known.end = appended.last_offset.next();
        known.records.extend(records);
        known
            .batches
            .push((appended.base_offset, known.end, appended.lsn, Bytes::new()));
    }

    fn retain(&mut self) -> Result<(), ()> {
        self.note("retention");
        let before = self.starts();
        let result = self.store().housekeep(NOW).map_err(drop);
        for (id, start) in self.starts() {
            if before[&id] != start {
                // Which entry moved it is not said: it counts as acknowledged only when it is found.
                self.known.get_mut(&id).unwrap().starts.push((start, Lsn(u64::MAX)));
            }
        }
        result?;
        if self.vfs.faults().power_left == Some(0) {
            return Err(());
        }
        self.check_committed();
        for (id, known) in self.known.iter().filter(|(id, _)| is_keyed(**id)) {
            let offsets = self.store().partition(*id).unwrap().offsets();
            let start = offsets.log_start.min(offsets.settled_end);
            if self.store().check_records(*id, known, start, offsets.settled_end) {
                *self.seen.entry("compaction").or_default() += 1;
            }
        }
        Ok(())
    }

    fn check_committed(&self) {
        for (id, known) in self.known.iter().filter(|(id, _)| is_transactional(**id)) {
            let partition = self.store().partition(*id).unwrap();
            known.written.check(&partition, is_compacted(*id));
        }
    }

    fn starts(&self) -> BTreeMap<PartitionId, Offset> {
        let start = |id: &PartitionId| (*id, self.store().partition(*id).unwrap().offsets().log_start);
        self.known.keys().map(start).collect()
    }

    fn delete_records(&mut self) -> Result<(), ()> {
        let id = self.some_partition();
        let partition = self.store().partition(id).unwrap();
        let high = partition.offsets().high_watermark;
        let before = Offset(self.random.below(high.0 as u64 + 1) as i64);
        if let Ok((start, lsn)) = partition.delete_records(before) {
            self.known.get_mut(&id).unwrap().starts.push((start, lsn));
        }
        Ok(())
    }

    fn delete_topic(&mut self) -> Result<(), ()> {
        if self.random.below(3) > 0 {
            return Ok(());
        }
        self.note("deletion");
        let id = self.some_partition();
        self.known.remove(&id);
        let deleted = self.store().delete_partition(id, &topic(id)).map_err(drop);
        self.create(id.index.0);
        let new = *self.known.keys().find(|new| new.index == id.index).unwrap();
        deleted?;
        self.store().open_partition(opening(new)).map(drop).map_err(drop)
    }

    fn stop(&mut self) -> Result<(), ()> {
        self.store().stop().map_err(drop)?;
        self.note("clean stop");
        self.store = None;
        let vfs = Arc::new(self.vfs.clone());
        let (store, report) = LocalStore::open(vfs, Path::new(ROOT), options()).map_err(drop)?;
        assert!(report.clean, "after a clean stop nothing is replayed");
        for id in self.known.keys() {
            store.open_partition(opening(*id)).map_err(drop)?;
        }
        self.store = Some(store);
        for known in self.known.values_mut() {
            known.starts.iter_mut().for_each(|start| start.1 = Lsn(0));
            known.batches.iter_mut().for_each(|batch| batch.2 = Lsn(0));
        }
        Ok(())
    }

    fn crash(&mut self) {
        // A store that is gone stopped cleanly and did not come up again: all it had is durable.
        trace(|| "step crash".to_owned());
        let durable = self
            .store
            .take()
            .map_or(Lsn(u64::MAX - 1), |store| store.durability().durable());
        self.vfs.crash(self.random.next());
        self.reopen();
        self.check(durable);
    }
}

impl LocalStore {
    /// Whether compaction has removed anything.
    fn check_records(&self, id: PartitionId, known: &Known, from: Offset, end: Offset) -> bool {
        let open = self.shared.open(id).unwrap();
        let (mut at, mut found) = (from, BTreeMap::new());
        let mut count = 0;
        while at < end {
            let SegmentRead::Batches(bytes) = open.segments.read(at, end, 8000, Patience::Wait).unwrap() else {
                panic!("a patient read never waits")
            };
            assert!(!bytes.is_empty(), "{id:?}: nothing at {at}, the end is {end}");
            for (header, batch) in ottla_log::Batches::new(bytes) {
                assert_eq!(ottla_log::batch::crc_of(&batch), header.crc);
                let place = (header.base_offset, header.next_offset());
                assert!(known.batches.iter().any(|(base, next, ..)| (*base, *next) == place));
                assert!(place.1 > at, "no batch is there twice");
                at = place.1;
                let batch = ottla_log::Unpacked::open(&batch).unwrap();
                for record in batch.records() {
                    let record = record.unwrap();
                    let offset = record.offset(header.base_offset);
                    let (_, key, value) = known.records.iter().find(|(known, ..)| *known == offset).unwrap();
                    assert_eq!((record.key, record.value), (Some(&[*key][..]), value.as_deref()));
                    count += usize::from(offset >= from);
                    found.insert(*key, offset);
                }
            }
        }
        let within = |(offset, ..): &&(Offset, u8, Option<Bytes>)| *offset >= from && *offset < end;
        let expected = known.records.iter().filter(within);
        let last = expected
            .clone()
            .map(|(offset, key, value)| (key, (offset, value)))
            .collect::<BTreeMap<_, _>>();
        for (key, (offset, value)) in last {
            match found.get(key).filter(|found| **found >= from) {
                None => assert_eq!(*value, None, "{id:?}: the last record of a key is missing, {offset}"),
                Some(found) => assert_eq!(found, offset, "{id:?}: the last record of a key is not the last"),
            }
        }
        count < expected.count()
    }

    fn check_batches(&self, id: PartitionId, known: &Known, from: Offset, end: Offset) {
        let open = self.shared.open(id).unwrap();
        let mut expected = known
            .batches
            .iter()
            .filter(|(_, next, ..)| *next > from && *next <= end);
        let mut at = from;
        while at < end {
            let read = open.segments.read(at, end, 8000, Patience::Wait).unwrap();
            let SegmentRead::Batches(bytes) = read else {
                panic!("a patient read never waits")
            };
            assert!(!bytes.is_empty(), "{id:?}: nothing at {at}, the end is {end}");
            for (header, batch) in ottla_log::Batches::new(bytes) {
                let (base, next, _, value) = expected.next().expect("no batch is there twice");
                assert_eq!((header.base_offset, header.next_offset()), (*base, *next));
                let batch = &batch[..];
                assert_eq!(ottla_log::batch::crc_of(batch), header.crc);
                assert!(
                    value.len() <= batch.len()
                        && batch
                            .windows(value.len().max(1))
                            .any(|part| part == &value[..] || value.is_empty())
                );
                at = *next;
            }
        }
        assert!(expected.next().is_none(), "{id:?}: a batch is missing");
    }
}

/// How many crashes a run is made of; each goes on with what the one before left.
const CRASHES: u64 = 12;

fn run(seed: u64, lie: bool) -> BTreeMap<&'static str, u64> {
    let mut run = Run::new(seed);
    run.lie = lie;
    run.reopen();
    for _ in 0..CRASHES {
        run.work();
        run.crash();
    }
    run.seen
}

#[test]
fn nothing_acknowledged_is_lost_at_any_crash() {
    let seeds = std::env::var("OTTLA_CRASH_SEEDS").map_or(840, |text| text.parse().unwrap());
    let first = std::env::var("OTTLA_CRASH_FIRST").map_or(0, |text| text.parse().unwrap());
    let mut seen = BTreeMap::new();
    for seed in first..first + seeds {
        let result = std::panic::catch_unwind(|| run(seed, false));
        for (what, count) in result.unwrap_or_else(|_| panic!("seed {seed} found it")) {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    println!("{} crashes; {seen:?}", seeds * CRASHES);
    for what in [
        "crash while opening",
        "crash in a step",
        "crash at rest",
        "replay",
        "checkpoint",
        "retention",
        "compaction",
        "commit",
        "abort",
        "deletion",
        "clean stop",
    ] {
        assert!(seeds < 100 || seen.contains_key(what), "no run ever had: {what}");
    }
}

#[test]
fn a_flush_that_does_not_sync_is_found_out() {
    let found = (0..50).any(|seed| std::panic::catch_unwind(|| run(seed, true)).is_err());
    assert!(found, "the checker sees lost acknowledgements");
}
