package ottla.driver;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;

/**
 * A {@code transform}: reads in a group, writes what was read elsewhere and commits both in one transaction, as Kafka's
 * documentation has it: a transaction that fails is aborted and read again, a producer that cannot go on is replaced.
 */
final class Transform extends Loop {
    private static final Duration CLOSE = Duration.ofSeconds(5);
    private static final long AFTER_ERROR_MS = 100;

    private KafkaProducer<String, String> producer;
    private KafkaConsumer<String, String> consumer;
    private boolean begun;
    private long transaction;

    Transform(Command beginning, Events events) {
        super(beginning, events);
    }

    @Override
    void work() {
        while (!isLeaving()) {
            try {
                open();
                while (!isLeaving()) {
                    turn();
                }
            } catch (Exception e) {
                report("transform", e);
                pause(AFTER_ERROR_MS);
            }
            close();
        }
        if (!begun) {
            beginning.failed(Failure.CLIENT, "closed before it began");
        }
    }

    private void open() {
        producer = TransactionalProducer.open(beginning);
        Map<String, Object> settings = ConsumerSettings.of(beginning);
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Math.toIntExact(beginning.number("batch", 50)));
        consumer = new KafkaConsumer<>(settings);
        consumer.subscribe(List.of(beginning.text("from")));
        if (!begun) {
            begun = true;
            beginning.done();
        }
    }

    /** Closes the producer first: whatever it left open is aborted by the next one. */
    private void close() {
        if (producer != null) {
            producer.close(Duration.ZERO);
        }
        if (consumer != null) {
            consumer.close(CloseOptions.timeout(CLOSE));
        }
        producer = null;
        consumer = null;
    }

    private void turn() throws ExecutionException, InterruptedException {
        ConsumerRecords<String, String> records = consumer.poll(POLL);
        if (records.isEmpty()) {
            return;
        }
        transaction++;
        long abortEvery = beginning.number("abort_every", 0);
        boolean commit = abortEvery == 0 || transaction % abortEvery != 0;
        boolean committed;
        try {
            producer.beginTransaction();
            List<List<Object>> sent = produce(records);
            producer.sendOffsetsToTransaction(records.nextOffsets(), consumer.groupMetadata());
            send("ending", "txn", transaction, "commit", commit, "sent", sent);
            committed = commit;
            if (commit) {
                commit();
            } else {
                producer.abortTransaction();
            }
        } catch (KafkaException | ExecutionException e) {
            report("transform", e);
            // A producer that has been fenced or has failed for good refuses this, and is replaced.
            producer.abortTransaction();
            committed = false;
        }
        send("finished", "txn", transaction, "committed", committed);
        if (!committed) {
            rewind();
        }
    }

    private List<List<Object>> produce(ConsumerRecords<String, String> records)
            throws ExecutionException, InterruptedException {
        List<ConsumerRecord<String, String>> read = new ArrayList<>();
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        String to = beginning.text("to");
        for (TopicPartition partition : records.partitions()) {
            List<String> values = records.records(partition).stream().map(ConsumerRecord::value).toList();
            send("sending", "txn", transaction, "topic", to, "partition", partition.partition(), "values", values);
            for (ConsumerRecord<String, String> record : records.records(partition)) {
                read.add(record);
                futures.add(producer.send(
                        new ProducerRecord<>(to, partition.partition(), record.key(), record.value())));
            }
        }
        List<List<Object>> sent = new ArrayList<>();
        for (int n = 0; n < read.size(); n++) {
            RecordMetadata metadata = futures.get(n).get();
            sent.add(List.of(to, metadata.partition(), metadata.offset(), read.get(n).value()));
        }
        return sent;
    }

    /** Whoever waited in vain for the answer to a commit may only ask for the same again. */
    private void commit() {
        while (true) {
            try {
                producer.commitTransaction();
                return;
            } catch (TimeoutException e) {
                report("transform", e);
            }
        }
    }

    /** Back to what was committed last. */
    private void rewind() {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>(consumer.committed(assigned));
        for (TopicPartition partition : assigned) {
            OffsetAndMetadata offset = committed.get(partition);
            if (offset == null) {
                consumer.seekToBeginning(List.of(partition));
            } else {
                consumer.seek(partition, offset.offset());
            }
        }
    }
}
