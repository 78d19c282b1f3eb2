//! A produced batch, as a client may send it. The CRC is made right in every other case, or hardly anything would get
//! beyond it.

use bytes::Bytes;
use ottla_log::batch::{BatchHeader, HEADER_LENGTH, crc_of};
use ottla_log::{BatchBuilder, CheckedBatch, Codec, Origin, PartitionConfig, Unpacked};
use ottla_model::{Millis, ProducerEpoch, ProducerId};

const NOW: Millis = Millis(1_000_000);

/// Judges the bytes behind the first one.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let mut bytes = rest.to_vec();
    if first & 1 == 1 && bytes.len() >= HEADER_LENGTH {
        let crc = crc_of(&bytes);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    let config = PartitionConfig {
        compacted: first & 2 == 2,
        ..PartitionConfig::default()
    };
    let bytes = Bytes::from(bytes);
    if let Ok(checked) = CheckedBatch::check(&bytes, Origin::Client, &config, NOW) {
        let header = checked.header();
        assert_eq!(
            header.record_count,
            header.last_offset_delta + 1,
            "a client's batch has no gaps"
        );
        let stored = checked.number(ottla_model::Offset(5), ottla_model::LeaderEpoch(1));
        let uncompressed = Codec::of(header.attributes) == Some(Codec::None);
        if let (true, Ok(unpacked)) = (uncompressed, Unpacked::of(&stored)) {
            assert!(
                unpacked.records().all(|record| record.is_ok()),
                "what was judged good can be read"
            );
        }
    }
    let _ = BatchHeader::read(&bytes).map(|header| (header.size(), header.has(1)));
}

/// Batches of every codec and kind, with the CRC to be made right and left as it is.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for batch in batches() {
        for first in [0, 3] {
            let mut seed = vec![first];
            seed.extend(&batch);
            seeds.push(seed);
        }
    }
    seeds
}

/// Real batches.
pub fn batches() -> Vec<Bytes> {
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let mut batches = Vec::new();
    for (step, codec) in codecs.into_iter().enumerate() {
        let mut batch = BatchBuilder::new()
            .codec(codec)
            .producer(ProducerId(7), ProducerEpoch(0), step as i32 * 3);
        batch.push(NOW, Some(b"key"), Some(b"value value value value"));
        batch.push(NOW, None, Some(&[b'x'; 100]));
        batch.push_with_headers(NOW, Some(b"k"), None, &[(b"name", Some(b"content")), (b"empty", None)]);
        batches.push(batch.build());
    }
    let mut transactional = BatchBuilder::new()
        .producer(ProducerId(8), ProducerEpoch(2), 0)
        .transactional();
    transactional.push(NOW, Some(b"in"), Some(b"transaction"));
    batches.push(transactional.build());
    let mut plain = BatchBuilder::new();
    plain.push(NOW, None, None);
    batches.push(plain.build());
    batches
}
