/** Working states of entities, one table per version (spec 04 §4.10). */
import type { Instant } from '../../core/instant.ts'
import { shardHash } from '../../core/shard.ts'
import type { Checkpoint, CheckpointPort, Unit } from '../../ports/store.ts'
import { CHECKPOINT_COLUMNS, checkpoint } from '../sql/rows.ts'
import { NULL } from './columns.ts'
import { copyField } from './connection.ts'
import { owned, STATE_TABLE } from './names.ts'
import type { Space } from './space.ts'

export class PostgresCheckpoints implements CheckpointPort {
  readonly #space: Space

  constructor(space: Space) {
    this.#space = space
  }

  async load(unit: Unit | null, version: string, ids: readonly string[]): Promise<Map<string, Checkpoint>> {
    const table = this.#table(version)
    if (ids.length === 0 || !(await this.#exists(unit, version))) return new Map()
    const rows = await this.#space.database.query(
      unit?.tx,
      'checkpoints.load',
      // By the primary key.
      `select ${CHECKPOINT_COLUMNS} from (select distinct unnest($1::text[]) as id) w join ${table} using (id)`,
      [ids],
    )
    return new Map(rows.map((row) => [row[0] as string, checkpoint(row)]))
  }

  async save(unit: Unit, target: 'live' | 'shadow', checkpoints: readonly Checkpoint[]): Promise<void> {
    if (checkpoints.length === 0) return
    if (target === 'shadow') await this.#copy(unit, checkpoints)
    // Of several of one entity the last one counts.
    else await this.#upsert(unit, [...new Map(checkpoints.map((c) => [c.id, c])).values()])
  }

  async remove(unit: Unit, ids: readonly string[]): Promise<void> {
    if (ids.length === 0 || !(await this.#exists(unit, unit.version))) return
    const sql = `delete from ${this.#table(unit.version)} where id = any($1)`
    await this.#space.database.query(unit.tx, 'checkpoints.remove', sql, [ids])
  }

  async due(unit: Unit | null, version: string, before: Instant, limit: number): Promise<string[]> {
    if (!(await this.#exists(unit, version))) return []
    const rows = await this.#space.database.query(
      unit?.tx,
      'checkpoints.due',
      // By the index over due times.
      `select id from ${this.#table(version)} where next_due < $1 and ${owned(this.#space.shard, 'shard_hash')}
        order by next_due, id limit $2`,
      [before.toString(), limit],
    )
    return rows.map((row) => row[0] as string)
  }

  async count(version: string): Promise<{ entityType: string; entities: number }[]> {
    if (!(await this.#exists(null, version))) return []
    const rows = await this.#space.database.query(
      null,
      'checkpoints.count',
      `select type, count(*) from ${this.#table(version)} group by type order by type`,
    )
    return rows.map((row) => ({ entityType: row[0] as string, entities: row[1] as number }))
  }

  async #copy(unit: Unit, checkpoints: readonly Checkpoint[]): Promise<void> {
    const { database, names, shard } = this.#space
    const table = names.table(unit.version, STATE_TABLE, 'shadow', shard)
    const sql = `copy ${table} (${CHECKPOINT_COLUMNS}, shard_hash) from stdin`
    await database.copy(unit.tx, 'checkpoints.save', sql, copyLines(checkpoints))
  }

  async #upsert(unit: Unit, checkpoints: readonly Checkpoint[]): Promise<void> {
    const sql = `insert into ${this.#table(unit.version)} (${CHECKPOINT_COLUMNS}, shard_hash)
      select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::timestamptz[], $8::bigint[])
      on conflict (id) do update set type = excluded.type, body = excluded.body, generation = excluded.generation,
        revision = excluded.revision, applied_upto = excluded.applied_upto, next_due = excluded.next_due`
    await this.#space.database.query(unit.tx, 'checkpoints.save', sql, [
      checkpoints.map((c) => c.id),
      checkpoints.map((c) => c.type),
      checkpoints.map((c) => c.body),
      checkpoints.map((c) => c.generation),
      checkpoints.map((c) => c.revision),
      checkpoints.map((c) => c.appliedUpto),
      checkpoints.map((c) => c.nextDue),
      checkpoints.map((c) => shardHash(c.id)),
    ])
  }

  #table(version: string): string {
    return this.#space.names.table(version, STATE_TABLE, 'live', null)
  }

  /** A version that was never built has no tables. */
  async #exists(unit: Unit | null, version: string): Promise<boolean> {
    const [row] = await this.#space.database.query(
      unit?.tx,
      'checkpoints.table',
      'select to_regclass($1) is not null',
      [this.#table(version)],
    )
    return row?.[0] === true
  }
}

function* copyLines(checkpoints: readonly Checkpoint[]): Iterable<string> {
  for (const c of checkpoints) {
    const numbers = `${c.generation}\t${c.revision}\t${c.appliedUpto}`
    yield `${copyField(c.id)}\t${copyField(c.type)}\t${copyField(c.body)}\t${numbers}\t${c.nextDue ?? NULL}\t${shardHash(c.id)}`
  }
}
