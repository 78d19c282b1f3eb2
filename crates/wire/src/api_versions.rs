//! What ApiVersions answers: the table, told to clients.

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::protocol::StrBytes;
use ottla_model::ErrorCode;

use crate::table::{Api, Row, TABLE, Versions};

/// A feature that clients may rely on, with the levels that are spoken: KIP-584.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Kafka's name for it.
    pub name: &'static str,
    /// The levels.
    pub levels: Versions,
}

/// The features of this broker. Others of Kafka's say nothing to clients.
pub const FEATURES: &[Feature] = &[Feature {
    name: "transaction.version",
    levels: Versions { min: 0, max: 2 },
}];

/// The answer that names every API in the table. Features ([`with_features`]), and the error of a bad client software
/// name, are for the caller to add.
pub fn response() -> ApiVersionsResponse {
    let keys = TABLE.iter().map(|row| advertise(row)).collect();
    ApiVersionsResponse::default().with_api_keys(keys)
}

/// Adds the features in [`FEATURES`] to an answer of `version`, and the levels the cluster has agreed on; `epoch` says when.
pub fn with_features(
    answer: ApiVersionsResponse,
    version: i16,
    finalized: &[(&'static str, i16)],
    epoch: i64,
) -> ApiVersionsResponse {
    // Clients before v4 cannot read a lowest level of 0 and are not told of such features (KAFKA-17011).
    let can_read = |feature: &&Feature| feature.levels.min > 0 || version >= LEVEL_ZERO_SINCE;
    let supported = FEATURES.iter().filter(can_read).map(|feature| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version(feature.levels.min)
            .with_max_version(feature.levels.max)
    });
    let finalized = finalized.iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    answer
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(epoch)
}

/// The first version whose readers take a lowest level of 0.
const LEVEL_ZERO_SINCE: i16 = 4;

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
    fn features_are_told_to_those_who_can_read_their_lowest_level() {
        for version in Api::ApiVersions.handled().iter() {
            let answer = with_features(response(), version, &[("transaction.version", 2)], 7);
            encode(Api::ApiVersions, version, 1, &answer).unwrap();
            assert_eq!(answer.supported_features.len(), usize::from(version >= 4));
            assert_eq!(answer.finalized_features[0].max_version_level, 2);
        }
    }

    #[test]
    fn the_fallback_is_kafkas_bytes() {
        let frame = encode(Api::ApiVersions, 0, 5, &fallback()).unwrap();
        let expected = [0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        assert_eq!(frame.as_ref(), expected);
    }
}
