/** Whether values of a redacted person are gone from the database (spec 05 §4.3 no. 4), and treating what was found. */
import { identityTreatments } from '../../core/privacy/plan.ts'
import type { FrozenSubject } from '../../ports/erasure.ts'
import type { Erasure } from '../../ports/privacy.ts'
import type { PrivacyContext } from './context.ts'
import type { LocalCheck } from './pivot.ts'

export async function verifyRedacted(
  context: PrivacyContext,
  erasure: Erasure,
  subject: FrozenSubject,
): Promise<Readonly<Record<string, LocalCheck>>> {
  const { store } = context.engine
  return {
    ledger: { remaining: await leftInLedger(context, erasure), method: 'scan' },
    identity: { remaining: await leftInIdentity(context, erasure), method: 'index' },
    dead_letters: { remaining: await store.log.letters.concerning(null, subject), method: 'scan' },
  }
}

/** Takes out what a verification found. */
export async function redactAgain({ engine }: PrivacyContext, subject: FrozenSubject): Promise<void> {
  const { log } = engine.store
  await engine.unit('', (unit) => log.letters.treat(unit, subject))
}

/** A row that was treated says so for good, whatever becomes of it. */
async function leftInLedger({ engine }: PrivacyContext, erasure: Erasure): Promise<number> {
  let left = 0
  for await (const rows of engine.store.ledger.rows(erasure.treated)) {
    for (const { redaction } of rows) if (redaction === null) left += 1
  }
  return left
}

async function leftInIdentity(context: PrivacyContext, erasure: Erasure): Promise<number> {
  const { identity } = context.engine.store
  const request = await context.engine.store.privacy.request(erasure.requestId)
  const ids = erasure.entities.map(({ id }) => id)
  // Without `sticky` new events may bring the plain value back, and are meant to.
  if (ids.length === 0 || request?.options.sticky === false) return 0
  const definitions = (await context.editions()).map(({ program }) => program.definitions)
  const frozen = new Set(erasure.digests)
  const hints = await identity.hintsOf(null, ids)
  return hints.filter(({ redacted, entityType, hintType, value }) => {
    const isTreated = !redacted && identityTreatments(definitions, entityType).has(hintType)
    return isTreated && frozen.has(context.digests.token(value))
  }).length
}
