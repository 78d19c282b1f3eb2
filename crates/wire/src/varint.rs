//! Unsigned variable-length integers, as in compact lengths: seven bits a byte, lowest first.

use bytes::{BufMut, BytesMut};

/// Reads one from the front of `bytes`: its value and how many bytes it took. `None` if it is cut short or does not fit
/// 32 bits (a fifth byte with more than four bits, which Kafka refuses too).
pub(crate) fn read(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u32;
    for (position, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        if position == BYTES_MAX - 1 && *byte > 0x0f {
            return None;
        }
        value |= u32::from(byte & 0x7f) << (7 * position);
        if *byte < 0x80 {
            return Some((value, position + 1));
        }
    }
    None
}

/// Appends `value`.
pub(crate) fn write(buffer: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        buffer.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

const BYTES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_fit_or_is_cut_is_refused() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((u32::MAX, 5)));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x8f, 0]), None);
    }

    proptest! {
        #[test]
        fn values_round_trip(value in any::<u32>()) {
            let mut buffer = BytesMut::new();
            write(&mut buffer, value);
            prop_assert_eq!(read(&buffer), Some((value, buffer.len())));
        }
    }
}
