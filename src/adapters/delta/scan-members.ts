/** Reading rows entity after entity: members first, so that files which none of them needs are not fetched. */
import type { ArchiveFile, ArchiveSnapshot, MemberRow, MembersRequest } from '../../ports/archive.ts'
import type { MemberJoin } from './codec.ts'
import type { Context } from './context.ts'
import { prune } from './plan.ts'
import { columnsOf, withCopies } from './scan.ts'

/** Rows of a chunk, if there are so many. */
const CHUNK = 4_096

export async function* scanMembers(
  context: Context,
  { members, to, columns }: MembersRequest,
  snapshot: ArchiveSnapshot,
): AsyncGenerator<MemberRow[]> {
  const join = await context.codec.joinMembers()
  try {
    const files = await takeMembers(join, members, to, snapshot)
    if (files.length === 0) return
    const wanted = files.map((file) => ({ file, needs: null }))
    const query = { to, columns: columnsOf(columns) }
    yield* inChunks(withCopies(context, wanted, (copies) => join.read({ ...query, files: copies })))
  } finally {
    join.close()
  }
}

/** Gives the join its members; returns the files that may hold rows of theirs. */
async function takeMembers(
  join: MemberJoin,
  members: MembersRequest['members'],
  to: number,
  { files }: ArchiveSnapshot,
): Promise<ArchiveFile[]> {
  const needed = new Set<ArchiveFile>()
  for await (const chunk of members) {
    const sequences = chunk.map(({ sequence }) => sequence)
    for (const { file } of prune(files, { after: 0, to, sequences })) needed.add(file)
    await join.add(chunk)
  }
  return files.filter((file) => needed.has(file) && file.timestamps?.last !== '')
}

async function* inChunks(rows: AsyncIterable<MemberRow[]>): AsyncGenerator<MemberRow[]> {
  let chunk: MemberRow[] = []
  for await (const some of rows) {
    chunk = chunk.length === 0 ? some : chunk.concat(some)
    if (chunk.length < CHUNK) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
