//! The shape of DescribeProducers.

use super::field::{Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[field("topics", each(TOPIC))];

const TOPIC: &[Field] = &[field("name", TEXT), field("partition_indexes", list(I32))];

pub(super) const RESPONSE: &[Field] = &[field("throttle_time_ms", I32), field("topics", each(TOPIC_RESULT))];

const TOPIC_RESULT: &[Field] = &[field("name", TEXT), field("partitions", each(PARTITION_RESULT))];

const PARTITION_RESULT: &[Field] = &[
    field("partition_index", I32),
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
    field("active_producers", each(PRODUCER)),
];

const PRODUCER: &[Field] = &[
    field("producer_id", I64),
    field("producer_epoch", I32),
    field("last_sequence", I32),
    field("last_timestamp", I64),
    field("coordinator_epoch", I32),
    field("current_txn_start_offset", I64),
];
