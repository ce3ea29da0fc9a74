/** How the event ids of a ledger get into `event_ids` (spec 07 §4.1): from the ledger, and from the archive. */
import { storedText } from '../../core/stored-text.ts'
import { StorageError } from '../../errors.ts'
import type { Unit } from '../../ports/store.ts'
import type { EventIdRow } from '../../ports/tiers.ts'
import { BEGUN, tierRows } from '../sql/tier-state.ts'
import { headParams, lockHead, moveHead } from './append.ts'
import { copyField } from './connection.ts'
import type { Space } from './space.ts'
import { lockState, putState, readState } from './tier-state.ts'

/** From here on appends write `event_ids` too. Changes of ids that run end first, and later ones know. */
export async function beginIds(space: Space, unit: Unit): Promise<void> {
  const { database, names } = space
  if ((await readState(space, unit)) !== null) return
  const head = names.infra('head')
  const [row] = await database.query(unit.tx, 'tiers.begin', `select tiers from ${head} for update`)
  if (row?.[0] !== 'off') return
  await database.query(unit.tx, 'tiers.begin', `update ${head} set tiers = 'filling'`)
  // All keys are there from now on, so that those who lock them all see the same.
  const rows = tierRows(BEGUN)
  await database.query(
    unit.tx,
    'tiers.begin',
    `insert into ${names.infra('tiered_state')} (key, value) select * from unnest($1::text[], $2::text[])`,
    [rows.map(([key]) => key), rows.map(([, value]) => value)],
  )
}

/** Adds the next rows to `event_ids`; true if none is missing any more. */
export async function fillIds(space: Space, unit: Unit, limit: number): Promise<boolean> {
  const { database, names } = space
  const begun = await readState(space, unit)
  if (begun === null) {
    throw new StorageError('tiers.fill: the ledger has one tier; begin first', { details: { operation: 'tiers.fill' } })
  }
  if (begun.filled === null) return true
  const end = await fillEnd(space, unit, begun.filled)
  const finishes = end - begun.filled <= limit
  // Whoever locks both locks the head first.
  if (finishes) await lockHead(space, unit)
  const filled = (await lockState(space, unit))?.filled ?? null
  if (filled === null) return true
  const to = Math.min(filled + limit, end)
  await database.query(
    unit.tx,
    'tiers.fill',
    `insert into ${names.infra('event_ids')} (sequence, event_id, source, duplicate_of, excluded)
      select sequence, event_id, source, duplicate_of, excluded from ${names.infra('ledger')}
      where sequence > $1 and sequence <= $2`,
    [filled, to],
  )
  await putState(space, unit, { filled: finishes ? null : to })
  if (finishes) await database.query(unit.tx, 'tiers.fill', `update ${names.infra('head')} set tiers = 'on'`)
  return finishes
}

/** The last row that was stored before `event_ids` was begun: appends have added all later ones. */
async function fillEnd({ database, names }: Space, unit: Unit, filled: number): Promise<number> {
  const [row] = await database.query(
    unit.tx,
    'tiers.fill',
    `select coalesce((select min(sequence) - 1 from ${names.infra('event_ids')} where sequence > $1), last)
      from ${names.infra('head')}`,
    [filled],
  )
  return row?.[0] as number
}

/** Takes over rows whose content only the archive has. */
export async function adoptIds(space: Space, unit: Unit, rows: readonly EventIdRow[]): Promise<void> {
  if (rows.length === 0) return
  const { database, names } = space
  const { last, tiers } = await lockHead(space, unit)
  const details = { operation: 'tiers.adopt' }
  if (tiers !== 'on') {
    throw new StorageError('tiers.adopt: event ids are not kept yet; begin, and fill until all are there', { details })
  }
  const gap = rows.findIndex(({ sequence }, i) => sequence !== last + 1 + i)
  if (gap !== -1) {
    throw new StorageError(
      `tiers.adopt: row ${rows[gap]?.sequence} does not follow row ${last + gap}; adopt rows in order and without gaps`,
      { details: { ...details, sequence: rows[gap]?.sequence, expected: last + 1 + gap } },
    )
  }
  await database.copy(
    unit.tx,
    'tiers.adopt',
    `copy ${names.infra('event_ids')} (sequence, event_id, source, duplicate_of, excluded) from stdin`,
    copyLines(rows),
  )
  const sources = rows.flatMap(({ source }) => (source === null ? [] : [source]))
  await database.query(unit.tx, 'tiers.adopt', `with ${moveHead(names)}`, headParams(last + rows.length, sources))
}

function* copyLines(rows: readonly EventIdRow[]): Iterable<string> {
  for (const { sequence, eventId, source, duplicateOf, excluded } of rows) {
    const texts = [eventId, source].map((text) => (text === null ? null : storedText(text)))
    yield [sequence, ...texts, duplicateOf, excluded].map(copyField).join('\t')
  }
}
