/** How far each version is built, and full builds in the making (spec 04 §4.2, §4.4). */
import type { BuildState, BuildStatePort, ShadowBuild, Unit } from '../../ports/store.ts'
import type { BuildMode } from '../../results.ts'
import type { Database } from './database.ts'

const STATE = `version, cursor, watermark, definition_hash, source_hash, identity_hash, dirty, last_build_time,
  last_build_mode, total_shards, generation, tick_horizon, change_cursor`
const SHADOW = `version, mode, up_to, as_of, after_entity, stats, watermark, generation, change_cursor,
  definition_hash, source_hash, identity_hash`

export class SqliteBuilds implements BuildStatePort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async get(version: string, unit?: Unit): Promise<BuildState | undefined> {
    const row = await this.#database.read(unit?.tx, 'builds.get', (connection) =>
      connection.get(`select ${STATE} from build_state where version = ?`, version),
    )
    if (row === undefined) return undefined
    return {
      version,
      cursor: row[1] as number,
      watermark: row[2] as string | null,
      definitionHash: row[3] as string,
      sourceHash: row[4] as string,
      identityHash: row[5] as string,
      dirty: row[6] === 1,
      lastBuildTime: row[7] as string | null,
      lastBuildMode: row[8] as BuildMode | null,
      totalShards: row[9] as number,
      generation: row[10] as number,
      tickHorizon: row[11] as string | null,
      changeCursor: row[12] as number,
    }
  }

  async all(version: string, unit?: Unit): Promise<BuildState[]> {
    const state = await this.get(version, unit)
    return state === undefined ? [] : [state]
  }

  async seed(unit: Unit, state: BuildState): Promise<void> {
    if ((await this.get(state.version, unit)) === undefined) await this.put(unit, state)
  }

  async put(unit: Unit, state: BuildState): Promise<void> {
    this.#database.within(unit.tx, 'builds.put', (connection) =>
      connection.run(
        `insert or replace into build_state (${STATE}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        state.version,
        state.cursor,
        state.watermark,
        state.definitionHash,
        state.sourceHash,
        state.identityHash,
        state.dirty ? 1 : 0,
        state.lastBuildTime,
        state.lastBuildMode,
        state.totalShards,
        state.generation,
        state.tickHorizon,
        state.changeCursor,
      ),
    )
  }

  async shadow(version: string, unit?: Unit): Promise<ShadowBuild | undefined> {
    const row = await this.#database.read(unit?.tx, 'builds.shadow', (connection) =>
      connection.get(`select ${SHADOW} from shadow_builds where version = ?`, version),
    )
    if (row === undefined) return undefined
    return {
      version,
      mode: row[1] as BuildMode,
      upTo: row[2] as number,
      asOf: row[3] as string,
      afterEntity: row[4] as string | null,
      stats: row[5] as string,
      watermark: row[6] as string | null,
      generation: row[7] as number,
      changeCursor: row[8] as number,
      definitionHash: row[9] as string,
      sourceHash: row[10] as string,
      identityHash: row[11] as string,
    }
  }

  async putShadow(unit: Unit, shadow: ShadowBuild): Promise<void> {
    this.#database.within(unit.tx, 'builds.putShadow', (connection) =>
      connection.run(
        `insert or replace into shadow_builds (${SHADOW}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        shadow.version,
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
      ),
    )
  }

  async dropShadow(unit: Unit): Promise<void> {
    this.#database.within(unit.tx, 'builds.dropShadow', (connection) =>
      connection.run('delete from shadow_builds where version = ?', unit.version),
    )
  }
}
