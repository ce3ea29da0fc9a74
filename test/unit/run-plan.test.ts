import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { LockHeld, StorageError, ThresholdError } from '../../src/errors.ts'
import { covers } from '../../src/orchestration/control/join.ts'
import { stepStates } from '../../src/orchestration/control/plan.ts'
import { classify, errorOf, mark, RunTimeout, runErrorOf, WorkerShutdown } from '../../src/orchestration/failure.ts'
import { idBelow, newId, timeOfId } from '../../src/orchestration/ids.ts'
import type { RunStatus } from '../../src/ports/runs.ts'

describe('steps of a pipeline', () => {
  const step = (id: string, needs: readonly string[] = [], when: 'success' | 'failure' | 'always' = 'success') => ({
    id,
    needs,
    when,
  })
  const ran = (id: string, status: RunStatus) => ({ step: id, status })
  const all = { succeeded: [], only: null }
  const states = (...args: Parameters<typeof stepStates>): Record<string, string> =>
    Object.fromEntries(stepStates(...args))

  it('follow each other', () => {
    const steps = [step('a'), step('b', ['a']), step('c', ['b'])]
    assert.deepEqual(states(steps, [], all), { a: 'due', b: 'waits', c: 'waits' })
    assert.deepEqual(states(steps, [ran('a', 'running')], all), { a: 'active', b: 'waits', c: 'waits' })
    assert.deepEqual(states(steps, [ran('a', 'coalesced')], all), { a: 'good', b: 'due', c: 'waits' })
  })

  it('wait for every run of a step', () => {
    const steps = [step('a'), step('b', ['a'])]
    assert.equal(states(steps, [ran('a', 'succeeded'), ran('a', 'queued')], all)['b'], 'waits')
    assert.equal(states(steps, [ran('a', 'succeeded'), ran('a', 'failed')], all)['b'], 'blocked')
  })

  it('run on failure, always, or not at all', () => {
    const steps = [step('a'), step('mend', ['a'], 'failure'), step('b', ['mend']), step('last', ['b'], 'always')]
    assert.deepEqual(states(steps, [ran('a', 'failed')], all), { a: 'failed', mend: 'due', b: 'waits', last: 'waits' })
    assert.deepEqual(states(steps, [ran('a', 'succeeded')], all), { a: 'good', mend: 'left', b: 'due', last: 'waits' })
    assert.deepEqual(states([step('a'), step('b', ['a']), step('c', ['b'], 'always')], [ran('a', 'failed')], all), {
      a: 'failed',
      b: 'blocked',
      c: 'due',
    })
  })

  it('are left out if an earlier run did them, or others alone are wanted', () => {
    const steps = [step('a'), step('b', ['a']), step('c', ['b'])]
    assert.equal(states(steps, [], { succeeded: ['a', 'b'], only: null })['c'], 'due')
    assert.deepEqual(states(steps, [], { succeeded: [], only: ['b'] }), { a: 'left', b: 'due', c: 'left' })
  })
})

describe('failures', () => {
  it('say nothing of what others throw', () => {
    const { message, code, retryable, exit } = classify(new Error('value of somebody: secret'))
    assert.equal(message.includes('secret'), false)
    assert.deepEqual({ code, retryable, exit }, { code: 'E_INTERNAL', retryable: true, exit: 1 })
  })

  it('are retried as their class says', () => {
    const lock = classify(new LockHeld('held'))
    assert.deepEqual([lock.retryable, lock.benign, lock.delayMs, lock.exit], [true, true, 5000, 6])
    assert.equal(classify(new StorageError('x', { recoverable: true })).exit, 9)
    assert.equal(classify(new StorageError('x')).retryable, false)
    assert.equal(classify(new StorageError('x', { code: 'E_INPUT_ACCOUNTING', recoverable: true })).retryable, false)
    assert.equal(classify(new ThresholdError('x')).exit, 4)
    assert.equal(classify(new RunTimeout()).code, 'E_TIMEOUT')
    assert.deepEqual([classify(new WorkerShutdown()).retryable, classify(new WorkerShutdown()).benign], [true, true])
    const after = new StorageError('x', { recoverable: true, details: { retryAfterMs: 1234 } })
    assert.equal(classify(after).delayMs, 1234)
    assert.equal(classify(mark(after, { retryable: false })).retryable, false)
  })

  it('come back as the class they had', () => {
    const error = errorOf(runErrorOf(classify(new ThresholdError('too many'))))
    assert.ok(error instanceof ThresholdError)
    assert.equal(error.code, 'E_THRESHOLD')
    assert.equal(errorOf({ code: 'E_X', class: 'constructor', message: 'm', recoverable: false }).code, 'E_X')
  })
})

describe('ids of runs', () => {
  it('sort by time, and are the same for the same name below a parent', () => {
    const early = newId('r', new Date(1_000_000))
    const late = newId('r', new Date(2_000_000))
    assert.ok(early < late)
    assert.match(early, /^r_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.equal(idBelow(early, 'build'), idBelow(early, 'build'))
    assert.notEqual(idBelow(early, 'build'), idBelow(early, 'tick'))
    assert.equal(timeOfId(idBelow(early, 'build')), 1_000_000)
  })
})

describe('a build covers a request', () => {
  const other = {
    op: 'build' as const,
    version: 'v1',
    input: {},
    mode: 'INCREMENTAL',
    toSeq: 100,
    headAtRequest: 90,
    asOf: '2024-01-02T00:00:00+00:00',
    createdAt: '2024-01-02T00:00:00+00:00',
  }
  const wanted = { op: 'build' as const, version: 'v1', input: {}, headAtRequest: 100, asOf: null }

  it('of the same version, no stronger mode, no higher head and no later time', () => {
    assert.equal(covers(other, wanted), true)
    assert.equal(covers(other, { ...wanted, version: 'v2' }), false)
    assert.equal(covers(other, { ...wanted, headAtRequest: 101 }), false)
    assert.equal(covers(other, { ...wanted, input: { full: true } }), false)
    assert.equal(covers({ ...other, mode: 'FULL' }, { ...wanted, input: { full: true } }), true)
    assert.equal(covers({ ...other, mode: 'FULL' }, { ...wanted, input: { fromRaw: true } }), false)
    assert.equal(covers(other, { ...wanted, asOf: '2024-01-02T00:00:00+00:00' }), true)
    assert.equal(covers(other, { ...wanted, asOf: '2024-01-03T00:00:00+00:00' }), false)
  })
})
