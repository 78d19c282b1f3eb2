import kafkajs from 'kafkajs'

const LEVELS = { ERROR: 1 }

// A Kafka of its own for everybody: those made from one share their committed offsets. `onLog` hears every entry.
export function kafka(c, { onLog, retry } = {}) {
  return new kafkajs.Kafka({
    brokers: c.bootstrap.split(','),
    clientId: c.client_id ?? 'kafkajs',
    connectionTimeout: 5000,
    retry: { initialRetryTime: 100, maxRetryTime: 2000, retries: 8, ...retry },
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => entry => {
      onLog?.(entry.log)
      if (process.env.KAFKAJS_LOG_LEVEL && entry.level <= (LEVELS[process.env.KAFKAJS_LOG_LEVEL] ?? 5)) {
        console.error(JSON.stringify(entry.log))
      }
    }
  })
}

export async function withAdmin(c, f) {
  const admin = kafka(c).admin()
  await admin.connect()
  try {
    return await f(admin)
  } finally {
    await admin.disconnect()
  }
}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
