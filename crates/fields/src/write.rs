//! Writes fields to the end of a buffer.

use bytes::{BufMut, BytesMut};

/// The longest text with an int16 length, in bytes.
pub const TEXT_MAX: usize = i16::MAX as usize;

/// A text with an int16 length.
///
/// # Panics
///
/// If the text is longer than [`TEXT_MAX`]: such a text is refused with the request that brings it.
pub fn put_text(out: &mut BytesMut, text: &str) {
    assert!(
        text.len() <= TEXT_MAX,
        "a text too long for a record is refused with the request that brings it"
    );
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

/// A text with an int16 length, or none.
///
/// # Panics
///
/// As [`put_text`].
pub fn put_optional_text(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.put_i16(-1),
    }
}

/// Bytes with an int32 length.
pub fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

/// A text with a compact length.
pub fn put_compact_text(out: &mut BytesMut, text: &str) {
    put_compact_count(out, text.len());
    out.put_slice(text.as_bytes());
}

/// The number of elements of an array that is there, or a length.
pub fn put_compact_count(out: &mut BytesMut, count: usize) {
    put_varint(out, count as u32 + 1);
}

/// One tagged field; how many there are goes before the first, as a varint.
pub fn put_tag(out: &mut BytesMut, tag: u32, field: &[u8]) {
    put_varint(out, tag);
    put_varint(out, field.len() as u32);
    out.put_slice(field);
}

/// The end of a structure without tagged fields.
pub fn put_no_tags(out: &mut BytesMut) {
    put_varint(out, 0);
}

/// An unsigned varint: seven bits a byte, lowest first.
pub fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
