import type { Orchestrator } from '../../orchestrator.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { reportOf, UsageError } from '../errors.ts'
import { count, flag } from '../options.ts'
import { connect } from '../runs/connect.ts'
import { reloading } from '../runs/reload.ts'
import { changesText } from '../runs/schedules.ts'
import { startWorker } from '../runs/server.ts'
import { until } from '../runs/until.ts'

export const command: CommandSpec = {
  name: 'dev',
  summary: 'server, worker, schedules and API in one command; definitions are reloaded when they change',
  options: [
    { flags: '--port <n>', description: 'of the API (default: 8080; 0: any free one)' },
    { flags: '--keep', description: 'leave the Temporal server running when this ends' },
  ],
  examples: ['defacto dev', 'defacto dev --port 0 --keep'],
  async run(context, _args, options) {
    if (context.globals.engine === 'local') throw new UsageError('dev works with a Temporal server; leave --local out')
    const port = count(options, 'port') ?? 8080
    if (port > 65_535) throw new UsageError('--port takes a number up to 65535')
    const { output } = context
    const orchestrator = await connect(context, { worker: false, keep: flag(options, 'keep') })
    const worker = await startWorker(orchestrator)
    context.onClose(() => worker.stop())
    output.note(
      `worker      ${worker
        .queues()
        .map(({ queue }) => queue)
        .join(', ')} of ${orchestrator.context.operations.space}`,
    )
    await applied(context, orchestrator)
    const { serving } = await import('../runs/serving.ts')
    const ready = (): void => {
      if (!worker.isReady()) throw new Error('the worker does not ask for work')
    }
    const server = await serving(context, orchestrator, { host: '127.0.0.1', port, ready })
    output.note(`API         ${server.url}/openapi.json`)
    const project = await context.project()
    const stopWatching = reloading(project.definitions, () => reloaded(context, orchestrator))
    context.onClose(async () => stopWatching())
    output.note('ready; Ctrl-C ends it all')
    await until(context, worker.ended)
    output.note('stopping')
    return undefined
  },
}

/** The schedules of the definitions become those of the server: here nobody needs to be asked. */
async function applied(context: Context, orchestrator: Orchestrator): Promise<void> {
  const changes = await orchestrator.schedules.apply({ prune: true })
  const text = changesText(changes, true, context.output.paintErr)
  context.output.note(`schedules   ${text.replaceAll('\n', '\n            ')}`)
}

/** Definitions with errors leave everything as it is. */
async function reloaded(context: Context, orchestrator: Orchestrator): Promise<void> {
  const { output } = context
  try {
    const project = await context.project()
    const { Definitions } = await import('../../index.ts')
    const definitions = await Definitions.fromDirectory(project.definitions)
    definitions.assertValid()
    const { defacto } = orchestrator.opened
    if (definitions.version !== defacto.activeVersion) {
      await defacto.definitions.register(definitions.version, definitions)
      const { mode } = await defacto.definitions.activate(definitions.version)
      output.note(`definitions changed: version ${definitions.version} is active, ${mode} build`)
    } else output.note('definitions changed: the same version; pipelines are read again')
    await applied(context, orchestrator)
  } catch (error) {
    const { code, message } = reportOf(error)
    output.warn(`definitions changed, and are not used: ${code} ${message}`)
  }
}
