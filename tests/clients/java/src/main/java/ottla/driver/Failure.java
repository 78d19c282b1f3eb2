package ottla.driver;

import java.util.Locale;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.UnknownServerException;
import org.apache.kafka.common.protocol.Errors;

/** Names what went wrong as Kafka's protocol does. */
final class Failure {
    /** The name of what has no name of Kafka's. */
    static final String CLIENT = "CLIENT";
    /** The name of what this client cannot do. */
    static final String UNSUPPORTED = "UNSUPPORTED";

    private Failure() {}

    static String name(Throwable failure) {
        for (Throwable t = failure; t != null; t = t.getCause()) {
            Errors error = Errors.forException(t);
            if (error != Errors.UNKNOWN_SERVER_ERROR || t instanceof UnknownServerException) {
                return error.name();
            }
            String name = nameOfClass(t);
            if (name != null) {
                return name;
            }
        }
        return CLIENT;
    }

    /** OFFSET_OUT_OF_RANGE for any OffsetOutOfRangeException of Kafka's, if Kafka has an error of that name. */
    private static String nameOfClass(Throwable failure) {
        if (!(failure instanceof KafkaException)) {
            return null;
        }
        String name = failure.getClass().getSimpleName()
                .replaceFirst("Exception$", "")
                .replaceAll("(?<=[a-z0-9])(?=[A-Z])", "_")
                .toUpperCase(Locale.ROOT);
        for (Errors error : Errors.values()) {
            if (error.name().equals(name)) {
                return name;
            }
        }
        return null;
    }

    static String message(Throwable failure) {
        Throwable t = failure;
        while ((t instanceof ExecutionException || t instanceof CompletionException) && t.getCause() != null) {
            t = t.getCause();
        }
        return t.getClass().getSimpleName() + ": " + t.getMessage();
    }
}
