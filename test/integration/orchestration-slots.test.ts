import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, it } from 'vitest'
import type { ServerSchedule } from '../../src/orchestration/contract.ts'
import type { Pipeline } from '../../src/orchestration/model.ts'
import { Schedules } from '../../src/orchestrator/schedules.ts'
import { processMarks } from '../../src/orchestrator/space.ts'
import type { Orchestrator } from '../../src/orchestrator.ts'
import { fakeClock } from '../../src/testing/index.ts'
import { nightly, type TestProject, testProject } from '../support/orchestrated.ts'

const at = (hour: number): string => `2024-03-01T${String(hour).padStart(2, '0')}:00:00+00:00`

it('the package loads no Temporal package before it is asked for a server', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    const found = []
    registerHooks({ resolve(name, context, next) { if (name.startsWith('@temporalio')) found.push(name); return next(name, context) } })
    await import(process.argv[1])
    console.log(JSON.stringify(found))`
  const index = fileURLToPath(new URL('../../src/index.ts', import.meta.url))
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, index], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  assert.equal((await text(child.stdout)).trim(), '[]')
})

describe('schedules', () => {
  let project: TestProject
  const clock = fakeClock(at(0))
  const open = async (schedule: object): Promise<Orchestrator> => {
    clock.set(at(0))
    project = await testProject({ nightly: { ...nightly, schedule: { cron: '0 * * * *', ...schedule } } })
    const orchestrator = await project.connect({ options: { clock: clock.now } })
    const server: ServerSchedule[] = []
    const schedules = new Schedules({
      context: orchestrator.context,
      server: {
        list: async () => server,
        put: async ({ name, hash }: Pipeline) =>
          void server.push({ pipeline: name, pipelineHash: hash, paused: false, note: null, next: [] }),
        remove: async () => void server.splice(0),
        pause: async () => {},
        resume: async () => {},
      },
      trigger: (pipeline, asOf) => orchestrator.submit('pipeline', { pipeline }, { asOf }),
    })
    assert.deepEqual((await schedules.apply({ dryRun: true })).added, ['nightly'])
    await schedules.apply()
    assert.deepEqual((await schedules.apply({ dryRun: true })).unchanged, ['nightly'])
    return orchestrator
  }
  const slotAt = async (orchestrator: Orchestrator, hour: number, now = hour) => {
    clock.set(at(now))
    return orchestrator.control.decideSlot({
      v: 1,
      space: orchestrator.context.operations.space,
      pipeline: 'nightly',
      slot: at(hour),
    })
  }
  const outcomes = async (orchestrator: Orchestrator) =>
    (await orchestrator.log.schedules.ticks('nightly')).reverse().map((tick) => tick.outcome)
  afterEach(() => project.close())

  it('leave a row for every slot, and one that waits gives way to a later one', async () => {
    const orchestrator = await open({ overlap: 'queue' })
    const ref = (runId: string) => ({ v: 1 as const, space: orchestrator.context.operations.space, runId })
    const first = await slotAt(orchestrator, 1)
    assert.equal(first.outcome, 'started')
    assert.deepEqual(await slotAt(orchestrator, 1), first)
    await orchestrator.control.openRun(ref(first.runId ?? ''))
    const second = await slotAt(orchestrator, 2)
    assert.equal(second.outcome, 'queued')
    assert.deepEqual(await orchestrator.control.joinRun(ref(second.runId ?? '')), { state: 'wait' })
    // The server was away for two slots.
    const third = await slotAt(orchestrator, 5)
    assert.deepEqual(await outcomes(orchestrator), ['started', 'superseded', 'missed', 'missed', 'queued'])
    const left = await orchestrator.log.runs.get(second.runId ?? '')
    assert.equal(left?.status, 'skipped')
    assert.deepEqual(await orchestrator.control.joinRun(ref(second.runId ?? '')), { state: 'covered' })
    await orchestrator.control.closeRun({ ...ref(first.runId ?? ''), failure: null, cancelled: false })
    assert.deepEqual(await orchestrator.control.joinRun(ref(third.runId ?? '')), { state: 'go' })
    const run = await orchestrator.log.runs.get(third.runId ?? '')
    assert.deepEqual([run?.trigger, run?.scheduledFor], ['schedule', at(5)])
    await orchestrator.control.openRun(ref(third.runId ?? ''))
    assert.equal((await orchestrator.log.runs.get(third.runId ?? ''))?.asOf, at(5))
  })

  it('run every missed slot in its order where that is wanted', async () => {
    const orchestrator = await open({ missed: 'all' })
    const ref = (runId: string | null) => ({
      v: 1 as const,
      space: orchestrator.context.operations.space,
      runId: runId ?? '',
    })
    // They come late, and in no order.
    const third = await slotAt(orchestrator, 3, 4)
    const first = await slotAt(orchestrator, 1, 4)
    const second = await slotAt(orchestrator, 2, 4)
    assert.deepEqual(await outcomes(orchestrator), ['queued', 'queued', 'started'])
    for (const next of [first, second, third]) {
      assert.deepEqual(await orchestrator.control.joinRun(ref(next.runId)), { state: 'go' })
      for (const other of [first, second, third]) {
        if (other === next) continue
        const row = await orchestrator.log.runs.get(other.runId ?? '')
        if (row?.finishedAt === null) assert.equal((await orchestrator.control.joinRun(ref(other.runId))).state, 'wait')
      }
      await orchestrator.control.openRun(ref(next.runId))
      await orchestrator.control.closeRun({ ...ref(next.runId), failure: null, cancelled: false })
    }
  })

  it('cancel what runs, or are paused with a reason', async () => {
    const orchestrator = await open({ overlap: 'cancel' })
    const ref = (runId: string | null) => ({
      v: 1 as const,
      space: orchestrator.context.operations.space,
      runId: runId ?? '',
    })
    const first = await slotAt(orchestrator, 1)
    await orchestrator.control.openRun(ref(first.runId))
    const second = await slotAt(orchestrator, 2)
    assert.deepEqual([second.outcome, second.cancel], ['started', [first.runId]])
    assert.ok((await orchestrator.log.runs.get(first.runId ?? ''))?.cancelReason)
    await orchestrator.schedules.pause('*', 'moving the database')
    const third = await slotAt(orchestrator, 3)
    assert.deepEqual([third.outcome, third.runId], ['paused', null])
    await orchestrator.schedules.resume('nightly')
    assert.equal((await slotAt(orchestrator, 4)).outcome, 'started')
    assert.deepEqual(await orchestrator.schedules.next('nightly', 2), [at(5), at(6)])
    const [state] = await orchestrator.schedules.list()
    assert.equal(state?.last?.outcome, 'started')
  })

  it('find runs of processes that died', async () => {
    const orchestrator = await open({})
    const child = spawn(process.execPath, ['-e', ''])
    const { pid } = child
    await once(child, 'exit')
    const [kind, host, , started] = JSON.parse(processMarks().own) as [string, string, number, string]
    const dead = JSON.stringify([kind, host, pid, started])
    const { run } = await orchestrator.control.submit({ op: 'build' })
    const living = await orchestrator.control.submit({ op: 'tick' })
    await orchestrator.log.runs.change(run.runId, { workflowId: dead }, { at: at(0) })
    await orchestrator.control.sweep()
    const row = await orchestrator.log.runs.get(run.runId)
    assert.deepEqual([row?.status, row?.error?.code], ['abandoned', 'E_ABANDONED'])
    assert.equal((await orchestrator.log.runs.get(living.run.runId))?.status, 'queued')
  })
})
