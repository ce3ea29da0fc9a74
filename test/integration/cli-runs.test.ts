/** Runs from the command line (spec 10 §4.5, §5, §7): started, listed, followed, retried, on a server and in this process. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ended, Project, shows } from '../support/cli.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'

const NIGHTLY = `nightly:
  retry: { attempts: 1 }
  tags: { team: shop }
  inputs:
    app: { source: app, kind: files, path: "in/*.ndjson", settle: 0s }
  steps: [ingest, build, tick, check]
  checks:
    history: { kind: history_valid, asset: entity/customer/history }
    few: { kind: row_count, asset: entity/customer, max: 5 }
`
const signups = (from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => {
    const email = `user${from + i}@example.com`
    return `${JSON.stringify({ type: 'signup', timestamp: '2024-01-01T00:00:00Z', email, user: { email } })}\n`
  }).join('')

async function shop(): Promise<Project> {
  const project = new Project()
  await project.run(['init', '-q'])
  project.put('pipelines/nightly.yaml', NIGHTLY)
  project.put('in/a.ndjson', signups(0, 3))
  return project
}

describe('in this process', () => {
  let project: Project
  beforeAll(async () => {
    project = await shop()
  })
  afterAll(() => project.remove())

  it('starts a run, says what each step did, and has nothing to do again', async () => {
    const first = await project.run(['run', 'start', 'nightly', '--local'])
    expect(first).toMatchObject({ code: 0 })
    expect(first.err).toContain('local engine: not durable; after a crash the next run continues')
    expect(first.err).toMatch(/^ingest app +3 records: 3 new, 0 repeated, 0 dead/m)
    expect(first.err).toMatch(/^build +INCREMENTAL: 3 events, 3 entities/m)
    expect(first.out).toMatch(/^pipeline nightly succeeded in /)
    const again = await project.json(['run', 'start', 'nightly', '--local'])
    expect(again).toMatchObject({
      ok: true,
      code: 0,
      data: { status: 'succeeded', engine: 'local', pipeline: 'nightly' },
    })
    const steps = (again.data as { steps: { op: string; mode: string | null; stats: Record<string, number> }[] }).steps
    expect(steps.map(({ op }) => op)).toEqual(['ingest', 'build', 'tick', 'check'])
    expect(steps.find(({ op }) => op === 'build')?.mode).toBe('SKIP')
  })

  it('lists, shows and reads the log of runs', async () => {
    const list = await project.json(['run', 'list', '--tag', 'team=shop'])
    expect(list.data).toHaveLength(2)
    expect((await project.json(['run', 'list', '--status', 'failed'])).data).toEqual([])
    expect((await project.json(['run', 'list', '--op', 'build'])).data).toHaveLength(2)
    const [{ run_id: id }] = list.data as unknown as [{ run_id: string }]
    expect((await project.json(['run', 'show', id])).data).toMatchObject({ run_id: id, status: 'succeeded' })
    expect((await project.run(['run', 'show', 'last'])).out).toContain('steps')
    const logs = await project.run(['run', 'logs', id, '-o', 'jsonl'])
    const events = logs.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; step: string | null })
    expect(events.some(({ kind, step }) => kind === 'check' && step === 'check')).toBe(true)
  })

  it('says what it does not know, with a suggestion, and refuses bad flags', async () => {
    expect(await project.json(['run', 'start', 'nigtly', '--local'])).toMatchObject({
      code: 7,
      error: { code: 'E_NOT_FOUND', message: expect.stringContaining("did you mean 'nightly'?") },
    })
    expect((await project.run(['run', 'show', 'r_unknown'])).code).toBe(7)
    expect((await project.run(['run', 'list', '--status', 'done'])).code).toBe(2)
    expect((await project.run(['run', 'start', 'nightly', '--as-of', 'soon', '--local'])).code).toBe(2)
    expect((await project.run(['run', 'start', 'nightly', '--detach', '--local'])).code).toBe(2)
    expect((await project.run(['run', 'start', 'nightly', '--only', 'flush', '--local'])).code).toBe(7)
  })

  it('ends with 5 for a failed check, and a retry does only what did not succeed', async () => {
    writeFileSync(project.path('in/b.ndjson'), signups(10, 4))
    const failed = await project.json(['run', 'start', 'nightly', '--local'])
    expect(failed).toMatchObject({ code: 5, error: { class: 'CheckError' }, data: { status: 'failed' } })
    const asset = await project.json(['asset', 'check', '--last'])
    expect(asset).toMatchObject({ code: 5, error: { class: 'CheckError' } })
    project.put('pipelines/nightly.yaml', NIGHTLY.replace('max: 5', 'max: 50'))
    expect(await project.json(['asset', 'check', 'entity/customer', '--local'])).toMatchObject({ code: 0 })
    const retried = await project.json(['run', 'retry', 'last', '--local'])
    expect(retried.error?.code).toBe('E_CONFLICT')
    expect(retried.code).toBe(6)
    const { run_id: id } = failed.data as unknown as { run_id: string }
    const again = await project.json(['run', 'retry', id, '--local'])
    // It has pinned the check as it was.
    expect(again.code).toBe(5)
    expect((again.data as { steps: { op: string }[] }).steps.map(({ op }) => op)).toEqual(['check'])
  })

  it('shows assets with their versions, freshness and pipelines', async () => {
    const assets = await project.json(['asset', 'list'])
    expect((assets.data as { name: string }[]).map(({ name }) => name)).toContain('entity/customer/history')
    expect((await project.run(['asset', 'show', 'entity/custmer'])).err).toContain("did you mean 'entity/customer'?")
    expect((await project.run(['graph', '--what', 'pipeline'])).out).toContain('app (files, app)')
  })

  it('a broken pipeline file is told with its place', async () => {
    project.put('pipelines/broken.yaml', 'broken:\n  steps: [ingest, bild]\n')
    const { code, err } = await project.run(['run', 'start', 'nightly', '--local'])
    expect(code).toBe(3)
    expect(err).toMatch(/pipelines\/broken\.yaml:2:\d+/)
    project.put('pipelines/broken.yaml', '')
  })
})

describeTemporal('on a server', () => {
  let project: Project
  let env: Record<string, string>
  beforeAll(async () => {
    project = await shop()
    const { address, namespace } = sharedTemporal()
    env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }
  })
  afterAll(() => project.remove())

  it('works a run in the same process, and one key gives one run', async () => {
    const first = await project.json(['run', 'start', 'nightly', '--worker', '--idempotency-key', 'k1'], { env })
    expect(first).toMatchObject({ code: 0, data: { status: 'succeeded', engine: 'temporal', idempotency_key: 'k1' } })
    const again = await project.json(['run', 'start', 'nightly', '--worker', '--idempotency-key', 'k1'], { env })
    expect((again.data as { run_id: string }).run_id).toBe((first.data as { run_id: string }).run_id)
    const other = await project.json(['build', '--worker', '--idempotency-key', 'k1'], { env })
    expect(other).toMatchObject({ code: 6, error: { code: 'E_CONFLICT' } })
  })

  it('detached runs go on in a worker; --timeout ends the wait alone', async () => {
    const detached = await project.run(['run', 'start', 'nightly', '--detach'], { env })
    expect(detached.code).toBe(0)
    const id = detached.out.trim()
    const waiting = await project.run(['run', 'wait', id, '--timeout', '1s'], { env })
    expect(waiting.code).toBe(124)
    expect(waiting.err).toContain(`run ${id} goes on`)
    const worker = project.start(['worker'], { env })
    const end = ended(worker)
    await shows(worker, 'working control, io, state, cold')
    expect((await project.json(['run', 'wait', id], { env })).data).toMatchObject({ run_id: id, status: 'succeeded' })
    const health = await project.json(['temporal', 'doctor'], { env })
    expect((health.data as { queues: { pollers: number }[] }).queues.every(({ pollers }) => pollers > 0)).toBe(true)
    const pushed = await project.json(['ingest', 'app', '-', '--engine', 'temporal'], { env, input: signups(100, 2) })
    expect(pushed).toMatchObject({ code: 0, data: { op: 'ingest', stats: { events_ingested: 2 } } })
    expect(await project.json(['build', '--engine', 'temporal'], { env })).toMatchObject({ data: { op: 'build' } })
    worker.kill('SIGTERM')
    expect((await end).code).toBe(0)
  })

  it('Ctrl-C ends the wait, not the run; cancelling ends a run that nobody has taken', async () => {
    const child = project.start(['run', 'start', 'nightly'], { env })
    const end = ended(child)
    await shows(child, 'nothing has taken the run for 10 s')
    child.kill('SIGINT')
    const { code, err } = await end
    expect(code).toBe(130)
    const id = /run (r_[0-9a-f-]+) goes on/.exec(err)?.[1] ?? ''
    expect(err).toContain('defacto worker')
    expect(await project.json(['run', 'cancel', id, '--reason', 'test'], { env })).toMatchObject({ code: 0 })
    expect((await project.json(['run', 'show', id], { env })).data).toMatchObject({
      status: 'cancelled',
      cancel_reason: 'test',
    })
  })

  it('a server that does not answer is exit 9, and the message names it', async () => {
    const { code, err } = await project.run(['run', 'start', 'nightly', '--temporal-address', '127.0.0.1:1'])
    expect(code).toBe(9)
    expect(err).toContain('127.0.0.1:1')
  })
})
