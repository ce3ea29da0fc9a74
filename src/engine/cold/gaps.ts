/** Whether the archive holds every sequence it should, once (spec 10 §3.7 `cold_complete`). */
import type { ColdGaps } from '../../ports/operations.ts'
import type { Engine } from '../engine.ts'
import { archiveOf } from './slot.ts'

/** Reads the sequences of one version of the table; rows above the boundary are another flush's business. */
export async function coldGaps(engine: Engine, signal?: AbortSignal): Promise<ColdGaps> {
  const archive = archiveOf(engine)
  // The boundary first: what is flushed meanwhile is in the version read after it.
  const flushed = (await engine.store.tiers.state())?.flushed ?? 0
  const snapshot = await archive.snapshot()
  if (snapshot === null) return { flushed, missing: flushed, twice: 0 }
  let twice = 0
  let found = 0
  let last = 0
  for await (const rows of archive.scan({ to: flushed, columns: ['sequence'], snapshot })) {
    signal?.throwIfAborted()
    for (const { sequence } of rows) {
      // Rows come in order, so a repeated one stands behind its twin.
      if (sequence === last) twice += 1
      else found += 1
      last = sequence
    }
  }
  return { flushed, missing: flushed - found, twice }
}
