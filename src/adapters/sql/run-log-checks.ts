/** Results of checks (spec 10 §3.7). */
import type { CheckPort, CheckResult } from '../../ports/runs.ts'
import type { Unit } from '../../ports/store.ts'
import { CHECK } from './run-log-columns.ts'
import type { LogDatabase } from './run-log-database.ts'
import { countNamed, forgetNamed } from './run-log-ids.ts'

const KEY = ['run_id', '"check"']
const REPLACE = `on conflict (${KEY.join(', ')}) do update set ${CHECK.names
  .filter((name) => !KEY.includes(name))
  .map((name) => `${name} = excluded.${name}`)
  .join(', ')}`

export class LoggedChecks implements CheckPort {
  readonly #database: LogDatabase
  readonly #table: string

  constructor(database: LogDatabase) {
    this.#database = database
    this.#table = database.table('check_results')
  }

  /** A check that a run did twice has its last result. */
  async put(results: readonly CheckResult[]): Promise<void> {
    const last = [...new Map(results.map((result) => [`${result.runId} ${result.check}`, result])).values()]
    if (last.length === 0) return
    const into = { table: this.#table, columns: CHECK.names, suffix: REPLACE }
    await this.#database.transaction((tx) =>
      this.#database.insert(
        tx,
        'checks.put',
        into,
        last.map((result) => CHECK.values(result)),
      ),
    )
  }

  /** Pipelines may give checks of different assets the same name. */
  async latest(): Promise<CheckResult[]> {
    const rows = await this.#database.query(
      null,
      'checks.latest',
      `select ${CHECK.list} from (select ${CHECK.list},
          row_number() over (partition by "check", asset order by at desc, run_id desc) as place from ${this.#table}) c
        where place = 1 order by "check", asset`,
    )
    return rows.map((row) => CHECK.of(row))
  }

  async history(check: string, limit: number): Promise<CheckResult[]> {
    const rows = await this.#database.query(
      null,
      'checks.history',
      `select ${CHECK.list} from ${this.#table} where "check" = $1 order by at desc, run_id desc limit $2`,
      [check, limit],
    )
    return rows.map((row) => CHECK.of(row))
  }

  async eraseSamples(unit: Unit, entityIds: readonly string[]): Promise<number> {
    return forgetNamed(this.#database, unit.tx, entityIds)
  }

  async samplesOf(unit: Unit | null, entityIds: readonly string[]): Promise<number> {
    return countNamed(this.#database, unit?.tx ?? null, entityIds)
  }
}
