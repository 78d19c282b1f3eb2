//! A record as JSON.

use ottla_client::ConsumedRecord;
use serde::Serialize;

/// A record as JSON. Bytes that are not UTF-8 are in fields of their own, in Base64.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    /// In RFC 3339, or nothing if the record has none.
    timestamp: Option<String>,
    key: Option<&'a str>,
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header<'a>>,
}

#[derive(Serialize)]
struct Header<'a> {
    name: &'a str,
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl<'a> Json<'a> {
    pub(super) fn of(record: &'a ConsumedRecord) -> Json<'a> {
        let (key, key_base64) = readable(record.key.as_deref());
        let (value, value_base64) = readable(record.value.as_deref());
        let header = |(name, value): &'a (String, Option<bytes::Bytes>)| {
            let (value, value_base64) = readable(value.as_deref());
            Header {
                name,
                value,
                value_base64,
            }
        };
        let time = jiff::Timestamp::from_millisecond(record.timestamp).ok();
        Json {
            topic: record.partition.topic.as_str(),
            partition: record.partition.index.0,
            offset: record.offset,
            timestamp: time.filter(|_| record.timestamp >= 0).map(|time| format!("{time:.3}")),
            key,
            value,
            key_base64,
            value_base64,
            headers: record.headers.iter().map(header).collect(),
        }
    }
}

fn readable(bytes: Option<&[u8]>) -> (Option<&str>, Option<String>) {
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(text), None),
        Some((bytes, Err(_))) => (None, Some(base64(bytes))),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for letter in 0..4 {
            let index = (group >> (18 - 6 * letter)) & 63;
            let is_there = letter <= chunk.len();
            text.push(if is_there {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        assert_eq!(readable(Some(b"a")), (Some("a"), None));
        assert_eq!(readable(Some(&[0xff])), (None, Some("/w==".to_owned())));
        assert_eq!(readable(None), (None, None));
    }
}
