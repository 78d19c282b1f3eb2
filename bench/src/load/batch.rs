//! The batches that are sent: made once, of records of one size.

use bytes::Bytes;
use ottla_log::{BatchBuilder, Codec};
use ottla_model::Millis;

/// What a batch holds.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    /// Records in a batch.
    pub records: usize,
    /// Bytes of a record's value.
    pub value_bytes: usize,
    /// How it is compressed.
    pub codec: Codec,
    /// Whether records have keys, of eight bytes.
    pub keyed: bool,
}

impl Payload {
    /// Records without keys, not compressed.
    pub fn plain(records: usize, value_bytes: usize) -> Payload {
        Payload {
            records,
            value_bytes,
            codec: Codec::None,
            keyed: false,
        }
    }
}

/// A batch of no producer. A load gives it one when it sends it.
pub fn batch(payload: Payload) -> Bytes {
    let mut builder = BatchBuilder::new().codec(payload.codec);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    for number in 0..payload.records {
        let key = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let key = payload.keyed.then_some(&key[..]);
        let value = text(number as u64, payload.value_bytes);
        builder.push(Millis(now.as_millis() as i64), key, Some(&value));
    }
    builder.build()
}

/// Text that compresses about as an event in JSON does: fields that repeat and numbers that do not.
fn text(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(1);
    let mut text = Vec::with_capacity(bytes + 64);
    while text.len() < bytes {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        let field = format!(
            "{{\"id\":{},\"kind\":\"order\",\"amount\":{}}},",
            state >> 20,
            (state >> 40) % 1000
        );
        text.extend_from_slice(field.as_bytes());
    }
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_the_size_asked_for() {
        let plain = batch(Payload::plain(63, 1024));
        assert!((63 * 1024..66 * 1024).contains(&plain.len()), "{}", plain.len());
        let codec = Codec::Lz4;
        let squeezed = batch(Payload {
            codec,
            ..Payload::plain(63, 1024)
        });
        assert!(squeezed.len() < plain.len() * 3 / 4, "{}", squeezed.len());
    }
}
