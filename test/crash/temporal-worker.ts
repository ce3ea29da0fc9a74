/**
 * A worker as a process of its own: `temporal-worker.ts '<JSON of WorkerOrder>'` says `ready`, works until SIGTERM and says
 * `ended`; where `DEFACTO_FAILPOINT` says so it kills or stops itself.
 */
import { writeSync } from 'node:fs'
import { installRuntime, runWorker } from '../../src/temporal/index.ts'
import { openShop, type WorkerOrder } from './temporal-space.ts'

const { temporal, prefix, place, queues, heartbeatMs, leaseMs } = JSON.parse(process.argv[2] ?? '') as WorkerOrder
const say = (line: string): void => void writeSync(1, `${line}\n`)
const space = await openShop(place, {
  leaseMs,
  logger: {
    debug() {},
    info() {},
    warn: (message) => say(`warn ${message}`),
    error: (message) => say(`error ${message}`),
  },
})
installRuntime(space.context.operations.logger)
const worker = await runWorker({
  temporal,
  prefix,
  opened: space,
  heartbeatMs,
  graceMs: 10_000,
  forceMs: 30_000,
  ...(queues === undefined ? {} : { queues }),
})
process.once('SIGTERM', () => void worker.stop())
say('ready')
await worker.ended
await space.defacto.close()
say('ended')
