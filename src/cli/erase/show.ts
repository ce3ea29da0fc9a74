/** Requests as people read them: what became of each, and what it waits for. */
import type { Advanced, ErasureRequest, RequestView } from '../../index.ts'
import type { Output } from '../output.ts'
import { summary } from '../summary.ts'
import { tableText } from '../table.ts'

/** `hold:h_…` → `hold h_…`. */
export function waitingText(waitingFor: readonly string[]): string | null {
  return waitingFor.length === 0 ? null : waitingFor.map((one) => one.replace(':', ' ')).join(', ')
}

export function requestRow(request: ErasureRequest): Record<string, unknown> {
  const { requestId, kind, entityId, status, requestedAt, deadline, waitingFor } = request
  return {
    request_id: requestId,
    kind,
    entity_id: entityId,
    status,
    requested_at: requestedAt,
    deadline,
    waiting_for: waitingText(waitingFor),
  }
}

export function advancedRow({ requestId, status, retryAt, waitingFor }: Advanced): Record<string, unknown> {
  return { request_id: requestId, status, waiting_for: waitingText(waitingFor), retry_at: retryAt }
}

/** On a terminal that has no room for all: ids stay whole, since commands want them, and what they wait for stays. */
export function requestsText(output: Output, rows: readonly Record<string, unknown>[]): string {
  return tableText(output, rows, undefined, { keep: ['request_id', 'status', 'waiting_for'] })
}

/** One request with its stores. */
export function viewText(output: Output, view: RequestView): string {
  const head = summary(output.paint, `${view.kind} ${view.requestId}: ${view.status}`, {
    entity: view.entityId,
    'requested at': view.requestedAt,
    'requested by': view.requestedBy,
    'approved by': view.approvedBy,
    deadline: view.deadline,
    'closed at': view.closedAt,
    'waits for': waitingText(view.waitingFor),
    certificate: view.certificateId,
  })
  const rows = Object.entries(view.stores).map(([store, { state, action, items, verified, error }]) => ({
    store,
    state,
    action,
    items,
    verified: verified === null ? null : `${verified.method}: ${verified.remaining} left`,
    error,
  }))
  return rows.length === 0 ? head : `${head}\n\n${tableText(output, rows)}`
}
