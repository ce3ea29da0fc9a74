/** What workflows do, on a server whose time runs on when nobody works; their activities are made up (spec 10 §4.2). */
import './quiet.ts'
import { Context } from '@temporalio/activity'
import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { Worker } from '@temporalio/worker'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Activities, CloseRequest, OpenedRun, StepName, StepRef } from '../../activities/types.ts'
import { testServer } from '../../infra/starters/temporal-test-server.ts'
import { CHUNKS as RUN_CHUNKS, STEPS } from '../../src/orchestration/steps/catalog.ts'
import { workflowBundle } from '../../src/temporal/index.ts'
import { CHUNKS, STEP } from '../../workflows/constants.ts'
import { until } from './until.ts'

let env: TestWorkflowEnvironment
let client: Client
let codePath: string
beforeAll(async () => {
  const path = await testServer()
  env = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } })
  client = env.client
  codePath = (await workflowBundle()).codePath
})
afterAll(() => env?.teardown())

const SPACE = 'shop-12345678'
const HOUR = 3_600_000
const id = (below: string): string => `defacto/${SPACE}/${below}`
const ref = (runId: string) => ({ v: 1, space: SPACE, runId }) as const

/** What activities were asked for, and what they answer. */
class Stage {
  readonly calls: string[] = []
  readonly closed: CloseRequest[] = []
  opened: Partial<OpenedRun> = {}
  readonly #answers: Partial<Record<string, (given: never) => unknown>> = {}

  answer<N extends keyof Activities>(name: N, work: (...given: Parameters<Activities[N]>) => unknown): this {
    this.#answers[name] = work as unknown as (given: never) => unknown
    return this
  }

  activities(): Record<string, (given: { runId?: string }) => Promise<unknown>> {
    const names = ['openRun', 'nextStep', 'decideTick', 'joinRun', 'joinedByOthers', 'closeRun', ...Object.keys(STEP)]
    return Object.fromEntries(
      names.map((name) => [
        name,
        async (given) => {
          this.calls.push(name)
          const own = this.#answers[name]
          return own === undefined ? this.#usual(name, given) : await own(given as never)
        },
      ]),
    )
  }

  #usual(name: string, given: object): unknown {
    if (name === 'openRun') {
      const retry = { attempts: 5, backoffMs: 10_000, factor: 2, maxMs: 300_000 }
      return {
        op: 'build',
        ended: false,
        status: 'running',
        timeoutMs: 12 * HOUR,
        retry,
        pipeline: null,
        ...this.opened,
      }
    }
    if (name === 'closeRun') {
      const request = given as CloseRequest
      this.closed.push(request)
      const status = request.failure ? 'failed' : request.cancelled ? 'cancelled' : 'succeeded'
      return { status, errorCode: request.failure?.code ?? null, stats: {} }
    }
    if (name === 'joinedByOthers') return false
    return { more: false, stats: {} }
  }
}

let stage: Stage
let workers: Worker[]
let running: Promise<unknown>
beforeEach(async () => {
  stage = new Stage()
  workers = await Promise.all(
    ['control', 'io', 'state', 'cold'].map((queue) =>
      Worker.create({
        connection: env.nativeConnection,
        taskQueue: `defacto-${SPACE}-${queue}`,
        activities: stage.activities(),
        ...(queue === 'control' ? { workflowBundle: { codePath } } : {}),
      }),
    ),
  )
  running = Promise.all(workers.map((worker) => worker.run()))
})
afterEach(async () => {
  for (const worker of workers) worker.shutdown()
  await running
})

const start = (type: string, below: string, args: readonly unknown[]) =>
  client.workflow.start(type, { workflowId: id(below), taskQueue: `defacto-${SPACE}-control`, args: [...args] })
const failureOf = (error: unknown): unknown => (error instanceof WorkflowFailedError ? error.cause : error)

describe('what workflows and runs in a process share', () => {
  test('is the same: steps of every operation, in order, all of them known', () => {
    const { pipeline, backfill, ...chunks } = RUN_CHUNKS
    expect([pipeline, backfill]).toEqual([[], []])
    expect(CHUNKS).toEqual(chunks)
    expect(Object.keys(STEP).sort()).toEqual(Object.keys(STEPS).sort())
  })
})

describe('one operation', () => {
  test('calls its steps in order, each as long as it has more, and closes the run', async () => {
    let left = 3
    stage.answer('buildChunks', () => ({ more: --left > 0, stats: {} }))
    const handle = await start('build', 'build', [ref('r_1')])
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(stage.calls).toEqual(['openRun', 'planBuild', 'buildChunks', 'buildChunks', 'buildChunks', 'closeRun'])
  })

  test('a run that has ended is left as it is', async () => {
    stage.opened = { ended: true, status: 'coalesced' }
    const handle = await start('build', 'build', [ref('r_2')])
    expect(await handle.result()).toMatchObject({ status: 'coalesced' })
    expect(stage.calls).toEqual(['openRun'])
  })

  test('what may pass is tried again after the pause of the policy; what may not ends the run with its code', async () => {
    let tries = 0
    stage.answer('planBuild', () => {
      if (++tries < 3) throw ApplicationFailure.create({ message: 'E_STORAGE', type: 'StorageError' })
      throw ApplicationFailure.create({ message: 'E_BUILD', type: 'BuildError' })
    })
    const began = await env.currentTimeMs()
    const handle = await start('build', 'build', [ref('r_3')])
    const failure = failureOf(await handle.result().catch((error: unknown) => error))
    expect(failure).toMatchObject({ message: 'E_BUILD', type: 'BuildError' })
    expect(tries).toBe(3)
    expect((await env.currentTimeMs()) - began).toBeGreaterThanOrEqual(30_000)
    expect(stage.closed).toMatchObject([{ failure: { code: 'E_BUILD', class: 'BuildError' }, cancelled: false }])
  })

  test('a timeout stops the work and closes the run as failed', async () => {
    stage.opened = { timeoutMs: 4 * HOUR }
    // It never has a place to work.
    stage.answer('tickChunks', () => {
      throw ApplicationFailure.create({ message: 'E_LOCK_HELD', type: 'LockHeld', nextRetryDelay: '10 minutes' })
    })
    const handle = await start('tick', 'tick', [ref('r_4')])
    const failure = failureOf(await handle.result().catch((error: unknown) => error))
    expect(failure).toMatchObject({ message: 'E_TIMEOUT', type: 'RunTimeout' })
    expect(stage.closed).toMatchObject([{ failure: { code: 'E_TIMEOUT' }, cancelled: false }])
  })

  test('a request to stop reaches the step, and the run is closed after it', async () => {
    stage.answer('flushChunks', async () => {
      const { cancelled, heartbeat } = Context.current()
      const beat = setInterval(() => heartbeat(), 200)
      await cancelled.finally(() => clearInterval(beat))
    })
    const handle = await start('flush', 'flush', [ref('r_5')])
    await until(async () => stage.calls.includes('flushChunks'), 'the step')
    await handle.cancel()
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError)
    expect((await handle.describe()).status.name).toBe('CANCELLED')
    expect(stage.closed).toMatchObject([{ cancelled: true, failure: null }])
  })

  test('a long one goes on as a new workflow, with the same input', async () => {
    let left = 620
    stage.answer('ingestPart', () => ({ more: --left > 0, stats: {} }))
    const handle = await start('ingest', 'ingest/nightly/files', [ref('r_6')])
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(stage.calls.filter((name) => name === 'openRun')).toHaveLength(2)
    expect(stage.calls.filter((name) => name === 'ingestPart')).toHaveLength(620)
    expect(stage.closed).toHaveLength(1)
  })

  test('no more goes in or out than ids, numbers and codes', async () => {
    stage.answer('planBuild', () => ({ more: false, stats: {}, note: 'Ada Lovelace, ada@example.org' }))
    const bad = await start('build', 'build', [{ ...ref('r_7'), who: 'Ada Lovelace' }])
    const failure = failureOf(await bad.result().catch((error: unknown) => error))
    expect(failure).toMatchObject({ type: 'NotAllowed' })
    expect(stage.calls).toEqual([])
  })
})

describe('a pipeline', () => {
  const step = (runId: string, op: StepRef['op'], workflowId: string): StepRef => ({ runId, op, workflowId })

  test('starts its steps as runs of their own, as many at once as it may', async () => {
    const rounds = [
      { steps: [step('r_a', 'ingest', 'ingest/p/a'), step('r_b', 'ingest', 'ingest/p/b')], parallel: 2, done: false },
      { steps: [step('r_c', 'build', 'build')], parallel: 1, done: false },
      { steps: [], parallel: 1, done: true },
    ]
    stage.answer('nextStep', () => rounds.shift())
    const handle = await start('runPipeline', 'pipeline/p', [ref('r_p')])
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(stage.closed.map(({ runId }) => runId).sort()).toEqual(['r_a', 'r_b', 'r_c', 'r_p'])
  })

  test('a step that fails is no failure of the workflow: the database decides', async () => {
    const rounds = [
      { steps: [step('r_a', 'build', 'build')], parallel: 1, done: false },
      { steps: [], parallel: 1, done: true },
    ]
    stage.answer('nextStep', () => rounds.shift())
    stage.answer('buildChunks', () => {
      throw ApplicationFailure.nonRetryable('E_BUILD', 'BuildError')
    })
    const handle = await start('runPipeline', 'pipeline/p', [ref('r_p')])
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(stage.closed).toMatchObject([
      { runId: 'r_a', failure: { code: 'E_BUILD' } },
      { runId: 'r_p', failure: null },
    ])
  })

  test('a step whose id another run has is covered by it, or waits for its turn', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    stage.answer('planBuild', async ({ runId }) => {
      if (runId === 'r_first') await held
      return { more: false, stats: {} }
    })
    const first = await start('build', 'build', [ref('r_first')])
    await until(async () => stage.calls.includes('planBuild'), 'the first build')
    let asked = 0
    stage.answer('joinRun', async () => {
      asked += 1
      if (asked === 2) {
        release()
        await first.result()
      }
      return { state: asked < 3 ? 'wait' : 'go' }
    })
    const rounds = [
      { steps: [step('r_second', 'build', 'build')], parallel: 1, done: false },
      { steps: [], parallel: 1, done: true },
    ]
    stage.answer('nextStep', () => rounds.shift())
    const handle = await start('runPipeline', 'pipeline/p', [ref('r_p')])
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(asked).toBe(3)
    expect(stage.closed.map(({ runId }) => runId)).toEqual(['r_first', 'r_second', 'r_p'])
  })

  test('cancelled, it stops its steps; one that others wait for goes on', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    stage.answer('nextStep', () => ({
      steps: [step('r_shared', 'build', 'build'), step('r_own', 'flush', 'flush')],
      parallel: 2,
      done: false,
    }))
    stage.answer('joinedByOthers', ({ runId }) => runId === 'r_shared')
    stage.answer('buildChunks', async () => {
      await held
      return { more: false, stats: {} }
    })
    stage.answer('flushChunks', async () => {
      const { cancelled, heartbeat } = Context.current()
      const beat = setInterval(() => heartbeat(), 200)
      await cancelled.finally(() => clearInterval(beat))
    })
    const handle = await start('runPipeline', 'pipeline/p', [ref('r_p')])
    const bothBegun = async (): Promise<boolean> =>
      stage.calls.includes('buildChunks') && stage.calls.includes('flushChunks')
    await until(bothBegun, 'both steps')
    await handle.cancel()
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError)
    expect(stage.closed).toMatchObject([
      { runId: 'r_own', cancelled: true },
      { runId: 'r_p', cancelled: true },
    ])
    release()
    expect(await client.workflow.getHandle(id('build')).result()).toMatchObject({ status: 'succeeded' })
  })
})

describe('a schedule', () => {
  test('has its slot decided, and the run started in its turn', async () => {
    stage.answer('decideTick', () => ({ outcome: 'started', runId: 'r_p', cancel: [] }))
    stage.answer('nextStep', () => ({ steps: [], parallel: 1, done: true }))
    const slot = { v: 1, space: SPACE, pipeline: 'nightly', slot: '2024-01-01T02:00:00Z' }
    const handle = await start('scheduledPipeline', 'schedule/nightly-2024-01-01T02:00:00Z', [slot])
    expect(await handle.result()).toEqual({ outcome: 'started', runId: 'r_p', cancel: [] })
    expect(await client.workflow.getHandle(id('pipeline/nightly')).result()).toMatchObject({ status: 'succeeded' })
  })

  test('leaves it at that where nothing is to run', async () => {
    stage.answer('decideTick', () => ({ outcome: 'skipped', runId: null, cancel: [] }))
    const slot = { v: 1, space: SPACE, pipeline: 'nightly', slot: null }
    const handle = await start('scheduledPipeline', 'schedule/nightly-2024-01-02T02:00:00Z', [slot])
    expect(await handle.result()).toMatchObject({ outcome: 'skipped' })
    expect(stage.calls).toEqual(['decideTick'])
  })

  test('an id is taken once', async () => {
    stage.answer('planBuild', () => new Promise(() => {}))
    const first = await start('build', 'taken', [ref('r_1')])
    await expect(start('build', 'taken', [ref('r_2')])).rejects.toThrow(WorkflowExecutionAlreadyStartedError)
    await first.terminate()
  })
})

test('every step has a queue and times', () => {
  const names: StepName[] = Object.values(CHUNKS).flat()
  expect([...new Set(names)].sort()).toEqual(Object.keys(STEP).sort())
})
