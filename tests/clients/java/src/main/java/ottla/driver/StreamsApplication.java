package ottla.driver;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.state.Stores;

/** A {@code streams} command: one instance of a Kafka Streams application under exactly_once_v2. */
final class StreamsApplication extends Loop {
    private static final int WORDS = 20;
    private static final int SUMS = 7;
    private static final Duration CLOSE = Duration.ofSeconds(10);

    StreamsApplication(Command beginning, Events events) {
        super(beginning, events);
    }

    @Override
    void work() throws Exception {
        Topology topology;
        Path state;
        try {
            topology = topology();
            state = Files.createTempDirectory("ottla-streams");
        } catch (RuntimeException e) {
            beginning.failed(e);
            return;
        }
        try (KafkaStreams streams = new KafkaStreams(topology, settings(state))) {
            streams.setStateListener((now, before) -> send("state", "state", now.name()));
            streams.setUncaughtExceptionHandler(failure -> {
                report("streams", failure);
                return StreamThreadExceptionResponse.REPLACE_THREAD;
            });
            streams.start();
            beginning.done();
            while (!isLeaving()) {
                pause(1000);
            }
            streams.close(CLOSE);
        }
    }

    private Properties settings(Path state) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, beginning.text("bootstrap"));
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, beginning.text("group"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        // Every update leaves, so that none can be missing or come twice unseen.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
                Math.toIntExact(beginning.number("session_timeout_ms", 6000)));
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
                Math.toIntExact(beginning.number("heartbeat_interval_ms", 500)));
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG),
                Math.toIntExact(beginning.number("batch", 50)));
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG),
                Math.toIntExact(beginning.number("transaction_timeout_ms", 10_000)));
        return settings;
    }

    private Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> read =
                builder.stream(beginning.text("from"), Consumed.with(Serdes.String(), Serdes.String()));
        KStream<String, String> results = switch (beginning.text("application")) {
            case "words" -> words(read);
            case "sums" -> sums(read);
            default -> throw new IllegalArgumentException("no application " + beginning.text("application"));
        };
        results.to(beginning.text("to"), Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    /** Counts words: record {@code v-I} holds the words {@code word-(I % 20)} and {@code all}. */
    private static KStream<String, String> words(KStream<String, String> read) {
        return read.flatMapValues(value -> List.of("word-" + number(value) % WORDS, "all"))
                .groupBy((key, word) -> word)
                .count(Materialized.as(Stores.inMemoryKeyValueStore("counts")))
                .toStream()
                .map((word, count) -> KeyValue.pair(word, word + " " + count));
    }

    /** Counts and sums the numbers {@code I} of records {@code v-I} by {@code I % 7}, over an explicit repartitioning. */
    private static KStream<String, String> sums(KStream<String, String> read) {
        return read.map((key, value) -> KeyValue.pair("sum-" + number(value) % SUMS, Long.toString(number(value))))
                .repartition(Repartitioned.<String, String>as("by-rest").withNumberOfPartitions(3))
                .groupByKey()
                .aggregate(() -> "0 0", (key, value, sum) -> added(sum, Long.parseLong(value)),
                        Materialized.as(Stores.inMemoryKeyValueStore("sums")))
                .toStream()
                .map((key, sum) -> KeyValue.pair(key, key + " " + sum));
    }

    private static String added(String sum, long number) {
        String[] parts = sum.split(" ");
        return (Long.parseLong(parts[0]) + 1) + " " + (Long.parseLong(parts[1]) + number);
    }

    private static long number(String value) {
        return Long.parseLong(value.substring(value.lastIndexOf('-') + 1));
    }
}
