/** A database that comes back from a backup takes over what the archive has, dies meanwhile, and goes on. */
import { expect, test, vi } from 'vitest'
import { restored } from './restored.ts'
import { settingsOf, simulate } from './run.ts'
import { MEMORY } from './seeds.ts'

vi.mock('../../src/adapters/delta/parquetjs.ts', () => import('./memory-codec.ts'))

test('a restored database goes on with what the archive has', async () => {
  let rows = 0
  for (let seed = 1; seed <= 300; seed += 1) rows += (await simulate(seed, MEMORY, settingsOf, restored(true))).rows
  expect(rows).toBeGreaterThan(3_000)
})
