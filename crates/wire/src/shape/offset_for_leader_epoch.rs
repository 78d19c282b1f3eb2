//! The shape of OffsetForLeaderEpoch.

use super::field::{Field, I16, I32, I64, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("replica_id", I32).from(3),
    field("topics", each(OFFSET_FOR_LEADER_TOPIC)),
];

const OFFSET_FOR_LEADER_TOPIC: &[Field] = &[
    field("topic", TEXT),
    field("partitions", each(OFFSET_FOR_LEADER_PARTITION)),
];

const OFFSET_FOR_LEADER_PARTITION: &[Field] = &[
    field("partition", I32),
    field("current_leader_epoch", I32),
    field("leader_epoch", I32),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("topics", each(OFFSET_FOR_LEADER_TOPIC_RESULT)),
];

const OFFSET_FOR_LEADER_TOPIC_RESULT: &[Field] = &[field("topic", TEXT), field("partitions", each(EPOCH_END_OFFSET))];

const EPOCH_END_OFFSET: &[Field] = &[
    field("error_code", I16),
    field("partition", I32),
    field("leader_epoch", I32),
    field("end_offset", I64),
];
