/** Schedules from the command line (spec 10 §3.5, §7.1), on a real server: applied, paused, triggered, filled afterwards. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ended, Project, shows } from '../support/cli.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'

const pipeline = (name: string, cron: string): string => `${name}:
  schedule: { cron: "${cron}" }
  steps: [build]
`

describeTemporal('schedules', () => {
  let project: Project
  let env: Record<string, string>
  beforeAll(async () => {
    project = new Project()
    await project.run(['init', '-q'])
    await project.run(['ingest', 'app', 'sample/app.ndjson', '-q'])
    project.put('pipelines/nightly.yaml', pipeline('nightly', '0 4 * * *'))
    project.put('pipelines/weekly.yaml', pipeline('weekly', '0 5 * * 1'))
    const { address, namespace } = sharedTemporal()
    env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace }
  })
  afterAll(async () => {
    for (const name of ['nightly', 'weekly']) project.put(`pipelines/${name}.yaml`, '')
    await project.run(['schedule', 'apply', '--prune', '--yes'], { env })
    project.remove()
  })
  const apply = (...args: string[]) => project.json(['schedule', 'apply', ...args], { env })

  it('shows the difference first, and asks', async () => {
    const planned = await apply('--dry-run')
    expect(planned.data).toMatchObject({ added: ['nightly', 'weekly'], changed: [], removed: [], applied: false })
    expect((await project.json(['schedule', 'list'])).data).toEqual([])
    expect((await apply()).code).toBe(8)
    expect(await apply('--yes')).toMatchObject({ code: 0, data: { added: ['nightly', 'weekly'], applied: true } })
    expect((await apply('--yes')).data).toMatchObject({ unchanged: ['nightly', 'weekly'], applied: false })
  })

  it('lists them with their next slot, and knows what the definitions changed since', async () => {
    const [nightly] = (await project.json(['schedule', 'list'])).data as unknown as { state: string; next: string[] }[]
    expect(nightly).toMatchObject({ pipeline: 'nightly', schedule: '0 4 * * * UTC', state: 'current', paused: false })
    expect(nightly?.next[0]).toMatch(/T04:00:00/)
    project.put('pipelines/nightly.yaml', pipeline('nightly', '30 4 * * *'))
    expect((await project.json(['schedule', 'show', 'nightly'])).data).toMatchObject({ state: 'changed' })
    expect((await apply('--yes')).data).toMatchObject({ changed: ['nightly'], unchanged: ['weekly'] })
    const next = await project.json(['schedule', 'next', 'nightly', '-k', '3'])
    expect((next.data as { at: string }[]).map(({ at }) => at.slice(11, 16))).toEqual(['04:30', '04:30', '04:30'])
  })

  it('removes what is no longer defined only if told to', async () => {
    project.put('pipelines/weekly.yaml', '')
    expect((await apply('--yes')).data).toMatchObject({ removed: ['weekly'], applied: false })
    expect(await project.json(['schedule', 'list'])).toMatchObject({
      data: [{}, { pipeline: 'weekly', state: 'removed' }],
    })
    expect((await apply('--prune', '--yes')).data).toMatchObject({ removed: ['weekly'], applied: true })
    expect((await project.json(['schedule', 'list'])).data).toHaveLength(1)
  })

  it('pauses with a reason, resumes, and says who does not exist', async () => {
    expect((await project.run(['schedule', 'pause', 'nightly'], { env })).code).toBe(2)
    expect((await project.run(['schedule', 'pause', 'nightly', '--reason', 'moving'], { env })).code).toBe(0)
    expect((await project.json(['schedule', 'show', 'nightly'])).data).toMatchObject({
      paused: true,
      paused_reason: 'moving',
    })
    expect((await project.run(['schedule', 'resume', '--all'], { env })).code).toBe(0)
    expect((await project.json(['schedule', 'show', 'nightly'])).data).toMatchObject({ paused: false })
    const unknown = await project.json(['schedule', 'trigger', 'nightli'], { env })
    expect(unknown).toMatchObject({ code: 7, error: { message: expect.stringContaining("did you mean 'nightly'?") } })
  })

  it('triggers, and fills slots of a time gone by', async () => {
    const worker = project.start(['worker'], { env })
    const end = ended(worker)
    await shows(worker, 'working control')
    const run = await project.json(['schedule', 'trigger', 'nightly'], { env })
    expect(run).toMatchObject({ code: 0, data: { status: 'succeeded', pipeline: 'nightly' } })
    const range = ['schedule', 'backfill', 'nightly', '--from', '2024-03-01', '--to', '2024-03-03']
    const planned = await project.json([...range, '--dry-run'], { env })
    expect(planned.data).toEqual({ slots: ['2024-03-01T04:30:00+00:00', '2024-03-02T04:30:00+00:00'] })
    const filled = await project.json(range, { env })
    expect(filled).toMatchObject({
      code: 0,
      data: [{ trigger: 'backfill', status: 'succeeded' }, { status: 'succeeded' }],
    })
    expect((await project.json([...range, '--dry-run'], { env })).data).toEqual({ slots: [] })
    worker.kill('SIGTERM')
    expect((await end).code).toBe(0)
  })

  it('a run of this process has no schedules to apply', async () => {
    expect(await project.json(['schedule', 'apply', '--yes', '--local'])).toMatchObject({ code: 2 })
  })
})
