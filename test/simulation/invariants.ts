/** What holds after every commit to the database and to the archive, whatever has happened (spec 07 §4, research of the tiers). */
import type { ArchiveRow } from '../../src/ports/archive.ts'
import { type HotState, sameRow } from './hot-state.ts'
import type { TableView } from './table-view.ts'
import type { Truth } from './truth.ts'

/** What is wrong, or null. `rotten`: files that are known to have turned bad; what they held is known to be in the database. */
export function broken(
  state: HotState,
  table: TableView,
  truth: Truth,
  rotten: ReadonlyMap<string, unknown>,
): string | null {
  const archived = new Map<number, ArchiveRow>()
  for (const { path, rows } of table.files()) {
    if (rows === null && !rotten.has(path)) return `the live file ${path} is gone or damaged`
    for (const row of rows ?? []) {
      // Of a file that has turned bad those rows count that can still be read.
      if (rotten.has(path) && !isCurrent(state, row, truth.row(row.sequence))) continue
      if (archived.has(row.sequence)) return `sequence ${row.sequence} is live in two files`
      archived.set(row.sequence, row)
    }
  }
  const { pruned, flushed, claimed } = state.tier ?? { pruned: 0, flushed: 0, claimed: 0 }
  if (!(pruned <= flushed && flushed <= claimed && claimed <= state.head)) {
    return `pruned ${pruned}, flushed ${flushed}, claimed ${claimed} and head ${state.head} do not ascend`
  }
  if (flushed > table.boundary) return `flushed is ${flushed}, but the archive ends at ${table.boundary}`
  if (truth.head !== state.head) return `the head is ${state.head} instead of ${truth.head}`
  for (let sequence = 1; sequence <= state.head; sequence += 1) {
    const problem = wrong(state, archived.get(sequence), truth.row(sequence)!, {
      pruned,
      boundary: table.boundary,
      rotten: rotten.size > 0,
    })
    if (problem !== null) return `sequence ${sequence} (pruned ${pruned}, flushed ${flushed}): ${problem}`
  }
  return null
}

function wrong(
  state: HotState,
  archived: ArchiveRow | undefined,
  wanted: ArchiveRow,
  { pruned, boundary, rotten }: { pruned: number; boundary: number; rotten: boolean },
): string | null {
  const { sequence } = wanted
  const hot = state.rows.get(sequence)
  if (sequence <= (rotten ? pruned : boundary) && archived === undefined) return 'the archive lacks it'
  if (sequence > boundary && archived !== undefined) return 'the archive has it beyond its boundary'
  if (sequence > pruned && hot === undefined) return 'the database lacks it'
  if (sequence <= pruned && hot !== undefined) return 'the database still has it'
  if (hot !== undefined && !sameRow(hot, wanted)) return 'the database has an older version'
  if (archived !== undefined && !isCurrent(state, archived, wanted)) {
    return 'the archive has another version and no change of it waits'
  }
  return null
}

/** Is the archived row what it shall be, once everything staged is in the archive? */
function isCurrent({ staged }: HotState, row: ArchiveRow, wanted: ArchiveRow | undefined): boolean {
  const changes = staged.filter(({ sequence }) => sequence === row.sequence)
  let next = row
  for (const { change } of changes) {
    // What was emptied stays so.
    if (next.eventType !== null || change.eventType === null) next = Object.assign({}, next, change)
  }
  return wanted !== undefined && sameRow(next, wanted)
}
