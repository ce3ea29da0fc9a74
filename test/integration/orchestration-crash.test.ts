import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'vitest'
import { crashMatrix } from '../../src/testing/index.ts'
import { joined, nightly, type TestProject, testProject } from '../support/orchestrated.ts'
import { postgresPlace } from '../support/postgres-place.ts'

const whole = {
  nightly: {
    ...nightly,
    steps: ['ingest', 'build', 'tick', 'check', 'flush', 'prune', 'maintain'],
    retention: { hot_rows: 10 },
    checks: { history: { kind: 'history_valid', asset: 'entity/person/history' } },
  },
}

describe('a crash at any point of a run', () => {
  let project: TestProject
  afterEach(() => project.close())

  it('leaves no trace', async () => {
    project = await testProject(whole, { coldLedger: '.defacto/cold' })
    await project.write('in/a.ndjson', `${joined(25)}not json\n`)
    await project.write('in/b.ndjson', joined(25, 20))
    const tried = await crashMatrix(project.folder).expectSameState()
    assert.ok(tried > 20, `${tried} places`)
  }, 120_000)

  it('leaves no trace in Postgres', async () => {
    project = await testProject({ nightly })
    await project.write('in/a.ndjson', joined(25))
    const tried = await crashMatrix(project.folder, { place: postgresPlace, passes: 1 }).expectSameState()
    assert.ok(tried > 10, `${tried} places`)
  }, 120_000)
})
