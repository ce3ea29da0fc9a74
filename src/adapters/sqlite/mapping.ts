/** Which event belongs to which entity, and how far that is known (spec 04 §2.2, §4.6 step 2). */

import { shardHash } from '../../core/shard.ts'
import type { EntityMapping, MappingPort, MappingState, Unit } from '../../ports/store.ts'
import type { Database } from './database.ts'

export class SqliteMapping implements MappingPort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async write(unit: Unit, rows: readonly EntityMapping[]): Promise<void> {
    this.#database.within(unit.tx, 'mapping.write', (connection) => {
      const insert = connection.statement(`insert into event_entities (sequence, entity_id, entity_type, shard_hash)
        values (?, ?, ?, ?) on conflict do nothing`)
      const hashes = new Map<string, number>()
      for (const { sequence, entityId, entityType } of rows) {
        let hash = hashes.get(entityId)
        if (hash === undefined) {
          hash = shardHash(entityId)
          hashes.set(entityId, hash)
        }
        insert.run(sequence, entityId, entityType, hash)
      }
    })
  }

  async existing(unit: Unit | null, ids: readonly string[]): Promise<Set<string>> {
    const sql = `select value from json_each(?) where exists
      (select 1 from event_entities indexed by event_entities_entity where entity_id = value)`
    const rows = await this.#database.read(unit?.tx, 'mapping.existing', (connection) =>
      connection.all(sql, JSON.stringify(ids)),
    )
    return new Set(rows.map((row) => row[0] as string))
  }

  async entityType(entityId: string): Promise<string | undefined> {
    const row = await this.#database.read(null, 'mapping.entityType', (connection) =>
      connection.get(
        'select entity_type from event_entities indexed by event_entities_entity where entity_id = ? limit 1',
        entityId,
      ),
    )
    return row?.[0] as string | undefined
  }

  async state(unit?: Unit): Promise<MappingState> {
    const row = await this.#database.read(unit?.tx, 'mapping.state', (connection) =>
      connection.get(
        'select source_hash, identity_hash, mapped_upto, build_epoch, phase, phase_cursor from mapping_state',
      ),
    )
    const [sourceHash, identityHash, mappedUpto, buildEpoch, phase, phaseCursor] = row as [
      string,
      string,
      number,
      number,
      MappingState['phase'],
      number,
    ]
    return { sourceHash, identityHash, mappedUpto, buildEpoch, phase, phaseCursor }
  }

  /** Every write transaction of SQLite is alone. */
  async lock(unit: Unit): Promise<MappingState> {
    return this.state(unit)
  }

  async setState(unit: Unit, state: MappingState): Promise<void> {
    this.#database.within(unit.tx, 'mapping.setState', (connection) =>
      connection.run(
        `update mapping_state set source_hash = ?, identity_hash = ?, mapped_upto = ?, build_epoch = ?, phase = ?,
          phase_cursor = ?`,
        state.sourceHash,
        state.identityHash,
        state.mappedUpto,
        state.buildEpoch,
        state.phase,
        state.phaseCursor,
      ),
    )
  }
}
