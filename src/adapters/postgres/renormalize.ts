/**
 * Rewriting ledger rows from `raw` (spec 04 §4.4): new values, and `duplicate_of` recomputed from scratch. Of a row that
 * left the ledger for the archive only what `event_ids` has of it changes here.
 */
import type { NormalizedEvent } from '../../core/event.ts'
import { storedText } from '../../core/stored-text.ts'
import type { Renormalized, RenormalizeResult, Unit } from '../../ports/store.ts'
import { lockHead } from './append.ts'
import { CANONICAL, type HeldTables, holdIdTables, type IdTables } from './id-tables.ts'
import { storedJson } from './json.ts'
import { emptyRows } from './ledger-privacy.ts'
import type { Space } from './space.ts'
import { stage } from './staged-changes.ts'

/*
 * Rows arrive in ascending sequence order, so a canonical row below all of them is final and keeps its id; one above
 * gives way, and is looked at again when its turn comes. Among the rows of one call the lowest with an id wins. The
 * unique index over canonical ids is checked row by row, so rows that lose their id are marked before others take it.
 */

export async function beginRenormalize({ database, names }: Space, unit: Unit): Promise<void> {
  await database.query(
    unit.tx,
    'ledger.beginRenormalize',
    `update ${names.infra('head')} set renormalizing = true, renormalizing_from = coalesce(renormalizing_from, last)`,
  )
}

/**
 * Ends the renormalization. Rows that were appended meanwhile as duplicates of a row which then changed its id get
 * their turn now, in ascending order; no more of them come. Those that repeat one after all are kept no more than at
 * other times.
 */
export async function endRenormalize(space: Space, unit: Unit): Promise<void> {
  const { database, names } = space
  await lockHead(space, unit)
  const tables = await holdIdTables(space, unit)
  // ledger_skipped, then ledger_pkey for each row; or those of event_ids.
  const stray = await database.query(
    unit.tx,
    'ledger.endRenormalize',
    `select d.sequence, d.event_id from ${tables.lookup} d
      cross join lateral (select * from ${tables.lookup} where sequence = d.duplicate_of offset 0) c
      where d.duplicate_of is not null
        and (c.event_id is distinct from d.event_id or c.duplicate_of is not null or c.excluded)
      order by d.sequence`,
  )
  const claims = stray.map(([sequence, id]) => ({ sequence: sequence as number, id: id as string }))
  const found = await claim(space, unit, tables, claims)
  const marks = new Map(claims.map(({ sequence }, i) => [sequence, found[i] ?? null]))
  await mark(space, unit, tables, marks)
  await stageMarks(space, unit, tables, marks)
  // ledger_skipped or event_ids_skipped, a range of it.
  const repeats = await database.query(
    unit.tx,
    'ledger.endRenormalize',
    `select sequence from ${tables.lookup}
      where sequence > (select coalesce(renormalizing_from, last) from ${names.infra('head')})
        and duplicate_of is not null order by sequence`,
  )
  await emptyRows(
    space,
    unit,
    repeats.map(([sequence]) => ({ sequence: sequence as number, digest: null })),
  )
  await database.query(
    unit.tx,
    'ledger.endRenormalize',
    `update ${names.infra('head')} set renormalizing = false, renormalizing_from = null`,
  )
}

export async function renormalize(
  space: Space,
  unit: Unit,
  given: readonly Renormalized[],
): Promise<RenormalizeResult> {
  const tables = await holdIdTables(space, unit)
  const alive = await withoutTombstones(space, unit, tables, given)
  const failed = alive.flatMap(({ sequence, event }) => (event === null ? [sequence] : []))
  const renewed = alive.flatMap(({ sequence, event }) => (event === null ? [] : [{ sequence, event }]))
  // First, so that they hold no ids any more.
  const excluded = await exclude(space, unit, tables, failed)
  const claims = renewed.map(({ sequence, event }) => ({ sequence, id: storedText(event.eventId) }))
  const marks = await claim(space, unit, tables, claims)
  const rows = renewed.map(({ event }, i) => ({ ...(claims[i] as Claim), event, duplicateOf: marks[i] ?? null }))
  const rewritten = await rewrite(space, unit, tables, rows)
  const duplicates = rows.flatMap(({ sequence, duplicateOf }): [number, number][] =>
    duplicateOf === null ? [] : [[sequence, duplicateOf]],
  )
  return { changed: excluded + rewritten, duplicateOf: new Map(duplicates) }
}

interface Claim {
  readonly sequence: number
  readonly id: string
}

interface Rewritten extends Claim {
  readonly event: NormalizedEvent
  readonly duplicateOf: number | null
}

/** Returns how many rows of the ledger had to be written. */
async function rewrite(
  { database, names }: Space,
  unit: Unit,
  { kept }: IdTables,
  rows: readonly Rewritten[],
): Promise<number> {
  if (rows.length === 0) return 0
  const sequences = rows.map(({ sequence }) => sequence)
  const ids = rows.map(({ id }) => id)
  const marks = rows.map(({ duplicateOf }) => duplicateOf)
  if (kept !== null) {
    await database.query(
      unit.tx,
      'ledger.renormalize',
      `update ${kept} l set event_id = n.event_id, duplicate_of = n.duplicate_of, excluded = false
        from unnest($1::bigint[], $2::text[], $3::bigint[]) n (sequence, event_id, duplicate_of)
        where l.sequence = n.sequence and l.sequence between $4 and $5
          and (l.event_id, l.duplicate_of, l.excluded) is distinct from (n.event_id, n.duplicate_of, false)`,
      [sequences, ids, marks, ...reach(sequences)],
    )
  }
  return database.execute(
    unit.tx,
    'ledger.renormalize',
    `update ${names.infra('ledger')} l set event_id = n.event_id, event_type = n.event_type, "timestamp" = n.timestamp,
        data = n.data, resolution_hints = n.hints, kinds = n.kinds, duplicate_of = n.duplicate_of, excluded = false,
        redaction = coalesce(n.redaction, l.redaction)
      from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::jsonb[], $7::json[],
        $8::bigint[], $9::json[]) n (sequence, event_id, event_type, "timestamp", data, hints, kinds, duplicate_of, redaction)
      where l.sequence = n.sequence and l.sequence between $10 and $11
        and (l.event_id, l.event_type, l.timestamp, l.data, l.resolution_hints, l.kinds::text, l.duplicate_of, l.excluded,
          l.redaction::text)
          is distinct from (n.event_id, n.event_type, n.timestamp, n.data, n.hints, n.kinds::text, n.duplicate_of, false,
            coalesce(n.redaction, l.redaction)::text)`,
    [
      sequences,
      ids,
      rows.map(({ event }) => storedText(event.eventType)),
      rows.map(({ event }) => event.timestamp.toString()),
      rows.map(({ event }) => storedJson(event.dataJson)),
      rows.map(({ event }) => storedJson(event.hintsJson)),
      rows.map(({ event }) => event.kindsJson),
      marks,
      rows.map(({ event }) => event.redactionJson ?? null),
      ...reach(sequences),
    ],
  )
}

/**
 * Lowest and highest of some sequences. Rows of one call lie close together, so that a range of ledger_pkey is the best
 * way to them; without it the server may read the whole ledger for each call.
 */
function reach(sequences: readonly number[]): [number, number] {
  return [sequences.reduce((a, b) => Math.min(a, b)), sequences.reduce((a, b) => Math.max(a, b))]
}

/** Replaces hints where they say something else. */
export async function updateHints(
  { database, names }: Space,
  unit: Unit,
  rows: readonly { sequence: number; hintsJson: string }[],
): Promise<void> {
  if (rows.length === 0) return
  const sequences = rows.map(({ sequence }) => sequence)
  await database.query(
    unit.tx,
    'ledger.updateHints',
    `update ${names.infra('ledger')} l set resolution_hints = n.hints
      from unnest($1::bigint[], $2::jsonb[]) n (sequence, hints)
      where l.sequence = n.sequence and l.sequence between $3 and $4 and l.resolution_hints is distinct from n.hints
        and l.event_type is not null`,
    [sequences, rows.map(({ hintsJson }) => storedJson(hintsJson)), ...reach(sequences)],
  )
}

/** Tombstones have no source; they are nobody's to change. */
async function withoutTombstones(
  { database }: Space,
  unit: Unit,
  { lookup }: IdTables,
  given: readonly Renormalized[],
): Promise<Renormalized[]> {
  const rows = await database.query(
    unit.tx,
    'ledger.renormalize',
    `select w.sequence from unnest($1::bigint[]) w (sequence) where exists
      (select 1 from ${lookup} l where l.sequence = w.sequence and l.source is not null offset 0)`,
    [given.map(({ sequence }) => sequence)],
  )
  const alive = new Set(rows.map(([sequence]) => sequence))
  return given.filter(({ sequence }) => alive.has(sequence))
}

/** Returns how many rows of the ledger had to be written. */
async function exclude(
  { database, names }: Space,
  unit: Unit,
  { kept }: IdTables,
  sequences: readonly number[],
): Promise<number> {
  if (sequences.length === 0) return 0
  const run = (table: string): Promise<number> =>
    database.execute(
      unit.tx,
      'ledger.renormalize',
      `update ${table} l set excluded = true, duplicate_of = null
        from unnest($1::bigint[]) n (sequence)
        where l.sequence = n.sequence and l.sequence between $2 and $3 and (not l.excluded or l.duplicate_of is not null)`,
      [sequences, ...reach(sequences)],
    )
  if (kept !== null) await run(kept)
  return run(names.infra('ledger'))
}

/**
 * Decides for rows in ascending order which are canonical (null) and which duplicate a lower sequence, and takes the ids
 * away from other rows that hold them. The rows themselves get their marks from the caller.
 */
async function claim(
  space: Space,
  unit: Unit,
  tables: HeldTables,
  claims: readonly Claim[],
): Promise<(number | null)[]> {
  if (claims.length === 0) return []
  const winners = new Map<string, number>()
  for (const { sequence, id } of claims) if (!winners.has(id)) winners.set(id, sequence)
  const claiming = new Set(claims.map(({ sequence }) => sequence))
  // ledger_event_id or event_ids_event_id for each id.
  const holders = await space.database.query(
    unit.tx,
    'ledger.renormalize',
    `select w.id, l.sequence from unnest($1::text[]) w (id) cross join lateral
      (select sequence from ${tables.lookup} where event_id = w.id and ${CANONICAL} limit 1) l`,
    [[...winners.keys()]],
  )
  const demoted = new Map<number, number>()
  for (const [id, holder] of holders as [string, number][]) {
    const winner = winners.get(id) as number
    if (holder < winner && !claiming.has(holder)) winners.set(id, holder)
    else if (holder !== winner) demoted.set(holder, winner)
  }
  await mark(space, unit, tables, demoted)
  // What becomes of the given rows the caller knows.
  const others = new Map([...demoted].filter(([sequence]) => !claiming.has(sequence)))
  await stageMarks(space, unit, tables, others)
  return claims.map(({ sequence, id }) => {
    const winner = winners.get(id) as number
    return winner === sequence ? null : winner
  })
}

async function mark(
  { database, names }: Space,
  unit: Unit,
  { kept }: IdTables,
  marks: ReadonlyMap<number, number | null>,
): Promise<void> {
  if (marks.size === 0) return
  for (const table of kept === null ? [names.infra('ledger')] : [kept, names.infra('ledger')]) {
    await database.query(
      unit.tx,
      'ledger.renormalize',
      `update ${table} l set duplicate_of = n.duplicate_of
        from unnest($1::bigint[], $2::bigint[]) n (sequence, duplicate_of) where l.sequence = n.sequence`,
      [[...marks.keys()], [...marks.values()]],
    )
  }
}

/** Marks that nobody asked for are carried into the archive if their rows are there, or on their way. */
async function stageMarks(
  space: Space,
  unit: Unit,
  { state }: HeldTables,
  marks: ReadonlyMap<number, number | null>,
): Promise<void> {
  if (state === null) return
  const archived = [...marks].filter(([sequence]) => sequence <= state.claimed)
  const changes = archived.map(([sequence, duplicateOf]) => ({ sequence, change: { duplicateOf } }))
  await stage(space, unit, state.job, changes)
}
