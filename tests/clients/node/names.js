// Names of errors: kafkajs has older ones than Kafka for some codes, and knows none of the newer codes.

export class Failure extends Error {
  constructor(type, message) {
    super(message)
    this.driver = type
  }
}

const NAMES = {
  '-1': 'UNKNOWN_SERVER_ERROR',
  6: 'NOT_LEADER_OR_FOLLOWER',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  89: 'THROTTLING_QUOTA_EXCEEDED',
  90: 'PRODUCER_FENCED',
  91: 'RESOURCE_NOT_FOUND',
  100: 'UNKNOWN_TOPIC_ID',
  110: 'FENCED_MEMBER_EPOCH',
  111: 'UNRELEASED_INSTANCE_ID',
  112: 'UNSUPPORTED_ASSIGNOR',
  113: 'STALE_MEMBER_EPOCH'
}

export function nameOf(e) {
  for (let depth = 0; e != null && depth < 8; depth++) {
    if (e.driver) return e.driver
    // Answers with several errors in them.
    for (const inner of e.errors ?? e.groups ?? e.partitions ?? []) {
      const name = nameOf(inner.error ?? inner)
      if (name !== 'CLIENT') return name
    }
    const code = e.code ?? e.errorCode
    if (NAMES[code]) return NAMES[code]
    if (typeof e.type === 'string' && /^[A-Z][A-Z_]+$/.test(e.type) && e.type !== 'KAFKAJS_UNKNOWN_ERROR_CODE') return e.type
    e = e.cause ?? e.originalError
  }
  return 'CLIENT'
}
