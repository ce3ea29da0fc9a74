/** Rewriting ledger rows from `raw` (spec 04 §4.4): new values, and `duplicate_of` recomputed from scratch. */
import type { NormalizedEvent } from '../../core/event.ts'
import type { Renormalized, RenormalizeResult } from '../../ports/store.ts'
import type { TierState } from '../../ports/tiers.ts'
import type { Connection, Row } from './connection.ts'
import { canonicalOf } from './event-ids.ts'
import { readHead, type Tiering } from './head.ts'
import { emptyRows } from './ledger-privacy.ts'
import { stage } from './staged.ts'
import { tierState } from './tier-state.ts'

/*
 * Rows arrive in ascending sequence order, so the unique index over canonical ids answers all questions: a canonical
 * row below the current one has been renormalized already and is final; one above has not, gives way, and is looked at
 * again when its turn comes. No second index of ids is needed and uniqueness holds at every commit.
 *
 * In a tiered ledger `event_ids` says the same of every row as the ledger does, and goes on where rows have left it.
 */
const STORED = `select event_id, event_type, timestamp, data, resolution_hints, kinds, duplicate_of, excluded, redaction
  from ledger where sequence = ?`
const UPDATE = `update ledger set event_id = ?, event_type = ?, timestamp = ?, data = ?, resolution_hints = ?, kinds = ?,
  duplicate_of = ?, excluded = 0, redaction = coalesce(?, redaction) where sequence = ?`
const UPDATE_ID = `update event_ids set event_id = ?2, duplicate_of = ?3, excluded = 0
  where sequence = ?1 and (event_id is not ?2 or duplicate_of is not ?3 or excluded = 1)`
const EXCLUDE_ID = `update event_ids set duplicate_of = null, excluded = 1
  where sequence = ? and (duplicate_of is not null or excluded = 0)`

/** What is the same for all rows of a call. */
interface Context {
  readonly connection: Connection
  readonly tiering: Tiering
  /** Null: no row is archived. */
  readonly tiers: TierState | null
}

function contextOf(connection: Connection): Context {
  const { tiering } = readHead(connection)
  return { connection, tiering, tiers: tiering === 'off' ? null : tierState(connection) }
}

export function beginRenormalize(connection: Connection): void {
  connection.run('update head set renormalizing = 1, renormalizing_from = coalesce(renormalizing_from, last)')
}

/**
 * Ends the renormalization. Rows that were appended meanwhile as duplicates of a row which then changed its id get
 * their turn now, in ascending order; those that repeat one after all are kept no more than at other times.
 */
export function endRenormalize(connection: Connection): void {
  const context = contextOf(connection)
  const ids = context.tiering === 'on' ? 'event_ids' : 'ledger'
  const stray = connection.all(`select d.sequence, d.event_id from ${ids} d join ${ids} c on c.sequence = d.duplicate_of
    where d.duplicate_of is not null
      and (c.event_id is not d.event_id or c.duplicate_of is not null or c.excluded = 1) order by d.sequence`)
  for (const [sequence, eventId] of stray as [number, string][]) {
    mark(context, sequence, claim(context, sequence, eventId))
  }
  const [from] = connection.get('select coalesce(renormalizing_from, last) from head') as [number]
  const repeats = connection.all(
    `select sequence from ${ids} where sequence > ? and duplicate_of is not null order by sequence`,
    from,
  )
  emptyRows(
    connection,
    repeats.map(([sequence]) => ({ sequence: sequence as number, digest: null })),
  )
  connection.run('update head set renormalizing = 0, renormalizing_from = null')
}

export function renormalize(connection: Connection, rows: readonly Renormalized[]): RenormalizeResult {
  const context = contextOf(connection)
  const duplicates = new Map<number, number>()
  let changed = 0
  for (const { sequence, event } of rows) {
    const stored = connection.get(STORED, sequence)
    if (!isPresent(context, sequence, stored)) continue
    if (event === null) {
      changed += exclude(context, sequence, stored)
      continue
    }
    const duplicateOf = claim(context, sequence, event.eventId)
    if (duplicateOf !== null) duplicates.set(sequence, duplicateOf)
    changed += rewrite(context, sequence, stored, event, duplicateOf)
  }
  return { changed, duplicateOf: duplicates }
}

/** Tombstones are nobody's to change: they have no type, and no source. */
function isPresent({ connection, tiering }: Context, sequence: number, stored: Row | undefined): boolean {
  if (stored !== undefined) return stored[1] !== null
  if (tiering !== 'on') return false
  return connection.get('select 1 from event_ids where sequence = ? and source is not null', sequence) !== undefined
}

function exclude({ connection, tiering }: Context, sequence: number, stored: Row | undefined): number {
  if (tiering !== 'off') connection.run(EXCLUDE_ID, sequence)
  if (stored === undefined || (stored[7] === 1 && stored[6] === null)) return 0
  return connection.run('update ledger set excluded = 1, duplicate_of = null where sequence = ?', sequence)
}

function rewrite(
  { connection, tiering }: Context,
  sequence: number,
  stored: Row | undefined,
  event: NormalizedEvent,
  duplicateOf: number | null,
): number {
  if (tiering !== 'off') connection.run(UPDATE_ID, sequence, event.eventId, duplicateOf)
  const timestamp = event.timestamp.toString()
  const same =
    stored === undefined ||
    (stored[0] === event.eventId &&
      stored[1] === event.eventType &&
      stored[2] === timestamp &&
      stored[3] === event.dataJson &&
      stored[4] === event.hintsJson &&
      stored[5] === event.kindsJson &&
      stored[6] === duplicateOf &&
      stored[7] === 0 &&
      (event.redactionJson === undefined || stored[8] === event.redactionJson))
  if (same) return 0
  return connection.run(
    UPDATE,
    event.eventId,
    event.eventType,
    timestamp,
    event.dataJson,
    event.hintsJson,
    event.kindsJson,
    duplicateOf,
    event.redactionJson ?? null,
    sequence,
  )
}

/** Makes `sequence` the canonical row of `eventId` (null), or returns the lower sequence that is. */
function claim(context: Context, sequence: number, eventId: string): number | null {
  const canonical = canonicalOf(context.connection, eventId)
  if (canonical === undefined || canonical === sequence) return null
  if (canonical < sequence) return canonical
  mark(context, canonical, sequence)
  return null
}

/** Marks a row that nobody has given: an archived one has to be told, too. */
function mark({ connection, tiering, tiers }: Context, sequence: number, duplicateOf: number | null): void {
  connection.run('update ledger set duplicate_of = ? where sequence = ?', duplicateOf, sequence)
  if (tiering === 'off' || tiers === null) return
  connection.run('update event_ids set duplicate_of = ? where sequence = ?', duplicateOf, sequence)
  if (sequence <= tiers.claimed) stage(connection, tiers.job, [{ sequence, change: { duplicateOf } }])
}
