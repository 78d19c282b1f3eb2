//! Batches that are wrong within a request that is right: the protocol's error is answered and nothing is stored.

use std::net::SocketAddr;

use bytes::Bytes;
use ottla_log::Codec;
use ottla_log::batch::crc_of;

use crate::client::{Client, code};
use crate::content::{Shape, Value, batch};
use crate::trouble::{During, Trouble, expect};

/// The topic the batches are for.
pub(super) const TOPIC: &str = "bad-batches";
const SHAPE: Shape = Shape {
    records: 3,
    record_bytes: 40,
    codec: Codec::None,
};

/// A name, and what makes a good batch bad; whether the CRC is then made right again.
type Kind = (&'static str, fn(&mut Vec<u8>), bool);

const KINDS: &[Kind] = &[
    ("a wrong CRC", |batch| batch[70] ^= 1, false),
    ("magic 0", |batch| batch[16] = 0, true),
    ("magic 1", |batch| batch[16] = 1, true),
    ("magic 3", |batch| batch[16] = 3, true),
    (
        "a length below the header",
        |batch| batch[8..12].copy_from_slice(&40_i32.to_be_bytes()),
        true,
    ),
    (
        "a negative length",
        |batch| batch[8..12].copy_from_slice(&(-1_i32).to_be_bytes()),
        true,
    ),
    (
        "a length beyond the bytes",
        |batch| batch[8..12].copy_from_slice(&100_000_i32.to_be_bytes()),
        true,
    ),
    (
        "a count too large",
        |batch| batch[57..61].copy_from_slice(&4_i32.to_be_bytes()),
        true,
    ),
    (
        "a huge count",
        |batch| batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes()),
        true,
    ),
    (
        "a negative count",
        |batch| batch[57..61].copy_from_slice(&(-1_i32).to_be_bytes()),
        true,
    ),
    (
        "a last offset too large",
        |batch| batch[23..27].copy_from_slice(&9_i32.to_be_bytes()),
        true,
    ),
    (
        "a negative last offset",
        |batch| batch[23..27].copy_from_slice(&(-2_i32).to_be_bytes()),
        true,
    ),
    ("a control batch", |batch| batch[22] |= 0x20, true),
    ("an unknown codec", |batch| batch[22] |= 0x07, true),
    ("a cut batch", |batch| batch.truncate(80), false),
    ("a cut header", |batch| batch.truncate(30), false),
    ("no bytes", |batch| batch.clear(), false),
    ("two batches", |batch| batch.extend(batch.clone()), false),
];

/// Sends each kind.
pub(super) fn run(address: SocketAddr) -> Result<String, Trouble> {
    let mut client = Client::open(address)?;
    for (name, spoil, with_right_crc) in KINDS {
        let mut bytes = batch(Value::new(0, 0, 0), SHAPE, None).to_vec();
        spoil(&mut bytes);
        if *with_right_crc {
            let crc = crc_of(&bytes);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        let answer = client.produce(TOPIC, 0, -1, Bytes::from(bytes)).during(name)?;
        expect(answer.is_err(), || format!("{name} was taken at offset {answer:?}"))?;
        if *name == "a wrong CRC" {
            expect(answer == Err(2), || {
                format!(
                    "{name}: {} instead of CORRUPT_MESSAGE",
                    code(answer.unwrap_or(0) as i16)
                )
            })?;
        }
    }
    let end = client.list_offset(TOPIC, 0, -1)?;
    expect(end == 0, || {
        format!("{end} offsets were given to batches that were refused")
    })?;
    let good = client.produce(TOPIC, 0, -1, batch(Value::new(0, 0, 0), SHAPE, None))?;
    expect(good == Ok(0), || {
        format!("a good batch on the same connection was answered with {good:?}")
    })?;
    Ok(format!("{} kinds of batches refused", KINDS.len()))
}
