/** Rows that are emptied or treated (spec 05 §4.2, §5), in the ledger and in `event_ids`, and those that belong to them. */
import { emptied } from '../../ports/archive.ts'
import type { TreatedRow, Unit } from '../../ports/store.ts'
import { lockHead } from './append.ts'
import { CANONICAL, holdIdTables } from './id-tables.ts'
import { storedJson, wellFormedJson } from './json.ts'
import type { Names } from './names.ts'
import type { Space } from './space.ts'
import { forget, stage } from './staged-changes.ts'

/** From the end of the unit on appends ask. The head is written only if that is new. */
export async function guard(
  { database, names }: Space,
  unit: Unit,
  { suppressing = false, treating = false }: { readonly suppressing?: boolean; readonly treating?: boolean },
): Promise<void> {
  await database.query(
    unit.tx,
    'ledger.guard',
    `update ${names.infra('head')} set suppressing = suppressing or $1, treating = treating or $2
      where (not suppressing and $1) or (not treating and $2)`,
    [suppressing, treating],
  )
}

interface Emptied {
  readonly sequence: number
  readonly digest: string | null
}

/**
 * Returns how many were no tombstones before. Appends count by source, too, so none of them runs meanwhile. Archived rows
 * are told, too; what else waited for them says too much.
 */
export async function emptyRows(space: Space, unit: Unit, given: readonly Emptied[]): Promise<number> {
  if (given.length === 0) return 0
  const { database, names } = space
  const operation = 'ledger.empty'
  await lockHead(space, unit)
  const { lookup, kept, state } = await holdIdTables(space, unit)
  // ledger_pkey and ledger_event_id, or those of event_ids, for each row.
  const found = await database.query(
    unit.tx,
    operation,
    `select w.sequence, w.digest, l.source, l.event_id, c.sequence
      from unnest($1::bigint[], $2::text[]) w (sequence, digest)
      cross join lateral (select source, event_id from ${lookup} where sequence = w.sequence offset 0) l
      left join lateral (select sequence from ${lookup} where event_id = w.digest and ${CANONICAL} limit 1) c on true
      order by w.sequence`,
    [given.map(({ sequence }) => sequence), given.map(({ digest }) => digest)],
  )
  const { rows, counts } = plan(found as Found[])
  if (rows.length === 0) return 0
  const params = [rows.map(({ sequence }) => sequence), rows.map(({ digest }) => digest)]
  await database.query(
    unit.tx,
    operation,
    `update ${names.infra('ledger')} l set event_id = n.digest, event_type = null, "timestamp" = null, source = null,
        data = null, resolution_hints = null, duplicate_of = null, excluded = false, kinds = null, redaction = null,
        raw = null
      from unnest($1::bigint[], $2::text[]) n (sequence, digest) where l.sequence = n.sequence`,
    params,
  )
  if (kept !== null) {
    await database.query(
      unit.tx,
      operation,
      `update ${kept} l set event_id = n.digest, source = null, duplicate_of = null, excluded = false
        from unnest($1::bigint[], $2::text[]) n (sequence, digest) where l.sequence = n.sequence`,
      params,
    )
  }
  const archived = rows.filter(({ sequence }) => sequence <= (state?.claimed ?? 0))
  if (state !== null && archived.length > 0) {
    await forget(space, unit, archived)
    const changes = archived.map(({ sequence, digest }) => ({ sequence, change: emptied(digest) }))
    await stage(space, unit, state.job, changes)
  }
  await database.query(
    unit.tx,
    operation,
    `update ${names.infra('source_counts')} c set events = c.events - n.events
      from unnest($1::text[], $2::bigint[]) n (source, events) where c.source = n.source`,
    [[...counts.keys()], [...counts.values()]],
  )
  return [...counts.values()].reduce((sum, events) => sum + events, 0)
}

/** Source and id of a row that there is, and which row has the digest already. Texts as they are stored. */
type Found = [sequence: number, digest: string | null, source: string | null, id: string | null, holder: number | null]

/** Repeats have one digest; the first of them has it. What a tombstone refuses, it goes on to refuse. */
function plan(found: readonly Found[]): { rows: Emptied[]; counts: Map<string, number> } {
  const rows: Emptied[] = []
  const counts = new Map<string, number>()
  const held = new Set<string>()
  const seen = new Set<number>()
  for (const [sequence, wanted, source, id, holder] of found) {
    const free = wanted !== null && !held.has(wanted) && (holder === null || holder === sequence)
    const digest = free ? wanted : null
    if (seen.has(sequence) || (source === null && (digest === null || id !== null))) continue
    seen.add(sequence)
    if (digest !== null) held.add(digest)
    rows.push({ sequence, digest })
    if (source !== null) counts.set(source, (counts.get(source) ?? 0) + 1)
  }
  return { rows, counts }
}

export async function treatRows({ database, names }: Space, unit: Unit, rows: readonly TreatedRow[]): Promise<void> {
  if (rows.length === 0) return
  await database.query(
    unit.tx,
    'ledger.treat',
    `update ${names.infra('ledger')} l set data = n.data, raw = n.raw, resolution_hints = n.hints, kinds = n.kinds,
        redaction = n.redaction
      from unnest($1::bigint[], $2::jsonb[], $3::json[], $4::jsonb[], $5::json[], $6::json[])
        n (sequence, data, raw, hints, kinds, redaction)
      where l.sequence = n.sequence and l.event_type is not null`,
    [
      rows.map(({ sequence }) => sequence),
      rows.map(({ data }) => storedJson(data)),
      rows.map(({ raw }) => wellFormedJson(raw)),
      rows.map(({ hints }) => storedJson(hints)),
      rows.map(({ kinds }) => kinds),
      rows.map(({ redaction }) => wellFormedJson(redaction)),
    ],
  )
}

/** Sequences of rows that repeat one of these. */
export async function repeatsOf(
  { database, names }: Space,
  unit: Unit | null,
  sequences: readonly number[],
): Promise<number[]> {
  // ledger_duplicates or event_ids_duplicates; the server asks the head once.
  const half = (table: 'ledger' | 'event_ids', mode: string): string =>
    `select sequence from ${names.infra(table)}
      where duplicate_of = any ($1::bigint[]) and duplicate_of is not null and ${modeOf(names)} ${mode}`
  const rows = await database.query(
    unit?.tx,
    'ledger.repeatsOf',
    `${half('ledger', "<> 'on'")} union all ${half('event_ids', "= 'on'")} order by 1`,
    [sequences],
  )
  return rows.map(([sequence]) => sequence as number)
}

/** The next sequences of excluded rows. */
export async function excludedAfter({ database, names }: Space, after: number, limit: number): Promise<number[]> {
  // ledger_skipped or event_ids_skipped, a range of it.
  const half = (table: 'ledger' | 'event_ids', mode: string): string =>
    `(select sequence from ${names.infra(table)} where excluded and sequence > $1 and ${modeOf(names)} ${mode}
      order by sequence limit $2)`
  const rows = await database.query(
    null,
    'ledger.excluded',
    `${half('ledger', "<> 'on'")} union all ${half('event_ids', "= 'on'")} order by 1`,
    [after, limit],
  )
  return rows.map(([sequence]) => sequence as number)
}

function modeOf(names: Names): string {
  return `(select tiers from ${names.infra('head')})`
}
