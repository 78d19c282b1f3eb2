//! A cursor over a record's bytes that never goes beyond them.

use crate::RecordFault;

/// What is left to read.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// An int8.
    pub fn i8(&mut self, field: &'static str) -> Result<i8, RecordFault> {
        self.array(field).map(i8::from_be_bytes)
    }

    /// An int16.
    pub fn i16(&mut self, field: &'static str) -> Result<i16, RecordFault> {
        self.array(field).map(i16::from_be_bytes)
    }

    /// An int32.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, RecordFault> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// An int64.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, RecordFault> {
        self.array(field).map(i64::from_be_bytes)
    }

    /// A text with an int16 length; none is a fault.
    pub fn text(&mut self, field: &'static str) -> Result<&'a str, RecordFault> {
        self.text_of(false, field)
    }

    /// A text with a compact length; none is a fault.
    pub fn compact_text(&mut self, field: &'static str) -> Result<&'a str, RecordFault> {
        self.text_of(true, field)
    }

    /// A text of either kind; none is a fault.
    pub fn text_of(&mut self, compact: bool, field: &'static str) -> Result<&'a str, RecordFault> {
        self.optional_text_of(compact, field)?.ok_or(RecordFault::Length(field))
    }

    /// A text of either kind, or none.
    pub fn optional_text_of(&mut self, compact: bool, field: &'static str) -> Result<Option<&'a str>, RecordFault> {
        let length = if compact {
            self.compact_length(field)?
        } else {
            i64::from(self.i16(field)?)
        };
        if length == -1 {
            return Ok(None);
        }
        let bytes = self.take(length, field)?;
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| RecordFault::Text(field))
    }

    /// Bytes with an int32 or a compact length; none is a fault.
    pub fn bytes_of(&mut self, compact: bool, field: &'static str) -> Result<&'a [u8], RecordFault> {
        let length = if compact {
            self.compact_length(field)?
        } else {
            i64::from(self.i32(field)?)
        };
        self.take(length, field)
    }

    /// The number of elements of an array, each of which takes at least `element_min` bytes; none is a fault.
    pub fn count_of(&mut self, compact: bool, element_min: usize, field: &'static str) -> Result<usize, RecordFault> {
        self.optional_count_of(compact, element_min, field)?
            .ok_or(RecordFault::Length(field))
    }

    /// The number of elements of an array that may be none, each of which takes at least `element_min` bytes.
    pub fn optional_count_of(
        &mut self,
        compact: bool,
        element_min: usize,
        field: &'static str,
    ) -> Result<Option<usize>, RecordFault> {
        let count = if compact {
            self.compact_length(field)?
        } else {
            i64::from(self.i32(field)?)
        };
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).map_err(|_| RecordFault::Length(field))?;
        if count > self.rest.len() / element_min {
            return Err(RecordFault::Length(field));
        }
        Ok(Some(count))
    }

    /// Shows every tagged field to `see`.
    pub fn tags(&mut self, mut see: impl FnMut(u32, &'a [u8])) -> Result<(), RecordFault> {
        let count = self.varint("tagged fields")?;
        for _ in 0..count {
            let tag = self.varint("tag")?;
            let length = self.varint("tagged field")?;
            see(tag, self.take(i64::from(length), "tagged field")?);
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordFault> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(RecordFault::Short(field))?;
        self.rest = rest;
        Ok(*head)
    }

    fn take(&mut self, length: i64, field: &'static str) -> Result<&'a [u8], RecordFault> {
        let length = usize::try_from(length).map_err(|_| RecordFault::Length(field))?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(RecordFault::Length(field))?;
        self.rest = rest;
        Ok(head)
    }

    /// Compact lengths are one too large, so that 0 can mean "none".
    fn compact_length(&mut self, field: &'static str) -> Result<i64, RecordFault> {
        self.varint(field).map(|length| i64::from(length) - 1)
    }

    fn varint(&mut self, field: &'static str) -> Result<u32, RecordFault> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array(field)?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordFault::Length(field))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::{put_compact_count, put_compact_text, put_no_tags, put_optional_text, put_tag, put_varint};

    #[test]
    fn none_differs_from_empty() {
        let mut out = BytesMut::new();
        put_optional_text(&mut out, None);
        put_optional_text(&mut out, Some(""));
        out.extend_from_slice(&[0, 1]);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.optional_text_of(false, "a"), Ok(None));
        assert_eq!(reader.optional_text_of(false, "b"), Ok(Some("")));
        assert_eq!(reader.optional_text_of(true, "c"), Ok(None));
        assert_eq!(reader.optional_text_of(true, "d"), Ok(Some("")));
        assert_eq!(reader.i8("e"), Err(RecordFault::Short("e")));
    }

    #[test]
    fn an_array_cannot_have_more_elements_than_bytes_are_left() {
        let mut out = BytesMut::new();
        put_compact_count(&mut out, 3);
        out.extend_from_slice(&[0; 11]);
        assert_eq!(Reader::new(&out).count_of(true, 4, "a"), Err(RecordFault::Length("a")));
        out.extend_from_slice(&[0]);
        assert_eq!(Reader::new(&out).count_of(true, 4, "a"), Ok(3));
        assert_eq!(Reader::new(&[0]).optional_count_of(true, 4, "a"), Ok(None));
        assert_eq!(Reader::new(&[0]).count_of(true, 4, "a"), Err(RecordFault::Length("a")));
    }

    #[test]
    fn tags_are_shown_in_order() {
        let mut out = BytesMut::new();
        put_varint(&mut out, 2);
        put_tag(&mut out, 0, b"x");
        put_tag(&mut out, 300, b"");
        put_no_tags(&mut out);
        let mut reader = Reader::new(&out);
        let mut seen = Vec::new();
        assert_eq!(reader.tags(|tag, field| seen.push((tag, field))), Ok(()));
        assert_eq!(reader.tags(|_, _| panic!("there is none")), Ok(()));
        assert_eq!(seen, [(0, &b"x"[..]), (300, &b""[..])]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in ".{0,300}", number in any::<u32>()) {
            let mut out = BytesMut::new();
            put_compact_text(&mut out, &text);
            put_varint(&mut out, number);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.compact_text("text"), Ok(&text[..]));
            prop_assert_eq!(reader.varint("number"), Ok(number));
        }
    }
}
