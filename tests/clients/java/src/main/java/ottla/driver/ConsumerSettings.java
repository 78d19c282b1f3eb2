package ottla.driver;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.common.serialization.StringDeserializer;

/** The client's configuration for a {@code consumer} or {@code assign} command. */
final class ConsumerSettings {
    private ConsumerSettings() {}

    static Map<String, Object> of(Command command) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, command.text("bootstrap"));
        settings.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, StringDeserializer.class);
        settings.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, StringDeserializer.class);
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, command.flag("auto_commit", false));
        settings.put(ConsumerConfig.AUTO_COMMIT_INTERVAL_MS_CONFIG,
                Math.toIntExact(command.number("auto_commit_interval_ms", 1000)));
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, command.text("reset", "earliest"));
        settings.put(ConsumerConfig.METADATA_MAX_AGE_CONFIG, command.number("metadata_max_age_ms", 1000));
        settings.put(ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG,
                Math.toIntExact(command.number("max_poll_interval_ms", 60000)));
        putIfGiven(settings, ConsumerConfig.ISOLATION_LEVEL_CONFIG, command, "isolation");
        putIfGiven(settings, ConsumerConfig.GROUP_ID_CONFIG, command, "group");
        putIfGiven(settings, ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, command, "instance_id");
        putIfGiven(settings, ConsumerConfig.CLIENT_ID_CONFIG, command, "client_id");
        if (command.text("group_protocol", "classic").equals("consumer")) {
            putConsumerProtocol(settings, command);
        } else {
            putClassicProtocol(settings, command);
        }
        return settings;
    }

    private static void putClassicProtocol(Map<String, Object> settings, Command command) {
        settings.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG,
                Math.toIntExact(command.number("session_timeout_ms", 6000)));
        settings.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG,
                Math.toIntExact(command.number("heartbeat_interval_ms", 500)));
        String assignor = command.text("assignor", "range");
        if (!assignor.equals("default")) {
            settings.put(ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, switch (assignor) {
                case "range" -> RangeAssignor.class.getName();
                case "roundrobin" -> RoundRobinAssignor.class.getName();
                case "cooperative-sticky" -> CooperativeStickyAssignor.class.getName();
                default -> throw new IllegalArgumentException("unknown assignor " + assignor);
            });
        }
    }

    /** Here the broker decides about sessions and heartbeats, and assigns; only its assignor can be chosen. */
    private static void putConsumerProtocol(Map<String, Object> settings, Command command) {
        settings.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, "consumer");
        String assignor = command.text("assignor", "default");
        if (assignor.equals("range") || assignor.equals("uniform")) {
            settings.put(ConsumerConfig.GROUP_REMOTE_ASSIGNOR_CONFIG, assignor);
        } else if (!assignor.equals("default")) {
            throw new IllegalArgumentException("the consumer protocol knows no assignor " + assignor);
        }
    }

    private static void putIfGiven(Map<String, Object> settings, String name, Command command, String field) {
        if (command.has(field)) {
            settings.put(name, command.text(field));
        }
    }
}
