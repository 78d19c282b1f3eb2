package ottla.driver;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** One command: its fields, and its one answer. A field that is null counts as absent. */
final class Command {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final JsonNode body;
    private final Events events;

    private Command(JsonNode body, Events events) {
        this.body = body;
        this.events = events;
    }

    static Command parse(String line, Events events) throws JsonProcessingException {
        return new Command(JSON.readTree(line), events);
    }

    String name() {
        return text("cmd", "");
    }

    String id() {
        return text("id", "");
    }

    boolean has(String field) {
        return body.hasNonNull(field);
    }

    private JsonNode get(String field) {
        if (!has(field)) {
            throw new IllegalArgumentException("the field " + field + " is missing");
        }
        return body.get(field);
    }

    String text(String field) {
        return get(field).asText();
    }

    String text(String field, String otherwise) {
        return has(field) ? text(field) : otherwise;
    }

    long number(String field) {
        JsonNode value = get(field);
        return value.isNumber() ? value.asLong() : Long.parseLong(value.asText());
    }

    long number(String field, long otherwise) {
        return has(field) ? number(field) : otherwise;
    }

    int integer(String field) {
        return Math.toIntExact(number(field));
    }

    boolean flag(String field, boolean otherwise) {
        return has(field) ? body.get(field).asBoolean() : otherwise;
    }

    List<String> texts(String field) {
        List<String> texts = new ArrayList<>();
        get(field).forEach(text -> texts.add(text.asText()));
        return texts;
    }

    /** An object of names and values; the values may be null. */
    Map<String, String> pairs(String field) {
        Map<String, String> pairs = new LinkedHashMap<>();
        if (has(field)) {
            body.get(field).fields().forEachRemaining(pair ->
                    pairs.put(pair.getKey(), pair.getValue().isNull() ? null : pair.getValue().asText()));
        }
        return pairs;
    }

    TopicPartition partition() {
        return new TopicPartition(text("topic"), integer("partition"));
    }

    /** A list of {@code ["topic", number]}. */
    List<TopicPartition> partitions(String field) {
        List<TopicPartition> partitions = new ArrayList<>();
        get(field).forEach(pair -> partitions.add(new TopicPartition(pair.get(0).asText(), pair.get(1).asInt())));
        return partitions;
    }

    /** A list of {@code ["topic", number, offset]}. */
    Map<TopicPartition, Long> offsets(String field) {
        Map<TopicPartition, Long> offsets = new LinkedHashMap<>();
        get(field).forEach(triple -> offsets.put(
                new TopicPartition(triple.get(0).asText(), triple.get(1).asInt()), triple.get(2).asLong()));
        return offsets;
    }

    void done(Object... fields) {
        Map<String, Object> event = Events.event("done", "id", id(), "cmd", name());
        Events.put(event, fields);
        events.send(event);
    }

    void failed(Throwable cause) {
        failed(Failure.name(cause), Failure.message(cause));
    }

    void failed(String error, String message) {
        events.send(Events.event("failed", "id", id(), "cmd", name(), "error", error, "message", message));
    }
}
