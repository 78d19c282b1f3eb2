//! Frames: the first byte says how the rest arrives, as one piece or in small ones; both must give the same frames.

use bytes::{Bytes, BytesMut};
use ottla_wire::{FrameFault, REQUEST_BYTES_MIN, RESPONSE_BYTES_MIN, split};

const BYTES_MAX: usize = 1 << 16;

/// Splits the bytes into frames.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let bytes_min = if first & 1 == 0 {
        REQUEST_BYTES_MIN
    } else {
        RESPONSE_BYTES_MIN
    };
    let whole = frames(rest, rest.len().max(1), bytes_min);
    assert_eq!(
        frames(rest, usize::from(first >> 1).max(1), bytes_min),
        whole,
        "pieces change no frame"
    );
}

fn frames(bytes: &[u8], piece: usize, bytes_min: usize) -> (Vec<Bytes>, Option<FrameFault>) {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match split(&mut buffer, bytes_min, BYTES_MAX) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                // What else is known of a faulty frame may depend on how much of it has come.
                Err(FrameFault::Negative { declared, .. }) => {
                    return (
                        frames,
                        Some(FrameFault::Negative {
                            declared,
                            looks_like: None,
                        }),
                    );
                }
                Err(FrameFault::TooLarge { length, bytes_max, .. }) => {
                    return (
                        frames,
                        Some(FrameFault::TooLarge {
                            length,
                            bytes_max,
                            looks_like: None,
                        }),
                    );
                }
                Err(fault) => return (frames, Some(fault)),
            }
        }
    }
    (frames, None)
}

/// Whole frames, cut ones, other protocols.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"\x00GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\x00\x16\x03\x01\x00\x50\x01".to_vec(),
        b"\x02\xff\xff\xff\xff".to_vec(),
        b"\x02\x7f\xff\xff\xff".to_vec(),
    ];
    for request in crate::request::whole_requests().into_iter().take(6) {
        let mut seed = vec![7];
        for _ in 0..2 {
            seed.extend((request.len() as i32).to_be_bytes());
            seed.extend(&request);
        }
        seeds.push(seed);
    }
    seeds
}
