import { expect, test } from 'vitest'
import { lossIn } from '../../src/adapters/tiered/whole.ts'
import type { ArchiveFile, ArchiveSnapshot } from '../../src/ports/archive.ts'

function file(first: number, last: number, rows: number | null = last - first + 1): ArchiveFile {
  return { path: `${first}-${last}`, bytes: 1, rows, sequences: { first, last }, timestamps: null, digest: null }
}

function snapshot(...files: ArchiveFile[]): ArchiveSnapshot {
  return { version: 1, tableId: 't', files, txns: new Map(), rows: 0, bytes: 0, last: 0 }
}

test.each<[string, ArchiveSnapshot | null, number, RegExp | null]>([
  ['nothing has left the database', null, 0, null],
  ['the table is gone', null, 3, /no table/],
  ['one file has all', snapshot(file(1, 10)), 10, null],
  ['several files have all', snapshot(file(1, 10), file(11, 12)), 12, null],
  ['what the database still has may be missing', snapshot(file(1, 10), file(15, 16)), 10, null],
  ['rows of others behind all that left', snapshot(file(1, 10), file(100, 110, 3)), 10, null],
  ['it begins too late', snapshot(file(2, 10)), 10, /no file holds the sequences 1 to 1$/],
  ['a gap between files', snapshot(file(1, 4), file(7, 10)), 10, /no file holds the sequences 5 to 6$/],
  ['it ends too early', snapshot(file(1, 9)), 10, /ends at sequence 9$/],
  ['deleted rows within a file', snapshot(file(1, 10, 9)), 10, /'1-10' holds 9 rows/],
  ['added rows within the range', snapshot(file(1, 10), file(4, 5)), 10, /'4-5' repeats/],
  ['an emptied file says nothing', snapshot(file(1, 10), file(3, 3, 0)), 10, null],
  ['files that do not say what they hold', snapshot({ ...file(1, 4), sequences: null }), 10, null],
])('%s', (_title, given, pruned, expected) => {
  const loss = lossIn(given, pruned)
  if (expected === null) expect(loss).toBeNull()
  else expect(loss).toMatch(expected)
})
