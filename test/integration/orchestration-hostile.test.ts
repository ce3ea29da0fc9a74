/** Runs among things that go wrong: bounds left out, parts nobody can read, names made to harm a terminal. */
import assert from 'node:assert/strict'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, it } from 'vitest'
import { ConflictError, type Orchestrator } from '../../src/index.ts'
import { joined, nightly, type TestProject, testProject } from '../support/orchestrated.ts'

describe('hostile runs', () => {
  let project: TestProject
  const open = async (pipelines: object, config: object = {}): Promise<Orchestrator> => {
    project = await testProject(pipelines, { ...config })
    return project.connect()
  }
  afterEach(() => project.close())

  it('a prune step without bound keeps what the retention of its pipeline says', async () => {
    const orchestrator = await open(
      {
        nightly: { ...nightly, steps: ['ingest', 'build', 'flush', 'prune'], retention: { hot_days: 30, hot_rows: 7 } },
      },
      { coldLedger: '.defacto/cold' },
    )
    await project.write('in/a.ndjson', joined(20))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' }, { asOf: '2024-06-01' })
    const stats = await run.result()
    assert.deepEqual([stats['rows_flushed'], stats['rows_pruned']], [20, 13])
  })

  it('a poisonous file among good ones is held by itself', async () => {
    const files = { ...nightly.inputs.files, on_error: { max_ratio: 0.01, min_records: 1 } }
    const orchestrator = await open({ nightly: { ...nightly, inputs: { files } } })
    await project.write('in/a.ndjson', joined(3))
    await project.write('in/b.ndjson', '{"kind": "jo\n\u0000\u0001\n[]\n')
    await project.write('in/c.ndjson', joined(3, 3))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await assert.rejects(run.result(), { code: 'E_THRESHOLD' })
    const marks = await orchestrator.log.inputs.marks('nightly', 'files')
    assert.deepEqual(marks.map(({ part, state }) => `${part} ${state}`).sort(), [
      'in/a.ndjson done',
      'in/b.ndjson held',
      'in/c.ndjson done',
    ])
  })

  it('links that go in circles, and names with control characters, are files like others', async () => {
    const files = { ...nightly.inputs.files, path: 'in/**/*.ndjson' }
    const orchestrator = await open({ nightly: { ...nightly, inputs: { files } } })
    await project.write('in/sub/\u001b[2J\u001b]0;evil\u0007\n.ndjson', joined(3))
    await mkdir(join(project.folder, 'in/deep'), { recursive: true })
    await symlink('..', join(project.folder, 'in/deep/up'))
    await symlink('itself', join(project.folder, 'in/itself'))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    assert.equal((await run.result())['events_ingested'], 3)
  })

  it('a run goes on with the body it began with; the next one has the new body', async () => {
    const orchestrator = await open({ nightly })
    await project.write('in/a.ndjson', joined(3))
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await project.pipelines({ nightly: { ...nightly, steps: ['build'] } })
    await run.result()
    assert.equal((await orchestrator.log.runs.children(run.id)).length, 3)
    const next = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await next.result()
    assert.deepEqual(
      (await orchestrator.log.runs.children(next.id)).map(({ step }) => step),
      ['build'],
    )
  })

  it('what has ended is neither cancelled nor, if it succeeded, retried', async () => {
    const orchestrator = await open({ nightly: { steps: ['build'] } })
    const run = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    await run.result()
    await run.cancel('too late')
    assert.equal((await run.info()).status, 'succeeded')
    await assert.rejects(run.retry(), ConflictError)
  })
})
