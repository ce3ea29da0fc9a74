/** Workers with versions (spec 10 §4.8): the first one's becomes the current one, and runs go to it. */
import './quiet.ts'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTemporal } from '../../infra/starters/temporal.ts'
import { connectClient } from '../../src/temporal/connect.ts'
import { runWorker, setupTemporal, temporalHealth, temporalRunner, workflowBundle } from '../../src/temporal/index.ts'
import { describeTemporal } from '../support/temporal.ts'
import { folder as newFolder } from './folder.ts'
import { ended, submit } from './runs.ts'
import { openSpace, peoplePipeline, writePeople } from './space.ts'
import { until } from './until.ts'

describeTemporal('with versions', () => {
  test('a pipeline runs, pinned to the build it began with', async () => {
    await using server = await startTemporal()
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 10)
    const space = await openSpace({
      folder,
      database: join(folder, 'space.db'),
      pipelines: { nightly: peoplePipeline() },
    })
    const { space: name } = space.context.operations
    expect((await setupTemporal(server)).created).toEqual([])
    const worker = await runWorker({ temporal: server, opened: space, versioning: true })
    const runner = await temporalRunner({ temporal: server, space: name })
    const { client, close } = await connectClient(server)
    try {
      const build = `0.1.0-${(await workflowBundle()).hash}`
      await until(
        async () => (await temporalHealth(server, { space: name })).currentVersion === build,
        'the current version',
      )
      const run = await submit(space, runner, { op: 'pipeline', pipeline: 'nightly' })
      expect(await ended(space, run.runId)).toMatchObject({ status: 'succeeded' })
      const { raw } = await client.workflow.getHandle(`defacto/${name}/pipeline/nightly`).describe()
      const info = raw.workflowExecutionInfo?.versioningInfo
      expect(info?.deploymentVersion).toMatchObject({ deploymentName: 'defacto', buildId: build })
      expect(info?.behavior).toBe(1)
    } finally {
      await close()
      await runner.close()
      await worker.stop()
      await space.close()
    }
  })
})
