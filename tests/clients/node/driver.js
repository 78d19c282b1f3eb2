// Driver for kafkajs: reads commands, runs them (one after the other for an id, at the same time for different ids) and
// writes events. See ../PROTOCOL.md.
import { createInterface } from 'node:readline'
import { writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Member } from './member.js'
import { produce } from './produce.js'
import { admin } from './admin.js'
import { Failure, nameOf } from './names.js'

const started = performance.now()

function emit(event, id, fields = {}) {
  let line = Buffer.from(JSON.stringify({ event, ...(id != null && { id }), ...fields, ms: Math.floor(performance.now() - started) }) + '\n')
  while (line.length > 0) {
    try {
      line = line.subarray(writeSync(1, line))
    } catch (e) {
      if (e.code !== 'EAGAIN') throw e
    }
  }
}

const members = new Map()

async function close(id) {
  const member = members.get(id)
  members.delete(id)
  try {
    await member.close()
  } catch (e) {
    member.error('close', e)
  }
  member.end()
}

async function run(c) {
  const member = members.get(c.id)
  switch (c.cmd) {
    case 'consumer': {
      if (member) throw new Failure('CLIENT', `there is already a member ${c.id}`)
      const fresh = new Member(c, (event, fields) => emit(event, c.id, fields))
      await fresh.start()
      members.set(c.id, fresh)
      return {}
    }
    case 'assign':
      throw new Failure('UNSUPPORTED', 'kafkajs consumes in a group only')
    case 'close':
    case 'commit':
    case 'position':
    case 'seek':
    case 'pause':
    case 'resume':
      if (!member) throw new Failure('CLIENT', `no member ${c.id}`)
      if (c.cmd === 'close') await close(c.id)
      else if (c.cmd === 'commit') return { offsets: await member.commit() }
      else if (c.cmd === 'position') return { offsets: await member.position() }
      else if (c.cmd === 'seek') await member.seek(c)
      else if (c.cmd === 'pause') member.pause()
      else member.resume()
      return {}
    case 'produce':
      return produce(c)
    default:
      return admin(c)
  }
}

async function answer(c) {
  try {
    const fields = await run(c)
    emit('done', c.id, { cmd: c.cmd, ...fields })
  } catch (e) {
    emit('failed', c.id, { cmd: c.cmd, error: nameOf(e), message: String(e?.message ?? e) })
  }
}

// The library leaves promises to themselves here and there: say so and go on.
process.on('unhandledRejection', e => console.error('unhandled rejection:', e?.stack ?? e))
process.on('uncaughtException', e => console.error('uncaught exception:', e?.stack ?? e))

const { version } = createRequire(import.meta.url)('kafkajs/package.json')
emit('ready', null, { client: 'kafkajs', version })

const queues = new Map()
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue
  let c
  try {
    c = JSON.parse(line)
  } catch (e) {
    emit('failed', null, { cmd: null, error: 'CLIENT', message: `bad command: ${e.message}` })
    continue
  }
  queues.set(c.id, (queues.get(c.id) ?? Promise.resolve()).then(() => answer(c)))
}

setTimeout(() => {
  console.error('closing took too long')
  process.exit(1)
}, 60000).unref()
await Promise.all(queues.values())
await Promise.all([...members.keys()].map(close))
process.exit(0)
