// A member of a group.
import { kafka, withAdmin, sleep } from './client.js'
import { range, roundrobin } from './assignors.js'
import { Failure, nameOf } from './names.js'

const key = (topic, partition) => `${partition} ${topic}`
const byPartition = (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1])

export class Member {
  constructor(c, emit) {
    this.c = c
    this.emit = emit
    this.owned = new Map() // what it owns: topic, partition and the position, null if not known yet
    this.memberId = null
    this.lost = false
    this.ended = false
    this.closing = false
    this.waiting = [] // those stopped by pause
    this.paused = false
  }

  async start() {
    const c = this.c
    if (c.instance_id != null) throw new Failure('UNSUPPORTED', 'kafkajs has no static membership')
    const reset = c.reset ?? 'earliest'
    if (reset === 'none') throw new Failure('UNSUPPORTED', 'kafkajs always resets')
    const assignor = c.assignor ?? 'range'
    const assignors = { range: [range], roundrobin: [roundrobin], default: undefined }
    if (!(assignor in assignors)) throw new Failure('UNSUPPORTED', `kafkajs has no assignor ${assignor}`)
    this.processMs = c.process_ms ?? 0
    this.values = c.values ?? true
    this.commitEach = !c.auto_commit && (c.commit_each ?? true)
    const heartbeatInterval = c.heartbeat_interval_ms ?? 500
    const retry = { initialRetryTime: 100, maxRetryTime: 1000, retries: 30 }
    this.heartbeatInterval = heartbeatInterval
    this.consumer = kafka(c, { onLog: log => this.log(log) }).consumer({
      groupId: c.group,
      sessionTimeout: c.session_timeout_ms ?? 6000,
      heartbeatInterval,
      rebalanceTimeout: c.max_poll_interval_ms ?? 60000,
      metadataMaxAge: c.metadata_max_age_ms ?? 1000,
      // Heartbeats are sent between fetches only.
      maxWaitTimeInMs: Math.min(heartbeatInterval, 200),
      allowAutoTopicCreation: false,
      retry,
      ...(assignors[assignor] && { partitionAssigners: assignors[assignor] })
    })
    const { events } = this.consumer
    this.consumer.on(events.GROUP_JOIN, ({ payload }) => this.joined(payload))
    this.consumer.on(events.REBALANCING, () => this.release('revoked'))
    this.consumer.on(events.CRASH, ({ payload }) => {
      this.error('poll', payload.error)
      this.release('lost')
      if (!payload.restart) this.end()
    })
    await this.consumer.connect()
    // The topic may be missing still; the library gives up at once.
    await this.subscribe(reset)
    // Ends when the member has joined for the first time.
    this.running = this.consumer
      .run({
        autoCommit: c.auto_commit ?? false,
        ...(c.auto_commit && { autoCommitInterval: c.auto_commit_interval_ms ?? 1000 }),
        eachBatchAutoResolve: false,
        eachBatch: payload => this.batch(payload)
      })
      .catch(e => {
        this.error('poll', e)
        this.end()
      })
  }

  async subscribe(reset) {
    try {
      await this.consumer.subscribe({ topics: this.c.topics, fromBeginning: reset === 'earliest' })
    } catch (e) {
      await this.consumer.disconnect().catch(() => {})
      throw e
    }
  }

  // ---- membership

  list() {
    return [...this.owned.values()].map(o => [o.topic, o.partition]).sort(byPartition)
  }

  release(event) {
    const partitions = this.list()
    this.owned.clear()
    if (partitions.length > 0) this.emit(event, { partitions })
  }

  log({ message }) {
    // No event tells of this.
    if (message?.startsWith('The coordinator is not aware of this member')) {
      this.emit('error', { error: 'UNKNOWN_MEMBER_ID', message, during: 'heartbeat' })
      this.release('lost')
    }
  }

  joined({ memberId, memberAssignment }) {
    // Some rebalances come without REBALANCING before them, such as those after new partitions.
    this.release(this.memberId != null && this.memberId !== memberId ? 'lost' : 'revoked')
    this.memberId = memberId
    for (const [topic, partitions] of Object.entries(memberAssignment)) {
      for (const partition of partitions) this.owned.set(key(topic, partition), { topic, partition, position: null })
    }
    this.emit('assigned', { partitions: this.list(), member: memberId })
  }

  error(during, e) {
    this.emit('error', { error: nameOf(e), message: String(e?.message ?? e), during })
  }

  end() {
    if (this.ended) return
    this.ended = true
    this.emit('ended', {})
  }

  // ---- records

  async batch({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isRunning, isStale }) {
    const { topic, partition, messages } = batch
    if (this.paused) await new Promise(resolve => this.waiting.push(resolve))
    if (!isRunning() || isStale() || this.closing || messages.length === 0) return
    const first = Number(messages[0].offset)
    const last = Number(messages[messages.length - 1].offset)
    this.emit('records', {
      topic,
      partition,
      first,
      last,
      count: messages.length,
      ...(this.values && { values: messages.map(m => m.value?.toString() ?? null) })
    })
    const own = this.owned.get(key(topic, partition))
    if (own) own.position = last + 1
    // A rebalance heard of while at work is not acted on before the work is done.
    const rebalance = await this.work(heartbeat)
    resolveOffset(String(last))
    if (this.commitEach) {
      try {
        await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(last + 1) }] }] })
        this.emit('committed', { offsets: [[topic, partition, last + 1]] })
      } catch (e) {
        this.error('commit', e)
        throw rebalance ?? e
      }
    }
    if (rebalance) throw rebalance
  }

  async work(heartbeat) {
    let rebalance = null
    const until = performance.now() + this.processMs
    for (let left = this.processMs; left > 0; left = until - performance.now()) {
      await sleep(Math.min(left, this.heartbeatInterval))
      if (rebalance == null) await heartbeat().catch(e => (rebalance = e))
    }
    return rebalance
  }

  // ---- commands

  async position() {
    const missing = new Set([...this.owned.values()].filter(o => o.position == null).map(o => o.topic))
    const fallback = new Map()
    if (missing.size > 0) {
      await withAdmin(this.c, async admin => {
        const committed = await admin.fetchOffsets({ groupId: this.c.group, topics: [...missing] })
        for (const { topic, partitions } of committed) {
          const ends = await admin.fetchTopicOffsets(topic)
          for (const end of ends) {
            const at = Number(partitions.find(p => p.partition === end.partition)?.offset ?? -1)
            const reset = this.c.reset === 'latest' ? end.high : end.low
            fallback.set(key(topic, end.partition), at >= 0 ? at : Number(reset))
          }
        }
      })
    }
    return [...this.owned.values()]
      .map(o => [o.topic, o.partition, o.position ?? fallback.get(key(o.topic, o.partition))])
      .filter(o => o[2] != null)
      .sort(byPartition)
  }

  async commit() {
    const offsets = await this.position()
    if (offsets.length === 0) return offsets
    await this.consumer.commitOffsets(offsets.map(([topic, partition, offset]) => ({ topic, partition, offset: String(offset) })))
    this.emit('committed', { offsets })
    return offsets
  }

  async seek({ to, topic, partition }) {
    if (to == null) throw new Failure('CLIENT', 'seek needs `to`')
    const targets = [...this.owned.values()].filter(o => (topic == null || o.topic === topic) && (partition == null || o.partition === partition))
    const ends = new Map()
    if (to === 'earliest' || to === 'latest') {
      await withAdmin(this.c, async admin => {
        for (const t of new Set(targets.map(o => o.topic))) ends.set(t, await admin.fetchTopicOffsets(t))
      })
    }
    for (const own of targets) {
      const end = ends.get(own.topic)?.find(e => e.partition === own.partition)
      const offset = Number(end ? (to === 'earliest' ? end.low : end.high) : to)
      if (!Number.isInteger(offset)) throw new Failure('CLIENT', `no such place: ${to}`)
      own.position = offset
      this.consumer.seek({ topic: own.topic, partition: own.partition, offset: String(offset) })
    }
  }

  pause() {
    this.paused = true
  }

  resume() {
    this.paused = false
    for (const go of this.waiting.splice(0)) go()
  }

  async close() {
    this.closing = true
    this.resume()
    // Before the first join is through, the library would not leave the group.
    await Promise.race([this.running, sleep(15000)])
    await this.consumer.disconnect()
    this.release('revoked')
  }
}
