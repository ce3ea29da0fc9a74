/** Appending: one file, one commit, one step of the boundary (spec 07 §4.3, §5.4). */
import { StorageError } from '../../errors.ts'
import type { AppendRequest, AppendResult, ArchiveRow } from '../../ports/archive.ts'
import { commit, existing } from './commit.ts'
import { type Context, untilCommitted } from './context.ts'
import { NewFile } from './data-files.ts'
import { boundaryOf, type TableState } from './table-state.ts'

interface Progress {
  rows: number
  files: number
}

export async function append(context: Context, request: AppendRequest): Promise<AppendResult> {
  const done: Progress = { rows: 0, files: 0 }
  const last = await untilCommitted(
    'append',
    () => appendFromBoundary(context, request, done),
    () => done.files,
  )
  return { ...done, last }
}

/** Archives up to the end of the rows and returns the boundary; null if another commit came between. */
async function appendFromBoundary(context: Context, request: AppendRequest, done: Progress): Promise<number | null> {
  let state = await existing(context)
  if (state === null) return null
  let boundary = boundaryOf(state, request.appId)
  let read = boundary
  let file = await NewFile.begin(context)
  try {
    for await (const rows of request.rows(boundary)) {
      read = following(rows, read)
      await file.add(rows)
      if (file.bytes < context.fileBytes) continue
      state = await commitFile(context, request, file, state, boundary, done)
      if (state === null) return null
      boundary = read
      await file[Symbol.asyncDispose]()
      file = await NewFile.begin(context)
    }
    if (file.rows === 0) return boundary
    return (await commitFile(context, request, file, state, boundary, done)) === null ? null : read
  } finally {
    await file[Symbol.asyncDispose]()
  }
}

/**
 * The state after the file's commit; null if another commit came between. Then the rows in hand may be older than what
 * that one changed in them, so they are asked for again.
 */
async function commitFile(
  context: Context,
  { appId, info }: AppendRequest,
  file: NewFile,
  state: TableState,
  boundary: number,
  done: Progress,
): Promise<TableState | null> {
  const stored = await file.store(true)
  if (stored === null) return state
  const { add, facts } = stored
  const after = await commit(context, state, {
    operation: 'WRITE',
    parameters: { mode: 'Append' },
    info: { ...info, flushFrom: boundary + 1, flushTo: facts.last },
    actions: [{ add }, { txn: { appId, version: facts.last, lastUpdated: context.now().getTime() } }],
  })
  if (after === null) return null
  done.rows += facts.rows
  done.files += 1
  return after.version === state.version + 1 ? after : null
}

/**
 * The last sequence. A row at or below the boundary would be archived twice, and one that is left out never would be: the
 * ledger has no gaps.
 */
function following(rows: readonly ArchiveRow[], before: number): number {
  let last = before
  for (const { sequence } of rows) {
    if (sequence !== last + 1) {
      throw new StorageError(
        `Rows to archive must follow one another without a gap: sequence ${sequence} came where ${last + 1} must follow. Check the ledger they come from; nothing of this file was archived.`,
        { details: { operation: 'append', driver: 'delta', sequence, expected: last + 1 } },
      )
    }
    last = sequence
  }
  return last
}
