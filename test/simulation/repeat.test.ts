/** A seed is a run: the same steps in the same order, every time. */
import { expect, test, vi } from 'vitest'
import { simulate } from './run.ts'
import { MEMORY } from './seeds.ts'

vi.mock('../../src/adapters/delta/parquetjs.ts', () => import('./memory-codec.ts'))

test('a seed repeats its run exactly', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const [first, second] = [await simulate(seed, MEMORY), await simulate(seed, MEMORY)]
    expect(second.trace.length).toBeGreaterThan(500)
    expect(second.trace).toEqual(first.trace)
  }
})

test('another seed is another run', async () => {
  const [first, second] = [await simulate(1, MEMORY), await simulate(2, MEMORY)]
  expect(second.trace).not.toEqual(first.trace)
})
