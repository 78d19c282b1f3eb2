import kafkajs from 'kafkajs'
import { kafka, sleep } from './client.js'
import { Failure, nameOf } from './names.js'

const { CompressionTypes, Partitioners } = kafkajs
const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }

export async function produce(c) {
  const asked = c.acks ?? 'all'
  const acks = asked === 'all' ? -1 : Number(asked)
  // Idempotence needs all acknowledgements; who asks for fewer and says nothing of it does not want it.
  const idempotent = c.idempotent ?? acks === -1
  if (idempotent && acks !== -1) throw new Failure('CLIENT', 'an idempotent producer needs acks all')
  const codec = c.compression ?? 'none'
  if (!(codec in CODECS)) throw new Failure('UNSUPPORTED', `kafkajs has no compression ${codec} of its own`)
  const prefix = c.prefix ?? 'v'
  const first = c.first ?? 0
  const count = c.count ?? 0
  const rate = c.rate ?? 0
  const size = c.size ?? 0

  const producer = kafka(c, { retry: { retries: 60, maxRetryTime: 1000 } }).producer({
    idempotent,
    ...(idempotent && { maxInFlightRequests: 1 }),
    // Where it put a record is known to the partitioner only.
    createPartitioner: () => {
      const choose = Partitioners.DefaultPartitioner()
      return args => (args.message.where = choose(args))
    }
  })
  await producer.connect()
  const acked = []
  let failed = 0
  let firstError
  const batchSize = rate > 0 ? Math.max(1, Math.floor(rate / 50)) : Math.max(1, Math.min(1000, Math.floor(500000 / (size + 40))))
  const begin = performance.now()
  try {
    for (let sent = 0; sent < count; ) {
      const n = Math.min(batchSize, count - sent)
      if (rate > 0) {
        const wait = begin + ((sent + n - 1) / rate) * 1000 - performance.now()
        if (wait > 0) await sleep(wait)
      }
      const messages = []
      for (let k = 0; k < n; k++) {
        const i = first + sent + k
        const name = `${prefix}-${i}`
        const partition = c.partition ?? (c.partitions ? i % c.partitions : undefined)
        messages.push({ i, value: name.padEnd(size, '.'), ...(c.keys && { key: name }), ...(partition != null && { partition }) })
      }
      sent += n
      try {
        const answers = await producer.send({ topic: c.topic, acks, compression: CODECS[codec], messages })
        const next = new Map(answers.map(a => [a.partition, Number(a.baseOffset ?? a.offset)]))
        for (const m of messages) {
          const partition = m.where ?? m.partition
          const offset = next.get(partition)
          if (offset == null || acks === 0) {
            acked.push([m.i, partition, -1])
          } else {
            acked.push([m.i, partition, offset])
            next.set(partition, offset + 1)
          }
        }
      } catch (e) {
        // Part of it may be there nevertheless: the library does not say which.
        failed += n
        firstError ??= nameOf(e)
      }
    }
  } finally {
    await producer.disconnect()
  }
  return {
    acked: acked.length,
    failed,
    ...(firstError && { first_error: firstError }),
    ...(c.report !== false && { acks: acked })
  }
}
