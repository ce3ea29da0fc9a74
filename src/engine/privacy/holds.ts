/** Holds: what must not be erased, whoever asks (spec 10 §10.1). */
import { randomUUIDv7 } from 'node:crypto'
import { compareTime, instantFromText } from '../../core/instant.ts'
import { ConfigError, ConflictError, NotFoundError, QueryError } from '../../errors.ts'
import type { FrozenEntity, Hold } from '../../ports/privacy.ts'
import type { Json } from '../../ports/runs.ts'
import type { Unit } from '../../ports/store.ts'
import type { PrivacyContext } from './context.ts'
import { type SubjectInput, subjectOf } from './requests.ts'
import { unknownHold } from './unknown.ts'

/** An entity (by id or hint), or a type with or without a filter. */
export interface HoldInput extends SubjectInput {
  readonly entityType?: string
  /** Condition in the form of spec 06 §5. */
  readonly filter?: object | null
  readonly reason: string
  readonly placedBy?: string | null
  /** It ends by itself then. */
  readonly until?: string | null
}

/**
 * Puts a hold in force. `ConflictError` (`E_PAST_PIVOT`) if its subject was erased already: nothing is left that it could
 * keep.
 */
export async function addHold(context: PrivacyContext, input: HoldInput): Promise<Hold> {
  const { engine } = context
  const { privacy } = engine.store
  const { entityType, placedBy = null } = input
  const filter = (input.filter ?? null) as Json
  if (typeof input.reason !== 'string' || input.reason.trim() === '') {
    throw new ConfigError('a hold needs a reason')
  }
  const byId = input.entityId !== undefined || input.hint !== undefined
  if (byId === (entityType !== undefined) || (byId && filter !== null)) {
    throw new ConfigError('a hold names one entity, or a type with or without a filter')
  }
  if (entityType !== undefined) await checkFilter(context, entityType, filter)
  if (input.entityId !== undefined) await refuseErased(context, input.entityId)
  const subject = byId ? await subjectOf(context, input) : null
  const now = engine.now()
  const hold: Hold = {
    holdId: `h_${randomUUIDv7()}`,
    entityId: subject?.entityId ?? null,
    entityType: entityType ?? null,
    filter,
    reason: input.reason,
    placedBy,
    placedAt: now.toString(),
    until: untilOf(input.until ?? null, context),
    releasedAt: null,
  }
  // An erasure that looked at the holds before has committed when this one is in, and is seen.
  await engine.unit(context.working().version, async (unit) => {
    await privacy.addHold(hold, unit)
    if (subject === null) return
    for (const { entities, pivotAt, requestId } of await privacy.openErasures(unit)) {
      if (pivotAt === null || !entities.some(({ id }) => subject.family.includes(id))) continue
      throw pastPivot(subject.entityId, requestId)
    }
  })
  engine.logger.child('defacto.lifecycle').info('hold placed', { hold: hold.holdId, type: hold.entityType })
  return hold
}

/** Oldest first: those in force; `all`: ended and released ones as well. */
export async function listHolds(
  { engine }: PrivacyContext,
  { all = false }: { readonly all?: boolean } = {},
): Promise<readonly Hold[]> {
  return engine.store.privacy.holds(all ? {} : { at: engine.now().toString() })
}

/** Ends a hold. Requests that waited for it alone are approved again; their ids, so that whoever waits is told. */
export async function releaseHold(
  context: PrivacyContext,
  holdId: string,
): Promise<{ readonly hold: Hold; readonly requests: readonly string[] }> {
  const { engine } = context
  const { privacy } = engine.store
  const at = engine.now().toString()
  const hold =
    (await privacy.releaseHold(holdId, at)) ?? (await privacy.holds()).find((known) => known.holdId === holdId)
  if (hold === undefined) throw unknownHold(holdId)
  engine.logger.child('defacto.lifecycle').info('hold released', { hold: holdId })
  return { hold, requests: await freeHeld(context) }
}

/** Held requests without any hold that is still in force are approved again; their ids. */
async function freeHeld(context: PrivacyContext): Promise<readonly string[]> {
  const { engine } = context
  const { privacy } = engine.store
  const inForce = new Set((await listHolds(context)).map(({ holdId }) => `hold:${holdId}`))
  const free: string[] = []
  for (const { requestId, waitingFor } of await privacy.requests({ status: ['held'] })) {
    if (waitingFor.some((name) => inForce.has(name))) continue
    const change = { status: 'approved', waitingFor: [], retryAt: null } as const
    if ((await privacy.change(requestId, change, { from: ['held'] })) !== null) free.push(requestId)
  }
  return free
}

/**
 * The holds in force on any of these entities, oldest first, with the ids that each of them keeps. The entities are whole
 * families, as `identity.family` gives them: who is held with everything merged into it is then among them by its own id.
 * In a unit nobody adds a hold until the unit ends.
 */
export async function heldBy(
  context: PrivacyContext,
  entities: readonly FrozenEntity[],
  at: string,
  unit?: Unit,
): Promise<readonly { readonly hold: Hold; readonly ids: readonly string[] }[]> {
  if (entities.length === 0) return []
  const holds = await context.engine.store.privacy.holds(unit === undefined ? { at } : { at, unit })
  const found: { hold: Hold; ids: readonly string[] }[] = []
  for (const hold of holds) {
    const ids = await subjectsOf(context, hold, entities)
    if (ids.length > 0) found.push({ hold, ids })
  }
  return found
}

/** Who has no row, and nobody to stand in for it, counts as held: what is not known is kept. So is what cannot be asked. */
async function subjectsOf(
  context: PrivacyContext,
  { entityId, entityType, filter }: Hold,
  entities: readonly FrozenEntity[],
): Promise<readonly string[]> {
  if (entityId !== null) return entities.some(({ id }) => id === entityId) ? [entityId] : []
  const ids = entities.filter(({ type }) => type === entityType).map(({ id }) => id)
  if (filter === null || ids.length === 0) return ids
  try {
    const { met, absent } = await context.holdFilter.evaluate(entityType as string, filter, ids)
    return [...met, ...(await withoutSurvivor(context, absent, new Set(ids)))]
  } catch (error) {
    if (error instanceof QueryError || error instanceof NotFoundError) return ids
    throw error
  }
}

/** Rows of those that were merged away are those of their survivors. */
async function withoutSurvivor(
  { engine }: PrivacyContext,
  absent: readonly string[],
  ids: ReadonlySet<string>,
): Promise<readonly string[]> {
  const alone: string[] = []
  for (const id of absent) {
    const survivor = await engine.store.identity.survivorOf(id)
    if (survivor === id || !ids.has(survivor)) alone.push(id)
  }
  return alone
}

/** What cannot be evaluated later on would hold everybody: it is refused while somebody can correct it. */
async function checkFilter(context: PrivacyContext, entityType: string, filter: Json): Promise<void> {
  const { entities } = context.working().program
  if (!entities.has(entityType)) {
    const types = [...entities.keys()]
    throw new NotFoundError(`there is no entity type '${entityType}'; there are ${types.join(', ')}`, {
      details: { type: entityType, types },
    })
  }
  if (filter === null) return
  refuseValues(context, entityType, filter)
  try {
    await context.holdFilter.check(entityType, filter)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    throw new ConfigError(`the filter of the hold cannot be used: ${error.message}`, { cause: error })
  }
}

/** Holds are kept for good: a value that identifies a person would outlive its erasure in one. */
function refuseValues(context: PrivacyContext, entityType: string, filter: Json): void {
  const { identity } = context.working().program.entities.get(entityType) ?? {}
  const column = comparedIn(filter, new Set(identity?.keys()))
  if (column === null) return
  throw new ConfigError(
    `the filter of a hold is kept for good, and '${column}' identifies a person whom an erasure should leave no trace of: name the entity instead (entityId, --entity)`,
    { details: { type: entityType, column } },
  )
}

/** The first of these columns that is compared to a value; whether it has any may be asked. */
function comparedIn(condition: Json, columns: ReadonlySet<string>): string | null {
  if (typeof condition !== 'object' || condition === null) return null
  if (Array.isArray(condition)) return firstOf(condition, (one) => comparedIn(one, columns))
  return firstOf(Object.entries(condition), ([key, operand]) => {
    if (!columns.has(key)) return comparedIn(operand, columns)
    return hasValue(operand) ? key : null
  })
}

function hasValue(operand: Json): boolean {
  if (typeof operand !== 'object' || operand === null) return operand !== null
  if (Array.isArray(operand)) return operand.some(hasValue)
  return Object.keys(operand).some((operator) => operator !== 'isNull' && operator !== 'notNull')
}

function firstOf<T>(all: readonly T[], find: (one: T) => string | null): string | null {
  for (const one of all) {
    const found = find(one)
    if (found !== null) return found
  }
  return null
}

/** Who was erased is unknown; that somebody asked for it tells why. */
async function refuseErased(context: PrivacyContext, entityId: string): Promise<void> {
  const { privacy } = context.engine.store
  const done = await privacy.requests({
    entityId,
    kind: ['erase'],
    status: ['erasing', 'verifying', 'store_pending', 'closed'],
  })
  const [first] = done
  if (first === undefined) return
  if ((await context.engine.store.identity.family(null, entityId)).length === 0) {
    throw pastPivot(entityId, first.requestId)
  }
}

function pastPivot(entityId: string, requestId: string): ConflictError {
  return new ConflictError(
    `'${entityId}' is being erased, or was, by request '${requestId}', which cannot be stopped any more`,
    { code: 'E_PAST_PIVOT', details: { requestId } },
  )
}

function untilOf(until: string | null, { engine }: PrivacyContext): string | null {
  if (until === null) return null
  const instant = instantFromText(until)
  if (instant === null) throw new ConfigError("'until' of a hold must be an instant like 2027-01-01T00:00:00Z")
  if (compareTime(instant, engine.now()) <= 0) throw new ConfigError("'until' of a hold lies in the past")
  return instant.toString()
}
