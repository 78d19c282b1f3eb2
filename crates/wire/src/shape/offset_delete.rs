//! The shape of OffsetDelete.

use super::field::{Field, I16, I32, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT),
    field("topics", each(OFFSET_DELETE_REQUEST_TOPIC)),
];

const OFFSET_DELETE_REQUEST_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(OFFSET_DELETE_REQUEST_PARTITION)),
];

const OFFSET_DELETE_REQUEST_PARTITION: &[Field] = &[field("partition_index", I32)];

pub(super) const RESPONSE: &[Field] = &[
    field("error_code", I16),
    field("throttle_time_ms", I32),
    field("topics", each(OFFSET_DELETE_RESPONSE_TOPIC)),
];

const OFFSET_DELETE_RESPONSE_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(OFFSET_DELETE_RESPONSE_PARTITION)),
];

const OFFSET_DELETE_RESPONSE_PARTITION: &[Field] = &[field("partition_index", I32), field("error_code", I16)];
