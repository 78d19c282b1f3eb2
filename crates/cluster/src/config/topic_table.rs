//! Every property of a topic, by name.

use super::definition::{Allowed, ConfigType, Definition, Synonym};

use Allowed::{Any, AtLeast, Between, GzipLevel, ListOf, OneOf, ThrottledReplicas};
use ConfigType::{Boolean, Double, Int, List, Long, String};

pub(super) const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
pub(super) const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
pub(super) const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The properties of a topic, sorted by name, which is the order in which they are described.
pub const TOPIC_CONFIGS: &[Definition] = &[
    of("cleanup.policy", List, "delete", ListOf(CLEANUP_POLICIES))
        .any_of(&[Synonym {
            name: "log.cleanup.policy",
            scale: 1,
        }])
        .doc(
            "What happens to old records: delete drops whole segments by age and size, compact keeps the newest record \
             of each key; both may be combined, and neither keeps everything.",
        ),
    of("compression.gzip.level", Int, "-1", GzipLevel)
        .any_of(&[Synonym {
            name: "compression.gzip.level",
            scale: 1,
        }])
        .doc("The level used when the topic's compression.type is gzip."),
    of("compression.lz4.level", Int, "9", Between(1, 17))
        .any_of(&[Synonym {
            name: "compression.lz4.level",
            scale: 1,
        }])
        .doc("The level used when the topic's compression.type is lz4."),
    of("compression.type", String, "producer", OneOf(COMPRESSIONS))
        .any_of(&[Synonym {
            name: "compression.type",
            scale: 1,
        }])
        .doc("How the topic's batches are compressed; producer keeps what each producer chose."),
    of("compression.zstd.level", Int, "3", Between(-131_072, 22))
        .any_of(&[Synonym {
            name: "compression.zstd.level",
            scale: 1,
        }])
        .doc("The level used when the topic's compression.type is zstd."),
    of("delete.retention.ms", Long, "86400000", AtLeast(0))
        .any_of(&[Synonym {
            name: "log.cleaner.delete.retention.ms",
            scale: 1,
        }])
        .doc("How long a compacted topic keeps the marker of a deleted key."),
    of("file.delete.delay.ms", Long, "60000", AtLeast(0))
        .any_of(&[Synonym {
            name: "log.segment.delete.delay.ms",
            scale: 1,
        }])
        .doc("How long a deleted segment's files stay before they are removed."),
    of("flush.messages", Long, "9223372036854775807", AtLeast(1))
        .any_of(&[Synonym {
            name: "log.flush.interval.messages",
            scale: 1,
        }])
        .doc("Accepted for compatibility: every acknowledged record is already on stable storage."),
    of("flush.ms", Long, "9223372036854775807", AtLeast(0))
        .any_of(&[
            Synonym {
                name: "log.flush.interval.ms",
                scale: 1,
            },
            Synonym {
                name: "log.flush.scheduler.interval.ms",
                scale: 1,
            },
        ])
        .doc("Accepted for compatibility: every acknowledged record is already on stable storage."),
    of("follower.replication.throttled.replicas", List, "", ThrottledReplicas)
        .doc("The replicas whose fetching is throttled while partitions move."),
    of("index.interval.bytes", Int, "4096", AtLeast(0))
        .any_of(&[Synonym {
            name: "log.index.interval.bytes",
            scale: 1,
        }])
        .doc("After how many bytes of records the offset index gets another entry."),
    of("leader.replication.throttled.replicas", List, "", ThrottledReplicas)
        .doc("The replicas whose serving is throttled while partitions move."),
    of("local.retention.bytes", Long, "-2", AtLeast(-2))
        .any_of(&[Synonym {
            name: "log.local.retention.bytes",
            scale: 1,
        }])
        .doc("With tiered storage, how many bytes of a partition stay local; -2 means as retention.bytes."),
    of("local.retention.ms", Long, "-2", AtLeast(-2))
        .any_of(&[Synonym {
            name: "log.local.retention.ms",
            scale: 1,
        }])
        .doc("With tiered storage, how long records stay local; -2 means as retention.ms."),
    of("max.compaction.lag.ms", Long, "9223372036854775807", AtLeast(1))
        .any_of(&[Synonym {
            name: "log.cleaner.max.compaction.lag.ms",
            scale: 1,
        }])
        .doc("The longest a record may wait for compaction."),
    of("max.message.bytes", Int, "1048588", AtLeast(0))
        .any_of(&[Synonym {
            name: "message.max.bytes",
            scale: 1,
        }])
        .doc("The largest batch a producer may send, in bytes after compression."),
    of("message.timestamp.after.max.ms", Long, "3600000", AtLeast(0))
        .any_of(&[Synonym {
            name: "log.message.timestamp.after.max.ms",
            scale: 1,
        }])
        .doc("How far a record's timestamp may be ahead of the broker's clock."),
    of(
        "message.timestamp.before.max.ms",
        Long,
        "9223372036854775807",
        AtLeast(0),
    )
    .any_of(&[Synonym {
        name: "log.message.timestamp.before.max.ms",
        scale: 1,
    }])
    .doc("How far a record's timestamp may be behind the broker's clock."),
    of("message.timestamp.type", String, "CreateTime", OneOf(TIMESTAMP_TYPES))
        .any_of(&[Synonym {
            name: "log.message.timestamp.type",
            scale: 1,
        }])
        .doc("Whether a record bears the producer's time (CreateTime) or the broker's (LogAppendTime)."),
    of("min.cleanable.dirty.ratio", Double, "0.5", Between(0, 1))
        .any_of(&[Synonym {
            name: "log.cleaner.min.cleanable.ratio",
            scale: 1,
        }])
        .doc("The share of not yet compacted bytes at which a compacted partition is cleaned."),
    of("min.compaction.lag.ms", Long, "0", AtLeast(0))
        .any_of(&[Synonym {
            name: "log.cleaner.min.compaction.lag.ms",
            scale: 1,
        }])
        .doc("The shortest time a record stays before compaction may remove it."),
    of("min.insync.replicas", Int, "1", AtLeast(1))
        .any_of(&[Synonym {
            name: "min.insync.replicas",
            scale: 1,
        }])
        .doc("Accepted for compatibility: an acknowledged record is durable, whatever this says."),
    of("preallocate", Boolean, "false", Any)
        .any_of(&[Synonym {
            name: "log.preallocate",
            scale: 1,
        }])
        .doc("Whether a segment's file gets its full size when it is created."),
    of("remote.log.copy.disable", Boolean, "false", Any)
        .doc("With tiered storage, whether no further segments are copied to the remote tier."),
    of("remote.log.delete.on.disable", Boolean, "false", Any)
        .doc("With tiered storage, whether turning it off deletes what is in the remote tier."),
    of("remote.storage.enable", Boolean, "false", Any).doc("Whether the topic uses Kafka's tiered storage."),
    of("retention.bytes", Long, "-1", Any)
        .any_of(&[Synonym {
            name: "log.retention.bytes",
            scale: 1,
        }])
        .doc("How large a partition may grow before its oldest segments are deleted; -1 means without limit."),
    of("retention.ms", Long, "604800000", AtLeast(-1))
        .any_of(&[
            Synonym {
                name: "log.retention.ms",
                scale: 1,
            },
            Synonym {
                name: "log.retention.minutes",
                scale: MINUTE,
            },
            Synonym {
                name: "log.retention.hours",
                scale: HOUR,
            },
        ])
        .doc("How long records are kept before their segments are deleted; -1 means for ever."),
    of("segment.bytes", Int, "1073741824", AtLeast(1024 * 1024))
        .any_of(&[Synonym {
            name: "log.segment.bytes",
            scale: 1,
        }])
        .doc("At which size a partition starts a new segment."),
    of("segment.index.bytes", Int, "10485760", AtLeast(4))
        .any_of(&[Synonym {
            name: "log.index.size.max.bytes",
            scale: 1,
        }])
        .doc("How large a segment's index may grow."),
    of("segment.jitter.ms", Long, "0", AtLeast(0))
        .any_of(&[
            Synonym {
                name: "log.roll.jitter.ms",
                scale: 1,
            },
            Synonym {
                name: "log.roll.jitter.hours",
                scale: HOUR,
            },
        ])
        .doc("By how much at most segment.ms is shortened at random, so that segments do not all end at once."),
    of("segment.ms", Long, "604800000", AtLeast(1))
        .any_of(&[
            Synonym {
                name: "log.roll.ms",
                scale: 1,
            },
            Synonym {
                name: "log.roll.hours",
                scale: HOUR,
            },
        ])
        .doc("After which time a partition starts a new segment even if the current one is not full."),
    of("unclean.leader.election.enable", Boolean, "false", Any)
        .any_of(&[Synonym {
            name: "unclean.leader.election.enable",
            scale: 1,
        }])
        .doc("Accepted for compatibility: no replica ever leads that lacks an acknowledged record."),
];

const fn of(name: &'static str, kind: ConfigType, default: &'static str, allowed: Allowed) -> Definition {
    Definition {
        name,
        kind,
        default: Some(default),
        allowed,
        synonyms: &[],
        dynamic: true,
        documentation: "",
    }
}

impl Definition {
    /// The broker properties that stand in for it, the strongest first.
    const fn any_of(self, synonyms: &'static [Synonym]) -> Definition {
        Definition { synonyms, ..self }
    }

    const fn doc(self, documentation: &'static str) -> Definition {
        Definition { documentation, ..self }
    }
}
