/** Which shard owns an entity (spec 04 §5.1): the first four bytes of SHA-256 over the id, big-endian. */
import { hash } from 'node:crypto'

export function shardHash(entityId: string): number {
  return Number.parseInt(hash('sha256', entityId, 'hex').slice(0, 8), 16)
}
