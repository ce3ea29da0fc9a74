/** Rewriting ledger rows from `raw` (spec 04 §4.4): new values, and `duplicate_of` recomputed from scratch. */
import { storedText } from '../../core/stored-text.ts'
import type { Renormalized, Unit } from '../../ports/store.ts'
import { storedJson } from './json.ts'
import type { Space } from './space.ts'

/*
 * Rows arrive in ascending sequence order, so a canonical row below all of them is final and keeps its id; one above
 * gives way, and is looked at again when its turn comes. Among the rows of one call the lowest with an id wins. The
 * unique index over canonical ids is checked row by row, so rows that lose their id are marked before others take it.
 */
const CANONICAL = 'event_id = w.id and duplicate_of is null and not excluded'

export async function beginRenormalize({ database, names }: Space, unit: Unit): Promise<void> {
  await database.query(unit.tx, 'ledger.beginRenormalize', `update ${names.infra('head')} set renormalizing = true`)
}

/**
 * Ends the renormalization. Rows that were appended meanwhile as duplicates of a row which then changed its id get
 * their turn now, in ascending order.
 */
export async function endRenormalize(space: Space, unit: Unit): Promise<void> {
  const { database, names } = space
  const ledger = names.infra('ledger')
  // ledger_skipped, then ledger_pkey for each row.
  const stray = await database.query(
    unit.tx,
    'ledger.endRenormalize',
    `select d.sequence, d.event_id from ${ledger} d
      cross join lateral (select * from ${ledger} where sequence = d.duplicate_of offset 0) c
      where d.duplicate_of is not null
        and (c.event_id is distinct from d.event_id or c.duplicate_of is not null or c.excluded)
      order by d.sequence`,
  )
  const claims = stray.map(([sequence, id]) => ({ sequence: sequence as number, id: id as string }))
  const marks = await claim(space, unit, claims)
  await mark(space, unit, new Map(claims.map(({ sequence }, i) => [sequence, marks[i] ?? null])))
  await database.query(unit.tx, 'ledger.endRenormalize', `update ${names.infra('head')} set renormalizing = false`)
}

/** Returns how many rows changed. */
export async function renormalize(space: Space, unit: Unit, given: readonly Renormalized[]): Promise<number> {
  const alive = await withoutTombstones(space, unit, given)
  const failed = alive.flatMap(({ sequence, event }) => (event === null ? [sequence] : []))
  const renewed = alive.flatMap(({ sequence, event }) => (event === null ? [] : [{ sequence, event }]))
  // First, so that they hold no ids any more.
  const excluded = await exclude(space, unit, failed)
  const claims = renewed.map(({ sequence, event }) => ({ sequence, id: storedText(event.eventId) }))
  const marks = await claim(space, unit, claims)
  if (renewed.length === 0) return excluded
  const { database, names } = space
  const rewritten = await database.execute(
    unit.tx,
    'ledger.renormalize',
    `update ${names.infra('ledger')} l set event_id = n.event_id, event_type = n.event_type, "timestamp" = n.timestamp,
        data = n.data, resolution_hints = n.hints, kinds = n.kinds, duplicate_of = n.duplicate_of, excluded = false
      from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::jsonb[], $7::json[],
        $8::bigint[]) n (sequence, event_id, event_type, "timestamp", data, hints, kinds, duplicate_of)
      where l.sequence = n.sequence and l.sequence between $9 and $10
        and (l.event_id, l.event_type, l.timestamp, l.data, l.resolution_hints, l.kinds::text, l.duplicate_of, l.excluded)
          is distinct from (n.event_id, n.event_type, n.timestamp, n.data, n.hints, n.kinds::text, n.duplicate_of, false)`,
    [
      claims.map(({ sequence }) => sequence),
      claims.map(({ id }) => id),
      renewed.map(({ event }) => storedText(event.eventType)),
      renewed.map(({ event }) => event.timestamp.toString()),
      renewed.map(({ event }) => storedJson(event.dataJson)),
      renewed.map(({ event }) => storedJson(event.hintsJson)),
      renewed.map(({ event }) => event.kindsJson),
      marks,
      ...reach(claims.map(({ sequence }) => sequence)),
    ],
  )
  return excluded + rewritten
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
      where l.sequence = n.sequence and l.sequence between $3 and $4 and l.resolution_hints is distinct from n.hints`,
    [sequences, rows.map(({ hintsJson }) => storedJson(hintsJson)), ...reach(sequences)],
  )
}

/** Tombstones have no type; they are nobody's to change. */
async function withoutTombstones(
  { database, names }: Space,
  unit: Unit,
  given: readonly Renormalized[],
): Promise<Renormalized[]> {
  const rows = await database.query(
    unit.tx,
    'ledger.renormalize',
    `select w.sequence from unnest($1::bigint[]) w (sequence) where exists
      (select 1 from ${names.infra('ledger')} l where l.sequence = w.sequence and l.event_type is not null offset 0)`,
    [given.map(({ sequence }) => sequence)],
  )
  const alive = new Set(rows.map(([sequence]) => sequence))
  return given.filter(({ sequence }) => alive.has(sequence))
}

async function exclude({ database, names }: Space, unit: Unit, sequences: readonly number[]): Promise<number> {
  if (sequences.length === 0) return 0
  return database.execute(
    unit.tx,
    'ledger.renormalize',
    `update ${names.infra('ledger')} l set excluded = true, duplicate_of = null
      from unnest($1::bigint[]) n (sequence)
      where l.sequence = n.sequence and l.sequence between $2 and $3 and (not l.excluded or l.duplicate_of is not null)`,
    [sequences, ...reach(sequences)],
  )
}

/**
 * Decides for rows in ascending order which are canonical (null) and which duplicate a lower sequence, and takes the ids
 * away from other rows that hold them. The rows themselves get their marks from the caller.
 */
async function claim(
  { database, names }: Space,
  unit: Unit,
  claims: readonly { sequence: number; id: string }[],
): Promise<(number | null)[]> {
  if (claims.length === 0) return []
  const winners = new Map<string, number>()
  for (const { sequence, id } of claims) if (!winners.has(id)) winners.set(id, sequence)
  const claiming = new Set(claims.map(({ sequence }) => sequence))
  // ledger_event_id for each id.
  const holders = await database.query(
    unit.tx,
    'ledger.renormalize',
    `select w.id, l.sequence from unnest($1::text[]) w (id) cross join lateral
      (select sequence from ${names.infra('ledger')} where ${CANONICAL} limit 1) l`,
    [[...winners.keys()]],
  )
  const demoted = new Map<number, number>()
  for (const [id, holder] of holders as [string, number][]) {
    const winner = winners.get(id) as number
    if (holder < winner && !claiming.has(holder)) winners.set(id, holder)
    else if (holder !== winner) demoted.set(holder, winner)
  }
  await mark({ database, names }, unit, demoted)
  return claims.map(({ sequence, id }) => {
    const winner = winners.get(id) as number
    return winner === sequence ? null : winner
  })
}

async function mark(
  { database, names }: Pick<Space, 'database' | 'names'>,
  unit: Unit,
  marks: ReadonlyMap<number, number | null>,
): Promise<void> {
  if (marks.size === 0) return
  await database.query(
    unit.tx,
    'ledger.renormalize',
    `update ${names.infra('ledger')} l set duplicate_of = n.duplicate_of
      from unnest($1::bigint[], $2::bigint[]) n (sequence, duplicate_of) where l.sequence = n.sequence`,
    [[...marks.keys()], [...marks.values()]],
  )
}
