/** Merging neighbouring small files. The table's rows stay the same (`dataChange: false`). */
import type { Action } from './actions.ts'
import { commit } from './commit.ts'
import { type Context, untilCommitted } from './context.ts'
import { NewFile, removeOf, rowsOfFile } from './data-files.ts'
import { compactable } from './plan.ts'
import { snapshotOf } from './table-state.ts'

export function compact(context: Context): Promise<{ before: number; after: number }> {
  const done = { before: 0, after: 0 }
  return untilCommitted(
    'compact',
    async () => {
      const merged = await compactOnce(context)
      if (merged === 0) return done
      done.before += merged ?? 0
      done.after += merged === null ? 0 : 1
      return null
    },
    () => done.after,
  )
}

/** Merges one run of files and returns how many they were; 0 if there is none, null if another commit came between. */
async function compactOnce(context: Context): Promise<number | null> {
  const state = await context.log.newest()
  const run = state === null ? undefined : compactable(snapshotOf(state).files, context.compactBytes)[0]
  if (state === null || run === undefined) return 0
  const old = run.map(({ path }) => state.files.get(path)!)
  await using file = await NewFile.begin(context)
  for (const add of old) for await (const rows of rowsOfFile(context, add)) await file.add(rows)
  const stored = await file.store(false)
  if (stored === null) return 0
  const now = context.now().getTime()
  const removes = old.map((add): Action => ({ remove: removeOf(add, now, false) }))
  const committed = await commit(context, state, {
    operation: 'OPTIMIZE',
    parameters: {},
    actions: [...removes, { add: stored.add }],
  })
  return committed === null ? null : old.length
}
