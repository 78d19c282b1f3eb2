//! The shape of Metadata.

use super::field::{BOOL, Field, I16, I32, TEXT, UUID, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("topics", each(METADATA_REQUEST_TOPIC)).or_null(),
    field("allow_auto_topic_creation", BOOL).from(4),
    field("include_cluster_authorized_operations", BOOL).from(8).until(10),
    field("include_topic_authorized_operations", BOOL).from(8),
];

const METADATA_REQUEST_TOPIC: &[Field] = &[field("topic_id", UUID).from(10), field("name", TEXT).or_null()];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(3),
    field("brokers", each(METADATA_RESPONSE_BROKER)),
    field("cluster_id", TEXT).or_null().from(2),
    field("controller_id", I32).from(1),
    field("topics", each(METADATA_RESPONSE_TOPIC)),
    field("cluster_authorized_operations", I32).from(8).until(10),
    field("error_code", I16).from(13),
];

const METADATA_RESPONSE_TOPIC: &[Field] = &[
    field("error_code", I16),
    field("name", TEXT).or_null(),
    field("topic_id", UUID).from(10),
    field("is_internal", BOOL).from(1),
    field("partitions", each(METADATA_RESPONSE_PARTITION)),
    field("topic_authorized_operations", I32).from(8),
];

const METADATA_RESPONSE_PARTITION: &[Field] = &[
    field("error_code", I16),
    field("partition_index", I32),
    field("leader_id", I32),
    field("leader_epoch", I32).from(7),
    field("replica_nodes", list(I32)),
    field("isr_nodes", list(I32)),
    field("offline_replicas", list(I32)).from(5),
];

const METADATA_RESPONSE_BROKER: &[Field] = &[
    field("node_id", I32),
    field("host", TEXT),
    field("port", I32),
    field("rack", TEXT).or_null().from(1),
];
