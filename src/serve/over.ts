/** The service over an orchestrator. */
import { ConflictError, NotFoundError } from '../errors.ts'
import type { SubmitRequest } from '../orchestration/contract.ts'
import { nowOf } from '../orchestration/time.ts'
import type { Orchestrator } from '../orchestrator.ts'
import type { Json, RunRow } from '../ports/runs.ts'
import { scheduleStates, scheduleView } from '../schedule-view.ts'
import type { RunRequest } from './schemas.ts'
import type { Service } from './service.ts'

export interface ServiceOptions {
  readonly draining: () => boolean
  /** What else has to be ready: a worker in this process. */
  readonly ready?: () => void
}

export function serviceOf(orchestrator: Orchestrator, { draining, ready }: ServiceOptions): Service {
  const { context, control, log, opened } = orchestrator
  const { defacto, metrics } = opened
  const started = async (run: RunRow): Promise<RunRow> => {
    if (run.status === 'queued') await orchestrator.runner.start(control.stepRef(run))
    return run
  }
  return {
    log,
    draining,
    tables: (version) => (version === undefined ? defacto : defacto.version(version)),
    timeline: (id) => defacto.timeline(id),
    async submit(request, key) {
      const { run, created } = await control.submit(requestOf(request, key))
      return { run: await started(run), created }
    },
    async cancel(runId, reason) {
      const handle = await orchestrator.run(runId)
      await handle.cancel(reason)
      return handle.info()
    },
    async retry(runId) {
      return (await (await orchestrator.run(runId)).retry()).info()
    },
    async push(source, records, options) {
      const run = await (await orchestrator.push(source, records, options)).info()
      const batch = (run.input as { readonly inbox?: unknown } | null)?.inbox
      if (typeof batch !== 'string') throw new NotFoundError('the batch of this key is no longer known')
      return { batchId: batch, run }
    },
    async erase({ kind, entity, hint, reason, requested_by: by, queue, ...given }, key) {
      const known = key === undefined ? null : await orchestrator.erasure.known(key)
      if (known !== null) {
        if (known.kind !== kind || (entity !== undefined && known.entityId !== entity)) throw otherRequest()
        const { requestId, runId, status } = known
        return { requestId, runId, status, receipt: null, created: false }
      }
      const subject = entity === undefined ? { hint: hint ?? '' } : { entity }
      const { suppress, purge_exports: purgeExports, sticky } = given
      const { requestId, run, request, receipt } = await orchestrator.erasure.request(
        { ...subject, kind, reason, requestedBy: by, options: { suppress, purgeExports, sticky } },
        { queue, ...(key === undefined ? {} : { key }) },
      )
      const runId = run?.runId ?? null
      return { requestId, runId, status: request.status, receipt, created: receipt !== null }
    },
    erasure: (requestId) => orchestrator.erasure.status(requestId),
    certificate: (requestId) => orchestrator.erasure.certificate(requestId),
    async schedules() {
      const pipelines = await context.project.pipelines()
      return (await scheduleStates(log, pipelines, nowOf(context))).map(scheduleView)
    },
    assets: () => orchestrator.assets.list(),
    freshness: () => orchestrator.assets.freshness(),
    checks: () => log.checks.latest(),
    async metrics() {
      await metrics.collect(context).catch((error: unknown) => {
        context.operations.logger.child('defacto.lifecycle').warn('metrics of the database are missing', {
          error: error instanceof Error ? error.name : 'unknown',
        })
      })
      return metrics.text()
    },
    async ready() {
      await log.runs.list({ limit: 1 })
      ready?.()
    },
  }
}

function otherRequest(): ConflictError {
  return new ConflictError('this idempotency key belongs to another request')
}

/** JSON's names to ours; the pipeline is said beside the options. */
function requestOf({ op, input = {}, tags, as_of: asOf }: RunRequest, key: string | undefined): SubmitRequest {
  const { pipeline, ...options } = input as { readonly pipeline?: string; readonly [name: string]: Json | undefined }
  const camel = Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase()), value]),
  ) as Json
  return { op, pipeline, input: camel, key, tags, asOf, trigger: 'api' }
}
