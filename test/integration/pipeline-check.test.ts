/** Pipelines on the command line: `check`, `explain`, `schema`, `init`. */
import { existsSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Project } from '../support/cli.ts'

let project: Project
beforeEach(() => {
  project = new Project()
  project.put(
    'entities/item.yaml',
    'item: { starts: new, identity: { id: {} }, states: { new: { when: { made: { effects: [create] } } } } }\n',
  )
  project.put(
    'sources/web.yaml',
    'web: { event_type: kind, timestamp: at, events: { made: { mappings: { id: { from: id } }, hints: { item: id } } } }\n',
  )
})
afterEach(() => project.remove())

describe('defacto check', () => {
  it('shows findings of pipelines beside those of definitions, and exits 3', async () => {
    project.put('pipelines/nightly.yaml', 'nightly:\n  steps: [biuld, flush]\n  schedule: { cron: "61 * * * *" }\n')
    project.put('entities/item.yaml', 'item: { starts: nwe, identity: { id: {} }, states: { new: {} } }\n')
    const { code, error, data } = await project.json(['check'])
    expect(code).toBe(3)
    expect(error).toMatchObject({ code: 'E_DEFINITION' })
    const { issues } = data as { issues: { code: string; severity: string; place: string; message: string }[] }
    const errors = issues.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ code: found, place }) => `${found} ${place}`)).toEqual([
      'P03 pipelines/nightly.yaml:2:11',
      'E08 entities/item.yaml:1:17',
      'P06 pipelines/nightly.yaml:3:21',
      'P05 pipelines/nightly.yaml:2:18',
    ])
    expect(errors[0]?.message).toContain("did you mean 'build'?")
  })

  it('warns without failing, and fails with --strict for unknown keys alone', async () => {
    project.put(
      'pipelines/nightly.yaml',
      'nightly: { steps: [build], stepz: [], checks: { h: { kind: history_valid } } }\n',
    )
    const lenient = await project.run(['check'])
    expect(lenient.code).toBe(0)
    expect(lenient.out).toContain('warning PW2')
    expect(lenient.out).toContain("did you mean 'steps'?")
    expect((await project.run(['check', '--strict'])).code).toBe(3)
  })

  it('takes a cold tier of any profile, until one is chosen', async () => {
    project.put('pipelines/nightly.yaml', 'nightly: { steps: [build, flush] }\n')
    project.put('defacto.config.yaml', 'profiles: { live: { cold_ledger: cold }, ci: { batch_size: 10 } }\n')
    expect((await project.run(['check'])).code).toBe(0)
    expect((await project.run(['check', '--profile', 'live'])).code).toBe(0)
    expect((await project.run(['check', '--profile', 'ci'])).code).toBe(3)
  })
})

it('every code of pipelines is explained', async () => {
  for (const code of ['P01', 'P12', 'PW1', 'pw5']) {
    const { code: exit, out } = await project.run(['explain', code])
    expect(exit).toBe(0)
    expect(out).toContain(code.toUpperCase())
  }
})

it('editors get a schema of pipelines', async () => {
  const { out } = await project.run(['schema', 'pipelines'])
  expect(JSON.parse(out)).toMatchObject({ title: 'defacto pipelines' })
  expect(out).toContain('history_valid')
  await project.run(['init', 'made'])
  expect(existsSync(project.path('made', '.defacto', 'schema', 'pipelines.json'))).toBe(true)
  expect(readFileSync(project.path('made', '.defacto', 'schema', 'pipelines.json'), 'utf8')).toContain('history_valid')
})
