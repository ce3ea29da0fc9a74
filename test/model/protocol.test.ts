/** Every state of every small world keeps every claim (spec 04 §6); `docs/protocol/README.md` says what that means. */
import { describe, expect, test } from 'vitest'
import { CONFIGURATIONS, LARGE } from './configurations.ts'
import { explore } from './explorer.ts'
import { protocol } from './model.ts'
import { figures, tlaActions } from './texts.ts'

const LARGEST = 400_000
const taken = new Set<string>()

describe('protocol', () => {
  const documented = figures()
  for (const [name, configuration] of Object.entries(CONFIGURATIONS)) {
    test(`${name}: no reachable state breaks a claim`, () => {
      const { states, depth, ends, actions, problem } = explore(protocol(configuration), { maxStates: LARGEST })
      expect(problem?.trace).toBeUndefined()
      expect(ends).toBeGreaterThan(0)
      expect(documented.get(name)).toEqual({ states, depth })
      for (const action of actions) taken.add(action)
    })
  }

  test('every action happens in some world, and is one of the TLA+ text', () => {
    expect([...taken].sort()).toEqual([...tlaActions()].sort())
  })

  if (process.env['DEFACTO_MODEL'] === 'large') {
    for (const [name, configuration] of Object.entries(LARGE)) {
      test(`${name}: no reachable state breaks a claim`, () => {
        const { states, depth, problem } = explore(protocol(configuration), { maxStates: 2_000_000 })
        expect(problem?.trace).toBeUndefined()
        expect(documented.get(name)).toEqual({ states, depth })
      })
    }
  }
})
