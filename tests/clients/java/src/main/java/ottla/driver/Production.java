package ottla.driver;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringSerializer;

/** One {@code produce} command: a producer, its records, and what became of them. */
final class Production {
    private static final int UNANSWERED = -1;
    private static final int FAILED = -2;

    private final Command command;
    private final long first;
    /** For each record its partition, or UNANSWERED, or FAILED. */
    private final int[] partitions;
    private final long[] offsets;
    private Exception firstFailure;
    private boolean hopeless;

    Production(Command command) {
        this.command = command;
        this.first = command.number("first", 0);
        this.partitions = new int[command.integer("count")];
        this.offsets = new long[partitions.length];
        Arrays.fill(partitions, UNANSWERED);
    }

    void run() throws InterruptedException {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings())) {
            send(producer);
            producer.flush();
        }
        answer();
    }

    private Map<String, Object> settings() {
        String acks = command.text("acks", "all");
        boolean all = acks.equals("all") || acks.equals("-1");
        Map<String, Object> settings = new HashMap<>();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, command.text("bootstrap"));
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.ACKS_CONFIG, acks);
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, command.flag("idempotent", all)); // needs acks=all
        settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, command.text("compression", "none"));
        if (command.has("client_id")) {
            settings.put(ProducerConfig.CLIENT_ID_CONFIG, command.text("client_id"));
        }
        return settings;
    }

    private void send(KafkaProducer<String, String> producer) throws InterruptedException {
        String topic = command.text("topic");
        String prefix = command.text("prefix", "v");
        int size = Math.toIntExact(command.number("size", 0));
        boolean keys = command.flag("keys", false);
        double rate = command.number("rate", 0);
        long started = System.nanoTime();
        for (int n = 0; n < partitions.length; n++) {
            if (rate > 0) {
                sleepUntil(started + (long) (n * 1e9 / rate));
            }
            long i = first + n;
            String name = prefix + "-" + i;
            String value = name.length() < size ? name + ".".repeat(size - name.length()) : name;
            int number = n;
            long before = System.nanoTime();
            producer.send(new ProducerRecord<>(topic, partition(i), keys ? name : null, value),
                    (metadata, failure) -> record(number, metadata, failure));
            // The client waited a minute for metadata or for room and gave up: it would do so for each record left.
            if (System.nanoTime() - before > 30_000_000_000L && gaveUp()) {
                failRest(n + 1);
                return;
            }
        }
    }

    private Integer partition(long i) {
        if (command.has("partition")) {
            return command.integer("partition");
        }
        return command.has("partitions") ? Integer.valueOf((int) (i % command.number("partitions"))) : null;
    }

    private static void sleepUntil(long time) throws InterruptedException {
        long left = time - System.nanoTime();
        if (left > 0) {
            Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
    }

    private synchronized void record(int n, RecordMetadata metadata, Exception failure) {
        if (failure == null) {
            partitions[n] = metadata.partition();
            offsets[n] = metadata.hasOffset() ? metadata.offset() : -1;
        } else {
            partitions[n] = FAILED;
            hopeless = failure instanceof TimeoutException;
            if (firstFailure == null) {
                firstFailure = failure;
            }
        }
    }

    private synchronized boolean gaveUp() {
        return hopeless;
    }

    private synchronized void failRest(int from) {
        Arrays.fill(partitions, from, partitions.length, FAILED);
    }

    private synchronized void answer() {
        List<List<Object>> acks = new ArrayList<>();
        int acked = 0;
        boolean report = command.flag("report", true);
        for (int n = 0; n < partitions.length; n++) {
            if (partitions[n] >= 0) {
                acked++;
                if (report) {
                    acks.add(List.of(first + n, partitions[n], offsets[n]));
                }
            }
        }
        List<Object> fields = new ArrayList<>(List.of("acked", acked, "failed", partitions.length - acked));
        if (firstFailure != null) {
            fields.addAll(List.of("first_error", Failure.name(firstFailure)));
        }
        if (report) {
            fields.addAll(List.of("acks", acks));
        }
        command.done(fields.toArray());
    }
}
