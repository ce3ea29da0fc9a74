import { join } from 'node:path'
import { CheckError } from '../../errors.ts'
import { codecOf } from '../../orchestrator.ts'
import type { FoundTemporal } from '../../temporal/index.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { duration, text } from '../options.ts'
import { looking } from '../runs/connect.ts'
import { countText, summary } from '../summary.ts'
import { tableText } from '../table.ts'

const setup: CommandSpec = {
  name: 'setup',
  summary: 'make the search attributes on the server; may be repeated',
  examples: ['defacto temporal setup', 'defacto temporal setup --temporal-address temporal.example.com:7233'],
  run: (context) =>
    withServer(context, async (server) => {
      const { setupTemporal } = await import('../../temporal/index.ts')
      const { created, existing } = await setupTemporal(server)
      return {
        data: { address: server.address, namespace: server.namespace, created, existing },
        receipt: true,
        text: created.length === 0 ? 'everything was there already' : `made ${created.join(', ')}`,
      }
    }),
}

const doctor: CommandSpec = {
  name: 'doctor',
  summary: 'what the server says: version, attributes, who works the queues of the space',
  examples: ['defacto temporal doctor', 'defacto temporal doctor -o json'],
  run: (context) =>
    withServer(context, async (server) => {
      const { temporalHealth } = await import('../../temporal/index.ts')
      const { operations } = await looking(context)
      const health = await temporalHealth(server, { ...(await placeOf(context)), shard: operations.shard?.id ?? null })
      const deaf = health.queues.filter(({ pollers }) => pollers === 0)
      return {
        data: {
          address: health.address,
          namespace: health.namespace,
          found: server.how,
          server_version: health.serverVersion,
          retention_days: health.retentionDays,
          missing_search_attributes: health.missingSearchAttributes,
          queues: health.queues.map(({ queue, taskQueue, pollers }) => ({ queue, task_queue: taskQueue, pollers })),
          current_version: health.currentVersion,
        },
        text: (output) =>
          [
            summary(output.paint, `Temporal at ${health.address}, namespace ${health.namespace}`, {
              found: server.how,
              version: health.serverVersion,
              'histories kept': health.retentionDays === null ? null : countText(health.retentionDays, 'day'),
              'search attributes':
                health.missingSearchAttributes.length === 0
                  ? 'all there'
                  : `missing: ${health.missingSearchAttributes.join(', ')}; make them with: defacto temporal setup`,
              'current version': health.currentVersion,
            }),
            '',
            tableText(
              output,
              health.queues.map(({ queue, taskQueue, pollers }) => ({
                queue,
                'task queue': taskQueue,
                workers: pollers,
              })),
            ).trimEnd(),
            ...(deaf.length === 0
              ? []
              : ['', 'no worker asks for work on some queues; start one with: defacto worker']),
          ].join('\n'),
      }
    }),
}

const replay: CommandSpec = {
  name: 'replay',
  summary: 'replay histories with this package; a difference ends with exit 5',
  options: [
    { flags: '--since <duration>', description: 'only runs begun within this time, e.g. 7d' },
    { flags: '--dir <folder>', description: 'histories stored as JSON files, instead of those of the server' },
  ],
  examples: ['defacto temporal replay --since 7d', 'defacto temporal replay --dir test/histories'],
  async run(context, _args, options) {
    const { installRuntime, replayHistories, replayServer } = await import('../../temporal/index.ts')
    // Replaying says what it finds by its results.
    installRuntime()
    const folder = text(options, 'dir')
    const since = duration(options, 'since')
    const results =
      folder !== undefined
        ? await replayHistories(join(context.cwd, folder))
        : await withServer(context, async (server) =>
            replayServer(server, {
              ...(await placeOf(context)),
              codec: codecOf(await context.project()),
              ...(since === undefined ? {} : { since: new Date(Date.now() - since.ms) }),
            }),
          )
    const failed = results.filter(({ error }) => error !== null)
    return {
      data: results.map(({ workflowId, error }) => ({ workflow_id: workflowId, error })),
      text: [
        ...failed.map(({ workflowId, error }) => `${workflowId}: ${error}`),
        `${countText(results.length, 'history').replace(/historys$/, 'histories')} replayed, ${failed.length} different`,
      ].join('\n'),
      error:
        failed.length === 0
          ? undefined
          : new CheckError(`${failed.length} of ${results.length} histories do not replay with this package`),
    }
  },
}

export const command: CommandSpec = {
  name: 'temporal',
  summary: 'set up, look at and replay what is on the Temporal server',
  subcommands: [setup, doctor, replay],
}

async function placeOf(context: Context): Promise<{ space: string; prefix?: string }> {
  const prefix = (await context.project()).value('temporal', 'prefix')
  const { space } = (await looking(context)).operations
  return { space, ...(typeof prefix === 'string' ? { prefix } : {}) }
}

/** The server of the project; one that has to be started for it ends with the command. */
async function withServer<T>(context: Context, work: (server: FoundTemporal) => Promise<T>): Promise<T> {
  const { findTemporal } = await import('../../temporal/index.ts')
  const project = await context.project()
  const setting = (key: string): string | undefined => project.value('temporal', key) as string | undefined
  const server = await findTemporal({
    address: setting('address'),
    profile: setting('profile'),
    mode: project.value('mode') === 'production' ? 'production' : 'development',
    folder: join(project.root, '.defacto'),
    say: (line) => context.output.note(line),
  })
  try {
    return await work(server)
  } finally {
    await server.close()
  }
}
