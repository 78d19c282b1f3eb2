//! The shape of IncrementalAlterConfigs.

use super::field::{BOOL, Field, I8, I16, I32, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("resources", each(ALTER_CONFIGS_RESOURCE)),
    field("validate_only", BOOL),
];

const ALTER_CONFIGS_RESOURCE: &[Field] = &[
    field("resource_type", I8),
    field("resource_name", TEXT),
    field("configs", each(ALTERABLE_CONFIG)),
];

const ALTERABLE_CONFIG: &[Field] = &[
    field("name", TEXT),
    field("config_operation", I8),
    field("value", TEXT).or_null(),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("responses", each(ALTER_CONFIGS_RESOURCE_RESPONSE)),
];

const ALTER_CONFIGS_RESOURCE_RESPONSE: &[Field] = &[
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
    field("resource_type", I8),
    field("resource_name", TEXT),
];
