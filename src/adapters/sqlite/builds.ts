/** How far each version is built, and full builds in the making (spec 04 §4.2, §4.4). */
import type { BuildState, BuildStatePort, ShadowBuild, Unit } from '../../ports/store.ts'
import { buildState, SHADOW_COLUMNS, STATE_COLUMNS, shadowBuild, shadowValues, stateValues } from '../sql/rows.ts'
import type { Database } from './database.ts'

const STATE = STATE_COLUMNS.join(', ')
const SHADOW = SHADOW_COLUMNS.join(', ')

export class SqliteBuilds implements BuildStatePort {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async get(version: string, unit?: Unit): Promise<BuildState | undefined> {
    const row = await this.#database.read(unit?.tx, 'builds.get', (connection) =>
      connection.get(`select ${STATE} from build_state where version = ?`, version),
    )
    return row === undefined ? undefined : buildState(version, row)
  }

  async all(version: string, unit?: Unit): Promise<BuildState[]> {
    const state = await this.get(version, unit)
    return state === undefined ? [] : [state]
  }

  async seed(unit: Unit, state: BuildState): Promise<void> {
    if ((await this.get(state.version, unit)) === undefined) await this.put(unit, state)
  }

  async put(unit: Unit, state: BuildState): Promise<void> {
    this.#replace(unit, 'builds.put', 'build_state', STATE_COLUMNS, state.version, stateValues(state))
  }

  async renew(unit: Unit): Promise<void> {
    this.#database.within(unit.tx, 'builds.renew', (connection) =>
      connection.run('update build_state set generation = generation + 1 where version = ?', unit.version),
    )
  }

  async shadow(version: string, unit?: Unit): Promise<ShadowBuild | undefined> {
    const row = await this.#database.read(unit?.tx, 'builds.shadow', (connection) =>
      connection.get(`select ${SHADOW} from shadow_builds where version = ?`, version),
    )
    return row === undefined ? undefined : shadowBuild(version, row)
  }

  async putShadow(unit: Unit, shadow: ShadowBuild): Promise<void> {
    this.#replace(unit, 'builds.putShadow', 'shadow_builds', SHADOW_COLUMNS, shadow.version, shadowValues(shadow))
  }

  async dropShadows(unit: Unit, ids: readonly string[]): Promise<boolean> {
    const smallest = ids.reduce<string | null>((a, b) => (a === null || b < a ? b : a), null)
    if (smallest === null) return false
    return this.#database.within(
      unit.tx,
      'builds.dropShadows',
      (connection) =>
        connection.run('delete from shadow_builds where version = ? and after_entity >= ?', unit.version, smallest) > 0,
    )
  }

  async dropShadow(unit: Unit): Promise<void> {
    this.#database.within(unit.tx, 'builds.dropShadow', (connection) =>
      connection.run('delete from shadow_builds where version = ?', unit.version),
    )
  }

  #replace(
    unit: Unit,
    operation: string,
    table: string,
    columns: readonly string[],
    version: string,
    values: readonly (string | number | boolean | null)[],
  ): void {
    // SQLite has no flags.
    const params = values.map((value) => (typeof value === 'boolean' ? Number(value) : value))
    this.#database.within(unit.tx, operation, (connection) =>
      connection.run(
        `insert or replace into ${table} (version, ${columns.join(', ')}) values (?${', ?'.repeat(columns.length)})`,
        version,
        ...params,
      ),
    )
  }
}
