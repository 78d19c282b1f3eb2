package ottla.driver;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** Reads commands from stdin and hands each to the actor it addresses; see ../PROTOCOL.md. */
public final class Driver {
    /** How long commands still running at the end of stdin may take. */
    private static final long LAST_COMMANDS_SECONDS = 30;

    private final Events events;
    private final Administration administration = new Administration();
    private final Map<String, Actor> actors = new HashMap<>();

    /** The producers led step by step, touched in their ids' queues only. */
    private final Map<String, TransactionalProducer> producers = new ConcurrentHashMap<>();

    /** For each id the end of its queue of producing and admin commands: one id does one thing at a time. */
    private final Map<String, CompletableFuture<Void>> queues = new HashMap<>();
    private final ExecutorService workers = Executors.newCachedThreadPool();

    /** Actors that this client alone does not have, by the command that makes them. */
    private final Map<String, BiFunction<Command, Events, Actor>> others;

    private Driver(Events events, Map<String, BiFunction<Command, Events, Actor>> others) {
        this.events = events;
        this.others = others;
    }

    public static void main(String[] arguments) throws IOException {
        run("kafka-clients", Map.of());
    }

    static void run(String client, Map<String, BiFunction<Command, Events, Actor>> others) throws IOException {
        Events events = new Events(System.out);
        System.setOut(System.err); // whatever a library prints must not get between the events
        events.send(Events.event("ready", "client", client, "version", clientVersion()));
        Driver driver = new Driver(events, others);
        driver.readCommands();
        driver.end();
        System.exit(0);
    }

    private static String clientVersion() throws IOException {
        Properties properties = new Properties();
        try (InputStream file = KafkaConsumer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            properties.load(file);
        }
        return properties.getProperty("version");
    }

    private void readCommands() throws IOException {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (line.isBlank()) {
                continue;
            }
            try {
                begin(Command.parse(line, events));
            } catch (JsonProcessingException e) {
                events.send(Events.event("failed", "id", null, "cmd", null, "error", Failure.CLIENT,
                        "message", e.getMessage()));
            }
        }
    }

    private void begin(Command command) {
        switch (command.name()) {
            case "consumer", "assign" -> begin(command, new Member(command, events));
            case "transform" -> begin(command, new Transform(command, events));
            case "close", "commit", "seek", "pause", "resume", "position" -> tell(command);
            case "transact" -> queue(command, () -> transact(command));
            case "begin", "send", "offsets", "end" -> queue(command, () -> producer(command).run(command));
            case "produce" -> queue(command, () -> new Production(command).run());
            default -> {
                if (others.containsKey(command.name())) {
                    begin(command, others.get(command.name()).apply(command, events));
                } else {
                    queue(command, () -> administration.run(command));
                }
            }
        }
    }

    private void begin(Command command, Actor actor) {
        Actor earlier = actors.get(command.id());
        if (earlier != null && !earlier.hasEnded()) {
            command.failed(Failure.CLIENT, "there is already a member " + command.id());
            return;
        }
        actors.put(command.id(), actor);
        actor.start();
    }

    private void tell(Command command) {
        Actor actor = actors.get(command.id());
        if (actor != null) {
            actor.tell(command);
        } else if (command.name().equals("close")) {
            queue(command, () -> {
                producer(command).run(command);
                producers.remove(command.id());
            });
        } else {
            command.failed(Failure.CLIENT, "there is no member " + command.id());
        }
    }

    private void transact(Command command) {
        producers.put(command.id(), new TransactionalProducer(command));
        command.done();
    }

    private TransactionalProducer producer(Command command) {
        TransactionalProducer producer = producers.get(command.id());
        if (producer == null) {
            throw new IllegalStateException("there is no producer " + command.id());
        }
        return producer;
    }

    private void queue(Command command, Work work) {
        queues.compute(command.id(), (id, before) ->
                (before == null ? CompletableFuture.<Void>completedFuture(null) : before)
                        .thenRunAsync(() -> answer(command, work), workers));
    }

    private static void answer(Command command, Work work) {
        try {
            work.run();
        } catch (Exception | LinkageError e) {
            command.failed(e);
        }
    }

    /** Stdin has ended: let the running commands finish and every member leave its group. */
    private void end() {
        actors.values().forEach(Actor::leave);
        try {
            CompletableFuture.allOf(queues.values().toArray(CompletableFuture[]::new))
                    .get(LAST_COMMANDS_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            System.err.println("commands unfinished " + LAST_COMMANDS_SECONDS + " s after the end of stdin");
        } catch (Exception e) {
            System.err.println("while ending: " + e);
        }
        actors.values().forEach(Actor::awaitEnd);
        producers.values().forEach(TransactionalProducer::close);
        administration.close();
    }

    private interface Work {
        void run() throws Exception;
    }
}
