/** Rules for the codes of pipelines (spec 10 §3.8), and for what slots are (§3.5). */
import assert from 'node:assert/strict'
import { NO_PLACES } from '../../src/core/definition/issues.ts'
import { fromObject } from '../../src/core/definition/load.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { instantFromText } from '../../src/core/instant.ts'
import { scheduleOf } from '../../src/core/pipeline/normalize.ts'
import { slotsBetween } from '../../src/core/pipeline/slots.ts'
import { projectIssues } from '../../src/orchestration/pipeline/check-project.ts'
import { cleanSet } from '../support/clean-definitions.ts'
import { checkCase } from '../support/definition-case.ts'
import { CASES } from '../support/definition-cases.ts'
import { cleanPipeline } from '../support/definition-cases-pipeline.ts'
import type { Rule } from './rule.ts'

const dir = 'src/core/pipeline'

/** The mutation that removes the check of a code. */
const OFF: Readonly<Record<string, Rule['off']>> = {
  P01: {
    file: `${dir}/check-assets.ts`,
    find: 'if (known.has(text)) return true',
    replace: 'if (known.size > 0) return true',
  },
  P02: {
    file: 'src/core/definition/read-variants.ts',
    find: 'const foreign = !Object.hasOwn(node.shape, name) && owners.has(name)',
    replace: 'const foreign = false',
  },
  P03: {
    file: 'src/core/definition/read-variants.ts',
    find: 'if (variants.later?.includes(kind)) {',
    replace: 'if (variants.later?.includes(kind)) return\n    if (variants.later?.includes(kind)) {',
  },
  P04: { file: `${dir}/check-steps.ts`, find: 'if (circle !== null) {', replace: 'if (circle?.length === 0) {' },
  P06: {
    file: `${dir}/check-schedule.ts`,
    find: 'if (nextSlots(schedule, new Instant(from.ms - 1), 1).length === 0) {',
    replace: 'if (false) {',
  },
  P07: {
    file: `${dir}/check-schedule.ts`,
    find: 'schedule.jitterMs >= shortest(schedule, from)',
    replace: 'schedule.jitterMs > shortest(schedule, from)',
  },
  P09: { file: `${dir}/check-freshness.ts`, find: 'if (lags.length === 0) {', replace: 'if (lags.length > 9) {' },
  P10: {
    file: 'src/core/definition/read.ts',
    find: "if (rule.outside && typeof raw === 'number') {",
    replace: "if (rule.outside && typeof raw === 'bigint') {",
  },
  P11: {
    file: `${dir}/check-secrets.ts`,
    find: 'if (!url || !hasClearPassword(url)) return',
    replace: 'if (url || !hasClearPassword(url ?? "")) return',
  },
  P12: { file: `${dir}/check.ts`, find: 'if (keeper !== null) {', replace: "if (keeper === '') {" },
  PW1: {
    file: `${dir}/check-schedule.ts`,
    find: 'if (before !== null && before !== offset) {',
    replace: 'if (before !== null && before > offset) {',
  },
  PW2: {
    file: `${dir}/check-steps.ts`,
    find: "!steps.some(({ kind }) => kind === 'check')",
    replace: "!steps.some(({ kind }) => kind !== 'check')",
  },
  PW3: {
    file: `${dir}/check-steps.ts`,
    find: "if (before.some(({ kind }) => kind === 'flush')) return",
    replace: 'return',
  },
  PW4: {
    file: `${dir}/check-inputs.ts`,
    find: "if (input.on_error?.dead_letters === 'off') {",
    replace: "if (input.on_error?.dead_letters === 'table') {",
  },
  PW5: {
    file: `${dir}/check-inputs.ts`,
    find: 'if (required || Object.hasOwn',
    replace: 'if (!required || Object.hasOwn',
  },
}

const clean = { ...cleanSet(), pipelines: { nightly: cleanPipeline() } }

const codeRules: Rule[] = Object.entries(OFF).map(([id, off]) => ({
  id,
  spec: '10 §3.8',
  off,
  check: () => {
    const cases = CASES.filter((one) => one.code === id)
    assert.ok(cases.length > 0)
    for (const one of cases) checkCase(one)
    assert.deepEqual(validate(fromObject(clean)).issues, [])
  },
}))

/** Findings of a project with a cold tier and one pool, as `code path`. */
function found(change: Record<string, unknown>, coldTier = true): string[] {
  const pipelines = { nightly: { ...cleanPipeline(), ...change } }
  const { definitions } = fromObject({ ...cleanSet(), pipelines })
  const facts = { coldTier, pools: ['night'], dialect: 'sqlite' as const }
  return projectIssues(definitions, NO_PLACES, facts).map(({ code, path }) => `${code} ${path}`)
}
const project = 'src/orchestration/pipeline/check-project.ts'

export const rules: Rule[] = [
  ...codeRules,
  {
    id: 'P05',
    spec: '10 §3.8',
    off: { file: project, find: 'if (facts.coldTier) return', replace: 'return' },
    check: () => {
      assert.deepEqual(found({}), [])
      assert.deepEqual(found({}, false), [
        'P05 pipelines.nightly.steps[4]',
        'P05 pipelines.nightly.steps[5]',
        'P05 pipelines.nightly.steps[6]',
      ])
    },
  },
  {
    id: 'P08',
    spec: '10 §3.8',
    off: { file: project, find: 'if (!(error instanceof QueryError)) throw error', replace: 'return' },
    check: () => {
      const sql = (text: string, expect?: unknown): string[] => found({ checks: { mine: { sql: text, expect } } })
      assert.deepEqual(sql('select item_id from item_history'), [])
      assert.deepEqual(sql('select count(*) as n from item_history', { op: '>', value: 1 }), [])
      for (const text of [
        'delete from item_history',
        'select nothing from item_history',
        'select 1 from ledger',
        'sel',
      ]) {
        assert.deepEqual(sql(text), ['P08 pipelines.nightly.checks.mine.sql'], text)
      }
      assert.deepEqual(sql('select item_id, size from item_history', { op: '=', value: 1 }), [
        'P08 pipelines.nightly.checks.mine.sql',
      ])
    },
  },
  {
    id: 'P10.pool',
    spec: '10 §3.8',
    off: { file: project, find: 'if (!pool || pools.includes(pool)) return', replace: 'return' },
    check: () => {
      assert.deepEqual(found({ concurrency: { pool: 'night' } }), [])
      assert.deepEqual(found({ concurrency: { pool: 'nigth' } }), ['P10 pipelines.nightly.concurrency.pool'])
    },
  },
  {
    id: 'slots.clock-changes',
    spec: '10 §3.5',
    off: {
      file: `${dir}/zone.ts`,
      find: 'if (offsetA === offsetB) return []',
      replace: 'return []',
    },
    check: () => {
      const days = (cron: string, timezone: string, from: string, to: string): number => {
        const schedule = scheduleOf({ cron, timezone })
        return slotsBetween(schedule, instantFromText(from)!, instantFromText(to)!).length
      }
      assert.equal(days('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z'), 0)
      assert.equal(days('30 1 * * *', 'America/New_York', '2026-11-01T04:00:00Z', '2026-11-02T04:00:00Z'), 2)
    },
  },
]
