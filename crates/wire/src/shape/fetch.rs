//! The shape of Fetch.

use super::field::{BYTES, Field, I8, I16, I32, I64, TEXT, UUID, each, field, list, one};

pub(super) const REQUEST: &[Field] = &[
    field("replica_id", I32).until(14),
    field("max_wait_ms", I32),
    field("min_bytes", I32),
    field("max_bytes", I32),
    field("isolation_level", I8),
    field("session_id", I32).from(7),
    field("session_epoch", I32).from(7),
    field("topics", each(FETCH_TOPIC)),
    field("forgotten_topics_data", each(FORGOTTEN_TOPIC)).from(7),
    field("rack_id", TEXT).from(11),
    field("cluster_id", TEXT).or_null().tag(0),
    field("replica_state", one(REPLICA_STATE)).tag(1).from(15),
];

const REPLICA_STATE: &[Field] = &[field("replica_id", I32), field("replica_epoch", I64)];

const FORGOTTEN_TOPIC: &[Field] = &[
    field("topic", TEXT).until(12),
    field("topic_id", UUID).from(13),
    field("partitions", list(I32)),
];

const FETCH_TOPIC: &[Field] = &[
    field("topic", TEXT).until(12),
    field("topic_id", UUID).from(13),
    field("partitions", each(FETCH_PARTITION)),
];

const FETCH_PARTITION: &[Field] = &[
    field("partition", I32),
    field("current_leader_epoch", I32).from(9),
    field("fetch_offset", I64),
    field("last_fetched_epoch", I32).from(12),
    field("log_start_offset", I64).from(5),
    field("partition_max_bytes", I32),
    field("replica_directory_id", UUID).tag(0).from(17),
    field("high_watermark", I64).tag(1).from(18),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("error_code", I16).from(7),
    field("session_id", I32).from(7),
    field("responses", each(FETCHABLE_TOPIC_RESPONSE)),
    field("node_endpoints", each(NODE_ENDPOINT)).tag(0).from(16),
];

const NODE_ENDPOINT: &[Field] = &[
    field("node_id", I32),
    field("host", TEXT),
    field("port", I32),
    field("rack", TEXT).or_null(),
];

const FETCHABLE_TOPIC_RESPONSE: &[Field] = &[
    field("topic", TEXT).until(12),
    field("topic_id", UUID).from(13),
    field("partitions", each(PARTITION_DATA)),
];

const PARTITION_DATA: &[Field] = &[
    field("partition_index", I32),
    field("error_code", I16),
    field("high_watermark", I64),
    field("last_stable_offset", I64),
    field("log_start_offset", I64).from(5),
    field("aborted_transactions", each(ABORTED_TRANSACTION)).or_null(),
    field("preferred_read_replica", I32).from(11),
    field("records", BYTES).or_null(),
    field("diverging_epoch", one(EPOCH_END_OFFSET)).tag(0),
    field("current_leader", one(LEADER_ID_AND_EPOCH)).tag(1),
    field("snapshot_id", one(SNAPSHOT_ID)).tag(2),
];

const SNAPSHOT_ID: &[Field] = &[field("end_offset", I64), field("epoch", I32)];

const LEADER_ID_AND_EPOCH: &[Field] = &[field("leader_id", I32), field("leader_epoch", I32)];

const EPOCH_END_OFFSET: &[Field] = &[field("epoch", I32), field("end_offset", I64)];

const ABORTED_TRANSACTION: &[Field] = &[field("producer_id", I64), field("first_offset", I64)];
