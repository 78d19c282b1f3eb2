// kafkajs comes with one assignor, which no other client knows. These two are Kafka's own, so that a group may have
// members of several clients.
import kafkajs from 'kafkajs'

const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol

function assignor(name, share) {
  return ({ cluster }) => ({
    name,
    version: 1,
    protocol: ({ topics }) => ({ name, metadata: MemberMetadata.encode({ version: 1, topics, userData: Buffer.alloc(0) }) }),
    async assign({ members }) {
      const subscribed = new Map(
        members
          .map(m => [m.memberId, MemberMetadata.decode(m.memberMetadata)?.topics ?? []])
          .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      )
      const topics = [...new Set([...subscribed.values()].flat())].sort()
      await cluster.addMultipleTargetTopics(topics)
      const partitions = topic =>
        cluster
          .findTopicPartitionMetadata(topic)
          .map(p => p.partitionId)
          .sort((a, b) => a - b)
      const assignment = new Map([...subscribed.keys()].map(id => [id, {}]))
      share({ subscribed, topics, partitions, give: (id, topic, p) => (assignment.get(id)[topic] ??= []).push(p) })
      return [...assignment].map(([memberId, a]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({ version: 1, assignment: a, userData: Buffer.alloc(0) })
      }))
    }
  })
}

export const range = assignor('range', ({ subscribed, topics, partitions, give }) => {
  for (const topic of topics) {
    const ids = [...subscribed].filter(([, ts]) => ts.includes(topic)).map(([id]) => id)
    const ps = partitions(topic)
    let next = 0
    ids.forEach((id, i) => {
      const n = Math.floor(ps.length / ids.length) + (i < ps.length % ids.length ? 1 : 0)
      for (const p of ps.slice(next, next + n)) give(id, topic, p)
      next += n
    })
  }
})

export const roundrobin = assignor('roundrobin', ({ subscribed, topics, partitions, give }) => {
  const ids = [...subscribed.keys()]
  let turn = 0
  for (const topic of topics) {
    for (const p of partitions(topic)) {
      while (!subscribed.get(ids[turn % ids.length]).includes(topic)) turn++
      give(ids[turn++ % ids.length], topic, p)
    }
  }
})
