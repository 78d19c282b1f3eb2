//! The bits of "authorized operations" (KIP-430). Without an authorizer everybody may do everything that exists for a
//! kind of resource, as on Kafka.

/// What stands in the field when it was not asked for.
pub(crate) const NOT_ASKED: i32 = i32::MIN;

/// Operations by their numbers in Kafka's `AclOperation`.
const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

/// On the cluster.
pub(crate) const fn cluster(asked: bool) -> i32 {
    if asked {
        CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE
    } else {
        NOT_ASKED
    }
}

/// On a topic.
pub(crate) const fn topic(asked: bool) -> i32 {
    if asked {
        READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS
    } else {
        NOT_ASKED
    }
}

/// On a group.
pub(crate) const fn group(asked: bool) -> i32 {
    if asked {
        READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS
    } else {
        NOT_ASKED
    }
}
