/** Endpoints of erasures: ask for one, look where it is, fetch its certificate (spec 10 §9, §10). */
import { z } from 'zod'
import { REQUEST_KINDS, REQUEST_STATUSES, STORE_ACTIONS } from '../ports/privacy.ts'
import type { RequestView } from '../privacy.ts'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { HttpProblem } from './problem.ts'

const KEY = /^[\x21-\x7e]{1,128}$/
const REQUEST_ID = { id: 'id of the request' }
const instant = z.string().meta({ format: 'date-time' })
const orNull = <T extends z.ZodType>(type: T) => z.union([type, z.null()])

/** `POST /v1/erase`. */
export const ERASE_REQUEST = z
  .strictObject({
    kind: z.enum(['erase', 'redact']).default('erase'),
    entity: z.string().min(1).max(256).optional().describe('id of the entity'),
    hint: z
      .string()
      .regex(/^[^.=]+\.[^=]+=/s, 'is not type.field=value')
      .max(1024)
      .optional(),
    reason: z.string().max(1000).optional().describe('blanked when the request is closed, as is the name'),
    requested_by: z.string().min(1).max(200).optional(),
    suppress: z.boolean().default(false).describe('the same events sent again are refused'),
    purge_exports: z.boolean().default(false).describe('exports of its type lose its rows, too'),
    sticky: z.boolean().default(true).describe('redact: later events are treated on arrival'),
    queue: z.boolean().default(false).describe('left to a pipeline with the step erase_queue'),
  })
  .refine(({ entity, hint }) => (entity === undefined) !== (hint === undefined), "takes one of 'entity' and 'hint'")
  .meta({ id: 'EraseRequest' })
export type EraseRequest = z.output<typeof ERASE_REQUEST>

const ASKED = z
  .object({
    request_id: z.string(),
    run_id: orNull(z.string()),
    status: z.enum(REQUEST_STATUSES),
    receipt: orNull(z.string()).describe('told once: whoever has it can show whose certificate it is'),
  })
  .meta({ id: 'AcceptedErasure' })

const STATE = z
  .object({
    request_id: z.string(),
    kind: z.enum(REQUEST_KINDS),
    entity_id: orNull(z.string()),
    status: z.enum(REQUEST_STATUSES),
    waiting_for: z.array(z.string()),
    retry_at: orNull(instant),
    requested_at: instant,
    approved_at: orNull(instant),
    deadline: instant,
    closed_at: orNull(instant),
    run_id: orNull(z.string()),
    certificate_id: orNull(z.string()),
    stores: z.record(
      z.string(),
      z.object({
        state: z.enum(['pending', 'done']),
        action: z.enum(STORE_ACTIONS),
        items: z.int(),
        error: orNull(z.string()),
        attempts: z.int(),
        at: orNull(instant),
      }),
    ),
  })
  .meta({ id: 'Erasure' })

export const ERASE_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'post',
    path: '/v1/erase',
    scope: 'erase',
    id: 'requestErasure',
    summary: 'Asks for an erasure or redaction, which a run carries out; an entity with an open request gets that one.',
    headers: { 'Idempotency-Key': 'up to 128 visible characters; a repeated request gives the first one' },
    body: ERASE_REQUEST,
    answers: {
      202: { description: 'stored; it runs', content: { type: 'application/json', schema: ASKED } },
      200: { description: 'the request that there is already', content: { type: 'application/json', schema: ASKED } },
    },
    async handle({ http, body }, service) {
      const key = http.req.header('idempotency-key')
      if (key !== undefined && !KEY.test(key))
        throw new HttpProblem(400, 'E_USAGE', 'Idempotency-Key takes 1 to 128 visible characters')
      const { requestId, runId, status, receipt, created } = await service.erase(body, key)
      const answer = { request_id: requestId, run_id: runId, status, receipt }
      return json(answer, created ? 202 : 200, { location: `/v1/erase/${requestId}` })
    },
  }),
  endpoint({
    method: 'get',
    path: '/v1/erase/{id}',
    scope: 'erase',
    id: 'getErasure',
    summary: 'Where a request is: what it waits for, and its stores.',
    parameters: REQUEST_ID,
    answers: { 200: { description: 'the request', content: { type: 'application/json', schema: STATE } } },
    handle: async ({ http }, service) => json(viewOf(await service.erasure(http.req.param('id') as string))),
  }),
  endpoint({
    method: 'get',
    path: '/v1/erase/{id}/certificate',
    scope: 'erase',
    id: 'getCertificate',
    summary: 'The signed certificate of a request that is closed.',
    parameters: REQUEST_ID,
    answers: {
      200: {
        description: 'the certificate, as `defacto erase verify` reads it',
        content: { type: 'application/json', schema: z.record(z.string(), z.unknown()).meta({ id: 'Certificate' }) },
      },
    },
    handle: async ({ http }, service) => json(await service.certificate(http.req.param('id') as string)),
  }),
]

/** Names, reason and receipt stay where they are. */
function viewOf(request: RequestView): Record<string, unknown> {
  const stores = Object.entries(request.stores).map(([name, { state, action, items, error, attempts, at }]) => [
    name,
    { state, action, items, error, attempts, at },
  ])
  return {
    request_id: request.requestId,
    kind: request.kind,
    entity_id: request.entityId,
    status: request.status,
    waiting_for: request.waitingFor,
    retry_at: request.retryAt,
    requested_at: request.requestedAt,
    approved_at: request.approvedAt,
    deadline: request.deadline,
    closed_at: request.closedAt,
    run_id: request.runId,
    certificate_id: request.certificateId,
    stores: Object.fromEntries(stores),
  }
}
