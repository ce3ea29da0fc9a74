/** Reading rows: only files and row groups that may hold wanted ones, group after group of files that overlap. */
import type { ArchiveRow, ArchiveSnapshot, ScanRequest } from '../../ports/archive.ts'
import { CodecError, type ReadQuery } from './codec.ts'
import { COLUMNS } from './columns.ts'
import { type Context, damagedFile } from './context.ts'
import { fetchFile } from './data-files.ts'
import { groups, type Planned, prune, sortedSequences } from './plan.ts'

/** Files of a group fetched at the same time. */
const PARALLEL = 4

type Query = Pick<ReadQuery, 'after' | 'to' | 'columns'> & { readonly order: 'sequence' | 'time' }

export async function* scan(
  context: Context,
  request: ScanRequest,
  snapshot: ArchiveSnapshot,
): AsyncGenerator<ArchiveRow[]> {
  const { after = 0, to = Number.MAX_SAFE_INTEGER, order = 'sequence' } = request
  const sequences = request.sequences === undefined ? null : sortedSequences(request.sequences)
  const wanted = request.columns
  const columns = COLUMNS.map(({ field }) => field).filter(
    (field) => wanted === undefined || field === 'sequence' || wanted.includes(field),
  )
  const planned = prune(snapshot.files, { after, to, sequences }).filter(
    // Nothing but tombstones, which have no place in time.
    ({ file }) => order === 'sequence' || file.timestamps?.last !== '',
  )
  for (const group of groups(planned, order)) yield* scanGroup(context, group, { after, to, order, columns })
}

async function* scanGroup(context: Context, group: readonly Planned[], query: Query): AsyncGenerator<ArchiveRow[]> {
  await using copies = new AsyncDisposableStack()
  const files: string[] = []
  for (let at = 0; at < group.length; at += PARALLEL) {
    const fetched = await Promise.allSettled(
      group.slice(at, at + PARALLEL).map(({ file }) => fetchFile(context, file.path, file.bytes)),
    )
    for (const one of fetched) if (one.status === 'fulfilled') files.push(copies.use(one.value).path)
    const failed = fetched.find((one) => one.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
  try {
    const sorted = query.order === 'sequence' && group.length === 1 && group[0]!.file.digest !== null
    yield* context.codec.read({ ...query, order: sorted ? 'file' : query.order, files, sequences: wantedIn(group) })
  } catch (error) {
    if (error instanceof CodecError)
      throw damagedFile(group.map(({ file }) => file.path).join("', '"), error.message, error)
    throw error
  }
}

function wantedIn(group: readonly Planned[]): readonly number[] | null {
  const lists = group.map(({ sequences }) => sequences)
  if (lists.some((list) => list === null)) return null
  return lists.length === 1 ? lists[0]! : sortedSequences(lists.flatMap((list) => list ?? []))
}
