package ottla.driver;

import java.io.IOException;
import java.util.Map;

/** The driver with the command {@code streams}. */
public final class StreamsDriver {
    private StreamsDriver() {}

    public static void main(String[] arguments) throws IOException {
        Driver.run("kafka-streams", Map.of("streams", StreamsApplication::new));
    }
}
