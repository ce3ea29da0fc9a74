/** The sample's archive: filled, taken out of the database, and proven by a rebuild that reads both tiers. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { BuildResult, ColdLedgerOptions, Defacto, TierStatus } from '../../index.ts'
import type { CheckOutcome } from './checks.ts'
import { factsOf, type SpaceFacts } from './facts.ts'
import type { SamplePlace } from './place.ts'

/** Rows that stay in the database, so that reading the ledger takes both tiers. */
const HOT_ROWS = 1000

export interface NamedDatabase {
  readonly database: string
  readonly namespace: string
}

export function sampleCold(place: SamplePlace, named: NamedDatabase | undefined): ColdLedgerOptions {
  return { url: coldFolder(place, named), retention: { hotRows: HOT_ROWS } }
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

export interface SampleTiers {
  readonly status: TierStatus
  /** After everything was replayed from both tiers. */
  readonly facts: SpaceFacts
  readonly check: CheckOutcome
}

type RunStage = <T>(stage: string, work: () => Promise<T>, detail: (result: T) => string) => Promise<T>

export async function tierSample(
  defacto: Defacto,
  clock: string,
  stage: RunStage,
  signal: AbortSignal,
): Promise<SampleTiers> {
  const { tiers } = defacto.ledger
  const before = await factsOf(defacto)
  await stage(
    'flush',
    () => tiers.flush({ signal }),
    (rows) => (rows === 0 ? 'nothing new: all events were archived before' : `${rows} events archived`),
  )
  await stage(
    'prune',
    () => tiers.prune({ signal }),
    (rows) => (rows === 0 ? 'nothing to remove' : `${rows} events removed from the database`),
  )
  await stage('rebuild', () => defacto.build({ full: true, asOf: clock, signal }), rebuildDetail)
  const facts = await factsOf(defacto)
  const passed = facts.digest === before.digest
  const detail = passed ? 'a rebuild from both tiers gives the same history' : 'a rebuild from both tiers differs'
  return { status: await tiers.status(), facts, check: { name: 'tiers_agree', passed, detail } }
}

function rebuildDetail({ mode, eventsProcessed }: BuildResult): string {
  return `${mode}: ${eventsProcessed} events, from both tiers`
}
