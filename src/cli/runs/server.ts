/** A worker in this process, and what is said of the server it works for (spec 10 §5). */
import { parseDurationText } from '../../core/instant.ts'
import { codecOf, type FoundServer, type Orchestrator } from '../../orchestrator.ts'
import type { Queue, RunningWorker } from '../../temporal/index.ts'
import type { Output } from '../output.ts'

export function serverOrNot(output: Output, { how, started }: FoundServer): void {
  if (started || output.verbose) output.note(`temporal    ${how}`)
}

export interface WorkerChoice {
  readonly queues?: readonly Queue[]
  readonly graceMs?: number
}

/** The SDK takes its settings once in a process. */
let installed = false

/** Works the queues of the orchestrator's space until it is stopped. */
export async function startWorker(orchestrator: Orchestrator, choice: WorkerChoice = {}): Promise<RunningWorker> {
  const { installRuntime, runWorker } = await import('../../temporal/index.ts')
  const { server, opened, context } = orchestrator
  if (server === null) throw new TypeError('runs of this process need no worker')
  const logger = context.operations.logger.child('defacto.pipeline')
  if (!installed) installRuntime(logger)
  installed = true
  const { project } = opened
  const prefix = project.value('temporal', 'prefix')
  const heartbeat = project.value('temporal', 'heartbeat')
  return runWorker({
    temporal: server,
    opened,
    codec: codecOf(project),
    versioning: project.value('mode') === 'production' && project.value('temporal', 'versioning') !== false,
    logger,
    ...(typeof prefix === 'string' ? { prefix } : {}),
    ...(typeof heartbeat === 'string' ? { heartbeatMs: parseDurationText(heartbeat)?.ms } : {}),
    ...choice,
  })
}
