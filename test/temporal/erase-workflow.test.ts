/** Workflows of requests on a server whose time runs on when nobody works; their activities are made up (spec 10 §10.2). */
import './quiet.ts'
import { type Client, WorkflowFailedError } from '@temporalio/client'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { Worker } from '@temporalio/worker'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CloseRequest } from '../../activities/types.ts'
import { testServer } from '../../infra/starters/temporal-test-server.ts'
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
const DAY = 24 * HOUR

type Answer = Readonly<Record<string, unknown>>
/** Answers of steps in order, the last one for ever; what was called, and how it was closed. */
let answers: Record<string, Answer[]>
let calls: string[]
let closed: CloseRequest[]
let mayStop: boolean
let workers: Worker[]
let running: Promise<unknown>

async function called(name: string, given: object): Promise<unknown> {
  calls.push(name)
  if (name === 'openRun') {
    const retry = { attempts: 0, backoffMs: 1_000, factor: 2, maxMs: HOUR }
    return { op: 'erase', ended: false, status: 'running', timeoutMs: 3_650 * DAY, retry, pipeline: null }
  }
  if (name === 'mayStop') return mayStop
  if (name === 'closeRun') {
    const request = given as CloseRequest
    closed.push(request)
    return { status: request.cancelled ? 'cancelled' : 'succeeded', errorCode: null, stats: {} }
  }
  const left = answers[name] ?? []
  return (left.length > 1 ? left.shift() : left[0]) ?? { more: false, stats: {} }
}

beforeEach(async () => {
  answers = {}
  calls = []
  closed = []
  mayStop = true
  const names = ['openRun', 'closeRun', 'mayStop', ...Object.keys(STEP)]
  const activities = Object.fromEntries(names.map((name) => [name, (given: object) => called(name, given)]))
  workers = await Promise.all(
    ['control', 'state', 'cold'].map((queue) =>
      Worker.create({
        connection: env.nativeConnection,
        taskQueue: `defacto-${SPACE}-${queue}`,
        activities,
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

let number = 0
function start(type = 'erase') {
  const runId = `r_${++number}`
  return client.workflow.start(type, {
    workflowId: `defacto/${SPACE}/erase/q_${number}`,
    taskQueue: `defacto-${SPACE}-control`,
    args: [{ v: 1, space: SPACE, runId }],
  })
}
const waits = (ms: number, waitingFor: string): Answer => ({ more: true, stats: {}, waitMs: ms, waitingFor })
const DONE: Answer = { more: false, stats: {} }
const count = (name: string): number => calls.filter((call) => call === name).length

describe.each(['erase', 'redact', 'eraseQueue', 'expire'])('%s', (type) => {
  test('goes through its stages in order, each in its queue', async () => {
    const handle = await start(type)
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(calls).toEqual(['openRun', ...CHUNKS.erase, 'closeRun'])
  })
})

describe('a request that waits', () => {
  test('looks again when its time has come: for weeks, if need be', async () => {
    answers['freeze'] = [waits(20 * DAY, 'approval'), waits(5 * DAY, 'approval'), DONE]
    const began = await env.currentTimeMs()
    const handle = await start()
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(count('freeze')).toBe(3)
    expect((await env.currentTimeMs()) - began).toBeGreaterThanOrEqual(25 * DAY)
  })

  test('looks again as soon as somebody says so', async () => {
    answers['freeze'] = [waits(300 * DAY, 'hold:h_1'), DONE]
    const handle = await start()
    await until(async () => count('freeze') === 1, 'the first look')
    await handle.signal('wake')
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(count('freeze')).toBe(2)
    const { startTime, closeTime } = await handle.describe()
    expect((closeTime?.getTime() ?? Number.POSITIVE_INFINITY) - startTime.getTime()).toBeLessThan(299 * DAY)
  })

  test('goes back to the stores where something is found, and asks one that does not answer for ever', async () => {
    answers['eraseStore'] = [...Array.from({ length: 30 }, () => waits(HOUR, 'store:cold')), DONE]
    answers['verifyErasure'] = [{ more: true, stats: {}, next: 'eraseStore', waitMs: 5_000 }, DONE]
    const handle = await start()
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect([count('eraseStore'), count('verifyErasure'), count('certify')]).toEqual([32, 2, 1])
  })

  test('goes on as a new workflow when its history has become long, and stays who it is', async () => {
    answers['eraseStore'] = [...Array.from({ length: 510 }, () => waits(HOUR, 'store:cold')), DONE]
    const handle = await start()
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(count('openRun')).toBe(2)
    expect(closed).toHaveLength(1)
  })
})

describe('a request to stop', () => {
  test('ends what has not changed anything yet', async () => {
    answers['freeze'] = [waits(DAY, 'approval')]
    const handle = await start()
    await until(async () => count('freeze') === 1, 'the wait')
    await handle.cancel()
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError)
    expect((await handle.describe()).status.name).toBe('CANCELLED')
    expect(closed).toMatchObject([{ cancelled: true, failure: null }])
    expect(count('eraseLocal')).toBe(0)
  })

  test('comes too late once the pivot is behind it: it goes on to its end', async () => {
    mayStop = false
    answers['eraseStore'] = [waits(DAY, 'store:cold'), waits(DAY, 'store:cold'), DONE]
    const handle = await start()
    await until(async () => count('eraseStore') === 1, 'the wait')
    await handle.cancel()
    expect(await handle.result()).toMatchObject({ status: 'succeeded' })
    expect(count('mayStop')).toBe(1)
    expect(closed).toMatchObject([{ cancelled: false, failure: null }])
  })
})
