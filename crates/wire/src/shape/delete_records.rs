//! The shape of DeleteRecords.

use super::field::{Field, I16, I32, I64, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[field("topics", each(DELETE_RECORDS_TOPIC)), field("timeout_ms", I32)];

const DELETE_RECORDS_TOPIC: &[Field] = &[field("name", TEXT), field("partitions", each(DELETE_RECORDS_PARTITION))];

const DELETE_RECORDS_PARTITION: &[Field] = &[field("partition_index", I32), field("offset", I64)];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("topics", each(DELETE_RECORDS_TOPIC_RESULT)),
];

const DELETE_RECORDS_TOPIC_RESULT: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(DELETE_RECORDS_PARTITION_RESULT)),
];

const DELETE_RECORDS_PARTITION_RESULT: &[Field] = &[
    field("partition_index", I32),
    field("low_watermark", I64),
    field("error_code", I16),
];
