/** Every broken rule is noticed, or the simulation would show nothing about it. */
import { expect, test, vi } from 'vitest'
import { simulate } from './run.ts'
import { Violation } from './scheduler.ts'
import { MEMORY } from './seeds.ts'
import { SWITCHES } from './switches.ts'

vi.mock('../../src/adapters/delta/parquetjs.ts', () => import('./memory-codec.ts'))

/** Seeds in which a broken rule has to be noticed. */
const SEEDS = 400

for (const [name, { rule, breaks, noticed, settings }] of Object.entries(SWITCHES)) {
  test(`${name}: ${rule}`, async () => {
    const seen: string[] = []
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        await simulate(seed, { ...MEMORY, breaks }, settings)
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        seen.push(error.message)
        if (noticed.test(error.message)) return
      }
    }
    expect(seen, `what was noticed in ${SEEDS} seeds`).toContain(noticed)
  })
}
