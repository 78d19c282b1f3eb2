//! One record of an uncompressed batch, read in place, and its encoding.
//!
//! ```text
//! length varint │ attributes i8 │ timestamp delta varlong │ offset delta varint
//! key length varint (-1 null) │ key │ value length varint (-1 null) │ value
//! header count varint │ { key length varint │ key │ value length varint (-1 null) │ value } ...
//! ```
//!
//! Reading takes any bytes: it is bounded by them and never panics.

use ottla_model::{Millis, Offset};

use crate::varint;

/// A record as it lies in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Unused by Kafka so far.
    pub attributes: i8,
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offsets after the batch's base offset.
    pub offset_delta: i32,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: HeadersView<'a>,
}

/// The headers of a record, checked when the record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadersView<'a> {
    count: i32,
    bytes: &'a [u8],
}

/// What is wrong with the records of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The bytes end before the record does.
    #[error("the record ends after its batch")]
    Cut,
    /// A length is negative where it may not be, or leads out of the record.
    #[error("a field's length leads out of its record")]
    Length,
    /// The fields of the record are shorter than its length says.
    #[error("the record's length and its fields disagree")]
    Slack,
    /// The batch has more or fewer records than its header says.
    #[error("the batch's record count and its records disagree")]
    Count,
}

impl<'a> RecordView<'a> {
    /// Reads the record at the front of `bytes` and moves past it.
    pub fn read(bytes: &mut &'a [u8]) -> Result<RecordView<'a>, RecordFault> {
        let length = varint::read_i32(bytes).ok_or(RecordFault::Cut)?;
        let length = usize::try_from(length).map_err(|_| RecordFault::Length)?;
        let (mut body, rest) = bytes.split_at_checked(length).ok_or(RecordFault::Cut)?;
        let record = Self::read_body(&mut body).ok_or(RecordFault::Length)?;
        if !body.is_empty() {
            return Err(RecordFault::Slack);
        }
        *bytes = rest;
        Ok(record)
    }

    #[inline]
    fn read_body(body: &mut &'a [u8]) -> Option<RecordView<'a>> {
        let (attributes, rest) = body.split_first()?;
        *body = rest;
        Some(RecordView {
            attributes: *attributes as i8,
            timestamp_delta: varint::read_i64(body)?,
            offset_delta: varint::read_i32(body)?,
            key: read_nullable(body)?,
            value: read_nullable(body)?,
            headers: HeadersView::read(body)?,
        })
    }

    /// When the record was made, given its batch's base timestamp.
    pub fn timestamp(&self, base: Millis) -> Millis {
        Millis(base.0.wrapping_add(self.timestamp_delta))
    }

    /// Where the record lies, given its batch's base offset.
    pub fn offset(&self, base: Offset) -> Offset {
        Offset(base.0.wrapping_add(i64::from(self.offset_delta)))
    }

    /// Appends the record to `out`, with deltas other than its own.
    pub(crate) fn write(&self, offset_delta: i32, timestamp_delta: i64, out: &mut Vec<u8>) {
        let size = self.body_size(offset_delta, timestamp_delta);
        varint::write_i32(out, i32::try_from(size).expect("a record is shorter than 2 GiB"));
        out.push(self.attributes as u8);
        varint::write_i64(out, timestamp_delta);
        varint::write_i32(out, offset_delta);
        write_nullable(out, self.key);
        write_nullable(out, self.value);
        varint::write_i32(out, self.headers.count);
        out.extend_from_slice(self.headers.bytes);
    }

    fn body_size(&self, offset_delta: i32, timestamp_delta: i64) -> usize {
        1 + varint::size_i64(timestamp_delta)
            + varint::size_i32(offset_delta)
            + nullable_size(self.key)
            + nullable_size(self.value)
            + varint::size_i32(self.headers.count)
            + self.headers.bytes.len()
    }
}

impl<'a> HeadersView<'a> {
    /// No headers.
    pub const NONE: HeadersView<'static> = HeadersView { count: 0, bytes: &[] };

    #[inline]
    fn read(body: &mut &'a [u8]) -> Option<HeadersView<'a>> {
        let count = varint::read_i32(body)?;
        if count < 0 {
            return None;
        }
        let all = *body;
        for _ in 0..count {
            read_header(body)?;
        }
        Some(HeadersView {
            count,
            bytes: &all[..all.len() - body.len()],
        })
    }

    /// The number of headers.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each header's key and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut bytes = self.bytes;
        (0..self.count).map_while(move |_| read_header(&mut bytes))
    }
}

/// Appends one header to the encoded headers of a record to be.
pub(crate) fn write_header(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    write_nullable(out, Some(key));
    write_nullable(out, value);
}

/// A view of headers encoded with [`write_header`].
pub(crate) fn encoded_headers(count: usize, bytes: &[u8]) -> HeadersView<'_> {
    HeadersView {
        count: count as i32,
        bytes,
    }
}

fn read_header<'a>(body: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let key = read_nullable(body)??;
    Some((key, read_nullable(body)?))
}

#[inline]
fn read_nullable<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::read_i32(body)?;
    if length < 0 {
        // Kafka reads every negative length as null.
        return Some(None);
    }
    let (field, rest) = body.split_at_checked(length as usize)?;
    *body = rest;
    Some(Some(field))
}

fn write_nullable(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => varint::write_i32(out, -1),
        Some(field) => {
            let length = i32::try_from(field.len()).expect("a field is shorter than 2 GiB");
            varint::write_i32(out, length);
            out.extend_from_slice(field);
        }
    }
}

fn nullable_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |field| varint::size_i32(field.len() as i32) + field.len())
}
