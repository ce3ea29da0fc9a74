/** Whether an archive still has every row that only it has. Pure. */
import type { ArchiveSnapshot } from '../../ports/archive.ts'

/**
 * What is wrong with the rows up to `pruned`, as far as the statistics of the files tell; null if nothing. Other programs
 * can add and delete rows of any Delta table, and nobody must take what is left for the ledger.
 */
export function lossIn(snapshot: ArchiveSnapshot | null, pruned: number): string | null {
  if (pruned === 0) return null
  if (snapshot === null) return 'there is no table any more'
  let last = 0
  for (const { path, rows, sequences } of snapshot.files) {
    // Without statistics nobody can tell before the file is read.
    if (sequences === null || rows === null) return null
    if (rows === 0 || sequences.first > pruned) continue
    if (sequences.first > last + 1) return `no file holds the sequences ${last + 1} to ${sequences.first - 1}`
    if (sequences.first <= last) return `'${path}' repeats sequences of other files`
    if (rows !== sequences.last - sequences.first + 1) {
      return `'${path}' holds ${rows} rows for the sequences ${sequences.first} to ${sequences.last}`
    }
    last = sequences.last
  }
  return last < pruned ? `it ends at sequence ${last}` : null
}
