/** How far each version, or each shard of it, is built, and full builds in the making (spec 04 §4.2, §4.4). */
import { StorageError } from '../../errors.ts'
import type { BuildState, BuildStatePort, ShadowBuild, Unit } from '../../ports/store.ts'
import { buildState, SHADOW_COLUMNS, STATE_COLUMNS, shadowBuild, shadowValues, stateValues } from '../sql/rows.ts'
import { fromExcluded } from './names.ts'
import type { Space } from './space.ts'

const STATE = STATE_COLUMNS.join(', ')
const SHADOW = SHADOW_COLUMNS.join(', ')

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

  async renew(unit: Unit): Promise<void> {
    await this.#space.database.query(
      unit.tx,
      'builds.renew',
      `update ${this.#states} set generation = generation + 1 where of_version = $1`,
      [unit.version],
    )
  }

  async shadow(version: string, unit?: Unit): Promise<ShadowBuild | undefined> {
    const [row] = await this.#space.database.query(
      unit?.tx,
      'builds.shadow',
      `select ${SHADOW} from ${this.#shadows} where version = $1`,
      [this.#key(version, this.#space.shard?.id)],
    )
    return row === undefined ? undefined : shadowBuild(version, row)
  }

  async putShadow(unit: Unit, shadow: ShadowBuild): Promise<void> {
    await this.#space.database.query(
      unit.tx,
      'builds.putShadow',
      `insert into ${this.#shadows} (version, ${SHADOW})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        on conflict (version) do update set ${fromExcluded(SHADOW_COLUMNS)}`,
      [this.#key(shadow.version, this.#space.shard?.id), ...shadowValues(shadow)],
    )
  }

  async dropShadows(unit: Unit, ids: readonly string[]): Promise<boolean> {
    const smallest = ids.reduce<string | null>((a, b) => (a === null || b < a ? b : a), null)
    if (smallest === null) return false
    const own = `version in (select version from ${this.#states} where of_version = $1)`
    const dropped = await this.#space.database.execute(
      unit.tx,
      'builds.dropShadows',
      `delete from ${this.#shadows} where ${own} and exists
        (select from ${this.#shadows} where ${own} and after_entity >= $2 collate "C")`,
      [unit.version, smallest],
    )
    return dropped > 0
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
    const update = `update set ${fromExcluded(STATE_COLUMNS)}
      where s.of_version = excluded.of_version`
    const written = await this.#space.database.execute(
      unit.tx,
      'builds.put',
      `insert into ${this.#states} as s (version, of_version, shard, ${STATE})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        on conflict (version) do ${existing === 'nothing' ? 'nothing' : update}`,
      [this.#key(state.version, shard), state.version, shard ?? null, ...stateValues(state)],
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
