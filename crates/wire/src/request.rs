//! Bodies of requests: checked, decoded, and nothing left over.

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use crate::table::Api;

/// Decodes the body of a request of `api` in `version`, as [`crate::RequestHeader::decode`] left it.
///
/// Strings, bytes and records of the message are slices of `body`: nothing is copied, and whoever keeps them keeps the
/// whole frame alive.
pub fn decode<M: Decodable>(api: Api, version: i16, mut body: Bytes) -> Result<M, DecodeFault> {
    let fault = |what: String| DecodeFault { api, version, what };
    let message = M::decode(&mut body, version).map_err(|error| fault(error.to_string()))?;
    if body.is_empty() {
        Ok(message)
    } else {
        Err(fault(format!("{} bytes are left over", body.len())))
    }
}

/// Why a body cannot be decoded. Kafka closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {api} request, version {version}: {what}")]
pub struct DecodeFault {
    /// What was asked.
    pub api: Api,
    /// In which version.
    pub version: i16,
    /// What was wrong.
    pub what: String,
}
