/** Whatever stands in a pipeline: its check never throws, and what it lets pass can be read and is right for editors. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NO_PLACES } from '../../src/core/definition/issues.ts'
import { jsonSchemaOf } from '../../src/core/definition/json-schema.ts'
import { fromObject } from '../../src/core/definition/load.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { Instant } from '../../src/core/instant.ts'
import { nextSlots } from '../../src/orchestration/cron.ts'
import { projectIssues } from '../../src/orchestration/pipeline/check-project.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { cleanSet } from '../support/clean-definitions.ts'
import { cleanPipeline } from '../support/definition-cases-pipeline.ts'
import { violations } from '../support/json-schema.ts'

const SCHEMA = jsonSchemaOf('pipelines')

type Spot = readonly (string | number)[]

/** Every place in a value. */
function spots(value: unknown, path: Spot = []): Spot[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, item]) => spots(item, [...path, key]))]
}

function replaced(value: unknown, path: Spot, by: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return by
  const copy = structuredClone(value) as Record<string | number, unknown>
  if (rest.length === 0 && by === undefined) delete copy[key]
  else copy[key] = replaced(copy[key], rest, by)
  return copy
}

const words = fc.constantFrom(
  ...[
    'build',
    'check',
    'ingest',
    'files',
    'inbox',
    'error',
    'always',
    'web',
    'item',
    'entity/item',
    'tick',
    'P1D',
    '2d',
  ],
  ...['*/7 * * * *', '0 0 30 2 *', '@daily', 'Europe/Berlin', 'UTC', '2026-01-01', 'now', 'select 1', 'ledger', '0s'],
)
const values = fc.oneof(
  { weight: 3, arbitrary: words },
  fc.constantFrom(undefined, null, 0, -1, 1.5, 33, true, '', '__proto__', [], {}, [null], [[]], { kind: 'files' }),
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(...Object.values(cleanPipeline())),
)
const bodies = fc.array(fc.tuple(fc.nat(), values), { minLength: 1, maxLength: 3 }).map((changes) =>
  changes.reduce<unknown>((body, [at, by]) => {
    const all = spots(body)
    return replaced(body, all[at % all.length] ?? [], by)
  }, cleanPipeline()),
)

test('a pipeline with anything anywhere', () => {
  let passed = 0
  fc.assert(
    fc.property(bodies, (body) => {
      const loaded = fromObject({ ...cleanSet(), pipelines: { nightly: body } })
      const result = validate(loaded)
      projectIssues(loaded.definitions, NO_PLACES, { coldTier: true, pools: [], dialect: 'postgres' })
      if (!result.valid) return
      passed += 1
      const known = !result.issues.some(({ code }) => code === 'W09')
      if (known) expect(violations(SCHEMA as never, { nightly: body })).toEqual([])
      const written = loaded.definitions.pipelines['nightly']
      const pipeline = readPipeline('nightly', written)
      expect(readPipeline('nightly', JSON.parse(JSON.stringify(written)))).toEqual(pipeline)
      if (pipeline.schedule !== null) nextSlots(pipeline.schedule, new Instant(Date.UTC(2026, 0)), 3)
    }),
    { numRuns: 500 },
  )
  expect(passed).toBeGreaterThan(20)
})
