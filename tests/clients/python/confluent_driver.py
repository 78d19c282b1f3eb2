"""The driver on confluent-kafka, Python's binding of librdkafka."""

import contextlib
import os
import sys
import time
import uuid

import confluent_kafka
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_STORED,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

import driver
import transactions
from driver import Failure, grouped, option, texts

BATCH_RECORDS_MAX = 500
REQUEST_SECONDS = 30
SEEK_SECONDS_MAX = 5
ERROR_INTERVAL_SECONDS = 1
DELIVERY_TIMEOUT_MS = 120_000
FLUSH_SECONDS_AFTER_STOP = 10
BROKER_CODE_MAX = 150

OFFSETS = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END, "committed": OFFSET_STORED}

# The group states as Kafka writes them; the library has its own words for two of them.
GROUP_STATES = {
    "PREPARING_REBALANCING": "PreparingRebalance",
    "COMPLETING_REBALANCING": "CompletingRebalance",
}


class Confluent(driver.Client):
    """confluent-kafka as the shared driver sees it."""

    name = "confluent-kafka"
    version = confluent_kafka.__version__

    def session(self, command, listener):
        return ConfluentSession(command, listener)

    def produce(self, command, outgoing, tally):
        acks = str(option(command, "acks", "all"))
        config = common_config(command) | {
            "acks": acks,
            "enable.idempotence": option(command, "idempotent", True) and acks in ("all", "-1"),
            "compression.type": option(command, "compression", "none"),
            "message.timeout.ms": DELIVERY_TIMEOUT_MS,
        }
        producer = Producer(config)
        for i, value, key, partition in outgoing:
            self._send(producer, command["topic"], tally, i, value, key, partition)
        producer.flush(FLUSH_SECONDS_AFTER_STOP if outgoing.stopped else DELIVERY_TIMEOUT_MS / 1000 + 10)

    def _send(self, producer, topic, tally, i, value, key, partition):
        def delivered(error, message):
            if error is None:
                tally.acked(i, message.partition(), message.offset())
            else:
                tally.failed(self.explain(KafkaException(error))[0])

        fields = {} if partition is None else {"partition": partition}
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=delivered, **fields)
                break
            except BufferError:
                producer.poll(0.1)  # The local queue is full until some deliveries are done.
            except KafkaException as exception:
                tally.failed(self.explain(exception)[0])
                break
        producer.poll(0)

    def transactional(self, command):
        return transactions.TransactionalProducer(command, common_config(command))

    def transform(self, command, tell):
        return transactions.Transform(command, consumer_config(command), common_config(command), tell)

    @contextlib.contextmanager
    def admin(self, bootstrap):
        yield ConfluentAdmin(AdminClient(common_config({"bootstrap": bootstrap})))

    def describe(self, exception):
        error = kafka_error(exception)
        if error is None:
            return "CLIENT", repr(exception)
        if error.code() == KafkaError._FATAL:
            return fatal_cause(error.str()), error.str()
        # Codes below -1 are librdkafka's own; -1 is Kafka's unknown server error.
        return error.name() if error.code() >= -1 else "CLIENT", error.str()

    def gives_up(self, exception):
        error = kafka_error(exception)
        return error is not None and is_fatal(error)


class ConfluentSession(driver.Session):
    """A `confluent_kafka.Consumer`.

    Messages come one by one. They are gathered into batches, and a batch is handed on before a rebalance callback
    takes its partitions away.
    """

    def __init__(self, command, listener):
        self._listener = listener
        self._gathered = []
        self._fatal = None
        self._has_group = bool(command.get("group"))
        self._reset = OFFSETS[option(command, "reset", "earliest")]
        self._starts = {}
        self._error_times = {}
        self._incremental = (
            option(command, "assignor", "range") == "cooperative-sticky"
            or option(command, "group_protocol", "classic") == "consumer"
        )
        self._consumer = Consumer(consumer_config(command) | {"error_cb": self._on_error})
        if command["cmd"] == "consumer":
            self._consumer.subscribe(
                command["topics"], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
        else:
            self._assign(command)

    def poll(self, seconds):
        deadline = time.monotonic() + seconds
        while len(self._gathered) < BATCH_RECORDS_MAX:
            message = self._consumer.poll(0 if self._gathered else max(0.0, deadline - time.monotonic()))
            if message is None:
                break
            if message.error() is not None:
                if is_fatal(message.error()):
                    self._fatal = message.error()
                else:
                    self._listener.error(KafkaException(message.error()), "poll")
                break
            self._gathered.append((message.topic(), message.partition(), message.offset(), message.value()))
        if self._fatal is not None:
            raise KafkaException(self._fatal)
        return self._take()

    def commit(self, offsets):
        if not self._has_group:
            raise Failure("CLIENT", "nothing can be committed without a group")
        partitions = [TopicPartition(topic, partition, offset) for topic, partition, offset in offsets]
        for partition in self._consumer.commit(offsets=partitions, asynchronous=False):
            if partition.error is not None:
                raise KafkaException(partition.error)

    def positions(self):
        found = offsets_of(self._consumer.position(self._consumer.assignment()))
        return [
            (topic, partition, offset if offset >= 0 else self._start(topic, partition))
            for topic, partition, offset in found
        ]

    def assignment(self):
        return pairs(self._consumer.assignment())

    def seek(self, topic, partition, to):
        start = OFFSETS.get(to, to)
        target = TopicPartition(topic, partition, start)
        deadline = time.monotonic() + SEEK_SECONDS_MAX
        while True:
            try:
                self._consumer.seek(target)
                self._starts[(topic, partition)] = start
                return
            except KafkaException as exception:
                # A partition just assigned cannot be moved until its fetcher runs.
                if kafka_error(exception).code() != KafkaError._STATE or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def close(self):
        self._consumer.close()

    def _assign(self, command):
        start = option(command, "from", "earliest")
        start = OFFSETS.get(start, start)
        self._starts = {(topic, partition): start for topic, partition in command["partitions"]}
        self._consumer.assign([TopicPartition(topic, partition, start) for topic, partition in command["partitions"]])
        self._listener.assigned(command["partitions"])

    def _start(self, topic, partition):
        """Where a partition's first record will be looked for: librdkafka tells no position before that record."""
        target = TopicPartition(topic, partition)
        start = self._starts.get((topic, partition), OFFSET_STORED)
        if start == OFFSET_STORED:
            committed = self._committed(target)
            start = committed if committed >= 0 else self._reset
        if start >= 0:
            return start
        low, high = self._consumer.get_watermark_offsets(target, timeout=REQUEST_SECONDS)
        return high if start == OFFSET_END else low

    def _committed(self, target):
        if not self._has_group:
            return -1
        ((_, _, offset),) = offsets_of(self._consumer.committed([target], timeout=REQUEST_SECONDS))
        return offset

    def _take(self):
        batches, self._gathered = grouped(self._gathered), []
        return batches

    def _on_assign(self, consumer, partitions):
        self._listener.assigned(pairs(partitions), member=consumer.memberid())
        if self._incremental:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)

    def _on_revoke(self, consumer, partitions):
        self._listener.records(self._take())
        self._listener.revoked(pairs(partitions))
        self._unassign(consumer, partitions)

    def _on_lost(self, consumer, partitions):
        self._listener.records(self._take())
        self._listener.lost(pairs(partitions))
        self._unassign(consumer, partitions)

    def _unassign(self, consumer, partitions):
        for partition in pairs(partitions):
            self._starts.pop(partition, None)
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _on_error(self, error):
        if is_fatal(error):
            self._fatal = error
            return
        # Without a broker librdkafka says so at every attempt to connect, some twenty times a second.
        now = time.monotonic()
        if now - self._error_times.get(error.code(), float("-inf")) >= ERROR_INTERVAL_SECONDS:
            self._error_times[error.code()] = now
            self._listener.error(KafkaException(error), "poll")


class ConfluentAdmin:
    """The admin verbs; librdkafka can delete offsets, but the binding does not offer it."""

    def __init__(self, client):
        self._client = client

    def create_topic(self, command):
        topic = NewTopic(command["topic"], command["partitions"], config=texts(option(command, "configs", {})))
        wait(self._client.create_topics([topic]))

    def create_partitions(self, command):
        wait(self._client.create_partitions([NewPartitions(command["topic"], command["total"])]))

    def delete_topic(self, command):
        wait(self._client.delete_topics([command["topic"]]))

    def describe_topic(self, command):
        topic = wait(self._client.describe_topics(TopicCollection([command["topic"]])))
        return {"partitions": len(topic.partitions)}

    def list_topics(self, _command):
        return {"topics": sorted(self._client.list_topics(timeout=REQUEST_SECONDS).topics)}

    def describe_configs(self, command):
        entries = wait(self._client.describe_configs([ConfigResource(ResourceType.TOPIC, command["topic"])]))
        return {"configs": {name: entry.value for name, entry in entries.items()}}

    def alter_configs(self, command):
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in texts(command["configs"]).items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, command["topic"], incremental_configs=entries)
        wait(self._client.incremental_alter_configs([resource]))

    def list_offsets(self, command):
        named = {
            "earliest": OffsetSpec.earliest(),
            "latest": OffsetSpec.latest(),
            "max_timestamp": OffsetSpec.max_timestamp(),
        }
        at = command["at"]
        spec = named[at] if at in named else OffsetSpec.for_timestamp(int(at))
        partition = TopicPartition(command["topic"], command["partition"])
        return {"offset": wait(self._client.list_offsets({partition: spec})).offset}

    def delete_records(self, command):
        partition = TopicPartition(command["topic"], command["partition"], command["before"])
        return {"low": wait(self._client.delete_records([partition])).low_watermark}

    def list_groups(self, _command):
        listing = self._client.list_consumer_groups(request_timeout=REQUEST_SECONDS).result(REQUEST_SECONDS)
        if listing.errors:
            raise listing.errors[0]
        return {"groups": sorted(group.group_id for group in listing.valid)}

    def describe_group(self, command):
        group = wait(self._client.describe_consumer_groups([command["group"]]))
        state = group.state.name
        return {
            "state": GROUP_STATES.get(state, state.capitalize()),
            "protocol": group.partition_assignor,
            "members": [
                {
                    "member": member.member_id,
                    "client": member.client_id,
                    "host": member.host,
                    "instance": member.group_instance_id,
                    "partitions": pairs(member.assignment.topic_partitions if member.assignment else []),
                }
                for member in group.members
            ],
        }

    def committed(self, command):
        partitions = [TopicPartition(command["topic"], number) for number in range(command["partitions"])]
        request = ConsumerGroupTopicPartitions(command["group"], partitions)
        found = wait(self._client.list_consumer_group_offsets([request]))
        return {"offsets": offsets_of(found.topic_partitions)}

    def delete_group(self, command):
        wait(self._client.delete_consumer_groups([command["group"]]))

    def alter_offsets(self, command):
        partitions = [TopicPartition(topic, partition, offset) for topic, partition, offset in command["offsets"]]
        request = ConsumerGroupTopicPartitions(command["group"], partitions)
        offsets_of(wait(self._client.alter_consumer_group_offsets([request])).topic_partitions)


def common_config(command):
    """What every client needs; `DRIVER_RDKAFKA_DEBUG` names librdkafka's debug contexts."""
    config = {"bootstrap.servers": command["bootstrap"], "reconnect.backoff.max.ms": 1000}
    if command.get("client_id"):
        config["client.id"] = command["client_id"]
    if os.environ.get("DRIVER_RDKAFKA_DEBUG"):
        config["debug"] = os.environ["DRIVER_RDKAFKA_DEBUG"]
    return config


def consumer_config(command):
    """The configuration of a `consumer` or `assign` command; small queues, so that many members fit in a process."""
    metadata_max_age_ms = option(command, "metadata_max_age_ms", 1000)
    config = common_config(command) | {
        # librdkafka wants a group even where none is used.
        "group.id": command.get("group") or f"unused-{uuid.uuid4()}",
        "auto.offset.reset": option(command, "reset", "earliest"),
        "enable.auto.commit": option(command, "auto_commit", False),
        "auto.commit.interval.ms": option(command, "auto_commit_interval_ms", 1000),
        "max.poll.interval.ms": option(command, "max_poll_interval_ms", 60000),
        "metadata.max.age.ms": metadata_max_age_ms,
        "topic.metadata.refresh.interval.ms": metadata_max_age_ms,
        "queued.max.messages.kbytes": 256,
        "fetch.max.bytes": 1_048_576,
        "max.partition.fetch.bytes": 262_144,
    }
    if command.get("isolation"):
        config["isolation.level"] = command["isolation"]
    if command.get("instance_id"):
        config["group.instance.id"] = command["instance_id"]
    assignor = option(command, "assignor", "range")
    if option(command, "group_protocol", "classic") == "consumer":
        config["group.protocol"] = "consumer"
        if assignor in ("range", "uniform"):
            config["group.remote.assignor"] = assignor
        return config
    config["session.timeout.ms"] = option(command, "session_timeout_ms", 6000)
    config["heartbeat.interval.ms"] = option(command, "heartbeat_interval_ms", 500)
    if assignor != "default":
        config["partition.assignment.strategy"] = assignor
    return config


def kafka_error(exception):
    """The library's error object inside an exception, if there is one."""
    error = exception.args[0] if isinstance(exception, KafkaException) and exception.args else exception
    return error if isinstance(error, KafkaError) else None


def is_fatal(error):
    """Whether the client can do nothing any more."""
    return error.fatal() or error.code() == KafkaError._FATAL


def fatal_cause(message):
    """The broker's error behind a fatal one, of which the binding hands on only the text."""
    for code in range(BROKER_CODE_MAX + 1):
        error = KafkaError(code)
        if message.startswith(f"Fatal error: {error.str()}:"):
            return error.name()
    return "CLIENT"


def wait(futures):
    """The result of the only future in what an admin call returned."""
    (future,) = futures.values()
    return future.result(REQUEST_SECONDS)


def pairs(partitions):
    """The library's partitions as pairs."""
    return [(partition.topic, partition.partition) for partition in partitions]


def offsets_of(partitions):
    """The library's partitions as `(topic, partition, offset)`, -1 for no offset."""
    for partition in partitions:
        if partition.error is not None:
            raise KafkaException(partition.error)
    return [(p.topic, p.partition, p.offset if p.offset >= 0 else -1) for p in partitions]


if __name__ == "__main__":
    sys.exit(driver.run(Confluent()))
