/** How far each version, or each shard of it, is built, and full builds in the making (spec 04 §4.2, §4.4). */
import { StorageError } from '../../errors.ts'
import type { BuildState, BuildStatePort, ShadowBuild, Unit } from '../../ports/store.ts'
import type { BuildMode } from '../../results.ts'
import type { Row } from './connection.ts'
import type { Space } from './space.ts'

const STATE = `cursor, watermark, definition_hash, source_hash, identity_hash, dirty, last_build_time, last_build_mode,
  total_shards, generation, tick_horizon, change_cursor`
const SHADOW = `mode, up_to, as_of, after_entity, stats, watermark, generation, change_cursor, definition_hash,
  source_hash, identity_hash`

export class PostgresBuilds implements BuildStatePort {
  readonly #space: Space
  readonly #states: string
  readonly #shadows: string

  constructor(space: Space) {
    this.#space = space
    this.#states = space.names.infra('build_state')
    this.#shadows = space.names.infra('shadow_builds')
  }

  async get(version: string, unit?: Unit): Promise<BuildState | undefined> {
    const key = this.#key(version, this.#space.shard?.id)
    const [row] = await this.#space.database.query(
      unit?.tx,
      'builds.get',
      `select ${STATE} from ${this.#states} where version = $1 and of_version = $2`,
      [key, version],
    )
    return row === undefined ? undefined : buildState(version, row)
  }

  async all(version: string, unit?: Unit): Promise<BuildState[]> {
    const rows = await this.#space.database.query(
      unit?.tx,
      'builds.all',
      `select ${STATE} from ${this.#states} where of_version = $1 order by shard nulls first`,
      [version],
    )
    return rows.map((row) => buildState(version, row))
  }

  async seed(unit: Unit, state: BuildState): Promise<void> {
    const { database } = this.#space
    const total = this.#space.shard?.total ?? 1
    await database.query(
      unit.tx,
      'builds.seed',
      `delete from ${this.#states} where of_version = $1 and (total_shards not in ($2, 0) or (shard is null) <> $3
        or shard >= $2)`,
      [state.version, total, this.#space.shard === null],
    )
    for (let shard = 0; shard < total; shard += 1) {
      await this.#write(unit, state, this.#space.shard === null ? undefined : shard, 'nothing')
    }
  }

  async put(unit: Unit, state: BuildState): Promise<void> {
    await this.#write(unit, state, this.#space.shard?.id, 'update')
  }

  async shadow(version: string, unit?: Unit): Promise<ShadowBuild | undefined> {
    const [row] = await this.#space.database.query(
      unit?.tx,
      'builds.shadow',
      `select ${SHADOW} from ${this.#shadows} where version = $1`,
      [this.#key(version, this.#space.shard?.id)],
    )
    if (row === undefined) return undefined
    return {
      version,
      mode: row[0] as BuildMode,
      upTo: row[1] as number,
      asOf: row[2] as string,
      afterEntity: row[3] as string | null,
      stats: row[4] as string,
      watermark: row[5] as string | null,
      generation: row[6] as number,
      changeCursor: row[7] as number,
      definitionHash: row[8] as string,
      sourceHash: row[9] as string,
      identityHash: row[10] as string,
    }
  }

  async putShadow(unit: Unit, shadow: ShadowBuild): Promise<void> {
    const columns = SHADOW.split(',').map((column) => column.trim())
    await this.#space.database.query(
      unit.tx,
      'builds.putShadow',
      `insert into ${this.#shadows} (version, ${SHADOW})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (version) do update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`,
      [
        this.#key(shadow.version, this.#space.shard?.id),
        shadow.mode,
        shadow.upTo,
        shadow.asOf,
        shadow.afterEntity,
        shadow.stats,
        shadow.watermark,
        shadow.generation,
        shadow.changeCursor,
        shadow.definitionHash,
        shadow.sourceHash,
        shadow.identityHash,
      ],
    )
  }

  async dropShadow(unit: Unit): Promise<void> {
    await this.#space.database.query(unit.tx, 'builds.dropShadow', `delete from ${this.#shadows} where version = $1`, [
      this.#key(unit.version, this.#space.shard?.id),
    ])
  }

  async #write(
    unit: Unit,
    state: BuildState,
    shard: number | undefined,
    existing: 'nothing' | 'update',
  ): Promise<void> {
    const columns = STATE.split(',').map((column) => column.trim())
    const update = `update set ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}
      where s.of_version = excluded.of_version`
    const written = await this.#space.database.execute(
      unit.tx,
      'builds.put',
      `insert into ${this.#states} as s (version, of_version, shard, ${STATE})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        on conflict (version) do ${existing === 'nothing' ? 'nothing' : update}`,
      [
        this.#key(state.version, shard),
        state.version,
        shard ?? null,
        state.cursor,
        state.watermark,
        state.definitionHash,
        state.sourceHash,
        state.identityHash,
        state.dirty,
        state.lastBuildTime,
        state.lastBuildMode,
        state.totalShards,
        state.generation,
        state.tickHorizon,
        state.changeCursor,
      ],
    )
    if (written === 1 || existing === 'nothing') return
    const message = `version '${state.version}' shares its key '${this.#key(state.version, shard)}' with another version; choose another name`
    throw new StorageError(message, { details: { operation: 'builds.put', driver: 'pg' } })
  }

  /** Row key: the version, or version and shard (spec 04 §4.2). */
  #key(version: string, shard: number | undefined): string {
    return shard === undefined ? version : `${version}_s${shard}`
  }
}

function buildState(version: string, row: Row): BuildState {
  return {
    version,
    cursor: row[0] as number,
    watermark: row[1] as string | null,
    definitionHash: row[2] as string,
    sourceHash: row[3] as string,
    identityHash: row[4] as string,
    dirty: row[5] as boolean,
    lastBuildTime: row[6] as string | null,
    lastBuildMode: row[7] as BuildMode | null,
    totalShards: row[8] as number,
    generation: row[9] as number,
    tickHorizon: row[10] as string | null,
    changeCursor: row[11] as number,
  }
}
