/** What ledger and identity hold of one person, wherever it lies (spec 05 §4.1, 10 §10): for access and portability. */
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { FullLedgerRow } from '../../ports/store.ts'
import type { Engine } from '../engine.ts'

export interface SubjectIdentity {
  readonly entityId: string
  readonly entityType: string
  readonly hintType: string
  /** A token where it was redacted. */
  readonly value: string
  readonly redacted: boolean
}
export interface SubjectMerge {
  readonly from: string
  readonly into: string
  readonly timestamp: string
  readonly reason: string
}

export interface SubjectData {
  /** The survivor first, then all that were merged into it. */
  readonly entities: readonly FrozenEntity[]
  readonly identity: readonly SubjectIdentity[]
  readonly merges: readonly SubjectMerge[]
  /** How many events there are, those that repeat another one included. */
  readonly eventCount: number
  /** Whole rows of both tiers in order of sequence, in chunks. */
  events(): AsyncIterable<readonly FullLedgerRow[]>
}

/** Null: nobody has this id. */
export async function subjectData({ store }: Engine, entityId: string): Promise<SubjectData | null> {
  const { identity, ledger } = store
  const entities = await identity.family(null, entityId)
  const [survivor] = entities
  if (survivor === undefined) return null
  const ids = entities.map(({ id }) => id)
  const hints = await identity.hintsOf(null, ids)
  const merges: SubjectMerge[] = []
  for (const into of ids) merges.push(...(await identity.mergesInto(into)).map((merge) => ({ ...merge, into })))
  const mapped = (await ledger.eventsFor(survivor.id)).map(({ sequence }) => sequence)
  const sequences = [...new Set([...mapped, ...(await ledger.repeatsOf(null, mapped))])].sort((a, b) => a - b)
  return {
    entities,
    identity: hints.map(({ entityId: of, entityType, hintType, value, redacted }) => {
      return { entityId: of, entityType, hintType, value, redacted }
    }),
    merges: merges.sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1)),
    eventCount: sequences.length,
    events: () => ledger.rows(sequences),
  }
}
