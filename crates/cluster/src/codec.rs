//! The primitives of Kafka's flexible message format, as far as the metadata records need them.
//!
//! Reading never panics and never reserves memory on the word of a length it has not seen the bytes for.

use ottla_model::TopicId;

use crate::RecordFault;

/// Appends primitives to a buffer.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn int8(&mut self, value: i8) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn int64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn uuid(&mut self, value: TopicId) {
        self.0.extend_from_slice(value.0.as_bytes());
    }

    pub(crate) fn string(&mut self, value: &str) {
        self.unsigned_varint(value.len() as u32 + 1);
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.string(value),
            None => self.unsigned_varint(0),
        }
    }

    pub(crate) fn int32_array(&mut self, values: &[i32]) {
        self.unsigned_varint(values.len() as u32 + 1);
        for value in values {
            self.int32(*value);
        }
    }

    /// The end of a struct that has no tagged fields.
    pub(crate) fn no_tags(&mut self) {
        self.unsigned_varint(0);
    }
}

/// Takes primitives off the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], RecordFault> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(RecordFault::Truncated)?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordFault> {
        let (front, rest) = self.0.split_first_chunk::<N>().ok_or(RecordFault::Truncated)?;
        self.0 = rest;
        Ok(*front)
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, RecordFault> {
        let mut value = 0u32;
        for position in 0..5 {
            let [byte] = self.array()?;
            if position == 4 && byte > 0x0f {
                return Err(RecordFault::Varint);
            }
            value |= u32::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordFault::Varint)
    }

    pub(crate) fn int8(&mut self) -> Result<i8, RecordFault> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn int16(&mut self) -> Result<i16, RecordFault> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn int32(&mut self) -> Result<i32, RecordFault> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn int64(&mut self) -> Result<i64, RecordFault> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<TopicId, RecordFault> {
        let bytes = self.take(16)?.to_vec();
        bytes.try_into().map(TopicId).map_err(|_| RecordFault::Truncated)
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<String>, RecordFault> {
        let Some(length) = self.unsigned_varint()?.checked_sub(1) else {
            return Ok(None);
        };
        let bytes = self.take(length as usize)?;
        let text = std::str::from_utf8(bytes).map_err(|_| RecordFault::Text)?;
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<String, RecordFault> {
        self.nullable_string()?.ok_or(RecordFault::Null(field))
    }

    /// The bytes of an array whose elements are `width` bytes each.
    pub(crate) fn fixed_array(&mut self, field: &'static str, width: usize) -> Result<&'a [u8], RecordFault> {
        let count = self.unsigned_varint()?.checked_sub(1).ok_or(RecordFault::Null(field))?;
        self.take((count as usize).checked_mul(width).ok_or(RecordFault::Truncated)?)
    }

    pub(crate) fn int32_array(&mut self, field: &'static str) -> Result<Vec<i32>, RecordFault> {
        let (elements, _) = self.fixed_array(field, 4)?.as_chunks::<4>();
        Ok(elements.iter().map(|element| i32::from_be_bytes(*element)).collect())
    }

    /// Skips the tagged fields at the end of a struct: none of them changes what this crate knows.
    pub(crate) fn skip_tags(&mut self) -> Result<(), RecordFault> {
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let size = self.unsigned_varint()?;
            self.take(size as usize)?;
        }
        Ok(())
    }
}
