//! The records in what a fetch brought, without those of aborted transactions.

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_log::batch::{BatchHeader, attributes};
use ottla_log::{Batches, Codec, Marker, RecordView, Unpacked};
use ottla_model::TopicPartition;

use super::ConsumedRecord;
use crate::error::{ClientError, Result};

/// Reads the records at or behind `from` and the position behind the last batch. A batch that is cut short at the end,
/// as brokers may send it, is left for the next fetch. Uncompressed records are slices of `bytes`.
///
/// `aborted` are (producer id, first offset) of the aborted transactions in `bytes`; empty where all records are read.
pub(super) fn read(
    partition: &TopicPartition,
    bytes: Bytes,
    from: i64,
    mut aborted: Vec<(i64, i64)>,
) -> Result<(Vec<ConsumedRecord>, i64)> {
    aborted.sort_by_key(|(_, first_offset)| *first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let mut skipped: BTreeSet<i64> = BTreeSet::new();
    let mut records = Vec::new();
    let mut position = from;
    for (header, batch) in Batches::new(bytes) {
        let last = header.base_offset.0 + i64::from(header.last_offset_delta);
        while let Some((producer, _)) = aborted.next_if(|(_, first)| *first <= last) {
            skipped.insert(producer);
        }
        if header.attributes & attributes::CONTROL != 0 {
            end_transaction(&header, &batch, &mut skipped);
        } else if header.attributes & attributes::TRANSACTIONAL == 0 || !skipped.contains(&header.producer_id.0) {
            read_batch(partition, &header, &batch, from, &mut records)?;
        }
        position = position.max(last + 1);
    }
    Ok((records, position))
}

/// After an abort marker, the producer's next records are those of another transaction.
fn end_transaction(header: &BatchHeader, batch: &[u8], skipped: &mut BTreeSet<i64>) {
    let Ok(unpacked) = Unpacked::open(batch) else {
        return;
    };
    let marker = unpacked.records().next().and_then(|record| Marker::read(&record.ok()?));
    if marker.is_some_and(|marker| !marker.committed) {
        skipped.remove(&header.producer_id.0);
    }
}

fn read_batch(
    partition: &TopicPartition,
    header: &BatchHeader,
    batch: &Bytes,
    from: i64,
    records: &mut Vec<ConsumedRecord>,
) -> Result<()> {
    let damaged = |what: String| ClientError::DamagedRecords {
        partition: partition.to_string(),
        offset: header.base_offset.0,
        what,
    };
    let unpacked = Unpacked::open(batch).map_err(|fault| damaged(fault.to_string()))?;
    let is_in_place = unpacked.codec == Codec::None;
    let owned = |bytes: &[u8]| {
        if is_in_place {
            batch.slice_ref(bytes)
        } else {
            Bytes::copy_from_slice(bytes)
        }
    };
    for record in unpacked.records() {
        let record = record.map_err(|fault| damaged(fault.to_string()))?;
        let offset = header.base_offset.0 + i64::from(record.offset_delta);
        if offset >= from {
            records.push(consumed(partition, header, offset, &record, owned));
        }
    }
    Ok(())
}

fn consumed(
    partition: &TopicPartition,
    header: &BatchHeader,
    offset: i64,
    record: &RecordView<'_>,
    owned: impl Fn(&[u8]) -> Bytes,
) -> ConsumedRecord {
    let timestamp = if header.attributes & attributes::LOG_APPEND_TIME != 0 {
        header.max_timestamp.0
    } else {
        header.base_timestamp.0.wrapping_add(record.timestamp_delta)
    };
    let header =
        |(name, value): (&[u8], Option<&[u8]>)| (String::from_utf8_lossy(name).into_owned(), value.map(&owned));
    ConsumedRecord {
        partition: partition.clone(),
        offset,
        timestamp,
        key: record.key.map(&owned),
        value: record.value.map(&owned),
        headers: record.headers.iter().map(header).collect(),
    }
}

#[cfg(test)]
mod tests {
    use ottla_log::BatchBuilder;
    use ottla_model::{Millis, ProducerEpoch, ProducerId};

    use super::*;

    fn batch(base: i64, producer: Option<i64>, values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        if let Some(id) = producer {
            builder = builder.producer(ProducerId(id), ProducerEpoch(0), 0).transactional();
        }
        for value in values {
            builder.push(Millis(base), None, Some(value.as_bytes()));
        }
        at(base, builder.build())
    }

    fn marker(base: i64, producer: i64, committed: bool) -> Vec<u8> {
        let marker = Marker {
            committed,
            coordinator_epoch: 0,
        };
        at(base, marker.build(ProducerId(producer), ProducerEpoch(0), Millis(base)))
    }

    fn at(base: i64, batch: Bytes) -> Vec<u8> {
        let mut batch = batch.to_vec();
        batch[..8].copy_from_slice(&base.to_be_bytes());
        batch
    }

    fn values(bytes: Vec<u8>, from: i64, aborted: &[(i64, i64)]) -> (Vec<String>, i64) {
        let partition = TopicPartition::new("t", 0);
        let (records, position) = read(&partition, bytes.into(), from, aborted.to_vec()).unwrap();
        let value = |record: ConsumedRecord| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        (records.into_iter().map(value).collect(), position)
    }

    #[test]
    fn records_before_the_position_and_a_cut_batch_are_left_out() {
        let mut bytes = batch(10, None, &["a", "b", "c"]);
        let whole = batch(13, None, &["d"]);
        bytes.extend(&whole[..whole.len() - 1]);
        assert_eq!(values(bytes, 11, &[]), (vec!["b".into(), "c".into()], 13));
    }

    #[test]
    fn aborted_transactions_are_skipped_up_to_their_marker() {
        let bytes = [
            batch(0, Some(7), &["aborted"]),
            batch(1, None, &["plain"]),
            batch(2, Some(8), &["committed"]),
            marker(3, 7, false),
            marker(4, 8, true),
            batch(5, Some(7), &["next"]),
            marker(6, 7, true),
        ];
        let expected = ["plain", "committed", "next"].map(String::from).to_vec();
        assert_eq!(values(bytes.concat(), 0, &[(7, 0)]), (expected, 7));
    }

    #[test]
    fn every_codec_is_read() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let mut builder = BatchBuilder::new().codec(codec);
            builder.push(Millis(0), None, Some(b"squeezed"));
            let expected = vec!["squeezed".to_owned()];
            assert_eq!(values(builder.build().to_vec(), 0, &[]), (expected, 1), "{codec:?}");
        }
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let mut bytes = batch(0, None, &["a"]);
        let end = bytes.len() - 1;
        bytes[end] = 0x55;
        bytes[61] = 0x7f;
        let partition = TopicPartition::new("t", 0);
        assert!(read(&partition, bytes.into(), 0, Vec::new()).is_err());
    }
}
