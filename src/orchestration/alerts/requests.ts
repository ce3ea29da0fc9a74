/** Alerts about requests to erase and redact (spec 10 §3.8, §10.1): late ones, and stores that do not answer. No personal data. */
import { type ErasureRequest, REQUEST_OPEN } from '../../ports/privacy.ts'
import type { Orchestration } from '../contract.ts'
import type { Pipeline } from '../model.ts'
import { nowText } from '../time.ts'
import type { AlertSignal } from './events.ts'
import { alertsOf } from './rules.ts'

/** Tells of open requests whose time is running out, once per instant of `warn_at` and once after the deadline; `ids`: of these. */
export async function tellDeadline(context: Orchestration, ids: readonly string[] | null = null): Promise<void> {
  const { privacy } = context.operations
  // Requests are timed by the engine's clock.
  const now = context.operations.now()
  const requests = ids === null ? await privacy.log.requests({ status: REQUEST_OPEN }) : await named(context, ids)
  for (const request of requests) {
    if (request.kind === 'retention' || !REQUEST_OPEN.includes(request.status)) continue
    const age = now.ms - Date.parse(request.requestedAt)
    const deadlineMs = Date.parse(request.deadline) - Date.parse(request.requestedAt)
    const due = [...privacy.warnAtMs, deadlineMs].filter((ms) => ms > request.warnedMs && ms <= age)
    const last = due.at(-1)
    if (last === undefined) continue
    const at = now.toString()
    const isLate = last >= deadlineMs
    await tell(context, [lateRequest(request, at, last, isLate)])
    // Nothing of a person, so that it may be looked at where logs are.
    context.operations.logger
      .child('defacto.lifecycle')
      .warn(isLate ? 'a request is open after its deadline' : 'the deadline of a request comes near', {
        request_id: request.requestId,
        status: request.status,
        waiting_for: request.waitingFor.join(', '),
        deadline: request.deadline,
      })
    await privacy.log.change(request.requestId, { warnedMs: last }, { from: REQUEST_OPEN })
  }
}

async function named({ operations }: Orchestration, ids: readonly string[]): Promise<ErasureRequest[]> {
  const found: ErasureRequest[] = []
  for (const id of ids) {
    const request = await operations.privacy.log.request(id)
    if (request !== undefined) found.push(request)
  }
  return found
}

/** Tells of requests that wait for a store, and that they do not any more. */
export async function tellPending(context: Orchestration, ids: readonly string[]): Promise<void> {
  const { log } = context.operations.privacy
  const at = nowText(context)
  for (const id of ids) {
    const request = await log.request(id)
    if (request === undefined) continue
    const stores = request.waitingFor.flatMap((code) => (code.startsWith('store:') ? [code.slice(6)] : []))
    const isPending = request.status === 'store_pending' && stores.length > 0
    const data = { request_id: id, kind: request.kind, stores }
    const common = { subject: `erasure/${id}`, at, occurrence: id, data }
    const signals: AlertSignal[] = [{ event: isPending ? 'store_pending' : 'recovered', severity: 'warn', ...common }]
    if (request.status === 'closed') {
      signals.push({ event: 'recovered', severity: 'warn', ...common, subject: `deadline/${id}` })
    }
    await tell(context, signals)
  }
}

function lateRequest(request: ErasureRequest, at: string, warnedMs: number, isLate: boolean): AlertSignal {
  const { requestId, kind, status, waitingFor, deadline, requestedAt } = request
  const data = { request_id: requestId, kind, status, waiting_for: waitingFor, deadline }
  return {
    event: 'erase_deadline',
    severity: isLate ? 'error' : 'warn',
    subject: `deadline/${requestId}`,
    at,
    // Instants of warnings are the same for everybody who looks.
    occurrence: new Date(Date.parse(requestedAt) + warnedMs).toISOString(),
    data,
  }
}

/** Requests are of the space: every pipeline's rules are asked. */
async function tell(context: Orchestration, signals: readonly AlertSignal[]): Promise<void> {
  const at = nowText(context)
  for (const pipeline of await pipelinesOf(context)) {
    const rows = await alertsOf(context, pipeline, signals)
    if (rows.length > 0) await context.operations.log.notifications.enqueue(rows, at)
  }
}

/** None while the definitions on disk are broken: nobody is kept from erasure by that. */
async function pipelinesOf(context: Orchestration): Promise<readonly Pipeline[]> {
  const found = await context.project.pipelines().catch(() => null)
  return found === null ? [] : [...found.values()].map(({ pipeline }) => pipeline)
}
