/** The pure core as a whole: the trace of spec 03 §13, and random worlds against the reference interpreter (03 §12). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromYamlFiles } from '../../src/core/definition/load-yaml.ts'
import type { DefinitionsObject } from '../../src/core/definition/model.ts'
import { Instant } from '../../src/core/instant.ts'
import { Float, type Value } from '../../src/core/value.ts'
import type { Defs } from '../oracle/definitions.ts'
import { type Delivery, oracle, type Plain, type World } from '../oracle/oracle.ts'
import { loanEdges, loanKey, loanRows, memberKey, memberRows, traceDeliveries, traceTick } from '../oracle/trace.ts'
import { definitionsOf } from '../support/core-world.ts'
import { PureEngine } from '../support/pure-engine.ts'
import { HOUR, SPAN_HOURS, START, worldArbitrary } from '../support/world-arbitrary.ts'

const shop = join(import.meta.dirname, '../fixtures/definitions/shop')
const files = (['entities', 'sources'] as const).flatMap((kind) =>
  readdirSync(join(shop, kind)).map((name) => ({
    kind,
    name: `${kind}/${name}`,
    text: readFileSync(join(shop, kind, name), 'utf8'),
  })),
)
const WALL = new Instant(START)

function plain(value: Value): Plain {
  if (value instanceof Float) return value.value
  return value instanceof Instant ? value.toString() : (value as Plain)
}

/** History by hints instead of ids, as the reference interpreter gives it. */
function worldOf(engine: PureEngine): World {
  const keys = new Map<string, string[]>()
  for (const { entityType, hintType, value, entityId } of engine.identity.values()) {
    keys.set(entityId, [...(keys.get(entityId) ?? []), JSON.stringify([entityType, hintType, value])])
  }
  const keyOf = (id: string): string => (keys.get(id) ?? [id]).sort().join(' ')
  const world: World = {}
  const properties = (given: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(given).map(([name, value]) => [name, plain(value)]))
  for (const [id, { type, rows, edges }] of engine.history.entities) {
    if (rows.length === 0) continue
    world[keyOf(id)] = {
      type,
      rows: rows.map((row) => ({
        state: row.state,
        properties: properties(row.properties),
        validFrom: row.validFrom.toString(),
        validTo: row.validTo?.toString() ?? null,
        lastEventTime: row.lastEventTime.toString(),
        stateEnteredTime: row.stateEnteredTime.toString(),
        createdTime: row.createdTime.toString(),
      })),
      edges: edges.map((edge) => ({
        type: edge.type,
        target: keyOf(edge.targetId),
        properties: properties(edge.properties),
        validFrom: edge.validFrom.toString(),
        validTo: edge.validTo?.toString() ?? null,
      })),
    }
  }
  return world
}

function sorted(world: World): World {
  for (const entity of Object.values(world)) {
    entity.edges.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  return world
}

function runAll(
  definitions: DefinitionsObject,
  deliveries: readonly Delivery[],
  batches: readonly number[],
  ticks: readonly number[],
): PureEngine {
  const engine = new PureEngine(definitions)
  let next = 0
  for (let turn = 0; next < deliveries.length; turn++) {
    const end = Math.min(next + (batches[turn % batches.length] ?? 1), deliveries.length)
    while (next < end) {
      const source = deliveries[next]?.source ?? ''
      const records: unknown[] = []
      while (next < end && deliveries[next]?.source === source) records.push(deliveries[next++]?.record)
      engine.ingest(source, records, WALL)
    }
    const tick = ticks[turn]
    if (tick !== undefined) engine.tick(new Instant(START + tick * HOUR))
  }
  return engine
}

test('the trace', () => {
  const { definitions, issues } = fromYamlFiles(files)
  expect(issues.filter((issue) => issue.severity === 'error')).toEqual([])
  const engine = new PureEngine(definitions)
  for (const { source, record } of traceDeliveries) engine.ingest(source, [record], WALL)
  engine.tick(new Instant(Date.parse(traceTick)))
  expect(engine.normalizeFailures.map((failure) => failure.field)).toEqual(['deposit'])
  expect(engine.duplicates).toBe(1)
  expect(engine.failures).toEqual([])
  expect(sorted(worldOf(engine))).toEqual({
    [memberKey]: { type: 'member', rows: memberRows, edges: [] },
    [loanKey]: { type: 'loan', rows: loanRows, edges: loanEdges },
  })
})

test('any batches and ticks give the history of the reference interpreter', () => {
  const end = SPAN_HOURS + 400
  const plan = fc.record({
    world: worldArbitrary,
    batches: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
    ticks: fc.array(fc.integer({ min: 0, max: end }), { maxLength: 6 }),
  })
  fc.assert(
    fc.property(plan, ({ world: { definitions, deliveries }, batches, ticks }) => {
      const engine = runAll(definitionsOf(definitions), deliveries, batches, ticks)
      const horizon = START + end * HOUR
      engine.tick(new Instant(horizon))
      const expected = oracle(definitions as unknown as Defs, deliveries, horizon)
      expect(sorted(worldOf(engine))).toEqual(sorted(expected.world))
      expect(engine.normalizeFailures.map((failure) => failure.field).sort()).toEqual(
        expected.rejected.map((failure) => failure.field).sort(),
      )
      expect(engine.duplicates).toBe(expected.duplicates.length)
      expect(engine.unresolved).toBe(expected.unresolved)
      expect(engine.failures.length).toBe(expected.failures.length)
    }),
    { numRuns: Number(process.env['CORE_RUNS'] ?? 60) },
  )
})
