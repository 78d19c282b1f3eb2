//! A cursor over a record's bytes that never goes beyond them.

use super::RecordFault;

/// What is left to read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16, RecordFault> {
        self.array(field).map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, RecordFault> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, RecordFault> {
        self.array(field).map(i64::from_be_bytes)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, RecordFault> {
        self.text_of(false, field)
    }

    pub(super) fn compact_text(&mut self, field: &'static str) -> Result<&'a str, RecordFault> {
        self.text_of(true, field)
    }

    pub(super) fn text_of(&mut self, compact: bool, field: &'static str) -> Result<&'a str, RecordFault> {
        self.optional_text_of(compact, field)?.ok_or(RecordFault::Length(field))
    }

    pub(super) fn optional_text_of(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<&'a str>, RecordFault> {
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

    pub(super) fn bytes_of(&mut self, compact: bool, field: &'static str) -> Result<&'a [u8], RecordFault> {
        let length = if compact {
            self.compact_length(field)?
        } else {
            i64::from(self.i32(field)?)
        };
        self.take(length, field)
    }

    /// The number of elements of an array, each of which takes at least `element_min` bytes.
    pub(super) fn count_of(
        &mut self,
        compact: bool,
        element_min: usize,
        field: &'static str,
    ) -> Result<usize, RecordFault> {
        let count = if compact {
            self.compact_length(field)?
        } else {
            i64::from(self.i32(field)?)
        };
        let count = usize::try_from(count).map_err(|_| RecordFault::Length(field))?;
        if count > self.rest.len() / element_min {
            return Err(RecordFault::Length(field));
        }
        Ok(count)
    }

    /// Shows every tagged field to `see`.
    pub(super) fn tags(&mut self, mut see: impl FnMut(u32, &'a [u8])) -> Result<(), RecordFault> {
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
