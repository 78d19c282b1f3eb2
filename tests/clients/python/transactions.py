"""Transactions on confluent-kafka: a producer led step by step, and a consume-transform-produce loop.

librdkafka says of each failed call whether to call again, to abort, or to begin anew with another producer; the loop does
just that.
"""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from driver import option

CALL_SECONDS = 30
POLL_SECONDS = 0.1
PAUSE_SECONDS = 0.1
# The library seeks only once the fetch under way is answered; at the end of a partition that is after half a second by
# default, so that every rewind would cost as much.
FETCH_WAIT_MS = 50


def open_producer(command, config):
    """A transactional producer that is initialized."""
    producer = Producer(
        config
        | {
            "transactional.id": command["transactional_id"],
            "transaction.timeout.ms": option(command, "transaction_timeout_ms", 60000),
        }
    )
    again(lambda: producer.init_transactions(CALL_SECONDS))
    return producer


def again(call):
    """Calls until it works, or fails for another reason than the moment."""
    while True:
        try:
            return call()
        except KafkaException as exception:
            if not exception.args[0].retriable():
                raise
            time.sleep(PAUSE_SECONDS)


class Sending:
    """Records on their way, and where they came to lie."""

    def __init__(self, producer):
        self._producer = producer
        self.acks = []
        self._error = None

    def send(self, topic, partition, value):
        """Hands one record to the client."""
        self._producer.produce(topic, value, partition=partition, on_delivery=self._delivered)
        self._producer.poll(0)

    def wait(self):
        """Waits for all of them; raises what befell the first that failed."""
        self._producer.flush(CALL_SECONDS)
        if self._error is not None:
            raise KafkaException(self._error)

    def _delivered(self, error, message):
        if error is None:
            self.acks.append([message.topic(), message.partition(), message.offset(), message.value().decode()])
        else:
            self._error = self._error or error


class TransactionalProducer:
    """A producer led step by step; one method for each command."""

    def __init__(self, command, config):
        self._config = config
        self._producer = open_producer(command, config)

    def begin(self, _command):
        """Begins a transaction."""
        self._producer.begin_transaction()

    def send(self, command):
        """Sends values and waits for them."""
        sending = Sending(self._producer)
        for value in command["values"]:
            sending.send(command["topic"], command["partition"], value.encode())
        sending.wait()
        return {"offsets": [offset for _, _, offset, _ in sending.acks]}

    def offsets(self, command):
        """Commits offsets of a group without a member within the transaction."""
        partitions = [TopicPartition(topic, partition, offset) for topic, partition, offset in command["offsets"]]
        # The library takes a group from a consumer only; this one never joins it.
        consumer = Consumer(self._config | {"group.id": command["group"]})
        try:
            metadata = consumer.consumer_group_metadata()
            again(lambda: self._producer.send_offsets_to_transaction(partitions, metadata, CALL_SECONDS))
        finally:
            consumer.close()

    def end(self, command):
        """Commits or aborts."""
        if option(command, "commit", True):
            again(lambda: self._producer.commit_transaction(CALL_SECONDS))
        else:
            again(lambda: self._producer.abort_transaction(CALL_SECONDS))

    def close(self, _command=None):
        """Forgets the producer; what it left open is aborted by the next one."""
        self._producer = None


class Transform:
    """Reads in a group, writes what was read elsewhere and commits both in one transaction."""

    def __init__(self, command, consumer_config, producer_config, tell):
        self._command = command
        self._consumer_config = consumer_config | {
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": FETCH_WAIT_MS,
        }
        self._producer_config = producer_config
        self._tell = tell
        self._transaction = 0
        self._producer = None
        self._consumer = None

    def open(self):
        """Takes the transactional id over, then joins the group."""
        self._producer = open_producer(self._command, self._producer_config)
        self._consumer = Consumer(self._consumer_config)
        self._consumer.subscribe([self._command["from"]])

    def close(self):
        """Leaves the group; a transaction under way is left to be aborted."""
        self._producer = None
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = None

    def turn(self):
        """One transaction, if there is anything to read."""
        messages = self._consumer.consume(option(self._command, "batch", 50), POLL_SECONDS)
        messages = [message for message in messages if message.error() is None]
        if not messages:
            return
        self._transaction += 1
        every = option(self._command, "abort_every", 0)
        commit = not every or self._transaction % every != 0
        try:
            committed = self._transact(messages, commit)
        except KafkaException as exception:
            self._tell.error(exception, "transform")
            if not exception.args[0].txn_requires_abort():
                raise
            again(lambda: self._producer.abort_transaction(CALL_SECONDS))
            committed = False
        self._tell.event("finished", txn=self._transaction, committed=committed)
        if not committed:
            self._rewind()

    def _transact(self, messages, commit):
        self._producer.begin_transaction()
        sending = Sending(self._producer)
        to = self._command["to"]
        positions = {}
        values = {}
        for message in messages:
            positions[message.partition()] = message.offset() + 1
            values.setdefault(message.partition(), []).append(message.value().decode())
        for partition, listed in values.items():
            self._tell.event("sending", txn=self._transaction, topic=to, partition=partition, values=listed)
            for value in listed:
                sending.send(to, partition, value.encode())
        offsets = [TopicPartition(self._command["from"], *position) for position in positions.items()]
        metadata = self._consumer.consumer_group_metadata()
        again(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, CALL_SECONDS))
        sending.wait()
        self._tell.event("ending", txn=self._transaction, commit=commit, sent=sending.acks)
        if commit:
            again(lambda: self._producer.commit_transaction(CALL_SECONDS))
        else:
            again(lambda: self._producer.abort_transaction(CALL_SECONDS))
        return commit

    def _rewind(self):
        """Back to what was committed last."""
        for found in again(lambda: self._consumer.committed(self._consumer.assignment(), CALL_SECONDS)):
            offset = found.offset if found.offset >= 0 else OFFSET_BEGINNING
            self._consumer.seek(TopicPartition(found.topic, found.partition, offset))
