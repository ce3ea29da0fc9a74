/** Working states of entities, one table per version (spec 04 §4.10). */
import type { Instant } from '../../core/instant.ts'
import type { Checkpoint, CheckpointPort, Unit } from '../../ports/store.ts'
import { CHECKPOINT_COLUMNS, checkpoint } from '../sql/rows.ts'
import type { Connection, Row } from './connection.ts'
import type { Database } from './database.ts'
import { quote, stateTable } from './names.ts'

/** Creates the table of live or shadow checkpoints. The index over due times serves `due`. */
export function createStateTable(connection: Connection, table: string): void {
  connection.exec(`create table if not exists ${quote(table)} (
    id text primary key, type text not null, body text not null, generation integer not null,
    revision integer not null, applied_upto integer not null, next_due text) without rowid`)
}

export function createDueIndex(connection: Connection, version: string): void {
  connection.exec(`create index if not exists ${quote(`${stateTable(version)} due`)}
    on ${quote(stateTable(version))} (next_due) where next_due is not null`)
}

export class SqliteCheckpoints implements CheckpointPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async load(unit: Unit | null, version: string, ids: readonly string[]): Promise<Map<string, Checkpoint>> {
    const table = stateTable(version)
    return this.#database.read(unit?.tx, 'checkpoints.load', (connection) => {
      const found = new Map<string, Checkpoint>()
      if (ids.length === 0 || !connection.hasTable(table)) return found
      const select = connection.statement(`select ${CHECKPOINT_COLUMNS} from ${quote(table)} where id = ?`)
      for (const id of ids) {
        const row = select.get(id) as unknown as Row | undefined
        if (row !== undefined) found.set(id, checkpoint(row))
      }
      return found
    })
  }

  async save(unit: Unit, target: 'live' | 'shadow', checkpoints: readonly Checkpoint[]): Promise<void> {
    this.#database.within(unit.tx, 'checkpoints.save', (connection) => {
      const insert =
        connection.statement(`insert into ${quote(stateTable(unit.version, target))} (${CHECKPOINT_COLUMNS})
        values (?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set type = excluded.type, body = excluded.body,
        generation = excluded.generation, revision = excluded.revision, applied_upto = excluded.applied_upto,
        next_due = excluded.next_due`)
      for (const c of checkpoints) {
        insert.run(c.id, c.type, c.body, c.generation, c.revision, c.appliedUpto, c.nextDue)
      }
    })
  }

  async remove(unit: Unit, ids: readonly string[]): Promise<void> {
    this.#database.within(unit.tx, 'checkpoints.remove', (connection) => {
      const table = stateTable(unit.version)
      if (!connection.hasTable(table)) return
      const remove = connection.statement(`delete from ${quote(table)} where id = ?`)
      for (const id of ids) remove.run(id)
    })
  }

  async due(unit: Unit | null, version: string, before: Instant, limit: number): Promise<string[]> {
    const table = stateTable(version)
    return this.#database.read(unit?.tx, 'checkpoints.due', (connection) => {
      if (!connection.hasTable(table)) return []
      const sql = `select id from ${quote(table)} where next_due < ? order by next_due, id limit ?`
      return connection.all(sql, before.toString(), limit).map((row) => row[0] as string)
    })
  }

  async count(version: string): Promise<{ entityType: string; entities: number }[]> {
    const table = stateTable(version)
    return this.#database.read(null, 'checkpoints.count', (connection) => {
      if (!connection.hasTable(table)) return []
      const rows = connection.all(`select type, count(*) from ${quote(table)} group by type order by type`)
      return rows.map((row) => ({ entityType: row[0] as string, entities: row[1] as number }))
    })
  }
}
