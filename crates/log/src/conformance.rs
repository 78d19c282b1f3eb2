//! One suite over any pair of media: what every [`Journal`] and [`Segments`] must do for a [`Partition`] to stand on
//! them. The media of this crate run it, and so does every other crate that has some.
//!
//! A medium's tests implement [`Media`] and call [`run`] with a factory.

use std::sync::Arc;

use bytes::Bytes;
use ottla_model::{LeaderEpoch, Millis, Offset, PartitionId, ProducerEpoch, ProducerId};

use crate::records::Batches;
use crate::{
    BatchBuilder, Epochs, Isolation, Journal, Lookup, Marker, OffsetSpec, Opening, Origin, Partition, PartitionConfig,
    Patience, Read, ReadLimit, Reading, SegmentRead, Segments,
};

/// A pair of media under test, for one partition.
pub trait Media {
    /// Where the partition's writes go.
    fn journal(&self) -> Arc<dyn Journal>;
    /// Its settled batches.
    fn segments(&self) -> Arc<dyn Segments>;
    /// Makes everything in the journal durable, and returns when it is.
    fn flush(&self);
    /// Closes the segments in good order and opens them again over the same storage. What was settled must be there.
    fn reopen(&mut self);
}

/// Runs every case, each over media of its own. `make` gives empty ones, whose segments roll after about
/// `segment_bytes`. Panics with the case's rule when one fails.
pub fn run<M: Media>(make: impl Fn(u64) -> M) {
    for (rule, case) in cases::<M>() {
        for segment_bytes in [1, 400, 1 << 20] {
            // The output of a test is shown when it fails: a panic is then read under its rule.
            eprintln!("conformance: {rule} (segments of {segment_bytes} bytes)");
            case(make(segment_bytes));
        }
    }
}

type Case<M> = (&'static str, fn(M));

fn cases<M: Media>() -> [Case<M>; 8] {
    [
        ("an empty log has one offset, its end", empty),
        ("every offset is readable, settled or not", every_offset),
        ("a read crosses the settled border", crosses_border),
        ("segments read whole batches within their bounds", bounds),
        ("records are found by time", by_time),
        ("old segments go, the rest stays", drops_below),
        ("reopening finds everything settled", reopens),
        ("producers and transactions are learnt anew", relearns),
    ]
}

fn empty<M: Media>(media: M) {
    let log = Log::open(&media, Offset::ZERO);
    assert_eq!(log.end(), Offset::ZERO);
    assert_eq!(log.read(0, usize::MAX).next, Offset::ZERO);
    assert_eq!(media.segments().end(), Offset::ZERO);
    let read = media.segments().read(Offset::ZERO, Offset(9), 100, Patience::Wait);
    assert!(matches!(read, Ok(SegmentRead::Batches(bytes)) if bytes.is_empty()));
}

fn every_offset<M: Media>(media: M) {
    let log = Log::open(&media, Offset::ZERO);
    for round in 0..6 {
        log.write(&media, &batch(round, 3));
        if round == 3 {
            log.settle(&media);
            log.partition.evict(log.end());
        }
        for from in 0..log.end().0 {
            for bytes_max in [1, 200, 100_000] {
                let read = log.read(from, bytes_max);
                let (header, _) = batches(&read).next().expect("a readable offset has a batch");
                assert!(header.base_offset.0 <= from && from <= header.last_offset().0);
            }
        }
    }
}

fn crosses_border<M: Media>(media: M) {
    let log = Log::open(&media, Offset::ZERO);
    for round in 0..4 {
        log.write(&media, &batch(round, 2));
    }
    log.settle(&media);
    log.partition.evict(Offset(6));
    log.write(&media, &batch(4, 2));
    let starts: Vec<i64> = log
        .everything()
        .iter()
        .map(|(header, _)| header.base_offset.0)
        .collect();
    assert_eq!(starts, [0, 2, 4, 6, 8]);
    assert_eq!(
        log.partition.size(),
        log.everything().iter().map(|(_, batch)| batch.len() as u64).sum()
    );
}

fn bounds<M: Media>(media: M) {
    let log = Log::open(&media, Offset::ZERO);
    for round in 0..4 {
        log.write(&media, &batch(round, 2));
    }
    log.settle(&media);
    let segments = media.segments();
    let size = batch(0, 2).len();
    let read = |from: i64, before: i64, bytes_max| match segments.read(
        Offset(from),
        Offset(before),
        bytes_max,
        Patience::Wait,
    ) {
        Ok(SegmentRead::Batches(bytes)) => starts(bytes),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(3, 8, 1), [2], "at least one batch, the one that holds the offset");
    assert_eq!(read(0, 2, usize::MAX), [0], "none that starts at or beyond the bound");
    assert!(read(0, 8, 2 * size).len() <= 2, "no more bytes than asked for");
    assert!(read(8, 9, usize::MAX).is_empty(), "nothing beyond the end");
    assert_eq!(segments.end(), Offset(8));
    let infos = segments.segments();
    assert_eq!(infos.first().map(|info| info.base_offset), Some(Offset::ZERO));
    assert_eq!(infos.last().map(|info| info.next_offset), Some(Offset(8)));
    assert!(infos.windows(2).all(|pair| pair[0].next_offset == pair[1].base_offset));
    assert_eq!(infos.iter().map(|info| info.size).sum::<u64>(), 4 * size as u64);
}

fn by_time<M: Media>(media: M) {
    let log = Log::open(&media, Offset::ZERO);
    // Each batch has its records at 100, 101, 102, then 200, ...; the fourth is the newest, the fifth out of order.
    for round in [1, 2, 3, 9, 4] {
        log.write(&media, &batch(round, 3));
    }
    for settled in [false, true] {
        if settled {
            log.settle(&media);
            log.partition.evict(log.end());
        }
        assert_eq!(log.at(0), Some((0, 100)));
        assert_eq!(log.at(101), Some((1, 101)));
        assert_eq!(log.at(103), Some((3, 200)));
        assert_eq!(log.at(302), Some((8, 302)));
        assert_eq!(log.at(303), Some((9, 900)));
        assert_eq!(log.at(902), Some((11, 902)));
        assert_eq!(log.at(903), None);
        assert_eq!(log.lookup(OffsetSpec::MaxTimestamp), Some((11, 902)));
    }
}

fn drops_below<M: Media>(media: M) {
    let log = Log::open(&media, Offset::ZERO);
    for round in 0..10 {
        log.write(&media, &batch(round, 2));
    }
    log.settle(&media);
    log.partition.evict(log.end());
    log.partition.delete_records(Offset(11)).expect("it is durable");
    media.flush();
    log.partition.drop_segments_below(Offset(11)).expect("the medium works");
    let infos = media.segments().segments();
    let oldest = infos.first().expect("a segment is left");
    assert!(oldest.base_offset <= Offset(11), "what is readable stays");
    assert!(
        oldest.next_offset > Offset(11) || infos.len() == 1,
        "what can go has gone"
    );
    let first = batches(&log.read(11, 1)).next().expect("it is readable");
    assert_eq!(first.0.base_offset, Offset(10));
    assert_eq!(
        log.everything().last().expect("so is the rest").0.last_offset(),
        Offset(19)
    );
    log.write(&media, &batch(10, 2));
    log.settle(&media);
    assert_eq!(media.segments().end(), Offset(22));
}

fn reopens<M: Media>(mut media: M) {
    let before = {
        let log = Log::open(&media, Offset::ZERO);
        for round in 0..7 {
            log.write(&media, &batch(round, 3));
        }
        log.settle(&media);
        (log.everything(), media.segments().segments())
    };
    media.reopen();
    let log = Log::open(&media, Offset(4));
    assert_eq!(log.end(), Offset(21));
    assert_eq!(media.segments().segments(), before.1);
    assert_eq!(
        log.everything(),
        before.0[1..],
        "the log start was moved into the second batch"
    );
    assert_eq!(log.at(601), Some((19, 601)));
    assert_eq!(log.write(&media, &batch(7, 1)), Offset(21));
    log.settle(&media);
    assert_eq!(media.segments().end(), Offset(22));
}

fn relearns<M: Media>(mut media: M) {
    let (producers, aborted) = {
        let log = Log::open(&media, Offset::ZERO);
        log.write(&media, &produced(BatchBuilder::new(), 1, 0));
        log.write(&media, &produced(BatchBuilder::new().transactional(), 2, 0));
        let marker = Marker {
            committed: false,
            coordinator_epoch: 0,
        };
        let marker = marker.build(ProducerId(2), ProducerEpoch(0), NOW);
        log.partition
            .append(marker, Origin::Coordinator, NOW)
            .expect("a marker of a known producer");
        media.flush();
        log.settle(&media);
        (log.partition.producers(), log.partition.aborted())
    };
    assert_eq!(aborted.len(), 1);
    media.reopen();
    let log = Log::open(&media, Offset::ZERO);
    assert_eq!(log.partition.producers(), producers);
    assert_eq!(log.partition.aborted(), aborted);
    let repeat = log
        .partition
        .append(produced(BatchBuilder::new(), 1, 0), Origin::Client, NOW)
        .expect("a repeat");
    assert!(repeat.duplicate);
}

/// A partition over the media, with the calls the cases need.
struct Log {
    partition: Partition,
}

impl Log {
    fn open(media: &impl Media, log_start: Offset) -> Log {
        let opening = Opening {
            id: PartitionId::METADATA,
            segments: media.segments(),
            journal: media.journal(),
            log_start,
            leader_epoch: LeaderEpoch(0),
            producer_snapshot: None,
            epochs: Epochs::default(),
            aborted: Vec::new(),
            known: Vec::new(),
            config: PartitionConfig::default(),
            now: NOW,
        };
        Log {
            partition: Partition::open(opening).expect("the media work"),
        }
    }

    /// Appends and waits until it is durable; gives the base offset.
    fn write(&self, media: &impl Media, batch: &Bytes) -> Offset {
        let origin = Origin::Participant { begins_at_zero: false };
        let appended = self.partition.append(batch.clone(), origin, NOW);
        media.flush();
        let appended = appended.expect("a good batch");
        assert!(
            self.partition.offsets().high_watermark > appended.last_offset,
            "a flush moves the watermark"
        );
        appended.base_offset
    }

    fn settle(&self, media: &impl Media) {
        loop {
            let batches = self.partition.unsettled(300);
            let Some(last) = batches.last() else { return };
            media.segments().append(&batches).expect("the medium works");
            media.segments().sync().expect("the medium works");
            self.partition.settled(last.next_offset());
        }
    }

    fn read(&self, from: i64, bytes_max: usize) -> Read {
        let limit = ReadLimit {
            bytes_max,
            at_least_one: true,
            isolation: Isolation::ReadUncommitted,
            patience: Patience::Wait,
            before: None,
        };
        match self.partition.read(Offset(from), limit) {
            Ok(Reading::Done(read)) => read,
            other => panic!("a patient read gives batches, not {other:?}"),
        }
    }

    fn everything(&self) -> Vec<(crate::batch::BatchHeader, Bytes)> {
        let mut next = self.partition.offsets().log_start;
        let mut all = Vec::new();
        while next < self.end() {
            let read = self.read(next.0, 500);
            assert!(read.next > next, "a read gets somewhere");
            next = read.next;
            all.extend(batches(&read));
        }
        all
    }

    fn end(&self) -> Offset {
        self.partition.offsets().log_end
    }

    fn at(&self, timestamp: i64) -> Option<(i64, i64)> {
        self.lookup(OffsetSpec::At(Millis(timestamp)))
    }

    fn lookup(&self, spec: OffsetSpec) -> Option<(i64, i64)> {
        match self
            .partition
            .offset_for(spec, Isolation::ReadUncommitted, Patience::Wait)
        {
            Ok(Lookup::Done(found)) => found.map(|found| (found.offset.0, found.timestamp.0)),
            other => panic!("a patient look-up ends, not {other:?}"),
        }
    }
}

/// `count` records at 100 * `round` ms and the milliseconds after.
fn batch(round: i64, count: i64) -> Bytes {
    let mut batch = BatchBuilder::new();
    for index in 0..count {
        batch.push(Millis(100 * round + index), Some(b"key"), Some(&[round as u8; 40]));
    }
    batch.build()
}

fn produced(batch: BatchBuilder, producer: i64, sequence: i32) -> Bytes {
    let mut batch = batch.producer(ProducerId(producer), ProducerEpoch(0), sequence);
    batch.push(NOW, None, Some(b"value"));
    batch.build()
}

fn batches(read: &Read) -> Batches {
    Batches::new(read.chunks.concat().into())
}

fn starts(bytes: Bytes) -> Vec<i64> {
    Batches::new(bytes).map(|(header, _)| header.base_offset.0).collect()
}

const NOW: Millis = Millis(1_000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryJournal, MemorySegments};

    struct Memory {
        journal: Arc<MemoryJournal>,
        segments: Arc<MemorySegments>,
    }

    impl Media for Memory {
        fn journal(&self) -> Arc<dyn Journal> {
            self.journal.clone()
        }

        fn segments(&self) -> Arc<dyn Segments> {
            self.segments.clone()
        }

        fn flush(&self) {
            self.journal.flush();
        }

        fn reopen(&mut self) {
            self.journal = Arc::new(MemoryJournal::manual());
        }
    }

    #[test]
    fn the_media_in_memory_conform() {
        run(|segment_bytes| Memory {
            journal: Arc::new(MemoryJournal::manual()),
            segments: Arc::new(MemorySegments::new(Offset::ZERO, segment_bytes)),
        });
    }
}
