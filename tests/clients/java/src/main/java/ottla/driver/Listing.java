package ottla.driver;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** Partitions and offsets as the events list them: in order of topic and partition. */
final class Listing {
    private static final Comparator<TopicPartition> ORDER =
            Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition);

    private Listing() {}

    static List<List<Object>> partitions(Collection<TopicPartition> partitions) {
        return partitions.stream()
                .sorted(ORDER)
                .map(partition -> List.<Object>of(partition.topic(), partition.partition()))
                .toList();
    }

    static List<List<Object>> offsets(Map<TopicPartition, Long> offsets) {
        return offsets.entrySet().stream()
                .sorted(Map.Entry.comparingByKey(ORDER))
                .map(entry -> List.<Object>of(entry.getKey().topic(), entry.getKey().partition(), entry.getValue()))
                .toList();
    }
}
