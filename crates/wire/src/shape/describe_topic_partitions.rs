//! The shape of DescribeTopicPartitions.

use super::field::{BOOL, Field, I16, I32, TEXT, UUID, each, field, list, one};

pub(super) const REQUEST: &[Field] = &[
    field("topics", each(TOPIC_REQUEST)),
    field("response_partition_limit", I32),
    field("cursor", one(CURSOR)).or_null(),
];

const CURSOR: &[Field] = &[field("topic_name", TEXT), field("partition_index", I32)];

const TOPIC_REQUEST: &[Field] = &[field("name", TEXT)];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("topics", each(DESCRIBE_TOPIC_PARTITIONS_RESPONSE_TOPIC)),
    field("next_cursor", one(CURSOR)).or_null(),
];

const DESCRIBE_TOPIC_PARTITIONS_RESPONSE_TOPIC: &[Field] = &[
    field("error_code", I16),
    field("name", TEXT).or_null(),
    field("topic_id", UUID),
    field("is_internal", BOOL),
    field("partitions", each(DESCRIBE_TOPIC_PARTITIONS_RESPONSE_PARTITION)),
    field("topic_authorized_operations", I32),
];

const DESCRIBE_TOPIC_PARTITIONS_RESPONSE_PARTITION: &[Field] = &[
    field("error_code", I16),
    field("partition_index", I32),
    field("leader_id", I32),
    field("leader_epoch", I32),
    field("replica_nodes", list(I32)),
    field("isr_nodes", list(I32)),
    field("eligible_leader_replicas", list(I32)).or_null(),
    field("last_known_elr", list(I32)).or_null(),
    field("offline_replicas", list(I32)),
];
