//! The shape of DescribeConfigs.

use super::field::{BOOL, Field, I8, I16, I32, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("resources", each(DESCRIBE_CONFIGS_RESOURCE)),
    field("include_synonyms", BOOL),
    field("include_documentation", BOOL).from(3),
];

const DESCRIBE_CONFIGS_RESOURCE: &[Field] = &[
    field("resource_type", I8),
    field("resource_name", TEXT),
    field("configuration_keys", list(TEXT)).or_null(),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("results", each(DESCRIBE_CONFIGS_RESULT)),
];

const DESCRIBE_CONFIGS_RESULT: &[Field] = &[
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
    field("resource_type", I8),
    field("resource_name", TEXT),
    field("configs", each(DESCRIBE_CONFIGS_RESOURCE_RESULT)),
];

const DESCRIBE_CONFIGS_RESOURCE_RESULT: &[Field] = &[
    field("name", TEXT),
    field("value", TEXT).or_null(),
    field("read_only", BOOL),
    field("config_source", I8),
    field("is_sensitive", BOOL),
    field("synonyms", each(DESCRIBE_CONFIGS_SYNONYM)),
    field("config_type", I8).from(3),
    field("documentation", TEXT).or_null().from(3),
];

const DESCRIBE_CONFIGS_SYNONYM: &[Field] = &[field("name", TEXT), field("value", TEXT).or_null(), field("source", I8)];
