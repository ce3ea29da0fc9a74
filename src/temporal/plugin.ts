/** For workers and clients that exist already (spec 10 §8): this package's workflows, activities and rules beside theirs. */
import { SimplePlugin } from '@temporalio/plugin'
import type { WorkerOptions } from '@temporalio/worker'
import { createActivities, type OpenedSpace } from '../../activities/index.ts'
import { activityAllowList, clientAllowList, scheduleAllowList } from './allow-list.ts'
import { INTERCEPTORS, WORKFLOWS, type WorkflowBundle, workflowBundle } from './bundle.ts'
import { type CodecOptions, converterOf } from './connect.ts'
import { checkPrefix, PREFIX, type Queue } from './names.ts'
import { queueOptions } from './worker.ts'

export interface DefactoPluginOptions {
  /** The engine of a space; asked once for each, when its first activity comes. */
  readonly open: (space: string) => Promise<OpenedSpace>
  readonly codec?: CodecOptions
  /** Aborted when the worker ends. */
  readonly stopping?: AbortSignal
}

/** Experimental as the SDK's plugins are; `workerOptions` does the same without them. */
export class DefactoPlugin extends SimplePlugin {
  constructor(options: DefactoPluginOptions) {
    const { open, codec = {}, stopping } = options
    const dataConverter = converterOf(codec)
    super({
      name: 'defacto',
      activities: createActivities(stopping === undefined ? { open } : { open, stopping }),
      workerInterceptors: { activity: [activityAllowList], workflowModules: [INTERCEPTORS] },
      clientInterceptors: { workflow: [clientAllowList], schedule: [scheduleAllowList] },
      // Bundles of workers that have no workflows of their own.
      workflowsPath: (own) => own ?? WORKFLOWS,
      ...(dataConverter ? { dataConverter } : {}),
    })
  }
}

/** Options of a worker for one queue of an opened space; connection and namespace are the caller's. */
export async function workerOptions(options: {
  readonly opened: OpenedSpace
  readonly queue: Queue
  readonly prefix?: string
  readonly codec?: CodecOptions
  readonly bundle?: WorkflowBundle
  readonly stopping?: AbortSignal
}): Promise<Omit<WorkerOptions, 'connection' | 'namespace'>> {
  const { opened, queue, stopping = new AbortController().signal } = options
  const place = { prefix: checkPrefix(options.prefix ?? PREFIX), space: opened.context.operations.space }
  return queueOptions(options, place, queue, options.bundle ?? (await workflowBundle()), stopping)
}
