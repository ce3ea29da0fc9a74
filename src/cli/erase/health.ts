/** What `doctor` says of requests to erase and redact: those that are late, and those that wait (spec 10 §10.1). */
import type { ErasureRequest } from '../../ports/privacy.ts'
import { countText } from '../summary.ts'

export interface ErasureFinding {
  readonly check: string
  readonly state: 'ok' | 'warn'
  readonly message: string
  readonly data: unknown
}

/** One finding for all that go on, one for each that is late or waits. */
export function erasureFindings(open: readonly ErasureRequest[], now: Date): ErasureFinding[] {
  const late = open.filter(({ deadline }) => Date.parse(deadline) < now.getTime())
  const waiting = open.filter((request) => !late.includes(request) && request.waitingFor.length > 0)
  const message = open.length === 0 ? 'no request is open' : `${countText(open.length, 'request')} open`
  const all: ErasureFinding = { check: 'erasures', state: 'ok', message, data: { open: open.length } }
  return [
    all,
    ...late.map((request) => findingOf(request, `is past its deadline ${request.deadline}`)),
    ...waiting.map((request) => findingOf(request, `waits for ${request.waitingFor.join(', ')}`)),
  ]
}

function findingOf(request: ErasureRequest, how: string): ErasureFinding {
  const { requestId, kind, status, deadline, waitingFor } = request
  return {
    check: 'erasures',
    state: 'warn',
    message: `${kind} ${requestId} ${how} (${status})`,
    data: { request_id: requestId, kind, status, deadline, waiting_for: waitingFor },
  }
}
