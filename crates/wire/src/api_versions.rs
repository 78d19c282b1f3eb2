//! What ApiVersions answers: the table, told to clients.

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use ottla_model::ErrorCode;

use crate::table::{Api, Row, TABLE};

/// The answer that names every API in the table. Features, and the error of a bad client software name, are for the
/// caller to add.
pub fn response() -> ApiVersionsResponse {
    let keys = TABLE.iter().map(|row| advertise(row)).collect();
    ApiVersionsResponse::default().with_api_keys(keys)
}

/// The answer to a version that is not spoken: UNSUPPORTED_VERSION and the range of ApiVersions alone. It must be
/// encoded in version 0, the only one that every client can read (KIP-511).
pub fn fallback() -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.number())
        .with_api_keys(vec![advertise(Api::ApiVersions.row())])
}

fn advertise(row: &Row) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(row.key)
        .with_min_version(row.advertised.min)
        .with_max_version(row.advertised.max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    #[test]
    fn the_whole_table_is_told() {
        let answer = response();
        assert_eq!(answer.api_keys.len(), TABLE.len());
        assert_eq!(answer.api_keys[0], ApiVersion::default().with_max_version(13));
        for version in Api::ApiVersions.handled().iter() {
            encode(Api::ApiVersions, version, 1, &answer).unwrap();
        }
    }

    #[test]
    fn the_fallback_is_kafkas_bytes() {
        let frame = encode(Api::ApiVersions, 0, 5, &fallback()).unwrap();
        let expected = [0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        assert_eq!(frame.as_ref(), expected);
    }
}
