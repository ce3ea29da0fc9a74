/** Adding events to the ledger (spec 04 §2.3, §2.5), and to `event_ids` if it has tiers (spec 07 §4.1). */
import type { NormalizedEvent } from '../../core/event.ts'
import { storedText } from '../../core/stored-text.ts'
import type { AppendGuards, AppendResult, Unit } from '../../ports/store.ts'
import { copyField, type Param } from './connection.ts'
import { CANONICAL, type IdMode, idTables } from './id-tables.ts'
import { storedJson, wellFormedJson } from './json.ts'
import type { Names } from './names.ts'
import type { Space } from './space.ts'

/** Below this many rows one statement with arrays is faster than COPY and the statements around it. */
const COPY_FROM = 50

const COLUMNS = `sequence, event_id, event_type, "timestamp", source, data, resolution_hints, duplicate_of, kinds, redaction, raw`
const ID_COLUMNS = 'sequence, event_id, source, duplicate_of'

interface NewRow {
  readonly sequence: number
  readonly event: NormalizedEvent
  readonly duplicateOf: number | null
}

/** The head lock makes this unit the only one that appends until it ends. */
export async function append(
  space: Space,
  unit: Unit,
  given: readonly NormalizedEvent[],
  guards?: AppendGuards,
): Promise<AppendResult[]> {
  if (given.length === 0) return []
  const head = await lockHead(space, unit)
  const { lookup, kept } = idTables(space.names, head.tiers)
  const events = guards !== undefined && head.treating ? await guards.treated(unit, given) : given
  const digests = guards !== undefined && head.suppressing ? digestsOf(events, guards) : new Map<string, string>()
  const ids = new Set([...events.map((event) => storedText(event.eventId)), ...digests.values()])
  const known = await knownIds(space, unit, lookup, ids)
  const { rows, results } = number(events, head, known, digests)
  if (rows.length > 0) await write(space, unit, kept, rows)
  return results
}

/** What would stand for the event in a tombstone, by the stored text of its id. */
function digestsOf(events: readonly NormalizedEvent[], guards: AppendGuards): Map<string, string> {
  return new Map(events.map(({ eventId }) => [storedText(eventId), guards.digestOf(eventId)]))
}

interface Head {
  readonly last: number
  readonly renormalizing: boolean
  readonly tiers: IdMode
  /** Events that were erased, or that have redacted hints, may come again (spec 05 §4.2 no. 8, §5.3). */
  readonly suppressing: boolean
  readonly treating: boolean
}

export async function lockHead({ database, names }: Space, unit: Unit): Promise<Head> {
  const [row] = await database.query(
    unit.tx,
    'ledger.append',
    `select last, renormalizing, tiers, suppressing, treating from ${names.infra('head')} for no key update`,
  )
  return {
    last: row?.[0] as number,
    renormalizing: row?.[1] as boolean,
    tiers: row?.[2] as IdMode,
    suppressing: row?.[3] as boolean,
    treating: row?.[4] as boolean,
  }
}

/** Canonical sequences of stored event ids. This statement begins after the lock was given, so it sees all rows below the head. */
async function knownIds(
  { database }: Space,
  unit: Unit,
  lookup: string,
  ids: ReadonlySet<string>,
): Promise<Map<string, number>> {
  // One probe of ledger_event_id or event_ids_event_id each, whatever the statistics say.
  const found = await database.query(
    unit.tx,
    'ledger.append',
    `select w.id, l.sequence from unnest($1::text[]) w (id)
      cross join lateral (select sequence from ${lookup}
        where event_id = w.id and ${CANONICAL} limit 1) l`,
    [[...ids]],
  )
  return new Map(found as [string, number][])
}

function number(
  events: readonly NormalizedEvent[],
  { last, renormalizing }: Head,
  known: ReadonlyMap<string, number>,
  digests: ReadonlyMap<string, string>,
): { rows: NewRow[]; results: AppendResult[] } {
  const canonical = new Map(known)
  const rows: NewRow[] = []
  const results = events.map((event): AppendResult => {
    const id = storedText(event.eventId)
    const digest = digests.get(id)
    const erased = digest === undefined ? undefined : known.get(digest)
    if (erased !== undefined) return { sequence: erased, inserted: false }
    const stored = canonical.get(id)
    // While a renormalization runs, a stored row it has not reached yet may be about to give up its id.
    const isRepeat = stored !== undefined && !(renormalizing && stored <= last)
    if (isRepeat) return { sequence: stored, inserted: false }
    const sequence = last + rows.length + 1
    rows.push({ sequence, event, duplicateOf: stored ?? null })
    if (stored === undefined) canonical.set(id, sequence)
    return { sequence, inserted: true }
  })
  return { rows, results }
}

async function write(
  { database, names }: Space,
  unit: Unit,
  kept: string | null,
  rows: readonly NewRow[],
): Promise<void> {
  const ledger = names.infra('ledger')
  const sources = rows.map(({ event }) => event.source)
  const moved = headParams(rows.at(-1)?.sequence ?? 0, sources)
  if (rows.length >= COPY_FROM) {
    await database.copy(unit.tx, 'ledger.append', `copy ${ledger} (${COLUMNS}) from stdin`, copyLines(rows))
    if (kept !== null) {
      await database.copy(unit.tx, 'ledger.append', `copy ${kept} (${ID_COLUMNS}) from stdin`, idLines(rows))
    }
    await database.query(unit.tx, 'ledger.append', `with ${moveHead(names)}`, moved)
    return
  }
  const added = `added as (insert into ${ledger} (${COLUMNS}) select * from unnest($4::bigint[], $5::text[], $6::text[],
    $7::timestamptz[], $8::text[], $9::jsonb[], $10::jsonb[], $11::bigint[], $12::json[], $13::json[], $14::json[]))`
  const alsoKept =
    kept === null
      ? ''
      : `kept as (insert into ${kept} (${ID_COLUMNS})
          select * from unnest($4::bigint[], $5::text[], $8::text[], $11::bigint[])),`
  const fields = rows.map(fieldsOf)
  const columns = COLUMNS.split(',').map((_, i) => fields.map((row) => row[i] ?? null))
  await database.query(unit.tx, 'ledger.append', `with ${added}, ${alsoKept} ${moveHead(names)}`, [
    ...moved,
    ...columns,
  ])
}

/** The end of a statement that adds rows: moves the head and counts by source. Its parameters are those of `headParams`. */
export function moveHead(names: Names): string {
  return `moved as (update ${names.infra('head')} set last = $1)
    insert into ${names.infra('source_counts')} as c (source, events) select * from unnest($2::text[], $3::bigint[])
    on conflict (source) do update set events = c.events + excluded.events`
}

/** $1 to $3 of `moveHead`: the new head, and the source of each added row. */
export function headParams(last: number, sources: readonly string[]): Param[] {
  const counts = new Map<string, number>()
  for (const source of sources) counts.set(source, (counts.get(source) ?? 0) + 1)
  return [last, [...counts.keys()].map(storedText), [...counts.values()]]
}

function* copyLines(rows: readonly NewRow[]): Iterable<string> {
  for (const row of rows) yield fieldsOf(row).map(copyField).join('\t')
}

/** Fields in the order of `ID_COLUMNS`. */
function* idLines(rows: readonly NewRow[]): Iterable<string> {
  for (const { sequence, event, duplicateOf } of rows) {
    const fields = [sequence, storedText(event.eventId), storedText(event.source), duplicateOf]
    yield fields.map(copyField).join('\t')
  }
}

/** In the order of `COLUMNS`. */
function fieldsOf({ sequence, event, duplicateOf }: NewRow): (string | number | null)[] {
  return [
    sequence,
    storedText(event.eventId),
    storedText(event.eventType),
    event.timestamp.toString(),
    storedText(event.source),
    storedJson(event.dataJson),
    storedJson(event.hintsJson),
    duplicateOf,
    event.kindsJson,
    event.redactionJson === undefined ? null : wellFormedJson(event.redactionJson),
    wellFormedJson(event.rawJson),
  ]
}
