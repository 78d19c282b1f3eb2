//! Records and batches: what is written is read, and nothing panics.

use ottla_model::Millis;
use proptest::prelude::*;

use super::*;
use crate::BatchBuilder;

type Pair = (Vec<u8>, Option<Vec<u8>>);
type Record = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Pair>);

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn record() -> impl Strategy<Value = Record> {
    let headers = prop::collection::vec((bytes(), prop::option::of(bytes())), 0..3);
    (
        0..1i64 << 40,
        prop::option::of(bytes()),
        prop::option::of(bytes()),
        headers,
    )
}

fn build(records: &[Record], codec: Codec) -> Bytes {
    let mut batch = BatchBuilder::new().codec(codec);
    for (timestamp, key, value, headers) in records {
        let headers: Vec<(&[u8], Option<&[u8]>)> = headers
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
            .collect();
        batch.push_with_headers(Millis(*timestamp), key.as_deref(), value.as_deref(), &headers);
    }
    batch.build()
}

#[test]
fn the_bytes_are_those_of_the_format() {
    // One record, key "k", value "v", header "h" without a value, at 1 ms.
    let mut batch = BatchBuilder::new();
    batch.push_with_headers(Millis(1), Some(b"k"), Some(b"v"), &[(b"h", None)]);
    let batch = batch.build();
    assert_eq!(batch[HEADER_LENGTH..], *b"\x16\x00\x00\x00\x02k\x02v\x02\x02h\x01");
    assert_eq!(batch[..17], *b"\0\0\0\0\0\0\0\0\0\0\0\x3d\xff\xff\xff\xff\x02");
}

#[test]
fn a_count_that_is_not_the_records_is_a_fault() {
    let batch = build(&[(1, None, None, Vec::new()), (2, None, None, Vec::new())], Codec::None);
    let last = |count| Records::new(&batch[HEADER_LENGTH..], count).last().unwrap();
    assert!(last(2).is_ok());
    assert_eq!(last(1), Err(RecordFault::Count));
    assert_eq!(last(3), Err(RecordFault::Count));
    assert_eq!(last(0), Err(RecordFault::Count));
}

#[test]
fn a_record_that_lies_about_its_length_is_a_fault() {
    let read = |bytes: &[u8]| RecordView::read(&mut &bytes[..]).map(|_| ()).unwrap_err();
    assert_eq!(read(b""), RecordFault::Cut);
    assert_eq!(read(b"\x01"), RecordFault::Length, "a negative length");
    assert_eq!(read(b"\x0c\x00\x00\x00\x01\x01"), RecordFault::Cut);
    assert_eq!(
        read(b"\x0c\x00\x00\x00\x20\x01\x00"),
        RecordFault::Length,
        "a key that leads out"
    );
    assert_eq!(read(b"\x0e\x00\x00\x00\x01\x01\x00\x00"), RecordFault::Slack);
    assert_eq!(
        read(b"\x0e\x00\x00\x00\x01\x01\x02\x01"),
        RecordFault::Length,
        "a header without a key"
    );
}

#[test]
fn walking_stops_at_what_is_cut() {
    let batch = build(&[(1, None, None, Vec::new())], Codec::None);
    let two_and_a_half = [&batch[..], &batch, &batch[..batch.len() - 1]].concat();
    let mut batches = Batches::new(two_and_a_half.into());
    assert_eq!(batches.by_ref().count(), 2);
    assert_eq!(batches.rest().len(), batch.len() - 1);
}

proptest! {
    #[test]
    fn what_is_built_is_read(records in prop::collection::vec(record(), 1..20), codec in 0..5i16) {
        let codec = Codec::of(codec).unwrap();
        let batch = build(&records, codec);
        let unpacked = Unpacked::open(&batch).unwrap();
        prop_assert_eq!(crate::batch::crc_of(&batch), unpacked.header.crc);
        prop_assert_eq!(&unpacked.header.to_bytes()[..], &batch[..HEADER_LENGTH]);
        prop_assert_eq!(Some(unpacked.header.max_timestamp.0), records.iter().map(|record| record.0).max());
        let read: Vec<Record> = unpacked.records().map(|record| {
            let record = record.unwrap();
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let headers = record.headers.iter().map(|(key, value)| (key.to_vec(), owned(value))).collect();
            (record.timestamp(unpacked.header.base_timestamp).0, owned(record.key), owned(record.value), headers)
        }).collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn any_bytes_are_walked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), count in any::<i32>()) {
        for record in Records::new(&bytes, count).flatten() {
            let _ = record.headers.iter().count();
        }
        let _ = Unpacked::open(&bytes);
        let _ = Batches::new(bytes.into()).count();
    }

    #[test]
    fn a_damaged_batch_is_walked_or_refused(records in prop::collection::vec(record(), 1..4), codec in 0..5i16, at in 0usize..500, mask in 1u8..) {
        let mut batch = build(&records, Codec::of(codec).unwrap()).to_vec();
        let at = at % batch.len();
        batch[at] ^= mask;
        if let Ok(unpacked) = Unpacked::open(&batch) {
            let _ = unpacked.records().count();
        }
    }
}
