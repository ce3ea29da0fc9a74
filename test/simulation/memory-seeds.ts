/** The tests of one part of the seeds; parts run beside each other. */
import { expect, test } from 'vitest'
import { MEMORY, simulateAll } from './seeds.ts'

const SEEDS = 2_500
const SEEDS_OF_A_TEST = 250

export function simulatePart(part: number): void {
  for (let at = 0; at < SEEDS; at += SEEDS_OF_A_TEST) {
    const first = part * SEEDS + at + 1
    test(`seeds ${first} to ${first + SEEDS_OF_A_TEST - 1}`, async () => {
      const { seeds, reads, commits, pruned, done } = await simulateAll(first, SEEDS_OF_A_TEST, MEMORY)
      // Little is shown by worlds in which little happens.
      expect(reads / seeds).toBeGreaterThan(15)
      expect(commits / seeds).toBeGreaterThan(5)
      expect(pruned / seeds).toBeGreaterThan(15)
      for (const work of ['appendSome', 'flush', 'prune', 'change', 'maintain']) {
        expect(done.get(work), work).toBeGreaterThan(seeds / 2)
      }
      expect(done.get('erase')).toBeGreaterThan(seeds / 4)
    })
  }
}
