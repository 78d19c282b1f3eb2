//! Every property of a broker that Ottla honours, by name. Those Kafka knows beyond them are named in `known`.

use super::definition::{Allowed, ConfigType, Definition};
use super::topic_table::{CLEANUP_POLICIES, COMPRESSIONS, TIMESTAMP_TYPES};

use Allowed::{Any, AtLeast, Between, GzipLevel, ListOf, Listeners, OneOf, OneOfIgnoringCase};
use ConfigType::{Boolean, Double, Int, List, Long, Short, String};

const MIGRATION_POLICIES: &[&str] = &["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"];

/// The properties of a broker, sorted by name.
pub const BROKER_CONFIGS: &[Definition] = &[
    unset("advertised.listeners", List, Listeners)
        .about("The addresses clients are told to use; without it a client is told the address it came by."),
    of("auto.create.topics.enable", Boolean, "true", Any)
        .about("Whether a topic comes into being when a client first asks for it."),
    of("broker.id", Int, "-1", AtLeast(-1)).about("The older name of node.id."),
    unset("broker.rack", String, Any).about("The rack or zone of the broker, told to clients."),
    of("compression.gzip.level", Int, "-1", GzipLevel)
        .dynamic()
        .about("The level used for topics whose compression.type is gzip."),
    of("compression.lz4.level", Int, "9", Between(1, 17))
        .dynamic()
        .about("The level used for topics whose compression.type is lz4."),
    of("compression.type", String, "producer", OneOf(COMPRESSIONS))
        .dynamic()
        .about("How batches are compressed; producer keeps what each producer chose."),
    of("compression.zstd.level", Int, "3", Between(-131_072, 22))
        .dynamic()
        .about("The level used for topics whose compression.type is zstd."),
    of("connections.max.idle.ms", Long, "600000", Any)
        .about("After which time without a request a connection is closed."),
    of("default.replication.factor", Int, "1", AtLeast(1))
        .about("Accepted for compatibility: every partition has one replica, on durable storage."),
    of("delete.topic.enable", Boolean, "true", Any).about("Whether topics can be deleted."),
    of("fetch.max.bytes", Int, "57671680", AtLeast(1024)).about("The most a fetch answers, in bytes."),
    of("group.consumer.assignment.interval.ms", Int, "1000", AtLeast(0))
        .dynamic()
        .about("How long a consumer group waits between two assignments, so that many changes make one."),
    of("group.consumer.assignors", List, "uniform,range", Any)
        .about("The assignors of consumer groups, the default first."),
    of("group.consumer.heartbeat.interval.ms", Int, "5000", AtLeast(1))
        .about("How often a member of a consumer group shows that it lives."),
    of("group.consumer.max.assignment.interval.ms", Int, "15000", AtLeast(0))
        .about("The longest assignment interval a consumer group may have."),
    of("group.consumer.max.heartbeat.interval.ms", Int, "15000", AtLeast(1))
        .about("The longest heartbeat interval a consumer group may have."),
    of("group.consumer.max.session.timeout.ms", Int, "60000", AtLeast(1))
        .about("The longest session time-out a consumer group may have."),
    of("group.consumer.max.size", Int, "2147483647", AtLeast(1)).about("The most members a consumer group may have."),
    of(
        "group.consumer.migration.policy",
        String,
        "bidirectional",
        OneOfIgnoringCase(MIGRATION_POLICIES),
    )
    .about(
        "Whether a classic group may become a consumer group (upgrade), and back (downgrade), while it has members.",
    ),
    of("group.consumer.min.assignment.interval.ms", Int, "0", AtLeast(0))
        .about("The shortest assignment interval a consumer group may have."),
    of("group.consumer.min.heartbeat.interval.ms", Int, "5000", AtLeast(1))
        .about("The shortest heartbeat interval a consumer group may have."),
    of("group.consumer.min.session.timeout.ms", Int, "45000", AtLeast(1))
        .about("The shortest session time-out a consumer group may have."),
    of("group.consumer.session.timeout.ms", Int, "45000", AtLeast(1))
        .about("After which silence a member of a consumer group is removed."),
    of("group.initial.rebalance.delay.ms", Int, "3000", AtLeast(0))
        .about("How long the first rebalance of an empty classic group waits for more members."),
    of("group.max.session.timeout.ms", Int, "1800000", AtLeast(1))
        .about("The longest session time-out a classic member may ask for."),
    of("group.max.size", Int, "2147483647", AtLeast(1)).about("The most members a classic group may have."),
    of("group.min.session.timeout.ms", Int, "6000", AtLeast(1))
        .about("The shortest session time-out a classic member may ask for."),
    of("listeners", List, "PLAINTEXT://:9092", Listeners).about("The addresses the broker listens on."),
    of("log.cleaner.backoff.ms", Long, "15000", AtLeast(0))
        .dynamic()
        .about("How long the cleaner rests when nothing is to be cleaned."),
    of("log.cleaner.dedupe.buffer.size", Long, "134217728", AtLeast(1))
        .dynamic()
        .about("How much memory the cleaner may use to tell keys apart."),
    of("log.cleaner.delete.retention.ms", Long, "86400000", AtLeast(0))
        .dynamic()
        .about("How long compacted topics keep the marker of a deleted key."),
    of("log.cleaner.enable", Boolean, "true", Any).about("Whether compacted topics are cleaned."),
    of(
        "log.cleaner.io.max.bytes.per.second",
        Double,
        "1.7976931348623157E308",
        AtLeast(1),
    )
    .dynamic()
    .about("How many bytes per second the cleaner may read and write."),
    of(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        "9223372036854775807",
        AtLeast(1),
    )
    .dynamic()
    .about("The longest a record may wait for compaction."),
    of("log.cleaner.min.cleanable.ratio", Double, "0.5", Between(0, 1))
        .dynamic()
        .about("The share of not yet compacted bytes at which a partition is cleaned."),
    of("log.cleaner.min.compaction.lag.ms", Long, "0", AtLeast(0))
        .dynamic()
        .about("The shortest time a record stays before compaction may remove it."),
    of("log.cleaner.threads", Int, "1", AtLeast(0))
        .dynamic()
        .about("How many cleaners work at a time."),
    of("log.cleanup.policy", List, "delete", ListOf(CLEANUP_POLICIES))
        .dynamic()
        .about("What happens to old records of topics that do not say it themselves."),
    of("log.dir", List, "/tmp/kafka-logs", Any).about("The data directory, where log.dirs is not set."),
    unset("log.dirs", List, Any).about("The data directories; Ottla uses one."),
    of("log.flush.interval.messages", Long, "9223372036854775807", AtLeast(1))
        .dynamic()
        .about("Accepted for compatibility: every acknowledged record is already on stable storage."),
    unset("log.flush.interval.ms", Long, Any)
        .dynamic()
        .about("Accepted for compatibility: every acknowledged record is already on stable storage."),
    of("log.flush.scheduler.interval.ms", Long, "9223372036854775807", Any)
        .about("Accepted for compatibility: every acknowledged record is already on stable storage."),
    of("log.index.interval.bytes", Int, "4096", AtLeast(0))
        .dynamic()
        .about("After how many bytes of records an offset index gets another entry."),
    of("log.index.size.max.bytes", Int, "10485760", AtLeast(4))
        .dynamic()
        .about("How large a segment's index may grow."),
    of("log.local.retention.bytes", Long, "-2", AtLeast(-2))
        .dynamic()
        .about("With tiered storage, how many bytes of a partition stay local."),
    of("log.local.retention.ms", Long, "-2", AtLeast(-2))
        .dynamic()
        .about("With tiered storage, how long records stay local."),
    of("log.message.timestamp.after.max.ms", Long, "3600000", AtLeast(0))
        .dynamic()
        .about("How far a record's timestamp may be ahead of the broker's clock."),
    of(
        "log.message.timestamp.before.max.ms",
        Long,
        "9223372036854775807",
        AtLeast(0),
    )
    .dynamic()
    .about("How far a record's timestamp may be behind the broker's clock."),
    of(
        "log.message.timestamp.type",
        String,
        "CreateTime",
        OneOf(TIMESTAMP_TYPES),
    )
    .dynamic()
    .about("Whether a record bears the producer's time or the broker's."),
    of("log.preallocate", Boolean, "false", Any)
        .dynamic()
        .about("Whether a segment's file gets its full size when it is created."),
    of("log.retention.bytes", Long, "-1", Any)
        .dynamic()
        .about("How large a partition may grow before its oldest segments are deleted."),
    of("log.retention.check.interval.ms", Long, "300000", AtLeast(1))
        .about("How often segments that are too old or too many are looked for."),
    of("log.retention.hours", Int, "168", Any).about("How long records are kept, in hours."),
    unset("log.retention.minutes", Int, Any)
        .about("How long records are kept, in minutes; goes before log.retention.hours."),
    unset("log.retention.ms", Long, Any)
        .dynamic()
        .about("How long records are kept; goes before log.retention.minutes."),
    of("log.roll.hours", Int, "168", AtLeast(1)).about("After which time a partition starts a new segment, in hours."),
    of("log.roll.jitter.hours", Int, "0", AtLeast(0))
        .about("By how much at most the time of a segment is shortened at random, in hours."),
    unset("log.roll.jitter.ms", Long, Any)
        .dynamic()
        .about("By how much at most the time of a segment is shortened at random."),
    unset("log.roll.ms", Long, Any)
        .dynamic()
        .about("After which time a partition starts a new segment; goes before log.roll.hours."),
    of("log.segment.bytes", Int, "1073741824", AtLeast(1024 * 1024))
        .dynamic()
        .about("At which size a partition starts a new segment."),
    of("log.segment.delete.delay.ms", Long, "60000", AtLeast(0))
        .dynamic()
        .about("How long a deleted segment's files stay before they are removed."),
    of("max.connections", Int, "2147483647", AtLeast(0))
        .dynamic()
        .about("The most connections at a time."),
    of("max.connections.per.ip", Int, "2147483647", AtLeast(0))
        .dynamic()
        .about("The most connections at a time from one address."),
    of("max.incremental.fetch.session.cache.slots", Int, "1000", AtLeast(0))
        .about("How many incremental fetch sessions are kept."),
    of("max.request.partition.size.limit", Int, "2000", AtLeast(1))
        .about("How many partitions one DescribeTopicPartitions answers."),
    of("message.max.bytes", Int, "1048588", AtLeast(0))
        .dynamic()
        .about("The largest batch a producer may send, in bytes after compression."),
    of("min.insync.replicas", Int, "1", AtLeast(1))
        .dynamic()
        .about("Accepted for compatibility: an acknowledged record is durable, whatever this says."),
    unset("node.id", Int, AtLeast(0)).about("The number of the broker in its cluster."),
    of("num.partitions", Int, "1", AtLeast(1)).about("How many partitions a topic gets that does not say it itself."),
    of("offset.metadata.max.bytes", Int, "4096", Any).about("The longest text a committed offset may carry."),
    of("offsets.commit.timeout.ms", Int, "5000", AtLeast(1))
        .about("How long an offset commit may take to become durable."),
    of("offsets.retention.check.interval.ms", Long, "600000", AtLeast(1))
        .about("How often expired offsets are looked for."),
    of("offsets.retention.minutes", Int, "10080", AtLeast(1)).about("How long offsets of an empty group are kept."),
    of("offsets.topic.num.partitions", Int, "50", AtLeast(1))
        .about("How many partitions __consumer_offsets gets; never change it later."),
    of("offsets.topic.replication.factor", Short, "3", AtLeast(1))
        .about("Accepted for compatibility: every partition has one replica, on durable storage."),
    of("offsets.topic.segment.bytes", Int, "104857600", AtLeast(1))
        .about("At which size __consumer_offsets starts a new segment."),
    of("ottla.connection.requests.max", Int, "100", AtLeast(1))
        .about("How many requests of one connection may be in progress."),
    of("ottla.journal.bytes.max", Long, "1073741824", AtLeast(1048576))
        .about("How large the journal may grow before producers have to wait."),
    of("ottla.journal.file.bytes", Long, "67108864", AtLeast(1048576)).about("The size of one file of the journal."),
    of("ottla.partitions.max", Int, "100000", AtLeast(1)).about("The most partitions of all topics together."),
    of("ottla.partitions.per.topic.max", Int, "10000", AtLeast(1)).about("The most partitions of one topic."),
    of("ottla.producer.snapshot.bytes", Long, "1048576", AtLeast(0)).about(
        "How much is written to a partition before its producers are written down again; a start reads as much.",
    ),
    of("ottla.segment.direct.bytes.min", Int, "131072", AtLeast(4096))
        .about("From which size on pieces of segments are written and read past the page cache."),
    of("ottla.tail.cache.bytes", Long, "16777216", AtLeast(0))
        .about("How much memory holds the newest records for consumers that keep up."),
    of("producer.id.expiration.ms", Int, "86400000", AtLeast(1))
        .dynamic()
        .about("After which silence a producer's sequence numbers are forgotten."),
    of("queued.max.request.bytes", Long, "-1", Any)
        .about("How many bytes of requests may be in progress; -1 means without limit."),
    of("queued.max.requests", Int, "500", AtLeast(1)).about("How many requests may be in progress."),
    of("request.timeout.ms", Int, "30000", AtLeast(0)).about("How long a request to another broker may take."),
    of("share.coordinator.state.topic.num.partitions", Int, "50", AtLeast(1))
        .about("How many partitions __share_group_state gets; never change it later."),
    of(
        "share.coordinator.state.topic.replication.factor",
        Short,
        "3",
        AtLeast(1),
    )
    .about("Accepted for compatibility: every partition has one replica, on durable storage."),
    of(
        "share.coordinator.state.topic.segment.bytes",
        Int,
        "104857600",
        AtLeast(1),
    )
    .about("At which size __share_group_state starts a new segment."),
    of("socket.receive.buffer.bytes", Int, "102400", AtLeast(-1))
        .about("The receive buffer of a connection; -1 leaves it to the system."),
    of("socket.request.max.bytes", Int, "104857600", AtLeast(1)).about("The largest request, in bytes."),
    of("socket.send.buffer.bytes", Int, "102400", AtLeast(-1))
        .about("The send buffer of a connection; -1 leaves it to the system."),
    of(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Int,
        "10000",
        AtLeast(1),
    )
    .about("How often transactions that took too long are looked for."),
    of("transaction.max.timeout.ms", Int, "900000", AtLeast(1)).about("The longest a transaction may take."),
    of("transaction.partition.verification.enable", Boolean, "true", Any)
        .dynamic()
        .about("Whether a transactional batch is refused whose partition was not announced."),
    of(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Int,
        "3600000",
        AtLeast(1),
    )
    .about("How often expired transactional ids are looked for."),
    of("transaction.state.log.min.isr", Int, "2", AtLeast(1))
        .about("Accepted for compatibility: an acknowledged record is durable, whatever this says."),
    of("transaction.state.log.num.partitions", Int, "50", AtLeast(1))
        .about("How many partitions __transaction_state gets; never change it later."),
    of("transaction.state.log.replication.factor", Short, "3", AtLeast(1))
        .about("Accepted for compatibility: every partition has one replica, on durable storage."),
    of("transaction.state.log.segment.bytes", Int, "104857600", AtLeast(1))
        .about("At which size __transaction_state starts a new segment."),
    of("transactional.id.expiration.ms", Int, "604800000", AtLeast(1))
        .about("After which silence a transactional id is forgotten."),
    of("unclean.leader.election.enable", Boolean, "false", Any)
        .dynamic()
        .about("Accepted for compatibility: no replica ever leads that lacks an acknowledged record."),
];

const fn of(name: &'static str, kind: ConfigType, default: &'static str, allowed: Allowed) -> Definition {
    unset(name, kind, allowed).with_default(default)
}

/// A property that is null where nobody sets it.
const fn unset(name: &'static str, kind: ConfigType, allowed: Allowed) -> Definition {
    Definition {
        name,
        kind,
        default: None,
        allowed,
        synonyms: &[],
        dynamic: false,
        documentation: "",
    }
}

impl Definition {
    const fn with_default(self, default: &'static str) -> Definition {
        Definition {
            default: Some(default),
            ..self
        }
    }

    /// It can be changed while the broker runs.
    const fn dynamic(self) -> Definition {
        Definition { dynamic: true, ..self }
    }

    const fn about(self, documentation: &'static str) -> Definition {
        Definition { documentation, ..self }
    }
}
