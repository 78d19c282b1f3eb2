package ottla.driver;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;

/** The stream of events to stdout: one JSON object a line, each stamped with the time since the driver started. */
final class Events {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final PrintStream out;
    private final long started = System.nanoTime();

    Events(PrintStream out) {
        this.out = out;
    }

    /** An event of the given name and fields, given as name, value, name, value... */
    static Map<String, Object> event(String name, Object... fields) {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("event", name);
        put(event, fields);
        return event;
    }

    static void put(Map<String, Object> event, Object... fields) {
        for (int i = 0; i < fields.length; i += 2) {
            event.put((String) fields[i], fields[i + 1]);
        }
    }

    synchronized void send(Map<String, Object> event) {
        event.put("ms", (System.nanoTime() - started) / 1_000_000);
        try {
            byte[] json = JSON.writeValueAsBytes(event);
            out.write(json, 0, json.length);
            out.write('\n');
            out.flush();
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
