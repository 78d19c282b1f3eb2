//! The shape of DescribeLogDirs.

use super::field::{BOOL, Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[field("topics", each(DESCRIBABLE_LOG_DIR_TOPIC)).or_null()];

const DESCRIBABLE_LOG_DIR_TOPIC: &[Field] = &[field("topic", TEXT), field("partitions", list(I32))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("error_code", I16).from(3),
    field("results", each(DESCRIBE_LOG_DIRS_RESULT)),
];

const DESCRIBE_LOG_DIRS_RESULT: &[Field] = &[
    field("error_code", I16),
    field("log_dir", TEXT),
    field("topics", each(DESCRIBE_LOG_DIRS_TOPIC)),
    field("total_bytes", I64).from(4),
    field("usable_bytes", I64).from(4),
];

const DESCRIBE_LOG_DIRS_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(DESCRIBE_LOG_DIRS_PARTITION)),
];

const DESCRIBE_LOG_DIRS_PARTITION: &[Field] = &[
    field("partition_index", I32),
    field("partition_size", I64),
    field("offset_lag", I64),
    field("is_future_key", BOOL),
];
