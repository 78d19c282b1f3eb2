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
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** Reads commands from stdin and hands each to the actor it addresses; see ../PROTOCOL.md. */
public final class Driver {
    /** How long commands still running at the end of stdin may take. */
    private static final long LAST_COMMANDS_SECONDS = 30;

    private final Events events;
    private final Administration administration = new Administration();
    private final Map<String, Member> members = new HashMap<>();

    /** For each id the end of its queue of producing and admin commands: one id does one thing at a time. */
    private final Map<String, CompletableFuture<Void>> queues = new HashMap<>();
    private final ExecutorService workers = Executors.newCachedThreadPool();

    private Driver(Events events) {
        this.events = events;
    }

    public static void main(String[] arguments) throws IOException {
        Events events = new Events(System.out);
        System.setOut(System.err); // whatever a library prints must not get between the events
        events.send(Events.event("ready", "client", "kafka-clients", "version", clientVersion()));
        Driver driver = new Driver(events);
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
            case "consumer", "assign" -> beginMember(command);
            case "close", "commit", "seek", "pause", "resume", "position" -> tellMember(command);
            case "produce" -> queue(command, () -> new Production(command).run());
            default -> queue(command, () -> administration.run(command));
        }
    }

    private void beginMember(Command command) {
        Member earlier = members.get(command.id());
        if (earlier != null && !earlier.hasEnded()) {
            command.failed(Failure.CLIENT, "there is already a member " + command.id());
            return;
        }
        Member member = new Member(command, events);
        members.put(command.id(), member);
        member.start();
    }

    private void tellMember(Command command) {
        Member member = members.get(command.id());
        if (member == null) {
            command.failed(Failure.CLIENT, "there is no member " + command.id());
        } else {
            member.tell(command);
        }
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
        members.values().forEach(Member::leave);
        try {
            CompletableFuture.allOf(queues.values().toArray(CompletableFuture[]::new))
                    .get(LAST_COMMANDS_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            System.err.println("commands unfinished " + LAST_COMMANDS_SECONDS + " s after the end of stdin");
        } catch (Exception e) {
            System.err.println("while ending: " + e);
        }
        members.values().forEach(Member::awaitEnd);
        administration.close();
    }

    private interface Work {
        void run() throws Exception;
    }
}
