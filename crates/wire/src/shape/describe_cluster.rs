//! The shape of DescribeCluster.

use super::field::{BOOL, Field, I8, I16, I32, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("include_cluster_authorized_operations", BOOL),
    field("endpoint_type", I8).from(1),
    field("include_fenced_brokers", BOOL).from(2),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
    field("endpoint_type", I8).from(1),
    field("cluster_id", TEXT),
    field("controller_id", I32),
    field("brokers", each(DESCRIBE_CLUSTER_BROKER)),
    field("cluster_authorized_operations", I32),
];

const DESCRIBE_CLUSTER_BROKER: &[Field] = &[
    field("broker_id", I32),
    field("host", TEXT),
    field("port", I32),
    field("rack", TEXT).or_null(),
    field("is_fenced", BOOL).from(2),
];
