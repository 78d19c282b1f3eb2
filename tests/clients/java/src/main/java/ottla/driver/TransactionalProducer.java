package ottla.driver;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

/** The {@code transact} commands: a transactional producer, led step by step. */
final class TransactionalProducer {
    private final KafkaProducer<String, String> producer;

    /** Opens the producer and fences whoever had its transactional id. */
    TransactionalProducer(Command command) {
        producer = open(command);
    }

    /** A transactional producer that is initialized. */
    static KafkaProducer<String, String> open(Command command) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, command.text("bootstrap"));
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, command.text("transactional_id"));
        settings.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG,
                Math.toIntExact(command.number("transaction_timeout_ms", 60000)));
        var producer = new KafkaProducer<String, String>(settings);
        try {
            producer.initTransactions();
            return producer;
        } catch (RuntimeException e) {
            producer.close(Duration.ZERO);
            throw e;
        }
    }

    void run(Command command) throws ExecutionException, InterruptedException {
        switch (command.name()) {
            case "begin" -> {
                producer.beginTransaction();
                command.done();
            }
            case "send" -> send(command);
            case "offsets" -> offsets(command);
            case "end" -> {
                if (command.flag("commit", true)) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
                command.done();
            }
            case "close" -> {
                close();
                command.done();
            }
            default -> command.failed(Failure.UNSUPPORTED, "a producer knows no command " + command.name());
        }
    }

    void close() {
        producer.close(Duration.ofSeconds(5));
    }

    private void send(Command command) throws ExecutionException, InterruptedException {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String value : command.texts("values")) {
            sent.add(producer.send(
                    new ProducerRecord<>(command.text("topic"), command.integer("partition"), null, value)));
        }
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            offsets.add(one.get().offset());
        }
        command.done("offsets", offsets);
    }

    private void offsets(Command command) {
        Map<TopicPartition, OffsetAndMetadata> offsets =
                command.offsets("offsets").entrySet().stream()
                        .collect(Collectors.toMap(Map.Entry::getKey, entry -> new OffsetAndMetadata(entry.getValue())));
        producer.sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(command.text("group")));
        command.done();
    }
}
