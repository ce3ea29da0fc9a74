/** Adding events to the ledger (spec 04 §2.3, §2.5). */
import type { NormalizedEvent } from '../../core/event.ts'
import { storedText } from '../../core/stored-text.ts'
import type { AppendResult, Unit } from '../../ports/store.ts'
import { copyField, type Param } from './connection.ts'
import { storedJson, wellFormedJson } from './json.ts'
import type { Space } from './space.ts'

/** Below this many rows one statement with arrays is faster than COPY and the statements around it. */
const COPY_FROM = 50

const COLUMNS = `sequence, event_id, event_type, "timestamp", source, data, resolution_hints, duplicate_of, kinds, raw`

interface NewRow {
  readonly sequence: number
  readonly event: NormalizedEvent
  readonly duplicateOf: number | null
}

/** The head lock makes this unit the only one that appends until it ends. */
export async function append(space: Space, unit: Unit, events: readonly NormalizedEvent[]): Promise<AppendResult[]> {
  if (events.length === 0) return []
  const head = await lockHead(space, unit)
  const known = await knownIds(space, unit, events)
  const { rows, results } = number(events, head, known)
  if (rows.length > 0) await write(space, unit, rows)
  return results
}

interface Head {
  readonly last: number
  readonly renormalizing: boolean
}

export async function lockHead({ database, names }: Space, unit: Unit): Promise<Head> {
  const [row] = await database.query(
    unit.tx,
    'ledger.append',
    `select last, renormalizing from ${names.infra('head')} for no key update`,
  )
  return { last: row?.[0] as number, renormalizing: row?.[1] as boolean }
}

/** Canonical sequences of stored event ids. This statement begins after the lock was given, so it sees all rows below the head. */
async function knownIds(
  { database, names }: Space,
  unit: Unit,
  events: readonly NormalizedEvent[],
): Promise<Map<string, number>> {
  // One probe of ledger_event_id each, whatever the statistics say.
  const found = await database.query(
    unit.tx,
    'ledger.append',
    `select w.id, l.sequence from unnest($1::text[]) w (id)
      cross join lateral (select sequence from ${names.infra('ledger')}
        where event_id = w.id and duplicate_of is null and not excluded limit 1) l`,
    [[...new Set(events.map((event) => storedText(event.eventId)))]],
  )
  return new Map(found as [string, number][])
}

function number(
  events: readonly NormalizedEvent[],
  { last, renormalizing }: Head,
  known: ReadonlyMap<string, number>,
): { rows: NewRow[]; results: AppendResult[] } {
  const canonical = new Map(known)
  const rows: NewRow[] = []
  const results = events.map((event): AppendResult => {
    const id = storedText(event.eventId)
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

async function write(space: Space, unit: Unit, rows: readonly NewRow[]): Promise<void> {
  const { database, names } = space
  const ledger = names.infra('ledger')
  const counts = new Map<string, number>()
  for (const { event } of rows) counts.set(event.source, (counts.get(event.source) ?? 0) + 1)
  const totals: Param[] = [rows.at(-1)?.sequence ?? 0, [...counts.keys()].map(storedText), [...counts.values()]]
  const count = `moved as (update ${names.infra('head')} set last = $1)
    insert into ${names.infra('source_counts')} as c (source, events) select * from unnest($2::text[], $3::bigint[])
    on conflict (source) do update set events = c.events + excluded.events`
  if (rows.length >= COPY_FROM) {
    await database.copy(unit.tx, 'ledger.append', `copy ${ledger} (${COLUMNS}) from stdin`, copyLines(rows))
    await database.query(unit.tx, 'ledger.append', `with ${count}`, totals)
    return
  }
  const added = `added as (insert into ${ledger} (${COLUMNS}) select * from unnest($4::bigint[], $5::text[], $6::text[],
    $7::timestamptz[], $8::text[], $9::jsonb[], $10::jsonb[], $11::bigint[], $12::json[], $13::json[]))`
  const fields = rows.map(fieldsOf)
  const columns = COLUMNS.split(',').map((_, i) => fields.map((row) => row[i] ?? null))
  await database.query(unit.tx, 'ledger.append', `with ${added}, ${count}`, [...totals, ...columns])
}

function* copyLines(rows: readonly NewRow[]): Iterable<string> {
  for (const row of rows) yield fieldsOf(row).map(copyField).join('\t')
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
    wellFormedJson(event.rawJson),
  ]
}
