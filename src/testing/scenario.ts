/**
 * Unit tests of definitions without a server or files (spec 10 §8):
 *
 *     await scenario('definitions/')
 *       .given('app', [{ type: 'signup', at: '2024-01-01T10:00:00Z', email: 'ana@example.com' }])
 *       .at('2024-03-01').tick()
 *       .expect('customer', { email: 'ana@example.com' }, { state: 'dormant' })
 */
import { AssertionError } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { Defacto } from '../defacto.ts'
import type { DefinitionsInput } from '../definition-types.ts'
import type { Definitions } from '../definitions.ts'
import type { RawEvent } from '../records.ts'
import type { EventFailure } from '../results.ts'
import { fakeClock } from './clock.ts'

export interface ScenarioResult {
  readonly failures: readonly EventFailure[]
  /** The engine after the last step is closed; rows of every entity type as they were then. */
  readonly rows: Readonly<Record<string, readonly Record<string, unknown>[]>>
}

/** Steps run in order when the scenario is awaited; the first expectation that does not hold rejects. */
export interface Scenario extends PromiseLike<ScenarioResult> {
  /** Ingests records and interprets them at once. */
  given(source: string, events: readonly RawEvent[]): Scenario
  /** Sets the virtual clock: an instant, or a step such as `+30d`. */
  at(time: string): Scenario
  build(): Scenario
  /** Applies time rules up to the virtual clock. */
  tick(): Scenario
  /** Current row of one entity, by id or by identity hints; only the named columns are compared (`state` too). */
  expect(type: string, id: string | Record<string, string>, want: Record<string, unknown>): Scenario
  /** History rows, oldest first, of the entity that the last `expect` named; only the named columns are compared. */
  history(rows: readonly Record<string, unknown>[]): Scenario
  /** Number of failures so far. */
  failures(count: number): Scenario
}

interface Run {
  readonly engine: Defacto
  readonly clock: ReturnType<typeof fakeClock>
  readonly failures: EventFailure[]
  last: { type: string; id: string } | undefined
}
type Step = (run: Run) => Promise<void>

export function scenario(definitions: DefinitionsInput | Definitions | string): Scenario {
  return chain(definitions, [])
}

function chain(definitions: DefinitionsInput | Definitions | string, steps: readonly Step[]): Scenario {
  const add = (step: Step): Scenario => chain(definitions, [...steps, step])
  return {
    given: (source, events) =>
      add(async (run) => {
        const result = await run.engine.ingest(source, events, { process: true, throwIfAllFail: false })
        run.failures.push(...result.failures, ...(result.buildResult?.failures ?? []))
      }),
    at: (time) => add(async ({ clock }) => clock.set(time)),
    build: () => add(async (run) => void run.failures.push(...(await run.engine.build()).failures)),
    tick: () => add(async (run) => void run.failures.push(...(await run.engine.tick()).failures)),
    expect: (type, who, want) =>
      add(async (run) => {
        const id = typeof who === 'string' ? who : await entityId(run.engine, type, who)
        run.last = { type, id }
        await run.engine.assertEntity(id, want)
      }),
    history: (rows) => add((run) => expectHistory(run, rows)),
    failures: (count) =>
      add(async (run) => {
        if (run.failures.length === count) return
        throw new AssertionError({
          message: `expected ${count} failures, got ${run.failures.length}: ${run.failures.map((f) => f.error).join('; ')}`,
          actual: run.failures.length,
          expected: count,
        })
      }),
    // biome-ignore lint/suspicious/noThenProperty: a scenario is awaited, which is what runs it
    then: (fulfilled, rejected) => runSteps(definitions, steps).then(fulfilled, rejected),
  }
}

async function runSteps(
  definitions: DefinitionsInput | Definitions | string,
  steps: readonly Step[],
): Promise<ScenarioResult> {
  const clock = fakeClock()
  const engine = await Defacto.open(definitions, { database: ':memory:', clock: clock.now, logLevel: 'ERROR' })
  const run: Run = { engine, clock, failures: [], last: undefined }
  try {
    for (const step of steps) await step(run)
    const rows: Record<string, Record<string, unknown>[]> = {}
    for (const type of Object.keys((await engine.definitions.get()).entities)) {
      rows[type] = await engine.table(type).rows()
    }
    return { failures: run.failures, rows }
  } finally {
    await engine.close()
  }
}

async function entityId(engine: Defacto, type: string, hints: Record<string, string>): Promise<string> {
  for (const [hintType, value] of Object.entries(hints)) {
    const id = await engine.identity.lookup(value, { type, hintType })
    if (id !== undefined) return id
  }
  throw new AssertionError({ message: `no ${type} is known by ${Object.keys(hints).join(' or ')} with these values` })
}

async function expectHistory(run: Run, rows: readonly Record<string, unknown>[]): Promise<void> {
  if (run.last === undefined)
    throw new AssertionError({ message: 'history() follows an expect() that names the entity' })
  const { type, id } = run.last
  const actual = await run.engine
    .history(type)
    .filter({ [`${type}_id`]: { eq: id } })
    .orderBy('valid_from')
    .rows()
  const columns = rows.map((row) => Object.keys(row))
  const seen = actual.map((row, index) => pick(row, columns[index] ?? Object.keys(rows[0] ?? row), type))
  if (
    isDeepStrictEqual(
      seen,
      rows.map((row) => ({ ...row })),
    )
  )
    return
  throw new AssertionError({ message: `history of ${type} ${id} differs`, actual: seen, expected: rows })
}

function pick(row: Record<string, unknown>, columns: readonly string[], type: string): Record<string, unknown> {
  return Object.fromEntries(columns.map((name) => [name, row[name === 'state' ? `${type}_state` : name]]))
}
