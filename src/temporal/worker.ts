/** Works the queues of a space (spec 10 §4.3, §4.8) until it is stopped: chunks in hand are finished, the rest is handed back. */
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker'
import { createActivities, type OpenedSpace } from '../../activities/index.ts'
import { pulse } from '../orchestration/alerts/pulse.ts'
import { WorkerShutdown } from '../orchestration/failure.ts'
import type { Logger } from '../ports/logger.ts'
import { activityAllowList } from './allow-list.ts'
import { type WorkflowBundle, workflowBundle } from './bundle.ts'
import {
  type CodecOptions,
  connectClient,
  connectNative,
  converterOf,
  hasSearchAttributes,
  type TemporalAddress,
} from './connect.ts'
import { adoptVersion, DEPLOYMENT } from './deployment.ts'
import { checkPrefix, type Place, PREFIX, QUEUES, type Queue, SLOTS, taskQueue } from './names.ts'
import { runnerOf } from './runner.ts'
import { sweeping } from './sweeping.ts'

export interface TemporalWorkerOptions {
  readonly temporal: TemporalAddress
  /** The engine whose queues are worked; closed by whoever opened it. */
  readonly opened: OpenedSpace
  readonly prefix?: string
  readonly queues?: readonly Queue[]
  readonly codec?: CodecOptions
  /** Its steps are given to others when it was silent for so long; default 30 s. */
  readonly heartbeatMs?: number
  /** Chunks in hand get so long after `stop`. */
  readonly graceMs?: number
  /** Then the process goes on without them. */
  readonly forceMs?: number
  /** Runs stay on the code they began with (`temporal.versioning`); off in development. */
  readonly versioning?: boolean
  readonly logger?: Logger
}

export interface QueueState {
  readonly queue: Queue
  /** Runs, and asks for work or has its hands full. */
  readonly ready: boolean
  readonly working: number
  readonly slots: number
}

export interface RunningWorker {
  /** All queues: connected but deaf is not ready. */
  isReady(): boolean
  queues(): readonly QueueState[]
  /** Asks for no more work and resolves when what is in hand is done or handed back. */
  stop(): Promise<void>
  /** Resolves when it has ended; rejects when it could not go on. */
  readonly ended: Promise<void>
}

const GRACE_MS = 20_000
const FORCE_MS = 55_000

/** Resolves once it has connected and begun. @throws UnreachableError, ConfigError */
export async function runWorker(options: TemporalWorkerOptions): Promise<RunningWorker> {
  const { opened, temporal, logger } = options
  const place: Place = {
    prefix: checkPrefix(options.prefix ?? PREFIX),
    space: opened.context.operations.space,
  }
  const stopping = new AbortController()
  const bundle = await workflowBundle()
  const native = await connectNative(temporal)
  const workers: { queue: Queue; worker: Worker }[] = []
  let swept: Sweeping | null = null
  try {
    for (const queue of options.queues ?? QUEUES) {
      const worker = await Worker.create({
        ...queueOptions(options, place, queue, bundle, stopping.signal, () => swept?.soon()),
        connection: native,
        namespace: temporal.namespace,
      })
      workers.push({ queue, worker })
    }
    if (workers.some(({ queue }) => queue === 'control')) swept = await sweep(options, place)
  } catch (error) {
    await native.close()
    throw error
  }
  const runs = workers.map(({ worker }) => worker.run())
  // One that cannot go on takes the others with it: half a worker looks like a whole one.
  for (const run of runs) void run.catch(() => shutDown(workers, stopping))
  const resuming = resume(options, stopping.signal)
  const ended = finish(runs, native, () => Promise.all([swept?.stop(), resuming]).then(() => undefined))
  if (options.versioning) void adopt(options, bundle, logger)
  return {
    isReady: () => !stopping.signal.aborted && states(workers, options).every(({ ready }) => ready),
    queues: () => states(workers, options),
    async stop() {
      shutDown(workers, stopping)
      await ended.catch(() => {})
    },
    ended,
  }
}

/** Options of one queue's worker. */
export function queueOptions(
  options: Omit<TemporalWorkerOptions, 'temporal'>,
  place: Place,
  queue: Queue,
  bundle: WorkflowBundle,
  stopping: AbortSignal,
  ended?: () => void,
): Omit<WorkerOptions, 'connection' | 'namespace'> {
  const { opened } = options
  const dataConverter = converterOf(options.codec ?? {})
  const shard = opened.context.operations.shard?.id ?? null
  return {
    taskQueue: taskQueue(place, queue, shard),
    activities: createActivities({
      open: async () => opened,
      stopping,
      ended,
      ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
    }),
    interceptors: { activity: [activityAllowList] },
    maxConcurrentActivityTaskExecutions: SLOTS[queue],
    // One request for work waits at the server for each queue; what it brings is answered by the next.
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 1 },
    shutdownGraceTime: options.graceMs ?? GRACE_MS,
    shutdownForceTime: options.forceMs ?? FORCE_MS,
    ...(dataConverter ? { dataConverter } : {}),
    ...(queue === 'control'
      ? {
          workflowBundle: { codePath: bundle.codePath },
          maxCachedWorkflows: 200,
          maxConcurrentWorkflowTaskExecutions: 20,
          maxConcurrentLocalActivityExecutions: SLOTS.control,
          // One for what is new, one for what this process has begun.
          workflowTaskPollerBehavior: { type: 'simple-maximum' as const, maximum: 2 },
        }
      : {}),
    ...(options.versioning
      ? {
          workerDeploymentOptions: {
            useWorkerVersioning: true,
            version: { deploymentName: DEPLOYMENT, buildId: buildId(opened, bundle) },
            defaultVersioningBehavior: 'AUTO_UPGRADE' as const,
          },
        }
      : {}),
  }
}

const buildId = ({ context }: OpenedSpace, bundle: WorkflowBundle): string => `${context.package}-${bundle.hash}`

function states(
  workers: readonly { queue: Queue; worker: Worker }[],
  { queues = QUEUES }: Pick<TemporalWorkerOptions, 'queues'>,
): QueueState[] {
  return workers
    .filter(({ queue }) => queues.includes(queue))
    .map(({ queue, worker }) => {
      const { runState, hasOutstandingActivityPoll, hasOutstandingWorkflowPoll, numInFlightActivities } =
        worker.getStatus()
      const slots = SLOTS[queue]
      const polls = hasOutstandingActivityPoll || numInFlightActivities >= slots
      const deaf = queue === 'control' && !hasOutstandingWorkflowPoll
      return { queue, ready: runState === 'RUNNING' && polls && !deaf, working: numInFlightActivities, slots }
    })
}

function shutDown(workers: readonly { worker: Worker }[], stopping: AbortController): void {
  stopping.abort(new WorkerShutdown())
  for (const { worker } of workers) if (worker.getState() === 'RUNNING') worker.shutdown()
}

async function finish(
  runs: readonly Promise<void>[],
  native: NativeConnection,
  stopSweeping: () => Promise<void> | undefined,
): Promise<void> {
  const ends = await Promise.allSettled(runs)
  await stopSweeping()
  await native.close()
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

/** What an erasure left open when its process ended, and no run works on, goes on with the first that can. */
async function resume({ opened, queues = QUEUES }: TemporalWorkerOptions, signal: AbortSignal): Promise<void> {
  if (!queues.includes('state') || !queues.includes('cold')) return
  await opened.context.operations.privacy.resume(signal)
}

type Sweeping = ReturnType<typeof sweeping>

async function sweep(options: TemporalWorkerOptions, place: Place): Promise<Sweeping> {
  const { opened, logger } = options
  const { client, close } = await connectClient(options.temporal, options.codec)
  const runner = runnerOf(client, place, await hasSearchAttributes(client, logger))
  const sweeper = sweeping(opened.control, runner, logger, (signal) => pulse(opened.context, { signal }))
  return {
    soon: sweeper.soon,
    async stop() {
      await sweeper.stop()
      await close()
    },
  }
}

/** The first version of a deployment is the current one; later ones are made so by whoever deploys. */
async function adopt(options: TemporalWorkerOptions, bundle: WorkflowBundle, logger?: Logger): Promise<void> {
  const { client, close } = await connectClient(options.temporal, options.codec)
  try {
    await adoptVersion(client, buildId(options.opened, bundle))
  } catch {
    logger?.warn('the version of this worker could not be made the current one', { deployment: DEPLOYMENT })
  } finally {
    await close()
  }
}
