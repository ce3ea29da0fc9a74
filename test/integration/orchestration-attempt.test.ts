import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'vitest'
import { Fenced, LockHeld, StorageError } from '../../src/index.ts'
import { attempt } from '../../src/orchestration/attempt.ts'
import type { Ref, StepFunction } from '../../src/orchestration/contract.ts'
import { classify, WorkerShutdown } from '../../src/orchestration/failure.ts'
import type { Orchestrator } from '../../src/orchestrator.ts'
import { joined, nightly, type TestProject, testProject } from '../support/orchestrated.ts'

describe('an attempt', () => {
  let project: TestProject
  let orchestrator: Orchestrator
  let ref: Ref
  const call = { signal: new AbortController().signal, heartbeat() {} }
  const tried = (step: StepFunction, given: Partial<Parameters<typeof attempt>[3]> = {}) =>
    attempt(orchestrator.context, ref, step, { ...call, ...given })
  const row = async () => {
    const run = await orchestrator.log.runs.get(ref.runId)
    assert.ok(run !== undefined)
    return run
  }
  const lost: StepFunction = async () => {
    throw new StorageError('the connection was lost', { recoverable: true })
  }
  const chunk: StepFunction = async ({ operations }, { fence }) => {
    await operations.unit({ fence }, async () => {})
    return { more: false, stats: { chunks: 1 } }
  }

  beforeEach(async () => {
    project = await testProject({ nightly })
    orchestrator = await project.connect({ options: { logger: { debug() {}, info() {}, warn() {}, error() {} } } })
    const { run } = await orchestrator.control.submit({ op: 'build' })
    ref = { v: 1, space: orchestrator.context.operations.space, runId: run.runId }
  })
  afterEach(() => project.close())

  it('fails for good after so many without progress', async () => {
    const seen = []
    for (let i = 0; i < 5; i++) {
      const error = await tried(lost).then(
        () => assert.fail('the step failed'),
        (thrown: unknown) => thrown,
      )
      const { retryable, delayMs } = classify(error)
      const { status, waitingFor, attempt: count } = await row()
      seen.push([count, status, waitingFor, retryable, delayMs])
    }
    assert.deepEqual(seen, [
      [1, 'running', null, true, 1000],
      [2, 'running', null, true, 2000],
      [3, 'waiting', 'retry', true, 4000],
      [4, 'waiting', 'retry', true, 8000],
      [5, 'running', null, false, null],
    ])
    assert.equal((await row()).error?.code, 'E_STORAGE')
    assert.equal((await orchestrator.log.runs.events(ref.runId, { kinds: ['retry'] })).length, 4)
  })

  it('counts anew after a committed chunk, and not while it waits for a slot', async () => {
    const held: StepFunction = async () => {
      throw new LockHeld('somebody else builds')
    }
    await assert.rejects(tried(lost))
    await assert.rejects(tried(held), LockHeld)
    const waits = await row()
    assert.deepEqual([waits.status, waits.waitingFor, waits.attempt], ['waiting', 'slot', 0])
    await assert.rejects(tried(lost))
    assert.equal((await row()).attempt, 1)
    assert.deepEqual(await tried(chunk), { more: false, stats: { chunks: 1 } })
    const done = await row()
    assert.deepEqual([done.attempt, done.status, done.stats], [0, 'running', { chunks: 1 }])
  })

  it('gives what nobody foresaw three attempts, and says nothing of it', async () => {
    const strange: StepFunction = async () => {
      throw new Error('a value of somebody')
    }
    for (const again of [true, true, false]) {
      const error = await tried(strange).catch((thrown: unknown) => thrown)
      assert.equal(classify(error).retryable, again)
    }
    const events = await orchestrator.log.runs.events(ref.runId)
    assert.equal(JSON.stringify([await row(), events]).includes('somebody'), false)
  })

  it('stops when the run is to stop, when the worker ends, and when its time is over', async () => {
    const stops: StepFunction = async (_context, { signal }) => {
      const { promise, reject } = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => reject(signal.reason))
      if (signal.aborted) reject(signal.reason)
      return promise
    }
    assert.deepEqual(await tried(stops, { budgetMs: 1 }), { more: true, stats: {} })
    const ending = AbortSignal.abort(new WorkerShutdown())
    const handed = classify(await tried(stops, { signal: ending }).catch((thrown: unknown) => thrown))
    assert.deepEqual([handed.code, handed.retryable, handed.benign], ['E_SHUTDOWN', true, true])
    assert.equal((await row()).attempt, 0)
    await orchestrator.control.requestCancel(ref.runId, 'enough')
    await assert.rejects(tried(chunk), { code: 'E_CANCELLED' })
  })

  it('that is too late writes nothing', async () => {
    let late: Promise<unknown> = Promise.resolve()
    await tried(async (context, { fence }) => {
      const old = fence
      await tried(chunk)
      late = context.operations.unit({ fence: old }, async () => {})
      await assert.rejects(late, Fenced)
      return { more: false, stats: {} }
    }).catch((error: unknown) => assert.ok(error instanceof Fenced))
    assert.equal((await row()).epoch, 2)
  })

  it('that goes on because a forgotten one began is tried again, and is told of as fenced', async () => {
    const error = await tried(async (context, given) => {
      await tried(chunk)
      await context.operations.unit({ fence: given.fence }, async () => {})
      return { more: false, stats: {} }
    }).catch((thrown: unknown) => thrown)
    const { code, retryable, benign } = classify(error)
    assert.deepEqual([code, retryable, benign], ['E_FENCED', true, true])
    const [event] = (await orchestrator.log.runs.events(ref.runId)).slice(-1)
    assert.deepEqual(event?.data, { epoch: 1, fenced: true })
  })

  it('after one that could not say a word tells of it, and of no other', async () => {
    const { runs } = orchestrator.log
    const said = async () => (await runs.events(ref.runId, { kinds: ['retry'] })).map(({ data }) => data)
    await tried(chunk, { again: true })
    assert.deepEqual(await said(), [])
    await assert.rejects(tried(lost))
    await tried(chunk, { again: true })
    const failed = { attempt: 1, delayMs: 1000, epoch: 2 }
    assert.deepEqual(await said(), [failed])
    await tried(async () => Promise.reject(new WorkerShutdown())).catch(() => undefined)
    await tried(chunk, { again: true })
    assert.deepEqual(await said(), [failed])
    // Killed: it begins and is not heard of again.
    await runs.begin(ref.runId, new Date().toISOString())
    await tried(chunk, { again: true })
    assert.deepEqual(await said(), [failed, { epoch: 6, lost: true }])
  })

  it('finds an ended run as it ended', async () => {
    await tried(chunk)
    await orchestrator.control.closeRun({ ...ref, failure: null, cancelled: false })
    assert.deepEqual(await tried(lost), { more: false, stats: { chunks: 1 } })
    const again = { code: 'E_LATE', class: 'BuildError', message: 'too late' }
    const closed = await orchestrator.control.closeRun({ ...ref, failure: again, cancelled: false })
    assert.equal(closed.status, 'succeeded')
  })

  it('tells whoever wants to know that a pipeline failed', async () => {
    const alerts = [{ on: ['failure', 'recovered'], to: { file: { path: 'alerts.jsonl' } } }]
    const strict = { files: { ...nightly.inputs.files, required: true } }
    await project.pipelines({ nightly: { ...nightly, inputs: strict, alerts } })
    await orchestrator.control.requestCancel(ref.runId, 'not needed')
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await assert.rejects(run.result(), { code: 'E_INPUT_MISSING' })
    await project.write('in/a.ndjson', joined(2))
    const next = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await next.result()
    await orchestrator.close()
    const lines = (await readFile(join(project.folder, 'alerts.jsonl'), 'utf8')).trim().split('\n')
    assert.equal(lines.length, 2)
    assert.ok(lines[0]?.includes(run.id))
  })
})
