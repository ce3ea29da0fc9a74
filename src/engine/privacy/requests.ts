/** Requests to erase or redact: who asked, who approved, until when (spec 10 §10.1). */
import { randomBytes, randomUUIDv7 } from 'node:crypto'
import type { EvalContext } from '../../core/expression/context.ts'
import { Fault } from '../../core/fault.ts'
import { canonicalHint } from '../../core/hints.ts'
import { addDuration, Duration, type Instant } from '../../core/instant.ts'
import { didYouMean } from '../../core/spelling.ts'
import { ApprovalRequired, ConfigError, ConflictError, NotFoundError } from '../../errors.ts'
import type { ErasureRequest, RequestKind, RequestOptions, RequestStatus } from '../../ports/privacy.ts'
import type { PrivacyContext } from './context.ts'
import { lookupHints } from './lookup.ts'
import { unknownEntity, unknownRequest } from './unknown.ts'

/** Whom a call is about: an id, or a hint `type.field=value`, which is looked up at once and stored nowhere. */
export interface SubjectInput {
  readonly entityId?: string
  readonly hint?: string
}

export interface RequestInput extends SubjectInput {
  /** `retention` has no subject yet: it is fixed when the request is frozen. */
  readonly kind: RequestKind
  readonly options?: Partial<RequestOptions>
  readonly reason?: string | null
  readonly requestedBy?: string | null
  /** The run that works on it. */
  readonly runId?: string | null
}

export interface CreatedRequest {
  readonly request: ErasureRequest
  /** Told once; null: the request was there already, or nobody asked for it (retention). */
  readonly receipt: string | null
  /** False: an open request for the same entity, which goes on instead. */
  readonly created: boolean
}

/** What no pivot lies behind. */
export const BEFORE_PIVOT: readonly RequestStatus[] = ['requested', 'approved', 'held', 'frozen']
const DEFAULTS: RequestOptions = { suppress: false, purgeExports: false, sticky: true }
const RECEIPT_BYTES = 32
const HINT = /^\s*([A-Za-z_]\w*)\s*\.\s*([A-Za-z_]\w*)\s*=([\s\S]*\S[\s\S]*)$/

/**
 * Stores a request. `NotFoundError` if there is no such entity. Without approval by somebody else it is approved at once;
 * one that is open for the same person and kind is returned instead.
 */
export async function createRequest(context: PrivacyContext, input: RequestInput): Promise<CreatedRequest> {
  const { engine, policy } = context
  const { kind, reason = null, requestedBy = null, runId = null } = input
  // What cannot be certified is not begun: without a key this throws.
  const { keyId } = context.signer
  const subject = kind === 'retention' ? null : await subjectOf(context, input)
  // Retention is decided by definitions, not by somebody who asks.
  const isApproved = policy.approval === 'none' || kind === 'retention'
  if (!isApproved && isBlank(requestedBy)) {
    throw new ConfigError('compliance.approval is required here: say who requests it (requestedBy, --by)')
  }
  const now = engine.now()
  const request: ErasureRequest = {
    requestId: `q_${randomUUIDv7()}`,
    kind,
    entityId: subject?.entityId ?? null,
    status: isApproved ? 'approved' : 'requested',
    reason,
    requestedBy,
    requestedAt: now.toString(),
    deadline: later(now, policy.deadlineMs),
    approvedBy: null,
    approvedAt: isApproved ? now.toString() : null,
    closedAt: null,
    options: { ...DEFAULTS, ...input.options },
    waitingFor: isApproved ? [] : ['approval'],
    retryAt: null,
    warnedMs: 0,
    holdsCheckedAt: null,
    receipt: kind === 'retention' ? null : randomBytes(RECEIPT_BYTES).toString('base64url'),
    runId,
  }
  const stored = await engine.store.privacy.create(request, { unlessOpen: subject?.family ?? [] })
  const created = stored.requestId === request.requestId
  if (created) {
    const { requestId, status } = stored
    engine.logger
      .child('defacto.lifecycle')
      .info('erasure requested', { request: requestId, kind, status, signed_by: keyId })
  }
  return { request: shown(stored), receipt: created ? stored.receipt : null, created }
}

/** The entity as it was named, and everything that is one with it. */
export async function subjectOf(
  context: Pick<PrivacyContext, 'engine' | 'working'>,
  subject: SubjectInput,
): Promise<{ readonly entityId: string; readonly family: readonly string[] }> {
  const { entityId, hint } = subject
  if ((entityId === undefined) === (hint === undefined)) {
    throw new ConfigError('name one entity: by its id, or by a hint type.field=value')
  }
  const id = entityId ?? (await entityOfHint(context, hint as string))
  const family = await context.engine.store.identity.family(null, id)
  if (family.length === 0) throw unknownEntity(id)
  return { entityId: id, family: family.map((entity) => entity.id) }
}

/** Somebody else than the requester agrees. Repeating it changes nothing. */
export async function approveRequest(
  context: PrivacyContext,
  requestId: string,
  { by }: { readonly by: string },
): Promise<ErasureRequest> {
  const { engine, policy } = context
  if (isBlank(by)) throw new ConfigError('say who approves it (by, --by)')
  const before = await requestOf(context, requestId)
  if (policy.approval === 'required' && before.status === 'requested' && isSame(by, before.requestedBy)) {
    throw new ApprovalRequired(`request '${requestId}' has to be approved by somebody else than who made it`, {
      details: { requestId },
    })
  }
  const approved = await engine.store.privacy.change(
    requestId,
    { status: 'approved', approvedBy: by, approvedAt: engine.now().toString(), waitingFor: [], retryAt: null },
    { from: ['requested'] },
  )
  if (approved !== null) {
    engine.logger.child('defacto.lifecycle').info('erasure approved', { request: requestId })
    return shown(approved)
  }
  const now = await requestOf(context, requestId)
  if (now.status === 'refused') throw refused(requestId)
  return shown(now)
}

/** Ends a request before anything has changed: what was frozen is dropped. */
export async function refuseRequest(
  context: PrivacyContext,
  requestId: string,
  { by, reason }: { readonly by: string; readonly reason: string },
): Promise<ErasureRequest> {
  const { engine } = context
  const { privacy } = engine.store
  if (isBlank(by) || isBlank(reason)) throw new ConfigError('say who refuses it, and why (by and reason)')
  await requestOf(context, requestId)
  const at = engine.now().toString()
  const done = await engine.unit(context.working().version, async (unit) => {
    const change = { status: 'refused', reason, approvedBy: by, closedAt: at, receipt: null, waitingFor: [] } as const
    const changed = await privacy.change(requestId, { ...change, retryAt: null }, { from: BEFORE_PIVOT, unit })
    if (changed !== null && (await privacy.erasure(requestId, unit)) !== undefined) {
      const nobody = { entities: [], digests: [], eventDigests: [], emptied: [], treated: [], exports: [] }
      await privacy.changeErasure(requestId, { ...nobody, closedAt: at }, unit)
    }
    return changed
  })
  if (done !== null) {
    engine.logger.child('defacto.lifecycle').info('erasure refused', { request: requestId })
    return shown(done)
  }
  const now = await requestOf(context, requestId)
  if (now.status === 'refused') return shown(now)
  throw new ConflictError(`request '${requestId}' cannot be refused any more: it has been carried out`, {
    code: 'E_PAST_PIVOT',
    details: { requestId, status: now.status },
  })
}

/** `NotFoundError` if there is none. */
export async function requestOf({ engine }: PrivacyContext, requestId: string): Promise<ErasureRequest> {
  const request = await engine.store.privacy.request(requestId)
  if (request === undefined) throw unknownRequest(requestId)
  return request
}

/** The receipt is told once, by itself. */
function shown(request: ErasureRequest): ErasureRequest {
  return { ...request, receipt: null }
}

/** The value is tried as it is, and in the form the definitions give it; each finds redacted hints, too. */
async function entityOfHint(context: Pick<PrivacyContext, 'engine' | 'working'>, hint: string): Promise<string> {
  // Names only: what else stands there is a value in the wrong place, and no message repeats it.
  const [, entityType = '', hintType = '', value = ''] = HINT.exec(hint) ?? []
  if (value === '') throw new ConfigError('a hint is written type.field=value, e.g. customer.email=ann@x.io')
  const { entities } = context.working().program
  const entity = entities.get(entityType)
  if (entity === undefined) {
    const types = [...entities.keys()]
    throw new NotFoundError(`there is no entity type '${entityType}'${didYouMean(entityType, types)}`, {
      details: { type: entityType, types },
    })
  }
  const identity = entity.identity.get(hintType)
  if (identity === undefined) {
    const fields = [...entity.identity.keys()]
    throw new NotFoundError(
      `'${entityType}' has no identity field '${hintType}'${didYouMean(hintType, fields)}; it has ${fields.join(', ')}`,
      { details: { type: entityType, fields } },
    )
  }
  const evaluation: EvalContext = { raw: null, event: null, entity: null, value: null, now: context.engine.now() }
  const texts = new Set([value])
  try {
    texts.add(canonicalHint(identity, value, evaluation) ?? value)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
  }
  const keys = [...texts].map((text) => ({ entityType, hintType, value: text }))
  const found = await lookupHints(context.engine, null, keys)
  const id = found.find((entityId) => entityId !== undefined)
  if (id === undefined) throw new NotFoundError(`nobody of type '${entityType}' has this ${hintType}`)
  return id
}

function later(from: Instant, ms: number): string {
  const instant = addDuration(from, new Duration(ms))
  if (instant === null) throw new ConfigError('compliance.deadline leads beyond the year 9999')
  return instant.toString()
}

function isBlank(text: string | null | undefined): boolean {
  return typeof text !== 'string' || text.trim() === ''
}

function isSame(a: string, b: string | null): boolean {
  return b !== null && nameKey(a) === nameKey(b)
}

/** One name however it is typed: blanks, capitals and ways to encode a letter make no second person. */
function nameKey(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/[\s\p{Cf}]+/gu, ' ')
    .trim()
    .toLowerCase()
}

function refused(requestId: string): ConflictError {
  return new ConflictError(`request '${requestId}' was refused; make another one`, { details: { requestId } })
}
