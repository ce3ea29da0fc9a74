/** A worker as a process of its own, to be killed: `worker-process.ts '<JSON of WorkerProcess>'` says `ready` and works. */
import { installRuntime, runWorker, type TemporalAddress } from '../../src/temporal/index.ts'
import { openSpace } from './space.ts'

export interface WorkerProcess {
  readonly temporal: TemporalAddress
  readonly folder: string
  readonly options: { readonly database: string; readonly namespace?: string }
  readonly pipelines: Readonly<Record<string, object>>
}

const { temporal, folder, options, pipelines } = JSON.parse(process.argv[2] ?? '') as WorkerProcess
const space = await openSpace({ folder, pipelines, ...options })
installRuntime(space.context.operations.logger)
const worker = await runWorker({ temporal, opened: space, graceMs: 10_000, forceMs: 30_000, heartbeatMs: 5_000 })
process.once('SIGTERM', () => void worker.stop())
process.stdout.write('ready\n')
await worker.ended
await space.close()
process.stdout.write('ended\n')
