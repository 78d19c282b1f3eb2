//! A reader of committed records, for tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use ottla_log::batch::attributes;
use ottla_log::{Batches, Isolation, Marker, Partition, Patience, Read, ReadLimit, Reading, Unpacked};
use ottla_model::Offset;

/// Offset, key, value.
pub type Record = (Offset, u8, Option<Bytes>);

/// What a client sees that reads committed records, fetch by fetch.
pub fn committed_records(partition: &Partition) -> Vec<Record> {
    let offsets = partition.offsets();
    let limit = ReadLimit {
        bytes_max: 3000,
        at_least_one: true,
        isolation: Isolation::ReadCommitted,
        patience: Patience::Wait,
        before: None,
    };
    let (mut at, mut records) = (offsets.log_start, Vec::new());
    while at < offsets.last_stable {
        let Ok(Reading::Done(read)) = partition.read(at, limit) else {
            panic!("what lies between log start and last stable offset can be read")
        };
        assert!(read.next > at, "the read of {at} gets on");
        at = read.next;
        committed_of(&read, &mut records);
    }
    records.retain(|(offset, ..)| *offset >= offsets.log_start);
    records
}

fn committed_of(read: &Read, records: &mut Vec<Record>) {
    let mut to_come = VecDeque::from(read.aborted.clone());
    to_come.make_contiguous().sort_by_key(|aborted| aborted.first_offset);
    let mut skipped = BTreeSet::new();
    for (header, batch) in Batches::new(Bytes::from(read.chunks.concat())) {
        let begun = to_come.partition_point(|next| next.first_offset <= header.last_offset());
        skipped.extend(to_come.drain(..begun).map(|aborted| aborted.producer));
        let batch = Unpacked::open(&batch).unwrap();
        let mut of_batch = batch.records().map(Result::unwrap);
        if header.has(attributes::CONTROL) {
            let marker = of_batch.next().and_then(|record| Marker::read(&record));
            if marker.is_some_and(|marker| !marker.committed) {
                skipped.remove(&header.producer_id);
            }
        } else if !header.has(attributes::TRANSACTIONAL) || !skipped.contains(&header.producer_id) {
            records.extend(of_batch.map(|record| {
                let value = record.value.map(Bytes::copy_from_slice);
                (record.offset(header.base_offset), record.key.unwrap()[0], value)
            }));
        }
    }
}

/// The last value of each key that has one.
pub fn rebuilt(records: &[Record]) -> BTreeMap<u8, &Bytes> {
    let mut values = BTreeMap::new();
    for (_, key, value) in records {
        match value {
            Some(value) => values.insert(*key, value),
            None => values.remove(key),
        };
    }
    values
}
