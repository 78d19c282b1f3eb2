//! The shape of CreatePartitions.

use super::field::{BOOL, Field, I16, I32, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("topics", each(CREATE_PARTITIONS_TOPIC)),
    field("timeout_ms", I32),
    field("validate_only", BOOL),
];

const CREATE_PARTITIONS_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("count", I32),
    field("assignments", each(CREATE_PARTITIONS_ASSIGNMENT)).or_null(),
];

const CREATE_PARTITIONS_ASSIGNMENT: &[Field] = &[field("broker_ids", list(I32))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("results", each(CREATE_PARTITIONS_TOPIC_RESULT)),
];

const CREATE_PARTITIONS_TOPIC_RESULT: &[Field] = &[
    field("name", TEXT),
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
];
