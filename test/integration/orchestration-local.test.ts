import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'vitest'
import { joined, nightly, type TestProject, testProject } from '../support/orchestrated.ts'

describe('runs in this process', () => {
  let project: TestProject
  afterEach(() => project.close())

  it('reads, builds and ticks, then finds nothing new', async () => {
    project = await testProject({ nightly })
    await project.write('in/a.ndjson', joined(50))
    const orchestrator = await project.connect()
    const first = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    const stats = await first.result()
    assert.equal(stats['events_ingested'], 50)
    assert.equal(stats['entities_created'], 50)
    const steps = await orchestrator.log.runs.children(first.id)
    assert.deepEqual(
      steps.map(({ step, status }) => [step, status]),
      [
        ['ingest', 'succeeded'],
        ['build', 'succeeded'],
        ['tick', 'succeeded'],
      ],
    )
    const made = await orchestrator.log.runs.events(first.id, { kinds: ['materialization'] })
    const names = made.map(({ data }) => (data as { asset: string }).asset)
    assert.ok(names.includes('source/web') && names.includes('entity/person/history'))

    const again = await orchestrator.submit('pipeline', { pipeline: 'nightly' })
    const second = await again.result()
    assert.equal(second['events_ingested'] ?? 0, 0)
    const [, build] = await orchestrator.log.runs.children(again.id)
    assert.equal(build?.mode, 'SKIP')
  })
})
