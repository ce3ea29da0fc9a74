/** Workers that exist already take this package's work on (spec 10 §8): as a plugin, or by its options. */
import './quiet.ts'
import { join } from 'node:path'
import { NativeConnection, Worker } from '@temporalio/worker'
import { expect, test } from 'vitest'
import { DefactoPlugin, QUEUES, temporalRunner, workerOptions } from '../../src/temporal/index.ts'
import { describeTemporal, sharedTemporal } from '../support/temporal.ts'
import { folder as newFolder } from './folder.ts'
import { ended, submit } from './runs.ts'
import { openSpace, peoplePipeline, writePeople } from './space.ts'

describeTemporal('workers of others', () => {
  test('run a pipeline with the plugin and with the options', async () => {
    const folder = newFolder()
    await writePeople(join(folder, 'in', 'a.ndjson'), 10)
    const opened = await openSpace({
      folder,
      database: join(folder, 'space.db'),
      pipelines: { nightly: peoplePipeline() },
    })
    const { address, namespace } = sharedTemporal()
    const connection = await NativeConnection.connect({ address })
    const { space } = opened.context.operations
    const asked: string[] = []
    const plugin = new DefactoPlugin({
      open: async (name) => {
        asked.push(name)
        return opened
      },
    })
    const workers = await Promise.all(
      QUEUES.map(async (queue) =>
        queue === 'control'
          ? Worker.create({ connection, namespace, taskQueue: `defacto-${space}-control`, plugins: [plugin] })
          : Worker.create({ connection, namespace, ...(await workerOptions({ opened, queue })) }),
      ),
    )
    const running = Promise.all(workers.map((worker) => worker.run()))
    const runner = await temporalRunner({ temporal: sharedTemporal(), space })
    try {
      const run = await submit(opened, runner, { op: 'pipeline', pipeline: 'nightly' })
      expect(await ended(opened, run.runId)).toMatchObject({ status: 'succeeded', error: null })
      expect(asked).toEqual([space])
    } finally {
      for (const worker of workers) worker.shutdown()
      await running
      await runner.close()
      await connection.close()
      await opened.close()
    }
  })
})
