/** What every part of the Postgres store works with. */
import type { Shard } from '../../core/shard.ts'
import type { Database } from './database.ts'
import type { Names } from './names.ts'

export interface Space {
  readonly database: Database
  readonly names: Names
  /** Null: one store does everything. */
  readonly shard: Shard | null
}
