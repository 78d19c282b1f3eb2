"""The driver on kafka-python, the pure Python client; it speaks the classic group protocol only."""

import contextlib
import logging
import os
import re
import sys

import kafka
from kafka import (
    ConsumerRebalanceListener,
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    OffsetSpec,
    TopicPartition,
    errors,
)
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.base import MemberState

import driver
from driver import Failure, option, texts, unsupported

CLOSE_TIMEOUT_MS = 10_000
COMMIT_TIMEOUT_MS = 10_000
POSITION_TIMEOUT_MS = 5_000
MAX_BLOCK_MS = 20_000
DELIVERY_TIMEOUT_MS = 120_000
FLUSH_SECONDS_AFTER_STOP = 10

ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}


class KafkaPython(driver.Client):
    """kafka-python as the shared driver sees it."""

    name = "kafka-python"
    version = kafka.__version__

    def session(self, command, listener):
        return KafkaPythonSession(command, listener)

    def produce(self, command, outgoing, tally):
        producer = KafkaProducer(**producer_config(command))
        try:
            for record in outgoing:
                if not self._send(producer, command["topic"], tally, *record):
                    break
            producer.flush(FLUSH_SECONDS_AFTER_STOP if outgoing.stopped else DELIVERY_TIMEOUT_MS / 1000 + 10)
        finally:
            producer.close(timeout=FLUSH_SECONDS_AFTER_STOP)

    def _send(self, producer, topic, tally, i, value, key, partition):
        """Sends one record; false if the client cannot even learn about the topic, which costs a long wait each."""
        try:
            future = producer.send(topic, value=value, key=key, partition=partition)
        except Exception as exception:
            tally.failed(self.explain(exception)[0])
            return not isinstance(exception, errors.KafkaTimeoutError)
        # Without an answer from the broker the library invents offsets from 0.
        answered = producer.config["acks"] != 0
        future.add_callback(lambda sent: tally.acked(i, sent.partition, sent.offset if answered else None))
        future.add_errback(lambda exception: tally.failed(self.explain(exception)[0]))
        return True

    @contextlib.contextmanager
    def admin(self, bootstrap):
        client = KafkaAdminClient(bootstrap_servers=bootstrap, reconnect_backoff_max_ms=1000)
        try:
            yield KafkaPythonAdmin(client)
        finally:
            client.close()

    def describe(self, exception):
        if isinstance(exception, errors.CommitFailedError) and isinstance(exception.args[0], errors.KafkaError):
            exception = exception.args[0]  # What the broker said about the commit.
        if isinstance(exception, errors.BrokerResponseError) and exception.message:
            return exception.message, str(exception)
        return "CLIENT", str(exception) or repr(exception)

    def gives_up(self, exception):
        return isinstance(exception, (errors.FencedInstanceIdError, errors.AuthorizationError))


class KafkaPythonSession(driver.Session):
    """A `KafkaConsumer`. Its rebalance callbacks run on the client's own thread while `poll` waits for them."""

    def __init__(self, command, listener):
        if option(command, "group_protocol", "classic") != "classic":
            raise unsupported("kafka-python speaks the classic group protocol only")
        self._listener = listener
        self._generation_reported = None
        self._consumer = KafkaConsumer(**consumer_config(command))
        if command["cmd"] == "consumer":
            self._consumer.subscribe(command["topics"], listener=Rebalances(self, listener))
        else:
            self._assign(command)

    def poll(self, seconds):
        self._remember_joining()
        polled = self._consumer.poll(timeout_ms=int(seconds * 1000))
        self._report_unchanged()
        return [
            (partition.topic, partition.partition, [(record.offset, record.value) for record in records])
            for partition, records in polled.items()
        ]

    def commit(self, offsets):
        wanted = {TopicPartition(topic, number): OffsetAndMetadata(offset, "", -1) for topic, number, offset in offsets}
        self._consumer.commit(wanted, timeout_ms=COMMIT_TIMEOUT_MS)

    def positions(self):
        offsets = []
        for topic, number in self.assignment():
            offset = self._consumer.position(TopicPartition(topic, number), timeout_ms=POSITION_TIMEOUT_MS)
            offsets.append((topic, number, -1 if offset is None else offset))
        return offsets

    def assignment(self):
        return pairs(self._consumer.assignment())

    def seek(self, topic, partition, to):
        target = TopicPartition(topic, partition)
        if to == "earliest":
            self._consumer.seek_to_beginning(target)
        elif to == "latest":
            self._consumer.seek_to_end(target)
        else:
            self._consumer.seek(target, to)

    def close(self):
        self._consumer.close(timeout_ms=CLOSE_TIMEOUT_MS)

    def assigned(self, partitions):
        """Reports an assignment with the generation it belongs to."""
        group = self._consumer.group_metadata()
        self._generation_reported = group.generation_id
        self._listener.assigned(pairs(partitions), generation=group.generation_id, member=group.member_id)

    def _remember_joining(self):
        """Makes the client go on with a join it has forgotten.

        A leader that joins again because partitions were added takes that reason back when it assigns them. If a poll
        ends just then, the next one (in 3.0.12) sees no reason to join, nobody takes the answer, heartbeats stay off,
        and the member is put out of the group for good without a word.
        """
        coordinator = self._consumer._coordinator
        if coordinator is not None and coordinator._join_task is not None and not coordinator.need_rejoin():
            coordinator.request_rejoin()

    def _report_unchanged(self):
        """Reports a rebalance that added nothing: the client calls back only when a cooperative one adds something."""
        group = self._consumer.group_metadata()
        if group.state is MemberState.STABLE and group.generation_id != self._generation_reported:
            self.assigned([])

    def _assign(self, command):
        targets = [TopicPartition(topic, number) for topic, number in command["partitions"]]
        self._consumer.assign(targets)
        start = option(command, "from", "earliest")
        if start != "committed":
            for topic, number in command["partitions"]:
                self.seek(topic, number, start)
        self._listener.assigned(command["partitions"])


class Rebalances(ConsumerRebalanceListener):
    """Hands the client's rebalance callbacks on."""

    def __init__(self, session, listener):
        self._session = session
        self._listener = listener

    def on_partitions_assigned(self, assigned):
        self._session.assigned(assigned)

    def on_partitions_revoked(self, revoked):
        self._listener.revoked(pairs(revoked))

    def on_partitions_lost(self, lost):
        self._listener.lost(pairs(lost))


class KafkaPythonAdmin:
    """The admin verbs."""

    def __init__(self, client):
        self._client = client

    def create_topic(self, command):
        topic = {"num_partitions": command["partitions"], "configs": texts(option(command, "configs", {}))}
        self._client.create_topics({command["topic"]: topic})

    def create_partitions(self, command):
        self._client.create_partitions({command["topic"]: command["total"]})

    def delete_topic(self, command):
        self._client.delete_topics([command["topic"]])

    def describe_topic(self, command):
        (topic,) = self._client.describe_topics([command["topic"]])
        raise_for(topic["error_code"])
        return {"partitions": len(topic["partitions"])}

    def list_topics(self, _command):
        return {"topics": sorted(self._client.list_topics())}

    def describe_configs(self, command):
        resource = ConfigResource(ConfigResourceType.TOPIC, command["topic"])
        configs = self._client.describe_configs([resource], config_filter="all")["topic"][command["topic"]]
        if not configs:
            raise Failure("CLIENT", "no configs came back; kafka-python drops the error that explains it")
        return {"configs": {name: entry["value"] for name, entry in configs.items()}}

    def alter_configs(self, command):
        resource = ConfigResource(ConfigResourceType.TOPIC, command["topic"], texts(command["configs"]))
        answer = self._client.alter_configs([resource], raise_on_unknown=False)["topic"][command["topic"]]
        if answer != "OK":
            raise_for_text(answer)

    def list_offsets(self, command):
        named = {
            "earliest": OffsetSpec.EARLIEST,
            "latest": OffsetSpec.LATEST,
            "max_timestamp": OffsetSpec.MAX_TIMESTAMP,
        }
        at = command["at"]
        target = TopicPartition(command["topic"], command["partition"])
        found = self._client.list_partition_offsets({target: named[at] if at in named else int(at)})
        return {"offset": found[target].offset}

    def delete_records(self, command):
        target = TopicPartition(command["topic"], command["partition"])
        return {"low": self._client.delete_records({target: command["before"]})[target]["low_watermark"]}

    def list_groups(self, _command):
        return {"groups": sorted(group["group_id"] for group in self._client.list_groups())}

    def describe_group(self, command):
        group = self._client.describe_groups([command["group"]])[command["group"]]
        if group["error"]:
            raise_for_text(group["error"])
        return {
            "state": group["group_state"],
            "protocol": group["protocol_data"],
            "members": [
                {
                    "member": member["member_id"],
                    "client": member["client_id"],
                    "host": member["client_host"],
                    "instance": member.get("group_instance_id"),
                    "partitions": assigned_partitions(member["member_assignment"]),
                }
                for member in group["members"]
            ],
        }

    def committed(self, command):
        targets = [TopicPartition(command["topic"], number) for number in range(command["partitions"])]
        found = self._client.list_group_offsets({command["group"]: targets})[command["group"]]
        return {"offsets": [(t.topic, t.partition, found[t].offset if t in found else -1) for t in targets]}

    def delete_group(self, command):
        answer = self._client.delete_groups([command["group"]])[command["group"]]
        if answer != "OK":
            raise getattr(errors, answer, errors.UnknownError)()

    def delete_offsets(self, command):
        target = TopicPartition(command["topic"], command["partition"])
        raise_any(self._client.delete_group_offsets(command["group"], [target]))

    def alter_offsets(self, command):
        offsets = {
            TopicPartition(topic, number): OffsetAndMetadata(offset, "", -1)
            for topic, number, offset in command["offsets"]
        }
        raise_any(self._client.alter_group_offsets(command["group"], offsets))


def consumer_config(command):
    """The configuration of a `consumer` or `assign` command."""
    config = {
        "bootstrap_servers": command["bootstrap"],
        "group_id": command.get("group"),
        "auto_offset_reset": option(command, "reset", "earliest"),
        "enable_auto_commit": option(command, "auto_commit", False),
        "auto_commit_interval_ms": option(command, "auto_commit_interval_ms", 1000),
        "session_timeout_ms": option(command, "session_timeout_ms", 6000),
        "heartbeat_interval_ms": option(command, "heartbeat_interval_ms", 500),
        "max_poll_interval_ms": option(command, "max_poll_interval_ms", 60000),
        "metadata_max_age_ms": option(command, "metadata_max_age_ms", 1000),
        "reconnect_backoff_max_ms": 1000,
        "fetch_max_bytes": 1_048_576,
        "max_partition_fetch_bytes": 262_144,
        # As in librdkafka: a member that refreshes its metadata must not bring a deleted topic back.
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }
    if command.get("client_id"):
        config["client_id"] = command["client_id"]
    if command.get("instance_id"):
        config["group_instance_id"] = command["instance_id"]
    assignor = option(command, "assignor", "range")
    if assignor != "default":
        if assignor not in ASSIGNORS:
            raise unsupported(f"no assignor {assignor}")
        config["partition_assignment_strategy"] = (ASSIGNORS[assignor],)
    return config


def producer_config(command):
    """The configuration of a `produce` command."""
    acks = option(command, "acks", "all")
    acks = "all" if str(acks) in ("all", "-1") else int(acks)
    compression = option(command, "compression", "none")
    config = {
        "bootstrap_servers": command["bootstrap"],
        "acks": acks,
        "enable_idempotence": option(command, "idempotent", True) and acks == "all",
        "compression_type": None if compression == "none" else compression,
        "max_block_ms": MAX_BLOCK_MS,
        "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 1000,
        "metrics_enabled": False,
    }
    if command.get("client_id"):
        config["client_id"] = command["client_id"]
    return config


def pairs(partitions):
    """The library's partitions as pairs, in order."""
    return sorted((partition.topic, partition.partition) for partition in partitions)


def assigned_partitions(assignment):
    """The pairs in a described member's decoded assignment; a member without one has empty bytes."""
    if not assignment:
        return []
    return [
        (topic["topic"], number) for topic in assignment["assigned_partitions"] for number in topic["partitions"]
    ]


def raise_for(code):
    """Raises the library's error for a broker's code."""
    if code:
        raise errors.for_code(code)()


def raise_for_text(answer):
    """Raises the error of which the library only hands on the text, which begins with the broker's code."""
    found = re.match(r"\[Error (-?\d+)\]", answer)
    raise errors.for_code(int(found[1]))(answer) if found else Failure("CLIENT", answer)


def raise_any(results):
    """Raises the first error among per-partition error classes."""
    for error in results.values():
        if error is not errors.NoError:
            raise error()


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("DRIVER_LOG", "CRITICAL"), stream=sys.stderr)
    sys.exit(driver.run(KafkaPython()))
