/** What is unclear or harmful about runs on a terminal: letters of runs, names made to harm, profiles that are missing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seconds } from '../../src/cli/summary.ts'
import { Project } from '../support/cli.ts'

const ESCAPE = '\u001b'
const HARM = `${ESCAPE}[2J${ESCAPE}]0;evil\u0007`
const PIPELINES = `reads:
  inputs:
    files: { source: app, kind: files, path: "in/**/*.ndjson", settle: 0s, on_error: { max_ratio: 0.1, min_records: 1 } }
  steps: [ingest, build]
young:
  inputs:
    files: { source: app, kind: files, path: "young/*.ndjson", settle: 1d }
  steps: [ingest]
archives: { steps: [build, flush], concurrency: { pool: small } }
`

describe('runs on a terminal', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
    project.put('pipelines/reads.yaml', PIPELINES)
    project.put('defacto.config.yaml', 'profiles:\n  big: { cold_ledger: .defacto/cold, pools: { small: 1 } }\n')
  })
  afterAll(() => project.remove())

  it('a pipeline that needs what only a profile sets says which', async () => {
    expect((await project.run(['check'])).code).toBe(0)
    const started = await project.run(['run', 'start', 'archives', '--local'])
    expect(started.code).toBe(3)
    expect(started.err).toContain("profile 'big' has it, so name it: --profile big")
    expect((await project.run(['run', 'start', 'archives', '--local', '--profile', 'big'])).code).toBe(0)
  })

  it('letters of runs are those of dlq, whatever sink the project has, and no terminal is harmed by names or records', async () => {
    project.put(`in/${HARM}.ndjson`, `{"type": "${HARM}\n${HARM}\n`)
    const run = await project.run(['run', 'start', 'reads', '--local', '--profile', 'big'])
    expect(run.code).toBe(4)
    const list = await project.json(['dlq', 'list'])
    const letters = list.data as unknown as { id: string; place: string }[]
    expect(letters).toHaveLength(2)
    const id = letters[0]?.id ?? ''
    const shown = await Promise.all([
      project.run(['dlq', 'list']),
      project.run(['dlq', 'show', id]),
      project.run(['run', 'show', 'last']),
      project.run(['run', 'logs', 'last']),
      project.run(['doctor']),
    ])
    for (const { out, err } of [run, ...shown]) expect(`${out}${err}`.includes(ESCAPE)).toBe(false)
    expect((await project.json(['dlq', 'show', id])).data).toMatchObject({ raw: expect.stringContaining(ESCAPE) })
    expect((await project.run(['dlq', 'drop', '--reason', 'a test', '--yes'])).code).toBe(0)
    expect((await project.json(['dlq', 'list'])).data).toEqual([])
  })

  it('a part that is too young is not called read', async () => {
    project.put('young/a.ndjson', '{"type": "signup", "timestamp": "2024-01-01T00:00:00Z", "email": "a@x.org"}\n')
    const { code, err } = await project.run(['run', 'start', 'young', '--local', '--profile', 'big'])
    expect(code).toBe(0)
    expect(err).toContain("nothing read: 1 part younger than 'settle' waits for the next run")
  })

  it('what has ended is cancelled without a server, and the same key asks for the same', async () => {
    const key = ['--local', '--profile', 'big', '--idempotency-key', 'k1']
    const first = await project.json(['run', 'start', 'young', ...key])
    expect((await project.json(['run', 'start', 'young', ...key])).data).toMatchObject({
      run_id: (first.data as { run_id: string }).run_id,
    })
    expect(await project.json(['run', 'start', 'archives', ...key])).toMatchObject({
      code: 6,
      error: { code: 'E_CONFLICT' },
    })
    const cancelled = await project.run(['run', 'cancel', 'last', '--temporal-address', '127.0.0.1:1'])
    expect(cancelled).toMatchObject({ code: 0, out: expect.stringContaining('has ended already: succeeded') })
  })

  it('nights of clock changes are told: a time that is missing, and one that comes twice', async () => {
    project.put(
      'pipelines/clock.yaml',
      'spring: { schedule: { cron: "30 2 * * *", timezone: Europe/Berlin, start: "2027-03-27T00:00:00Z" }, steps: [build] }\n' +
        'fall: { schedule: { cron: "30 1 * * *", timezone: America/New_York, start: "2027-11-07T00:00:00Z" }, steps: [build] }\n',
    )
    const nextOf = async (name: string): Promise<string[]> => {
      const { data } = await project.json(['schedule', 'next', name, '-k', '2', '--profile', 'big'])
      return (data as unknown as { at: string }[]).map(({ at }) => at.slice(0, 16))
    }
    expect(await nextOf('spring')).toEqual(['2027-03-27T01:30', '2027-03-29T00:30'])
    expect(await nextOf('fall')).toEqual(['2027-11-07T05:30', '2027-11-07T06:30'])
  })
})

it('long times are in hours and days', () => {
  expect([59_000, 125_000, 7_200_000, 85_996_178_000].map(seconds)).toEqual([
    '59.0 s',
    '2 min 5 s',
    '2 h 0 min',
    '995 d 7 h',
  ])
})
