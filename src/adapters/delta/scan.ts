/** Reading rows: only files and row groups that may hold wanted ones, group after group of files that overlap. */
import type { ArchiveColumn, ArchiveFile, ArchiveRow, ArchiveSnapshot, ScanRequest } from '../../ports/archive.ts'
import { CodecError, type LocalCopy, type ReadQuery } from './codec.ts'
import { COLUMNS } from './columns.ts'
import { type Context, damagedFile } from './context.ts'
import type { Needs } from './file-copy.ts'
import { groups, holds, type Planned, prune, sortedSequences, type Wanted } from './plan.ts'

/** Files fetched at the same time. */
const PARALLEL = 4

type Query = Pick<ReadQuery, 'after' | 'to' | 'columns'> & { readonly order: 'sequence' | 'time' }

export async function* scan(
  context: Context,
  request: ScanRequest,
  snapshot: ArchiveSnapshot,
): AsyncGenerator<ArchiveRow[]> {
  const { after = 0, to = Number.MAX_SAFE_INTEGER, order = 'sequence' } = request
  const sequences = request.sequences === undefined ? null : sortedSequences(request.sequences)
  const columns = columnsOf(request.columns)
  const planned = prune(snapshot.files, { after, to, sequences }).filter(
    // Nothing but tombstones, which have no place in time.
    ({ file }) => order === 'sequence' || file.timestamps?.last !== '',
  )
  for (const group of groups(planned, order)) yield* scanGroup(context, group, { after, to, order, columns })
}

/** In the order of the table; `sequence` is always read. */
export function columnsOf(wanted: readonly ArchiveColumn[] | undefined): ArchiveColumn[] {
  return COLUMNS.map(({ field }) => field).filter(
    (field) => wanted === undefined || field === 'sequence' || wanted.includes(field),
  )
}

function scanGroup(context: Context, group: readonly Planned[], query: Query): AsyncGenerator<ArchiveRow[]> {
  const wanted = group.map((planned) => ({ file: planned.file, needs: needsOf(planned, query) }))
  return withCopies(context, wanted, (files) => {
    const sorted = query.order === 'sequence' && group.length === 1 && group[0]!.file.digest !== null
    return context.codec.read({ ...query, order: sorted ? 'file' : query.order, files, sequences: wantedIn(group) })
  })
}

/** Null if all rows of the file are wanted, or if it cannot be told. */
function needsOf({ file, sequences }: Planned, { after, to }: Pick<Wanted, 'after' | 'to'>): Needs | null {
  if (file.sequences === null) return null
  const { first, last } = file.sequences
  if (sequences === null && after < first && to >= last) return null
  return (group) => holds(group, { after, to, sequences })
}

/** What `read` makes of local copies of the files, which are there until it ends. */
export async function* withCopies<T>(
  context: Context,
  wanted: readonly { readonly file: ArchiveFile; readonly needs: Needs | null }[],
  read: (files: readonly LocalCopy[]) => AsyncIterable<T>,
): AsyncGenerator<T> {
  await using copies = new AsyncDisposableStack()
  const files: LocalCopy[] = []
  for (let at = 0; at < wanted.length; at += PARALLEL) {
    const fetched = await Promise.allSettled(
      wanted.slice(at, at + PARALLEL).map(({ file, needs }) => context.local.use(file, needs)),
    )
    for (const one of fetched) if (one.status === 'fulfilled') files.push(copies.use(one.value))
    const failed = fetched.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
  try {
    yield* read(files)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    const paths = wanted.map(({ file }) => file.path)
    for (const path of paths) context.local.forget(path)
    throw damagedFile(paths.join("', '"), error.message, error)
  }
}

function wantedIn(group: readonly Planned[]): readonly number[] | null {
  const lists = group.map(({ sequences }) => sequences)
  if (lists.some((list) => list === null)) return null
  return lists.length === 1 ? lists[0]! : sortedSequences(lists.flatMap((list) => list ?? []))
}
