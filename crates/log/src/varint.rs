//! Zig-zag varints, as the records of a batch use them. Reading is bounded and never panics.

/// Reads a 32-bit varint at the front of `bytes` and moves past it; `None` if it is cut or longer than five bytes.
#[inline]
pub(crate) fn read_i32(bytes: &mut &[u8]) -> Option<i32> {
    let raw = read_unsigned(bytes, 5)?;
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a 64-bit varint at the front of `bytes` and moves past it; `None` if it is cut or longer than ten bytes.
#[inline]
pub(crate) fn read_i64(bytes: &mut &[u8]) -> Option<i64> {
    let raw = read_unsigned(bytes, 10)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Appends a 32-bit varint.
pub(crate) fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Appends a 64-bit varint.
pub(crate) fn write_i64(out: &mut Vec<u8>, value: i64) {
    write_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// The bytes that [`write_i32`] would write.
pub(crate) fn size_i32(value: i32) -> usize {
    size_unsigned(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// The bytes that [`write_i64`] would write.
pub(crate) fn size_i64(value: i64) -> usize {
    size_unsigned(((value << 1) ^ (value >> 63)) as u64)
}

#[inline]
fn read_unsigned(bytes: &mut &[u8], length_max: usize) -> Option<u64> {
    // Nearly all are one or two bytes long: deltas, and lengths below 8 KiB.
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Some(u64::from(first))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *bytes = rest;
            Some(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => read_long(bytes, length_max),
    }
}

#[inline(never)]
fn read_long(bytes: &mut &[u8], length_max: usize) -> Option<u64> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(length_max).enumerate() {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn size_unsigned(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (64, &[0x80, 0x01]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(size_i32(value), bytes.len());
            assert_eq!(read_i32(&mut &out[..]), Some(value));
        }
    }

    #[test]
    fn a_cut_or_endless_varint_is_none() {
        assert_eq!(read_i32(&mut &[0x80][..]), None);
        assert_eq!(read_i32(&mut &[0xff; 6][..]), None);
        assert_eq!(read_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None);
        assert_eq!(read_i64(&mut &[0xff; 11][..]), None);
    }

    proptest::proptest! {
        #[test]
        fn written_is_read(value in proptest::num::i64::ANY) {
            let mut out = Vec::new();
            write_i64(&mut out, value);
            assert_eq!(out.len(), size_i64(value));
            let mut rest = &out[..];
            assert_eq!(read_i64(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }
}
