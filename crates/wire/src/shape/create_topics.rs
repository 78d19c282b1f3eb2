//! The shape of CreateTopics.

use super::field::{BOOL, Field, I8, I16, I32, TEXT, UUID, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("topics", each(CREATABLE_TOPIC)),
    field("timeout_ms", I32),
    field("validate_only", BOOL),
];

const CREATABLE_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("num_partitions", I32),
    field("replication_factor", I16),
    field("assignments", each(CREATABLE_REPLICA_ASSIGNMENT)),
    field("configs", each(CREATABLE_TOPIC_CONFIG)),
];

const CREATABLE_TOPIC_CONFIG: &[Field] = &[field("name", TEXT), field("value", TEXT).or_null()];

const CREATABLE_REPLICA_ASSIGNMENT: &[Field] = &[field("partition_index", I32), field("broker_ids", list(I32))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("topics", each(CREATABLE_TOPIC_RESULT)),
];

const CREATABLE_TOPIC_RESULT: &[Field] = &[
    field("name", TEXT),
    field("topic_id", UUID).from(7),
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
    field("num_partitions", I32).from(5),
    field("replication_factor", I16).from(5),
    field("configs", each(CREATABLE_TOPIC_CONFIGS)).or_null().from(5),
    field("topic_config_error_code", I16).tag(0),
];

const CREATABLE_TOPIC_CONFIGS: &[Field] = &[
    field("name", TEXT),
    field("value", TEXT).or_null(),
    field("read_only", BOOL),
    field("config_source", I8),
    field("is_sensitive", BOOL),
];
