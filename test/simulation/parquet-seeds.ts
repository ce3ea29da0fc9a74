/** The tests of one part of the seeds with real Parquet files. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { room } from '../support/room.ts'
import { parquetKit } from './parquet-kit.ts'
import { simulateAll } from './seeds.ts'

const SEEDS = 100
const SEEDS_OF_A_TEST = 10

export function simulateParquet(part: number): void {
  let folder: string
  let kit: ReturnType<typeof parquetKit>
  beforeAll(async () => {
    folder = await mkdtemp(join(room(), 'defacto-simulation-'))
    kit = parquetKit(folder)
  })
  afterAll(async () => {
    await kit.close()
    await rm(folder, { recursive: true, force: true })
  })

  for (let at = 0; at < SEEDS; at += SEEDS_OF_A_TEST) {
    const first = part * SEEDS + at + 1
    test(`seeds ${first} to ${first + SEEDS_OF_A_TEST - 1} with real files`, async () => {
      const { seeds, reads, commits, pruned } = await simulateAll(first, SEEDS_OF_A_TEST, kit)
      expect(reads / seeds).toBeGreaterThan(15)
      expect(commits / seeds).toBeGreaterThan(5)
      expect(pruned / seeds).toBeGreaterThan(15)
    })
  }
}
