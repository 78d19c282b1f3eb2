package ottla.driver;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;

/** A consumer and its poll loop, as a group member or with partitions assigned by hand. */
final class Member implements Actor, Runnable {
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration ASK = Duration.ofSeconds(10);
    private static final Duration CLOSE = Duration.ofSeconds(10);
    private static final long AFTER_ERROR_MS = 100;

    private final Command beginning;
    private final Events events;
    private final Thread thread;

    /** Commands not yet looked at; the lock of everything other threads touch. */
    private final Queue<Command> inbox = new ArrayDeque<>();
    private boolean leaving;
    private boolean ended;

    private KafkaConsumer<String, String> consumer;
    private boolean commitEach;
    private boolean listValues;
    private long processMs;
    private boolean paused;
    private Command closing;

    Member(Command beginning, Events events) {
        this.beginning = beginning;
        this.events = events;
        this.thread = new Thread(this, "member " + beginning.id());
    }

    // ---- called by the driver

    @Override
    public void start() {
        thread.start();
    }

    @Override
    public void tell(Command command) {
        synchronized (inbox) {
            if (!ended) {
                inbox.add(command);
                inbox.notifyAll();
                return;
            }
        }
        answerAfterEnd(command);
    }

    @Override
    public void leave() {
        synchronized (inbox) {
            leaving = true;
            inbox.notifyAll();
        }
    }

    @Override
    public boolean hasEnded() {
        synchronized (inbox) {
            return ended;
        }
    }

    @Override
    public void awaitEnd() {
        try {
            thread.join(CLOSE.toMillis() * 2);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- the member's own thread

    @Override
    public void run() {
        if (open()) {
            loop();
            close();
            send("ended");
        }
        List<Command> unanswered;
        synchronized (inbox) {
            ended = true;
            unanswered = List.copyOf(inbox);
        }
        if (closing != null) {
            closing.done();
        }
        unanswered.forEach(Member::answerAfterEnd);
    }

    private static void answerAfterEnd(Command command) {
        if (command.name().equals("close")) {
            command.done();
        } else {
            command.failed(Failure.CLIENT, "the member " + command.id() + " has ended");
        }
    }

    private boolean open() {
        try {
            boolean joins = beginning.name().equals("consumer");
            commitEach = beginning.flag("commit_each", joins) && !beginning.flag("auto_commit", false);
            listValues = beginning.flag("values", true);
            processMs = beginning.number("process_ms", 0);
            consumer = new KafkaConsumer<>(ConsumerSettings.of(beginning));
            if (joins) {
                consumer.subscribe(beginning.texts("topics"), new Rebalances());
            } else {
                assign();
            }
            beginning.done();
            return true;
        } catch (Exception e) {
            if (consumer != null) {
                consumer.close(CloseOptions.timeout(Duration.ZERO));
            }
            beginning.failed(e);
            return false;
        }
    }

    private void assign() {
        List<TopicPartition> partitions = beginning.partitions("partitions");
        consumer.assign(partitions);
        String from = beginning.text("from", "earliest");
        if (!from.equals("committed")) {
            seek(partitions, from);
        }
    }

    private void loop() {
        while (answerCommands()) {
            try {
                handle(consumer.poll(POLL));
            } catch (Exception e) {
                report("poll", e);
                if (!canGoOn(e)) {
                    return;
                }
                sleep(AFTER_ERROR_MS);
            }
        }
    }

    private static boolean canGoOn(Exception failure) {
        return failure instanceof RetriableException
                || failure instanceof RebalanceInProgressException
                || failure instanceof CommitFailedException;
    }

    private void handle(ConsumerRecords<String, String> records) {
        for (TopicPartition partition : records.partitions()) {
            List<ConsumerRecord<String, String>> batch = records.records(partition);
            long first = batch.get(0).offset();
            long last = batch.get(batch.size() - 1).offset();
            Map<String, Object> event = Events.event("records", "id", beginning.id(), "topic", partition.topic(),
                    "partition", partition.partition(), "first", first, "last", last, "count", batch.size());
            if (last - first + 1 != batch.size()) {
                event.put("offsets", batch.stream().map(ConsumerRecord::offset).toList());
            }
            if (listValues) {
                event.put("values", batch.stream().map(ConsumerRecord::value).collect(Collectors.toList()));
            }
            events.send(event);
            sleep(processMs);
            if (commitEach) {
                try {
                    commit(Map.of(partition, last + 1));
                } catch (Exception e) {
                    report("commit", e);
                }
            }
        }
    }

    private void close() {
        try {
            consumer.close(CloseOptions.timeout(CLOSE));
        } catch (Exception e) {
            report("close", e);
        }
    }

    // ---- commands

    /** Answers what is in the inbox, and more for as long as polling is paused. False once the member shall leave. */
    private boolean answerCommands() {
        while (true) {
            Command command;
            synchronized (inbox) {
                while (paused && !leaving && inbox.isEmpty()) {
                    try {
                        inbox.wait();
                    } catch (InterruptedException e) {
                        return false;
                    }
                }
                command = inbox.poll();
                if (command == null) {
                    return !leaving;
                }
            }
            if (command.name().equals("close")) {
                closing = command;
                return false;
            }
            try {
                answer(command);
            } catch (Exception e) {
                command.failed(e);
            }
        }
    }

    private void answer(Command command) {
        switch (command.name()) {
            case "commit" -> {
                Map<TopicPartition, Long> offsets = positions();
                commit(offsets);
                command.done("offsets", Listing.offsets(offsets));
            }
            case "position" -> command.done("offsets", Listing.offsets(positions()));
            case "seek" -> {
                seek(addressed(command), command.text("to"));
                command.done();
            }
            case "pause" -> {
                paused = true;
                command.done();
            }
            case "resume" -> {
                paused = false;
                command.done();
            }
            default -> command.failed(Failure.UNSUPPORTED, "a member knows no command " + command.name());
        }
    }

    private Map<TopicPartition, Long> positions() {
        Map<TopicPartition, Long> positions = new HashMap<>();
        for (TopicPartition partition : consumer.assignment()) {
            positions.put(partition, consumer.position(partition, ASK));
        }
        return positions;
    }

    private void commit(Map<TopicPartition, Long> offsets) {
        if (offsets.isEmpty()) {
            return;
        }
        consumer.commitSync(offsets.entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, entry -> new OffsetAndMetadata(entry.getValue()))));
        send("committed", "offsets", Listing.offsets(offsets));
    }

    /** The partitions a seek is about: one, all of a topic, or all. */
    private Collection<TopicPartition> addressed(Command command) {
        Set<TopicPartition> assigned = consumer.assignment();
        if (!command.has("topic") && !command.has("partition")) {
            return assigned;
        }
        List<TopicPartition> addressed = assigned.stream()
                .filter(p -> !command.has("topic") || p.topic().equals(command.text("topic")))
                .filter(p -> !command.has("partition") || p.partition() == command.integer("partition"))
                .toList();
        if (addressed.isEmpty()) {
            throw new IllegalArgumentException("no such partition is assigned");
        }
        return addressed;
    }

    private void seek(Collection<TopicPartition> partitions, String to) {
        if (partitions.isEmpty()) {
            return; // the client would take an empty list for everything
        }
        switch (to) {
            case "earliest" -> consumer.seekToBeginning(partitions);
            case "latest" -> {
                consumer.seekToEnd(partitions);
                // The client looks for the end when it needs it; what comes after this command must come after it.
                partitions.forEach(partition -> consumer.position(partition, ASK));
            }
            default -> partitions.forEach(partition -> consumer.seek(partition, Long.parseLong(to)));
        }
    }

    // ---- events

    private void send(String event, Object... fields) {
        Map<String, Object> whole = Events.event(event, "id", beginning.id());
        Events.put(whole, fields);
        events.send(whole);
    }

    private void report(String during, Exception failure) {
        send("error", "error", Failure.name(failure), "message", Failure.message(failure), "during", during);
    }

    private static void sleep(long ms) {
        if (ms <= 0) {
            return;
        }
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private final class Rebalances implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            ConsumerGroupMetadata group = consumer.groupMetadata();
            send("assigned", "partitions", Listing.partitions(partitions),
                    "generation", group.generationId(), "member", group.memberId());
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            send("revoked", "partitions", Listing.partitions(partitions));
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            send("lost", "partitions", Listing.partitions(partitions));
        }
    }
}
