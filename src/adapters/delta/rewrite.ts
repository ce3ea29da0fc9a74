/** Changing rows: the files that hold them are replaced, all in one commit (spec 07 §5.6). */
import { StorageError } from '../../errors.ts'
import type { ArchiveRow, RewriteRequest, RewriteResult } from '../../ports/archive.ts'
import type { Action, Add } from './actions.ts'
import { COLUMNS } from './columns.ts'
import { commit, existing } from './commit.ts'
import { type Context, untilCommitted } from './context.ts'
import { NewFile, removeOf, rowsOfFile } from './data-files.ts'
import { lowerBound, prune, sortedSequences } from './plan.ts'
import { snapshotOf, type TableState } from './table-state.ts'

/** What came of one file: its successor, or null if no row changed. */
interface Replacement {
  readonly add: Add | null
  readonly rows: number
}

export async function rewrite(context: Context, request: RewriteRequest): Promise<RewriteResult> {
  const { appId, version } = request.txn
  const sequences = request.sequences === 'all' ? null : sortedSequences(request.sequences)
  // Files never change, so what was made of one stays right while the table changes around it.
  const made = new Map<string, Replacement>()
  let tried: RewriteResult | null = null
  return untilCommitted('rewrite', async () => {
    const state = await existing(context)
    if (state === null) return null
    if ((state.txns.get(appId)?.version ?? -1) >= version) {
      return tried ?? { applied: false, rows: 0, files: 0, version: state.version }
    }
    const replaced = await replaceFiles(context, request, state, sequences, made)
    const rows = replaced.reduce((sum, [, replacement]) => sum + replacement.rows, 0)
    tried = { applied: true, rows, files: replaced.length, version: state.version + 1 }
    const now = context.now().getTime()
    const committed = await commit(context, state, {
      operation: 'UPDATE',
      parameters: {},
      actions: [
        ...replaced.flatMap(([old, { add }]): Action[] => [{ remove: removeOf(old, now, true) }, { add: add! }]),
        { txn: { appId, version, lastUpdated: now } },
      ],
    })
    return committed === null ? null : tried
  })
}

async function replaceFiles(
  context: Context,
  { change }: RewriteRequest,
  state: TableState,
  sequences: readonly number[] | null,
  made: Map<string, Replacement>,
): Promise<[Add, Replacement][]> {
  const planned = prune(snapshotOf(state).files, { after: 0, to: Number.MAX_SAFE_INTEGER, sequences })
  const replaced: [Add, Replacement][] = []
  for (const { file, sequences: inFile } of planned) {
    const old = state.files.get(file.path)!
    const replacement = made.get(file.path) ?? (await replaceFile(context, old, inFile, change))
    made.set(file.path, replacement)
    if (replacement.add !== null) replaced.push([old, replacement])
  }
  return replaced
}

async function replaceFile(
  context: Context,
  old: Add,
  sequences: readonly number[] | null,
  change: RewriteRequest['change'],
): Promise<Replacement> {
  await using file = await NewFile.begin(context)
  let changed = 0
  for await (const rows of rowsOfFile(context, old)) {
    const wanted = sequences === null ? rows : rows.filter(({ sequence }) => includes(sequences, sequence))
    const after = wanted.length === 0 ? [] : await change(wanted)
    assertAligned(wanted, after)
    const next = new Map<number, ArchiveRow>()
    for (const [index, row] of wanted.entries()) if (differ(row, after[index]!)) next.set(row.sequence, after[index]!)
    changed += next.size
    await file.add(next.size === 0 ? rows : rows.map((row) => next.get(row.sequence) ?? row))
  }
  if (changed === 0) return { add: null, rows: 0 }
  const stored = await file.store(true)
  return { add: stored?.add ?? null, rows: changed }
}

const includes = (sorted: readonly number[], wanted: number): boolean => sorted[lowerBound(sorted, wanted)] === wanted

function differ(a: ArchiveRow, b: ArchiveRow): boolean {
  return COLUMNS.some(({ field }) => a[field] !== b[field])
}

/** A row that came back elsewhere or under another sequence would take the place of another one. */
function assertAligned(rows: readonly ArchiveRow[], changed: readonly ArchiveRow[]): void {
  const wrong = rows.find(({ sequence }, index) => changed[index]?.sequence !== sequence)
  if (wrong === undefined && changed.length === rows.length) return
  const where =
    wrong === undefined
      ? `${changed.length - rows.length} rows are new`
      : `sequence ${wrong.sequence} is not in its place`
  throw new StorageError(
    `Changed rows must come back in the same number and order with the same sequences; ${where}. Nothing was changed.`,
    { details: { operation: 'rewrite', driver: 'delta' } },
  )
}
