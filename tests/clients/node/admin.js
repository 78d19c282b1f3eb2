import kafkajs from 'kafkajs'
import { withAdmin } from './client.js'
import { Failure } from './names.js'

const TOPIC = kafkajs.ConfigResourceTypes.TOPIC
const SET_ON_TOPIC = kafkajs.ConfigSource.TOPIC_CONFIG
const entries = configs => Object.entries(configs ?? {}).map(([name, value]) => ({ name, value: String(value) }))
const unsupported = message => {
  throw new Failure('UNSUPPORTED', message)
}

async function describeConfigs(admin, topic) {
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: TOPIC, name: topic }] })
  return resources[0].configEntries
}

const COMMANDS = {
  async create_topic(admin, c) {
    const made = await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic: c.topic, numPartitions: c.partitions ?? -1, replicationFactor: -1, configEntries: entries(c.configs) }]
    })
    // The library keeps this error to itself.
    if (!made) throw new Failure('TOPIC_ALREADY_EXISTS', 'the topic exists')
  },
  async create_partitions(admin, c) {
    await admin.createPartitions({ topicPartitions: [{ topic: c.topic, count: c.total }] })
  },
  async delete_topic(admin, c) {
    await admin.deleteTopics({ topics: [c.topic] })
  },
  async describe_topic(admin, c) {
    const { topics } = await admin.fetchTopicMetadata({ topics: [c.topic] })
    return { partitions: topics[0].partitions.length }
  },
  async list_topics(admin) {
    return { topics: (await admin.listTopics()).filter(t => !t.startsWith('__')) }
  },
  async describe_configs(admin, c) {
    const found = await describeConfigs(admin, c.topic)
    return { configs: Object.fromEntries(found.map(e => [e.configName, e.configValue])) }
  },
  async alter_configs(admin, c) {
    // The library has only the request that replaces them all.
    const now = (await describeConfigs(admin, c.topic)).filter(e => e.configSource === SET_ON_TOPIC)
    const all = { ...Object.fromEntries(now.map(e => [e.configName, e.configValue])), ...c.configs }
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC, name: c.topic, configEntries: entries(all) }] })
  },
  async list_offsets(admin, c) {
    if (c.at === 'max_timestamp') unsupported('kafkajs asks ListOffsets up to version 3; the greatest timestamp came with 7')
    const ends = await admin.fetchTopicOffsets(c.topic)
    const end = ends.find(e => e.partition === c.partition)
    if (!end) throw new Failure('UNKNOWN_TOPIC_OR_PARTITION', `no partition ${c.partition}`)
    if (c.at === 'earliest') return { offset: Number(end.low) }
    if (c.at === 'latest') return { offset: Number(end.high) }
    const found = await admin.fetchTopicOffsetsByTimestamp(c.topic, Number(c.at))
    const offset = Number(found.find(o => o.partition === c.partition).offset)
    // The library gives the end of the log where Kafka says that there is no such record.
    return { offset: offset >= Number(end.high) ? -1 : offset }
  },
  async delete_records(admin, c) {
    // Without this the library does not know the topic.
    await admin.fetchTopicOffsets(c.topic)
    await admin.deleteTopicRecords({ topic: c.topic, partitions: [{ partition: c.partition, offset: String(c.before) }] })
    const end = (await admin.fetchTopicOffsets(c.topic)).find(e => e.partition === c.partition)
    return { low: Number(end.low) }
  },
  async list_groups(admin) {
    const { groups } = await admin.listGroups()
    return { groups: groups.map(g => g.groupId) }
  },
  async describe_group(admin, c) {
    const { groups } = await admin.describeGroups([c.group])
    const g = groups[0]
    const members = g.members.map(m => {
      const decoded = m.memberAssignment.length > 0 ? kafkajs.AssignerProtocol.MemberAssignment.decode(m.memberAssignment) : null
      const partitions = Object.entries(decoded?.assignment ?? {}).flatMap(([t, ps]) => ps.map(p => [t, p]))
      return { member: m.memberId, client: m.clientId, host: m.clientHost, partitions }
    })
    return { state: g.state, protocol: g.protocol, members }
  },
  async committed(admin, c) {
    const found = await admin.fetchOffsets({ groupId: c.group, topics: [c.topic] })
    const at = new Map((found[0]?.partitions ?? []).map(p => [p.partition, Number(p.offset)]))
    return { offsets: Array.from({ length: c.partitions }, (_, p) => [c.topic, p, at.get(p) ?? -1]) }
  },
  async delete_group(admin, c) {
    await admin.deleteGroups([c.group])
  },
  async delete_offsets() {
    unsupported('kafkajs has no OffsetDelete')
  },
  async alter_offsets(admin, c) {
    const topics = new Map()
    for (const [topic, partition, offset] of c.offsets) {
      topics.set(topic, [...(topics.get(topic) ?? []), { partition, offset: String(offset) }])
    }
    for (const [topic, partitions] of topics) await admin.setOffsets({ groupId: c.group, topic, partitions })
  }
}

export async function admin(c) {
  const command = COMMANDS[c.cmd] ?? unsupported(`no command ${c.cmd}`)
  return (await withAdmin(c, admin => command(admin, c))) ?? {}
}
