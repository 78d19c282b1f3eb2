package ottla.driver;

import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** The admin commands, with one admin client for each cluster. */
final class Administration {
    private final Map<String, Admin> admins = new ConcurrentHashMap<>();

    void run(Command command) throws ExecutionException, InterruptedException {
        switch (command.name()) {
            case "create_topic" -> createTopic(command);
            case "create_partitions" -> createPartitions(command);
            case "delete_topic" -> deleteTopic(command);
            case "describe_topic" -> describeTopic(command);
            case "list_topics" -> listTopics(command);
            case "describe_configs" -> describeConfigs(command);
            case "alter_configs" -> alterConfigs(command);
            case "list_offsets" -> listOffsets(command);
            case "delete_records" -> deleteRecords(command);
            case "list_groups" -> listGroups(command);
            case "describe_group" -> describeGroup(command);
            case "committed" -> committed(command);
            case "delete_group" -> deleteGroup(command);
            case "delete_offsets" -> deleteOffsets(command);
            case "alter_offsets" -> alterOffsets(command);
            default -> command.failed(Failure.UNSUPPORTED, "unknown command " + command.name());
        }
    }

    void close() {
        admins.values().forEach(Admin::close);
    }

    private Admin admin(Command command) {
        return admins.computeIfAbsent(command.text("bootstrap"), bootstrap -> Admin.create(Map.of(
                AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, 15000,
                AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 30000)));
    }

    // ---- topics

    private void createTopic(Command command) throws ExecutionException, InterruptedException {
        NewTopic topic = new NewTopic(command.text("topic"), Optional.of(command.integer("partitions")), Optional.empty())
                .configs(command.pairs("configs"));
        admin(command).createTopics(List.of(topic)).all().get();
        command.done();
    }

    private void createPartitions(Command command) throws ExecutionException, InterruptedException {
        admin(command).createPartitions(
                Map.of(command.text("topic"), NewPartitions.increaseTo(command.integer("total")))).all().get();
        command.done();
    }

    private void deleteTopic(Command command) throws ExecutionException, InterruptedException {
        admin(command).deleteTopics(List.of(command.text("topic"))).all().get();
        command.done();
    }

    private void describeTopic(Command command) throws ExecutionException, InterruptedException {
        String topic = command.text("topic");
        var description = admin(command).describeTopics(List.of(topic)).topicNameValues().get(topic).get();
        command.done("partitions", description.partitions().size());
    }

    private void listTopics(Command command) throws ExecutionException, InterruptedException {
        command.done("topics", admin(command).listTopics().names().get().stream().sorted().toList());
    }

    // ---- configuration

    private void describeConfigs(Command command) throws ExecutionException, InterruptedException {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, command.text("topic"));
        Map<String, String> configs = new TreeMap<>();
        for (ConfigEntry entry : admin(command).describeConfigs(List.of(topic)).values().get(topic).get().entries()) {
            configs.put(entry.name(), entry.value());
        }
        command.done("configs", configs);
    }

    /** Sets each name given, and resets one whose value is null. */
    private void alterConfigs(Command command) throws ExecutionException, InterruptedException {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, command.text("topic"));
        Collection<AlterConfigOp> changes = command.pairs("configs").entrySet().stream()
                .map(pair -> new AlterConfigOp(new ConfigEntry(pair.getKey(), pair.getValue()),
                        pair.getValue() == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET))
                .toList();
        admin(command).incrementalAlterConfigs(Map.of(topic, changes)).all().get();
        command.done();
    }

    // ---- records

    private void listOffsets(Command command) throws ExecutionException, InterruptedException {
        OffsetSpec at = switch (command.text("at")) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            case "max_timestamp" -> OffsetSpec.maxTimestamp();
            default -> OffsetSpec.forTimestamp(command.number("at"));
        };
        TopicPartition partition = command.partition();
        var found = admin(command).listOffsets(Map.of(partition, at)).partitionResult(partition).get();
        command.done("offset", found.offset());
    }

    private void deleteRecords(Command command) throws ExecutionException, InterruptedException {
        TopicPartition partition = command.partition();
        var deleted = admin(command)
                .deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(command.number("before"))))
                .lowWatermarks().get(partition).get();
        command.done("low", deleted.lowWatermark());
    }

    // ---- groups

    private void listGroups(Command command) throws ExecutionException, InterruptedException {
        Collection<GroupListing> groups = admin(command).listGroups().all().get();
        command.done("groups", groups.stream().map(GroupListing::groupId).sorted().toList());
    }

    private void describeGroup(Command command) throws ExecutionException, InterruptedException {
        String name = command.text("group");
        ConsumerGroupDescription group =
                admin(command).describeConsumerGroups(List.of(name)).describedGroups().get(name).get();
        command.done("state", group.groupState().toString(), "protocol", group.partitionAssignor(),
                "members", group.members().stream().map(Administration::describe).toList());
    }

    private static Map<String, Object> describe(MemberDescription member) {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("member", member.consumerId());
        described.put("client", member.clientId());
        described.put("host", member.host());
        described.put("instance", member.groupInstanceId().orElse(null));
        described.put("partitions", Listing.partitions(member.assignment().topicPartitions()));
        return described;
    }

    private void committed(Command command) throws ExecutionException, InterruptedException {
        String group = command.text("group");
        String topic = command.text("topic");
        List<TopicPartition> partitions = IntStream.range(0, command.integer("partitions"))
                .mapToObj(partition -> new TopicPartition(topic, partition))
                .toList();
        var answer = admin(command)
                .listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec().topicPartitions(partitions)))
                .partitionsToOffsetAndMetadata(group).get();
        Map<TopicPartition, Long> offsets = new HashMap<>();
        for (TopicPartition partition : partitions) {
            OffsetAndMetadata offset = answer.get(partition);
            offsets.put(partition, offset == null ? -1 : offset.offset());
        }
        command.done("offsets", Listing.offsets(offsets));
    }

    private void deleteGroup(Command command) throws ExecutionException, InterruptedException {
        admin(command).deleteConsumerGroups(List.of(command.text("group"))).all().get();
        command.done();
    }

    private void deleteOffsets(Command command) throws ExecutionException, InterruptedException {
        TopicPartition partition = command.partition();
        admin(command).deleteConsumerGroupOffsets(command.text("group"), Set.of(partition))
                .partitionResult(partition).get();
        command.done();
    }

    private void alterOffsets(Command command) throws ExecutionException, InterruptedException {
        Map<TopicPartition, OffsetAndMetadata> offsets = command.offsets("offsets").entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, entry -> new OffsetAndMetadata(entry.getValue())));
        admin(command).alterConsumerGroupOffsets(command.text("group"), offsets).all().get();
        command.done();
    }
}
