/** Archives move on in slices: a call that is stopped keeps what it did, and the next one goes on there (spec 10 §4.3). */
import '../support/small-units.ts'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attempt } from '../../src/orchestration/attempt.ts'
import type { ChunkOutcome, StepFunction } from '../../src/orchestration/contract.ts'
import { flushChunks, pruneChunks } from '../../src/orchestration/steps/cold.ts'
import type { RunRow } from '../../src/ports/runs.ts'
import { postgresPlace, sqlitePlace, TestSpace } from '../support/orchestration.ts'
import { joined, people } from '../support/people.ts'

const SLICE = Number(process.env['DEFACTO_UNIT_ROWS'])
const ROWS = 4 * SLICE + 1

describe.each([
  ['SQLite', sqlitePlace],
  ['Postgres', postgresPlace],
] as const)('%s: an archive', (_, newPlace) => {
  let space: TestSpace
  beforeEach(async () => {
    const place = await newPlace()
    const coldLedger = join(place.folder, 'cold')
    mkdirSync(coldLedger)
    space = await TestSpace.open(place, people(), { coldLedger })
    const records = Array.from({ length: ROWS }, (_, i) => joined(`m${i}@example.org`, 1 + (i % 9)))
    await space.engine.ingest('web', records)
    await space.engine.build()
    // A ledger becomes a tiered one with its first flush.
    await space.engine.ledger.tiers.flush({ upTo: 1 })
  })
  afterEach(() => space.close())

  /** A call that is stopped when its first slice is there. */
  function stopped(run: RunRow, step: StepFunction): Promise<ChunkOutcome> {
    const stop = new AbortController()
    const ref = { v: 1, space: space.context.operations.space, runId: run.runId } as const
    return attempt(space.context, ref, step, { signal: stop.signal, heartbeat: () => stop.abort() })
  }

  async function inSlices(step: StepFunction, run: RunRow): Promise<number[]> {
    const seen: number[] = []
    for (let more = true; more; ) {
      const outcome = await stopped(run, step)
      more = outcome.more
      seen.push(Object.values(outcome.stats)[0] ?? 0)
    }
    return seen
  }

  const whole = [SLICE, 2 * SLICE, 3 * SLICE, ROWS - 1]

  it('is written slice by slice', async () => {
    const run = await space.newRun('flush')
    expect((await inSlices(flushChunks, run)).slice(0, 4)).toEqual(whole)
    const status = await space.engine.ledger.tiers.status()
    expect(status).toMatchObject({ flushed: ROWS, head: ROWS, coldRows: ROWS, staged: 0 })
    expect((await space.engine.ledger.tiers.verify()).problems).toEqual([])
    expect(await space.context.operations.log.runs.get(run.runId)).toMatchObject({
      fromSeq: 1,
      toSeq: ROWS,
      stats: { rows_flushed: ROWS - 1 },
    })
  })

  it('takes rows out of the database slice by slice', async () => {
    await space.engine.ledger.tiers.flush()
    await space.engine.ledger.tiers.prune({ before: 1 })
    const run = await space.newRun('prune')
    expect((await inSlices(pruneChunks, run)).slice(0, 4)).toEqual(whole)
    expect(await space.engine.ledger.tiers.status()).toMatchObject({ pruned: ROWS, hotRows: 0 })
    expect(await space.engine.ledger.count()).toBe(ROWS)
  })

  it('goes on with its next slice by itself, up to the row that was named', async () => {
    const run = await space.newRun('flush', { input: { upTo: ROWS - 2 } })
    expect(await space.attempt(run, flushChunks)).toEqual({ more: false, stats: { rows_flushed: ROWS - 3 } })
    expect(await space.engine.ledger.tiers.status()).toMatchObject({ flushed: ROWS - 2 })
  })
})
