/** Which event belongs to which entity, and how far that is known (spec 04 §2.2, §4.6 step 2). */
import { shardHash } from '../../core/shard.ts'
import { givenText, storedText } from '../../core/stored-text.ts'
import type { EntityMapping, MappingPort, MappingState, Unit } from '../../ports/store.ts'
import type { Row } from './connection.ts'
import type { Space } from './space.ts'

const STATE = 'source_hash, identity_hash, mapped_upto, build_epoch, phase, phase_cursor'
/** Rows of one insert; arrays of more take the server much memory. */
const ROWS = 20_000

export class PostgresMapping implements MappingPort {
  readonly #space: Space
  readonly #mappings: string
  readonly #state: string

  constructor(space: Space) {
    this.#space = space
    this.#mappings = space.names.infra('event_entities')
    this.#state = space.names.infra('mapping_state')
  }

  async write(unit: Unit, rows: readonly EntityMapping[]): Promise<void> {
    const hashes = new Map<string, number>()
    const hashOf = (entityId: string): number => {
      let hash = hashes.get(entityId)
      if (hash === undefined) {
        hash = shardHash(entityId)
        hashes.set(entityId, hash)
      }
      return hash
    }
    for (let from = 0; from < rows.length; from += ROWS) {
      const part = rows.slice(from, from + ROWS)
      await this.#space.database.query(
        unit.tx,
        'mapping.write',
        `insert into ${this.#mappings} (sequence, entity_id, entity_type, shard_hash)
          select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) on conflict do nothing`,
        [
          part.map((row) => row.sequence),
          part.map((row) => storedText(row.entityId)),
          part.map((row) => storedText(row.entityType)),
          part.map((row) => hashOf(row.entityId)),
        ],
      )
    }
  }

  async existing(unit: Unit | null, ids: readonly string[]): Promise<Set<string>> {
    // One probe of event_entities_entity for each id.
    const rows = await this.#space.database.query(
      unit?.tx,
      'mapping.existing',
      `select w.id from unnest($1::text[]) w (id)
        cross join lateral (select 1 from ${this.#mappings} where entity_id = w.id limit 1) e`,
      [ids.map(storedText)],
    )
    return new Set(rows.map((row) => givenText(row[0] as string)))
  }

  async entityType(entityId: string): Promise<string | undefined> {
    // event_entities_entity
    const [row] = await this.#space.database.query(
      null,
      'mapping.entityType',
      `select entity_type from ${this.#mappings} where entity_id = $1 limit 1`,
      [storedText(entityId)],
    )
    return row === undefined ? undefined : givenText(row[0] as string)
  }

  async state(unit?: Unit): Promise<MappingState> {
    const [row] = await this.#space.database.query(unit?.tx, 'mapping.state', `select ${STATE} from ${this.#state}`)
    return mappingState(row as Row)
  }

  async lock(unit: Unit, options: { wait: true }): Promise<MappingState>
  async lock(unit: Unit, options: { wait: boolean }): Promise<MappingState | null>
  async lock(unit: Unit, { wait }: { wait: boolean }): Promise<MappingState | null> {
    const [row] = await this.#space.database.query(
      unit.tx,
      'mapping.lock',
      `select ${STATE} from ${this.#state} for no key update ${wait ? '' : 'skip locked'}`,
    )
    return row === undefined ? null : mappingState(row)
  }

  async setState(unit: Unit, state: MappingState): Promise<void> {
    await this.#space.database.query(
      unit.tx,
      'mapping.setState',
      `update ${this.#state} set (${STATE}) = ($1, $2, $3, $4, $5, $6)`,
      [state.sourceHash, state.identityHash, state.mappedUpto, state.buildEpoch, state.phase, state.phaseCursor],
    )
  }
}

function mappingState(row: Row): MappingState {
  return {
    sourceHash: row[0] as string,
    identityHash: row[1] as string,
    mappedUpto: row[2] as number,
    buildEpoch: row[3] as number,
    phase: row[4] as MappingState['phase'],
    phaseCursor: row[5] as number,
  }
}
