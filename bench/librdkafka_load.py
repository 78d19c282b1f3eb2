"""A load by librdkafka: librdkafka_load.py produce|consume ADDRESS TOPIC PARTITIONS RECORDS; prints bytes and seconds as JSON."""

import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

RECORD_BYTES = 1024
SECONDS_MAX = 100
CONSUMED_AT_ONCE = 10_000


def produce(address, topic, partitions, records):
    failed = []

    def delivered(error, _message):
        if error is not None:
            failed.append(error)

    producer = Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "batch.size": 65536,
            "linger.ms": 5,
            "queue.buffering.max.messages": 100_000,
            "delivery.report.only.error": True,
            "on_delivery": delivered,
        }
    )
    # Text like that of the bench's other loads, which is not all the same.
    value = b'{"id":1234567,"kind":"order","amount":678},' * (RECORD_BYTES // 43 + 1)
    value = value[:RECORD_BYTES]
    producer.list_topics(topic, timeout=30)
    started = time.monotonic()
    for number in range(records):
        while True:
            try:
                producer.produce(topic, value, partition=number % partitions)
                break
            except BufferError:
                producer.poll(0.01)
    left = producer.flush(SECONDS_MAX)
    seconds = time.monotonic() - started
    if left or failed:
        sys.exit(f"{left} records are not acknowledged, {len(failed)} failed: {failed[:1]}")
    return records * RECORD_BYTES, seconds


def consume(address, topic, partitions, records):
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "librdkafka-load",
            "enable.auto.commit": False,
            # Kafka's own consumer's limits; by itself librdkafka queues 64 MiB for each partition.
            "queued.max.messages.kbytes": 65536,
        }
    )
    consumer.list_topics(topic, timeout=30)
    started = time.monotonic()
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)])
    seen = 0
    size = 0
    while seen < records:
        if time.monotonic() - started > SECONDS_MAX:
            sys.exit(f"{seen} of {records} records came in {SECONDS_MAX} s")
        for message in consumer.consume(CONSUMED_AT_ONCE, 1.0):
            if message.error():
                raise KafkaException(message.error())
            seen += 1
            size += len(message)
    seconds = time.monotonic() - started
    consumer.close()
    return size, seconds


def main():
    verb, address, topic, partitions, records = sys.argv[1:]
    act = {"produce": produce, "consume": consume}[verb]
    size, seconds = act(address, topic, int(partitions), int(records))
    print(json.dumps({"bytes": size, "seconds": seconds}))


main()
