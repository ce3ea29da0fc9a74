/** What keeps a request from being carried out (spec 10 §10.1): an approval that is missing, holds on whom it concerns. */
import type { ErasureRequest, FrozenEntity } from '../../ports/privacy.ts'
import type { Unit } from '../../ports/store.ts'
import type { PrivacyContext } from './context.ts'
import { heldBy } from './holds.ts'

export interface Obstacles {
  /** Whom it concerns now: the survivor first, then everything merged into it; without those a retention has to leave. */
  readonly entities: readonly FrozenEntity[]
  /** `approval`, `hold:<id>`; empty: it may be carried out. */
  readonly waitingFor: readonly string[]
}

/** In a unit nobody adds a hold until it ends. */
export async function obstacles(context: PrivacyContext, request: ErasureRequest, unit?: Unit): Promise<Obstacles> {
  const at = context.engine.now().toString()
  if (request.kind === 'retention') return { entities: await expired(context, request, at, unit), waitingFor: [] }
  const entities = await context.engine.store.identity.family(unit ?? null, request.entityId ?? '')
  const isMissing = context.policy.approval === 'required' && request.approvedAt === null
  const held = await heldBy(context, entities, at, unit)
  const holds = held.map(({ hold }) => `hold:${hold.holdId}`)
  return { entities, waitingFor: [...(isMissing ? ['approval'] : []), ...holds] }
}

/**
 * Whose time is over, as whoever opened the journal found out, with all that merged into them since. Holds keep single
 * families from it, not the others.
 */
async function expired(
  context: PrivacyContext,
  { requestId }: ErasureRequest,
  at: string,
  unit: Unit | undefined,
): Promise<readonly FrozenEntity[]> {
  const { privacy, identity } = context.engine.store
  const families = new Map<string, readonly FrozenEntity[]>()
  for (const { id } of (await privacy.erasure(requestId, unit))?.entities ?? []) {
    const family = await identity.family(unit ?? null, id)
    if (family[0] !== undefined) families.set(family[0].id, family)
  }
  const holds = await heldBy(context, [...families.values()].flat(), at, unit)
  const held = new Set(holds.flatMap(({ ids }) => ids))
  return [...families.values()].filter((family) => !family.some(({ id }) => held.has(id))).flat()
}
