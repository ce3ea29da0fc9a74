/** Applied pipelines and what became of their slots (spec 10 §3.5). */
import type { AppliedPipeline, NewRun, RunRow, SchedulePort, ScheduleTick } from '../../ports/runs.ts'
import type { Tx } from '../../ports/store.ts'
import { PIPELINE, TICK } from './run-log-columns.ts'
import type { LogDatabase, LogParam } from './run-log-database.ts'
import type { LoggedRuns } from './run-log-runs.ts'

/** Slots that a decision is shown. */
const RECENT = 100
const REPLACE_TICK = `on conflict (pipeline, scheduled_for) do update set decided_at = excluded.decided_at,
  outcome = excluded.outcome, run_id = excluded.run_id, reason = excluded.reason`
const REPLACE_PIPELINE = `on conflict (name) do update set body = excluded.body, pipeline_hash = excluded.pipeline_hash,
  paused_reason = excluded.paused_reason, applied_at = excluded.applied_at`

export class LoggedSchedules implements SchedulePort {
  readonly #database: LogDatabase
  readonly #runs: LoggedRuns
  readonly #pipelines: string
  readonly #ticks: string

  constructor(database: LogDatabase, runs: LoggedRuns) {
    this.#database = database
    this.#runs = runs
    this.#pipelines = database.table('pipelines')
    this.#ticks = database.table('schedule_ticks')
  }

  async pipelines(): Promise<AppliedPipeline[]> {
    const sql = `select ${PIPELINE.list} from ${this.#pipelines} order by name`
    return (await this.#database.query(null, 'schedules.pipelines', sql)).map((row) => PIPELINE.of(row))
  }

  async putPipeline(row: AppliedPipeline): Promise<void> {
    const into = { table: this.#pipelines, columns: PIPELINE.names, suffix: REPLACE_PIPELINE }
    await this.#database.transaction((tx) =>
      this.#database.insert(tx, 'schedules.putPipeline', into, [PIPELINE.values(row)]),
    )
  }

  async removePipeline(name: string): Promise<void> {
    const sql = `delete from ${this.#pipelines} where name = $1`
    await this.#database.transaction((tx) => this.#database.execute(tx, 'schedules.removePipeline', sql, [name]))
  }

  /** Newest first. */
  async ticks(pipeline: string, options: { since?: string; limit?: number } = {}): Promise<ScheduleTick[]> {
    return this.#select(null, pipeline, options)
  }

  async decide(
    pipeline: string,
    at: string,
    decide: (now: {
      readonly applied: AppliedPipeline | undefined
      readonly ticks: readonly ScheduleTick[]
      readonly active: readonly RunRow[]
    }) => { readonly ticks: readonly ScheduleTick[]; readonly runs: readonly NewRun[] },
  ): Promise<void> {
    const database = this.#database
    await database.transaction(async (tx) => {
      await database.exclusive(tx, 'schedules.decide', `schedule/${pipeline}`)
      const [applied] = await database.query(
        tx,
        'schedules.decide',
        `select ${PIPELINE.list} from ${this.#pipelines} where name = $1`,
        [pipeline],
      )
      const decided = decide({
        applied: applied === undefined ? undefined : PIPELINE.of(applied),
        ticks: await this.#select(tx, pipeline, { limit: RECENT }),
        active: await this.#runs.activeOf(tx, pipeline),
      })
      for (const run of decided.runs) await this.#runs.createIn(tx, run, at)
      const into = { table: this.#ticks, columns: TICK.names, suffix: REPLACE_TICK }
      // Of several about one slot the last one counts.
      const ticks = [...new Map(decided.ticks.map((tick) => [tick.scheduledFor, tick])).values()]
      await database.insert(
        tx,
        'schedules.decide',
        into,
        ticks.map((tick) => TICK.values(tick)),
      )
    })
  }

  async #select(
    tx: Tx | null,
    pipeline: string,
    { since, limit }: { since?: string; limit?: number },
  ): Promise<ScheduleTick[]> {
    const params: LogParam[] = [pipeline]
    const from = since === undefined ? '' : `and scheduled_for >= $${params.push(since)}`
    const end = limit === undefined ? '' : `limit $${params.push(limit)}`
    const rows = await this.#database.query(
      tx,
      'schedules.ticks',
      `select ${TICK.list} from ${this.#ticks} where pipeline = $1 ${from} order by scheduled_for desc ${end}`,
      params,
    )
    return rows.map((row) => TICK.of(row))
  }
}
