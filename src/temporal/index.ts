/** `defacto/temporal` (spec 10 §8). Importing `defacto` loads none of this. */
export {
  type Activities,
  type ActivityDependencies,
  createActivities,
  type OpenedSpace,
  toFailure,
} from '../../activities/index.ts'
export { type WorkflowBundle, workflowBundle } from './bundle.ts'
export type { CodecOptions, TemporalAddress } from './connect.ts'
export { type CodecKey, defactoDataConverter } from './data-converter.ts'
export { type FindTemporalOptions, type FoundTemporal, findTemporal } from './find.ts'
export { QUEUES, type Queue } from './names.ts'
export { DefactoPlugin, type DefactoPluginOptions, workerOptions } from './plugin.ts'
export { type ReplayResult, replayHistories, replayServer } from './replay.ts'
export { type TemporalRunnerOptions, temporalRunner } from './runner.ts'
export { installRuntime } from './runtime.ts'
export { type ScheduleServerOptions, scheduleServer } from './schedules.ts'
export { isWorked, type SetUp, setupTemporal, type TemporalHealth, temporalHealth } from './setup.ts'
export { type QueueState, type RunningWorker, runWorker, type TemporalWorkerOptions } from './worker.ts'
