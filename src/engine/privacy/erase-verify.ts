/** Whether a person is gone from the database (spec 05 §4.3 no. 4), and taking out what was found nevertheless. */
import { relatePlan } from '../../core/privacy/plan.ts'
import { treatRow } from '../../core/privacy/treat.ts'
import { StorageError } from '../../errors.ts'
import type { Erasure } from '../../ports/privacy.ts'
import type { Edition, Engine } from '../engine.ts'
import { waitForOthers } from '../slot.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'
import type { LocalCheck } from './pivot.ts'
import { frozenSubject } from './subject.ts'
import { underState } from './under-state.ts'

/** How often histories are looked into while full builds replace them. */
const ATTEMPTS = 5

/** What is left of an erased person, by store. */
export async function verifyErased(
  context: PrivacyContext,
  erasure: Erasure,
): Promise<Readonly<Record<string, LocalCheck>>> {
  const { store } = context.engine
  const editions = await context.editions()
  const subject = frozenSubject(context.digests, erasure)
  const { letters, inputs, checks } = store.log
  const ids = erasure.entities.map(({ id }) => id)
  return {
    ledger: { remaining: await leftInLedger(context, erasure, editions), method: 'scan' },
    identity: { remaining: await leftInIdentity(context, ids), method: 'index' },
    history: { remaining: await leftInHistories(context, erasure, editions), method: 'index' },
    checkpoints: { remaining: await leftInCheckpoints(context, ids, editions), method: 'index' },
    dead_letters: { remaining: await letters.concerning(null, subject), method: 'scan' },
    inbox: { remaining: await inputs.inboxOf(null, subject), method: 'scan' },
    checks: { remaining: ids.length === 0 ? 0 : await checks.samplesOf(null, ids), method: 'scan' },
  }
}

/**
 * Takes out what a verification found in stores of the database. The ledger loses rows that came back whole. Nobody builds
 * meanwhile: what is taken out is not written again from what was read before.
 */
export async function eraseAgain(context: PrivacyContext, erasure: Erasure, call: PrivacyCall): Promise<void> {
  const { engine } = context
  const { store } = engine
  const ids = erasure.entities.map(({ id }) => id)
  const subject = frozenSubject(context.digests, erasure)
  const editions = await context.editions()
  const options = (await store.privacy.request(erasure.requestId))?.options
  await underState(context, call, async (slot) => {
    const rows: { sequence: number; digest: string | null }[] = []
    for await (const found of store.ledger.rows(erasure.emptied)) {
      for (const { sequence, eventId } of found) {
        rows.push({ sequence, digest: options?.suppress ? context.digests.event(eventId) : null })
      }
    }
    await slot.unit('', async (unit) => {
      await store.ledger.holdAppends(unit)
      await store.mapping.lock(unit, { wait: true })
      if (rows.length > 0) await store.ledger.empty(unit, rows)
      if ((await leftInIdentity(context, ids)) > 0) await store.identity.erase(unit, ids)
      for (const { version, program } of editions) {
        const own = { ...unit, version }
        await store.history.remove(own, program.layout, erasure.entities)
        await store.history.remove(own, program.layout, erasure.entities, 'shadow')
        await store.checkpoints.remove(own, ids)
      }
      await store.log.letters.erase(unit, subject)
      await store.log.inputs.eraseInbox(unit, subject)
      await store.log.checks.eraseSamples(unit, ids)
      await store.locks.outdate(unit, 'state')
    })
  })
}

/** Rows that are no tombstones, and rows that would still lose something. */
async function leftInLedger(
  { engine, digests }: PrivacyContext,
  erasure: Erasure,
  editions: readonly Edition[],
): Promise<number> {
  const { ledger } = engine.store
  let left = 0
  for await (const rows of ledger.rows(erasure.emptied)) left += rows.length
  const definitions = editions.map(({ program }) => program.definitions)
  const types = [...new Set(erasure.entities.map(({ type }) => type))]
  const known = new Set(erasure.digests)
  const plans = types.map((type) => relatePlan(definitions, type))
  const subject = frozenSubject(digests, erasure)
  for await (const rows of ledger.rows(erasure.treated)) {
    for (const row of rows) {
      const names = plans.some((plan) => treatRow(row, plan, digests, { known }) !== null)
      if (names || subject.hasHints(row.hints)) left += 1
    }
  }
  return left
}

async function leftInIdentity({ engine }: PrivacyContext, ids: readonly string[]): Promise<number> {
  const { identity, mapping } = engine.store
  const [survivor] = ids
  if (survivor === undefined) return 0
  const hints = await identity.hintsOf(null, ids)
  const mapped = await mapping.existing(null, ids)
  return hints.length + mapped.size + (await identity.family(null, survivor)).length
}

/** What is found goes at once: nobody but the version's own tables could miss it. */
async function leftInHistories(
  { engine }: PrivacyContext,
  erasure: Erasure,
  editions: readonly Edition[],
): Promise<number> {
  let left = 0
  for (const { version, program } of editions) {
    left += await amongBuilds(engine, () =>
      engine.unit(version, async (unit) => {
        const { history } = engine.store
        const live = await history.remove(unit, program.layout, erasure.entities)
        return live + (await history.remove(unit, program.layout, erasure.entities, 'shadow'))
      }),
    )
  }
  return left
}

/** Tables of full builds come and go while they are looked into: what fails then is looked at again. */
async function amongBuilds<T>(engine: Engine, look: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await look()
    } catch (error) {
      if (!(error instanceof StorageError) || attempt === ATTEMPTS) throw error
    }
    await waitForOthers(engine, undefined)
  }
}

async function leftInCheckpoints(
  { engine }: PrivacyContext,
  ids: readonly string[],
  editions: readonly Edition[],
): Promise<number> {
  let left = 0
  for (const { version } of editions) left += (await engine.store.checkpoints.load(null, version, ids)).size
  return left
}
