/**
 * A worker killed at every place where a unit of a run can be lost, and another one that goes on (spec 10 §4.6): the same
 * run ends with the history, the counters and the marks of an undisturbed one.
 */
import '../temporal/quiet.ts'
import './temporal-units.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { COLD_FAILPOINTS, FAILPOINTS, type Failpoint } from '../../src/engine/failpoint.ts'
import type { SubmitRequest } from '../../src/orchestration/contract.ts'
import type { RunRow } from '../../src/ports/runs.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { readWorld } from '../support/world.ts'
import { BACKENDS } from './places.ts'
import { EDITIONS, END, type Expected, expectedOf, type Workshop, workshop } from './shop-job.ts'
import {
  clone,
  openStage,
  type Past,
  type Prepared,
  prepare,
  STEP_QUEUES,
  type Stage,
  startWorker,
} from './temporal-ground.ts'

const COUNT = 300
const ALL: Past = { built: COUNT, pending: 0 }

interface Case {
  readonly past: Past
  readonly edition?: number
  readonly request: SubmitRequest
  /** Places where nothing is half done. */
  readonly clean: readonly Failpoint[]
  /** Where a build has begun and not finished. */
  readonly dirty?: readonly Failpoint[]
  /** Mode of the run, of builds. */
  readonly mode?: string
}

const FULL = ['shadow.begun', 'shadow.written', 'shadow.committed', 'swap.written', 'swap.committed'] as const
const MIXED: Past = { built: 200, pending: 100 }

const CASES: Readonly<Record<string, Case>> = {
  ingest: {
    past: { built: 120, pending: 0 },
    request: { op: 'ingest', pipeline: 'nightly', input: { input: 'files' } },
    clean: ['ingest.normalized', 'ingest.appended', 'ingest.committed'],
  },
  INCREMENTAL: {
    past: MIXED,
    request: { op: 'build', asOf: END },
    dirty: [
      'build.begun',
      'map.written',
      'map.committed',
      'merge.applied',
      'chunk.written',
      'chunk.committed',
      'finish.written',
    ],
    clean: ['finish.committed'],
    mode: 'INCREMENTAL',
  },
  FULL: {
    past: MIXED,
    request: { op: 'build', input: { full: true }, asOf: END },
    dirty: [...FULL, 'finish.written'],
    clean: ['finish.committed'],
    mode: 'FULL',
  },
  FULL_WITH_IDENTITY_RESET: {
    past: MIXED,
    edition: 1,
    request: { op: 'build', asOf: END },
    dirty: ['hints.written', 'reset.written', 'reset.committed', 'shadow.written', 'swap.committed'],
    clean: ['finish.committed'],
    mode: 'FULL_WITH_IDENTITY_RESET',
  },
  FULL_RENORMALIZE: {
    past: MIXED,
    edition: 2,
    request: { op: 'build', asOf: END },
    dirty: ['renormalize.written', 'renormalize.committed', 'reset.committed', 'shadow.committed'],
    clean: ['finish.committed'],
    mode: 'FULL_RENORMALIZE',
  },
  tick: {
    past: ALL,
    request: { op: 'tick', asOf: END },
    clean: ['tick.written', 'tick.committed'],
  },
  flush: {
    past: { ...ALL, tiered: true },
    request: { op: 'flush' },
    clean: ['tiers.filled', 'flush.claimed', 'flush.archived', 'flush.recorded'],
  },
  prune: {
    past: { ...ALL, tiered: true, flushed: true },
    request: { op: 'prune' },
    clean: ['prune.confirmed', 'prune.written', 'prune.committed'],
  },
}

/** No run restores a ledger. */
const ELSEWHERE: readonly Failpoint[] = ['restore.written', 'restore.committed', 'forget.written', 'forget.committed']

const KILLS = Object.entries(CASES).flatMap(([name, { clean, dirty = [] }]) => [
  ...dirty.map((place) => ({ name, place, isDirty: true })),
  ...clean.map((place) => ({ name, place, isDirty: false })),
])

let shop: Workshop
const expected = new Map<number, Expected>()
beforeAll(() => {
  shop = workshop(COUNT, 7)
  for (const [edition, definitions] of EDITIONS.entries()) {
    expected.set(edition, expectedOf(shop.records, EDITIONS[0] as never, definitions))
  }
})
afterAll(() => shop.remove())

test('every place is one where a worker is killed', () => {
  const visited = new Set([...KILLS.map(({ place }) => place), ...ELSEWHERE])
  expect([...FAILPOINTS, ...COLD_FAILPOINTS].filter((place) => !visited.has(place))).toEqual([])
})

/** What is told of a run that was done, however often its workers were killed. */
interface Outcome {
  readonly status: string
  readonly mode: string | null
  readonly toSeq: number | null
  readonly stats: RunRow['stats']
  readonly marks: readonly unknown[]
  readonly tiers: unknown
}

/** Nothing was done that the run does not count. */
const COUNTED: readonly string[] = [
  'ingest.normalized',
  'ingest.appended',
  'ingest.committed',
  'build.begun',
  'finish.committed',
]

/** Counted by the attempt that finished alone: what others had done before it is in the history, not in a sum. */
const UNSURE = [
  'effects_produced',
  'entities_created',
  'entities_updated',
  'entities_affected',
  'transitions',
  'merges_detected',
  'late_arrivals',
  'events_unresolved',
  'events_failed',
]

function sure(outcome: Outcome): Outcome {
  const stats = Object.entries(outcome.stats).filter(([name]) => !UNSURE.includes(name))
  return { ...outcome, stats: Object.fromEntries(stats) }
}

async function outcomeOf({ space }: Stage, { status, mode, toSeq, stats }: RunRow): Promise<Outcome> {
  const { operations } = space.context
  const marks = await operations.log.inputs.marks('nightly', 'files')
  const cold = await operations.coldStatus()
  return {
    status,
    mode,
    toSeq,
    stats,
    marks: marks.map(({ state, position, recordsRead, ingested, duplicates, failed }) => ({
      state,
      position,
      recordsRead,
      ingested,
      duplicates,
      failed,
    })),
    tiers: cold && { flushed: cold.flushed, pruned: cold.pruned, coldRows: cold.coldRows },
  }
}

/** The history is that of the reference interpreter, the ledger holds every event once, both tiers agree. */
async function expectWhole({ space, clone }: Stage): Promise<void> {
  const { defacto, context } = space
  const { edition } = clone.place
  const { events, world } = expected.get(edition) as Expected
  // What a run left to do for others.
  await defacto.build({ asOf: END })
  await defacto.tick({ asOf: END })
  expect(await defacto.ledger.count()).toBe(events)
  expect(await context.operations.buildStatus()).toMatchObject({ dirty: false, pendingEvents: 0, cursor: events })
  expect(await defacto.nextBuild()).toMatchObject({ mode: 'SKIP' })
  expect(await readWorld(defacto, EDITIONS[edition] as object)).toEqual(world)
  if (context.operations.tiered) expect((await defacto.ledger.tiers.verify()).problems).toEqual([])
  expect((await defacto.locks()).filter(({ holder }) => holder !== null)).toEqual([])
}

describeTemporal.each(BACKENDS)('on $name', (backend) => {
  const prepared = new Map<string, Promise<Prepared>>()
  const undisturbed = new Map<string, Promise<Outcome>>()

  function pastOf(name: string): Promise<Prepared> {
    const { past } = CASES[name] as Case
    const key = JSON.stringify(past)
    const found = prepared.get(key) ?? prepare(shop, backend, `past-${prepared.size}`, past)
    prepared.set(key, found)
    return found
  }

  function reference(name: string): Promise<Outcome> {
    const found = undisturbed.get(name) ?? run(name)
    undisturbed.set(name, found)
    return found
  }

  async function run(name: string): Promise<Outcome> {
    const { edition, request } = CASES[name] as Case
    await using stage = await openStage(await clone(shop, await pastOf(name), edition), sharedTemporal())
    await stage.work()
    const row = await stage.ended(await stage.submit(request))
    expect(row).toMatchObject({ status: 'succeeded', error: null })
    const outcome = await outcomeOf(stage, row)
    await expectWhole(stage)
    return outcome
  }

  test.concurrent.each(KILLS)('$name, killed at $place', async ({ name, place, isDirty }) => {
    const { edition, request, mode } = CASES[name] as Case
    const ground = await clone(shop, await pastOf(name), edition)
    await using stage = await openStage(ground, sharedTemporal())
    const { operations } = stage.space.context
    await stage.work(['control'])
    const victim = await startWorker(ground, { temporal: sharedTemporal(), queues: STEP_QUEUES, failpoint: place })
    const runId = await stage.submit(request)
    expect(await victim.gone, victim.said()).toBe('SIGKILL')
    const between = await operations.buildStatus()
    expect(between.dirty).toBe(isDirty)
    expect((await stage.run(runId)).status).toBe('running')
    await stage.work(STEP_QUEUES)
    const row = await stage.ended(runId)
    expect(row).toMatchObject({ status: 'succeeded', error: null, ...(mode === undefined ? {} : { mode }) })
    expect((await operations.buildStatus()).dirty).toBe(false)
    // A second attempt at least, and the run tells why.
    expect(row.epoch).toBeGreaterThan(1)
    const retries = await operations.log.runs.events(runId, { kinds: ['retry'] })
    expect(retries.map(({ data }) => data)).toContainEqual(expect.objectContaining({ lost: true }))
    const outcome = await outcomeOf(stage, row)
    // Counters are stored with the unit that finishes the work.
    if (COUNTED.includes(place)) expect(outcome).toEqual(await reference(name))
    else expect(sure(outcome)).toEqual(sure(await reference(name)))
    await expectWhole(stage)
    await ground.expectSound()
  })
})
