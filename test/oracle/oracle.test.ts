import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Defs } from './definitions.ts'
import { oracle } from './oracle.ts'
import { loanEdges, loanKey, loanRows, memberKey, memberRows, traceDeliveries, traceTick } from './trace.ts'

const shop = join(import.meta.dirname, '../fixtures/definitions/shop')

function load(kind: string): Record<string, unknown> {
  const folder = join(shop, kind)
  return Object.assign({}, ...readdirSync(folder).map((name) => parse(readFileSync(join(folder, name), 'utf8'))))
}

test('the reference interpreter reproduces the trace of spec 03 §13', () => {
  const defs = { entities: load('entities'), sources: load('sources') } as unknown as Defs
  const result = oracle(defs, traceDeliveries, Date.parse(traceTick))
  expect(result.rejected).toEqual([{ index: 5, field: 'deposit' }])
  expect(result.duplicates).toEqual([4])
  expect(result.failures).toEqual([])
  expect(Object.keys(result.world).sort()).toEqual([loanKey, memberKey].sort())
  expect(result.world[memberKey]).toEqual({ type: 'member', rows: memberRows, edges: [] })
  expect(result.world[loanKey]).toEqual({ type: 'loan', rows: loanRows, edges: loanEdges })
})
