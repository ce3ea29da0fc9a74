/** The model can fail: each deliberate mistake is noticed by the claim that forbids it, and each claim notices one. */
import { describe, expect, test } from 'vitest'
import { COMES_TO_REST, explore } from './explorer.ts'
import { INVARIANTS, LIVENESS, STEP_INVARIANTS } from './invariants.ts'
import { protocol } from './model.ts'
import { type BrokenRule, SWITCHES, type Switch } from './switches.ts'

const switches = Object.entries(SWITCHES) as [Switch, BrokenRule][]

describe('a protocol in which', () => {
  for (const [name, { mistake, noticedBy, where }] of switches) {
    for (const claim of noticedBy) {
      test(`${mistake} (${name}) breaks ${claim}`, () => {
        const { problem } = explore(protocol({ ...where, broken: name }), { maxStates: 300_000, only: claim })
        expect(problem?.broken).toContain(claim)
      })
    }
  }

  test('nothing is wrong breaks nothing, in the worlds of the mistakes too small to be explored elsewhere', () => {
    const small = switches
      .map(([, { where }]) => where)
      .filter(({ events, budgets }) => {
        return events === 2 && Object.values(budgets).reduce((sum, one) => sum + one) <= 1
      })
    const worlds = new Map(small.map((where) => [JSON.stringify(where), where]))
    for (const where of worlds.values()) {
      expect(explore(protocol(where), { maxStates: 100_000 }).problem?.trace).toBeUndefined()
    }
  })

  test('every claim is broken by some mistake', () => {
    const claims = [INVARIANTS, STEP_INVARIANTS, LIVENESS].flatMap((group) => Object.keys(group))
    const noticing = new Set(switches.flatMap(([, { noticedBy }]) => noticedBy))
    expect([...claims, COMES_TO_REST].filter((claim) => !noticing.has(claim))).toEqual([])
  })
})
