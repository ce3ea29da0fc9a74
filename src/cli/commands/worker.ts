import { ConfigError } from '../../errors.ts'
import type { Queue, RunningWorker } from '../../temporal/index.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { duration, list, text } from '../options.ts'
import { connect } from '../runs/connect.ts'
import { startWorker } from '../runs/server.ts'
import { until } from '../runs/until.ts'

const QUEUES: readonly Queue[] = ['control', 'io', 'state', 'cold']

export const command: CommandSpec = {
  name: 'worker',
  summary: 'work the task queues of the space until it is stopped',
  options: [
    { flags: '--queues <names>', description: `only these, separated by commas: ${QUEUES.join(', ')}` },
    { flags: '--shard <n/m>', description: 'the shard of this worker, from 0; Postgres only' },
    { flags: '--shutdown-grace <duration>', description: 'time for chunks in hand (default: 20s)' },
    { flags: '--metrics <address>', description: 'serve metrics and health there, e.g. :9464' },
  ],
  examples: ['defacto worker', 'defacto worker --queues control,io', 'defacto worker --metrics :9464'],
  async run(context, _args, options) {
    if (context.globals.engine === 'local')
      throw new UsageError('a worker works for a Temporal server; --local runs need none')
    const queues = queuesOf(options)
    shard(context, options)
    const graceMs = duration(options, 'shutdownGrace')?.ms
    const metrics = addressOf(options)
    const orchestrator = await connect(context, { worker: false, activate: 'never' })
    if (orchestrator.server === null) throw new ConfigError('a worker works for a Temporal server')
    const worker = await startWorker(orchestrator, { ...(queues.length > 0 ? { queues } : {}), graceMs })
    context.onClose(() => worker.stop())
    if (metrics !== null) {
      const { serving } = await import('../runs/serving.ts')
      const server = await serving(context, orchestrator, { ...metrics, ready: () => assertReady(worker) })
      context.output.note(`metrics and health: ${server.url}`)
    }
    const worked = worker.queues().map(({ queue }) => queue)
    context.output.note(`working ${worked.join(', ')} of ${orchestrator.context.operations.space}`)
    await until(context, worker.ended)
    context.output.note('stopping: chunks in hand are finished')
    return undefined
  },
}

function assertReady(worker: RunningWorker): void {
  if (!worker.isReady()) throw new Error('the worker does not ask for work')
}

function queuesOf(options: Options): Queue[] {
  return list(options, 'queues').map((name) => {
    const found = QUEUES.find((queue) => queue === name)
    if (found === undefined) throw new UsageError(`--queues takes ${QUEUES.join(', ')}; '${name}' is none of them`)
    return found
  })
}

/** As if the configuration had said so. */
function shard(context: Context, options: Options): void {
  const value = text(options, 'shard')
  if (value === undefined) return
  const [, id, total] = /^(\d+)\/(\d+)$/.exec(value) ?? []
  if (id === undefined || total === undefined || Number(id) >= Number(total))
    throw new UsageError('--shard takes n/m, e.g. 0/4 for the first of four')
  context.set({ shardId: Number(id), totalShards: Number(total) })
}

function addressOf(options: Options): { host: string; port: number } | null {
  const value = text(options, 'metrics')
  if (value === undefined) return null
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(value) ?? []
  if (port === '' || Number(port) > 65_535)
    throw new UsageError('--metrics takes an address like :9464 or 127.0.0.1:9464')
  return { host: host === '' ? '127.0.0.1' : host, port: Number(port) }
}
