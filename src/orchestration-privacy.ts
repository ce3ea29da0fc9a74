/** Erasures and redactions as runs drive them (spec 10 §10): `PrivacyOperations` over an open space. */

import type { Engine } from './engine/engine.ts'
import type { CompliancePolicy, PrivacyContext } from './engine/privacy/context.ts'
import { heldBy } from './engine/privacy/holds.ts'
import { createRequest, refuseRequest } from './engine/privacy/requests.ts'
import type { Stage } from './engine/privacy/stages.ts'
import { ConflictError, DefactoError } from './errors.ts'
import type { ExpiryRule, PrivacyOperations, PrivacyStage, RunCall } from './ports/operations.ts'
import type { Erasure, ErasureRequest, FrozenEntity } from './ports/privacy.ts'
import type { Queries } from './queries.ts'
import { and, type BoolExpr, col } from './query/expression.ts'

/** What an open space gives for it. */
export interface PrivacyHost {
  readonly engine: Engine
  policy(): CompliancePolicy
  /** Made when it is asked for: opening a space must not wait for keys and places it may never need. */
  context(): Promise<PrivacyContext>
  queries(): Queries
  /** The engine, its units those of the call's attempt. */
  within(call: RunCall): Engine
}

/** Who was admitted is prepared again: a hold may have come since. */
async function stagesOf(name: PrivacyStage): Promise<readonly Stage[]> {
  const { certifyAll, eraseLocal, eraseStores, freezeAll, prepare, verifyStores } = await import(
    './engine/privacy/stages.ts'
  )
  switch (name) {
    case 'freeze':
      return [prepare, freezeAll]
    case 'local':
      return [prepare, eraseLocal]
    case 'stores':
      return [eraseStores]
    case 'verify':
      return [verifyStores]
    case 'certify':
      return [certifyAll]
  }
}

export function privacyOperations(host: PrivacyHost): PrivacyOperations {
  const { engine } = host
  const { privacy } = engine.store
  return {
    get warnAtMs() {
      return host.policy().warnAtMs
    },
    log: privacy,

    async stage(call, name, requestIds) {
      const context: PrivacyContext = { ...(await host.context()), engine: host.within(call) }
      const progress = (stage: string, done: number, total: number): void =>
        call.onChunk?.({ phase: stage, done, total })
      let reached: Awaited<ReturnType<Stage>> = []
      for (const stage of await stagesOf(name))
        reached = await stage(context, requestIds, { signal: call.signal, progress })
      return reached
    },

    async withdraw(requestId) {
      try {
        await refuseRequest(await host.context(), requestId, { by: 'orchestrator', reason: 'its run was cancelled' })
        return true
      } catch (error) {
        if (error instanceof ConflictError && error.code === 'E_PAST_PIVOT') return false
        throw error
      }
    },

    async expire(call, rule) {
      const known = await privacy.requests({ kind: ['retention'], status: ['approved', 'held', 'frozen'] })
      const own = known.find(({ runId }) => runId === call.fence.runId)
      if (own !== undefined) return { request: own, held: 0 }
      const context = await host.context()
      const { free, held } = await overBy(host, context, rule)
      return { request: free.length === 0 ? null : await requestFor(context, call, free), held }
    },

    async resume(signal) {
      try {
        const { resumeOpen } = await import('./engine/privacy/stages.ts')
        await resumeOpen(await host.context(), { signal })
      } catch (error) {
        if (signal?.aborted) return
        // Whoever is at it goes on, or the next one does.
        const code = error instanceof DefactoError ? error.code : 'E_INTERNAL'
        engine.logger.child('defacto.lifecycle').warn('open erasures could not be continued now', { code })
      }
    },
  }
}

/** Entities last heard of before the rule's instant, without those that a hold keeps. */
async function overBy(
  host: PrivacyHost,
  context: PrivacyContext,
  { before, types, states, limit }: ExpiryRule,
): Promise<{ readonly free: readonly FrozenEntity[]; readonly held: number }> {
  const queries = host.queries()
  const all = [...context.working().program.entities.keys()].filter(
    (type) => types.length === 0 || types.includes(type),
  )
  const survivors = await heldSurvivors(host)
  const free: FrozenEntity[] = []
  let held = 0
  for (const type of all) {
    const id = `${type}_id`
    let after = ''
    while (free.length < limit) {
      const late: BoolExpr[] = [col<string>('last_event_time').lt(before), col<string>(id).gt(after)]
      if (states.length > 0) late.push(col<string>(`${type}_state`).in([...states]))
      const page = queries
        .table(type)
        .filter(and(...late))
        .select(id)
        .orderBy(id)
        .limit(PAGE)
      const found = (await page.rows()).map((row) => ({ id: String(row[id]), type }))
      if (found.length === 0) break
      after = found.at(-1)?.id ?? after
      const kept = await kepts(context, found, survivors)
      held += kept.size
      for (const entity of found) if (!kept.has(entity.id) && free.length < limit) free.push(entity)
    }
  }
  return { free, held }
}
const PAGE = 1_000

/** By a hold on the entity, on one that was merged into it, or on its type. */
async function kepts(
  context: PrivacyContext,
  found: readonly FrozenEntity[],
  survivors: ReadonlySet<string>,
): Promise<Set<string>> {
  const held = await heldBy(context, found, context.engine.now().toString())
  const kept = new Set(held.flatMap(({ ids }) => ids))
  return new Set(found.flatMap(({ id }) => (kept.has(id) || survivors.has(id) ? [id] : [])))
}

/** Who is now one with those that are held by their ids. The pivot looks again. */
async function heldSurvivors({ engine }: PrivacyHost): Promise<ReadonlySet<string>> {
  const { identity, privacy } = engine.store
  const survivors = new Set<string>()
  for (const { entityId } of await privacy.holds({ at: engine.now().toString() })) {
    if (entityId !== null) survivors.add(await identity.survivorOf(entityId))
  }
  return survivors
}

/** One request for all of them; whom it concerns is in its journal from the beginning. */
async function requestFor(
  context: PrivacyContext,
  call: RunCall,
  entities: readonly FrozenEntity[],
): Promise<ErasureRequest> {
  const { engine } = context
  const { request } = await createRequest(context, { kind: 'retention', runId: call.fence.runId })
  const journal: Erasure = {
    erasureId: engine.newId().replace(/^[a-z]+_/, 'e_'),
    requestId: request.requestId,
    kind: 'retention',
    entities,
    digests: [],
    eventDigests: [],
    emptied: [],
    treated: [],
    exports: [],
    stores: {},
    counts: { entities: entities.length, eventsDeleted: 0, eventsScrubbed: 0, mergeLog: 0, fields: 0 },
    ledgerHead: 0,
    versions: [],
    startedAt: engine.now().toString(),
    pivotAt: null,
    closedAt: null,
  }
  await engine.unit(context.working().version, (unit) => engine.store.privacy.freeze(unit, journal))
  return request
}
