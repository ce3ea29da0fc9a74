/** The tiers in worlds with files in memory: crashes, lost requests and answers, damage, stopped processes. */
import { vi } from 'vitest'
import { simulatePart } from './memory-seeds.ts'

// Files in memory are no Parquet: the second reader has to be one for them. `parquet-1.test.ts` has the real one.
vi.mock('../../src/adapters/delta/parquetjs.ts', () => import('./memory-codec.ts'))

simulatePart(2)
