/**
 * Merging neighbouring small files, and writing anew what other programs wrote: then it is sorted, has a digest and can
 * be read by whoever reads ours. The table's rows stay the same (`dataChange: false`).
 */
import type { ArchiveFile } from '../../ports/archive.ts'
import type { Action } from './actions.ts'
import { commit } from './commit.ts'
import { type Context, untilCommitted } from './context.ts'
import { NewFile, removeOf, rowsOfFile } from './data-files.ts'
import { compactable } from './plan.ts'
import { snapshotOf, type TableState } from './table-state.ts'

interface Counts {
  before: number
  after: number
}

export function compact(context: Context): Promise<Counts> {
  const done: Counts = { before: 0, after: 0 }
  return untilCommitted(
    'compact',
    async () => {
      const state = await context.log.newest()
      const run = state === null ? undefined : nextRun(snapshotOf(state).files, context.compactBytes)
      if (state === null || run === undefined) return done
      const counts = await replaceRun(context, state, run)
      done.before += counts?.before ?? 0
      done.after += counts?.after ?? 0
      return null
    },
    () => done.before,
  )
}

function nextRun(files: readonly ArchiveFile[], targetBytes: number): readonly ArchiveFile[] | undefined {
  const foreign = files.find(({ digest }) => digest === null)
  return compactable(files, targetBytes)[0] ?? (foreign === undefined ? undefined : [foreign])
}

/** Makes one file of a run; null if another commit came between. */
async function replaceRun(context: Context, state: TableState, run: readonly ArchiveFile[]): Promise<Counts | null> {
  const old = run.map(({ path }) => state.files.get(path)!)
  await using file = await NewFile.begin(context)
  for (const add of old) for await (const rows of rowsOfFile(context, add)) await file.add(rows)
  const stored = await file.store(false)
  const now = context.now().getTime()
  const removes = old.map((add): Action => ({ remove: removeOf(add, now, false) }))
  const adds: Action[] = stored === null ? [] : [{ add: stored.add }]
  const committed = await commit(context, state, {
    operation: 'OPTIMIZE',
    parameters: {},
    actions: [...removes, ...adds],
  })
  return committed === null ? null : { before: old.length, after: adds.length }
}
