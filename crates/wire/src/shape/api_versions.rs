//! The shape of ApiVersions.

use super::field::{BOOL, Field, I16, I32, I64, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("client_software_name", TEXT).from(3),
    field("client_software_version", TEXT).from(3),
];

pub(super) const RESPONSE: &[Field] = &[
    field("error_code", I16),
    field("api_keys", each(API_VERSION)),
    field("throttle_time_ms", I32).from(1),
    field("supported_features", each(SUPPORTED_FEATURE_KEY)).tag(0),
    field("finalized_features_epoch", I64).tag(1),
    field("finalized_features", each(FINALIZED_FEATURE_KEY)).tag(2),
    field("zk_migration_ready", BOOL).tag(3),
];

const FINALIZED_FEATURE_KEY: &[Field] = &[
    field("name", TEXT),
    field("max_version_level", I16),
    field("min_version_level", I16),
];

const SUPPORTED_FEATURE_KEY: &[Field] = &[
    field("name", TEXT),
    field("min_version", I16),
    field("max_version", I16),
];

const API_VERSION: &[Field] = &[
    field("api_key", I16),
    field("min_version", I16),
    field("max_version", I16),
];
