//! The shape of ListOffsets.

use super::field::{Field, I8, I16, I32, I64, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("replica_id", I32),
    field("isolation_level", I8).from(2),
    field("topics", each(LIST_OFFSETS_TOPIC)),
    field("timeout_ms", I32).from(10),
];

const LIST_OFFSETS_TOPIC: &[Field] = &[field("name", TEXT), field("partitions", each(LIST_OFFSETS_PARTITION))];

const LIST_OFFSETS_PARTITION: &[Field] = &[
    field("partition_index", I32),
    field("current_leader_epoch", I32).from(4),
    field("timestamp", I64),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(2),
    field("topics", each(LIST_OFFSETS_TOPIC_RESPONSE)),
];

const LIST_OFFSETS_TOPIC_RESPONSE: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(LIST_OFFSETS_PARTITION_RESPONSE)),
];

const LIST_OFFSETS_PARTITION_RESPONSE: &[Field] = &[
    field("partition_index", I32),
    field("error_code", I16),
    field("timestamp", I64),
    field("offset", I64),
    field("leader_epoch", I32).from(4),
];
