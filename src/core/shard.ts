/** Which of several processes owns an entity (spec 04 §5.1). */
import { hash } from 'node:crypto'

/** One of `total` parts of a space's entities; `0 <= id < total`. */
export interface Shard {
  readonly id: number
  readonly total: number
}

/** The first four bytes of SHA-256 over the id, big-endian. */
export function shardHash(entityId: string): number {
  return Number.parseInt(hash('sha256', entityId, 'hex').slice(0, 8), 16)
}

/** Without shards everything is owned. */
export function owns(shard: Shard | null, entityId: string): boolean {
  return shard === null || shardHash(entityId) % shard.total === shard.id
}
