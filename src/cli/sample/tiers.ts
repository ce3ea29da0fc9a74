/** The sample's archive, and the proof that both tiers answer as one ledger. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ColdLedgerOptions, Defacto, TierStatus } from '../../index.ts'
import type { CheckOutcome } from './checks.ts'
import { ENTITY_TYPES } from './facts.ts'
import type { SamplePlace } from './place.ts'

/** Entities of each type that are replayed. */
const REPLAYED = 10

export interface NamedDatabase {
  readonly database: string
  readonly namespace: string
}

export function sampleCold(place: SamplePlace, named: NamedDatabase | undefined): ColdLedgerOptions {
  return { url: coldFolder(place, named) }
}

/** A database that somebody named has an archive of its own: one folder never serves two spaces. */
export function coldFolder(place: SamplePlace, named: NamedDatabase | undefined): string {
  if (named === undefined) return join(place.state, 'cold')
  // Without user and password, which may change.
  const url = URL.canParse(named.database) ? new URL(named.database) : null
  const where = url === null ? named.database : url.host + url.pathname
  const name = createHash('sha256').update(`${where} ${named.namespace}`).digest('hex').slice(0, 8)
  return join(place.state, `cold-${name}`)
}

/** Entities replayed from all their events, archived and not, are what the tables say. */
export async function tiersAgree(
  defacto: Defacto,
  { hotRows, coldRows }: TierStatus,
): Promise<CheckOutcome & { readonly entities: number }> {
  const ids: string[] = []
  for (const type of ENTITY_TYPES) {
    const id = `${type}_id`
    const rows = await defacto.table(type).select(id).orderBy(id).limit(REPLAYED).rows()
    ids.push(...rows.map((row) => String((row as Record<string, unknown>)[id])))
  }
  const different = await defacto.operations().replayDiffers(ids)
  const problems = [
    ...(different.length === 0 ? [] : [`${different.length} of ${ids.length} entities replay to something else`]),
    ...(hotRows > 0 && coldRows > 0 ? [] : ['one of the tiers is empty']),
  ]
  return {
    name: 'tiers_agree',
    passed: problems.length === 0,
    detail: problems.join('; ') || `${ids.length} entities replayed from both tiers`,
    entities: ids.length,
  }
}
