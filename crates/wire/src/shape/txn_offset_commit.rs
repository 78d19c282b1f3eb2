//! The shape of TxnOffsetCommit.

use super::field::{Field, I16, I32, I64, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("transactional_id", TEXT),
    field("group_id", TEXT),
    field("producer_id", I64),
    field("producer_epoch", I16),
    field("generation_id", I32).from(3),
    field("member_id", TEXT).from(3),
    field("group_instance_id", TEXT).or_null().from(3),
    field("topics", each(TOPIC)),
];

const TOPIC: &[Field] = &[field("name", TEXT), field("partitions", each(PARTITION))];

const PARTITION: &[Field] = &[
    field("partition_index", I32),
    field("committed_offset", I64),
    field("committed_leader_epoch", I32).from(2),
    field("committed_metadata", TEXT).or_null(),
];

pub(super) const RESPONSE: &[Field] = &[field("throttle_time_ms", I32), field("topics", each(TOPIC_RESULT))];

const TOPIC_RESULT: &[Field] = &[field("name", TEXT), field("partitions", each(PARTITION_RESULT))];

const PARTITION_RESULT: &[Field] = &[field("partition_index", I32), field("error_code", I16)];
