/** Reads log and files from end to end as they are stored now, and compares the ones with the other. */
import { StorageError } from '../../errors.ts'
import type { Archive, ArchiveFile, Verified } from '../../ports/archive.ts'
import type { Add } from './actions.ts'
import type { FoundFacts } from './codec.ts'
import type { Context } from './context.ts'
import { compare, fetchFile, inspect } from './data-files.ts'
import { LogReader } from './log-reader.ts'
import { parseStats } from './statistics.ts'
import { DIGEST_TAG, snapshotOf } from './table-state.ts'

type Options = NonNullable<Parameters<Archive['verify']>[0]>

export async function verify(context: Context, { paths, signal, progress }: Options): Promise<Verified> {
  // What this process remembers of the log may be there no more.
  const state = await new LogReader(context.objects, context.codec, context.workspace, async () => {}).newest()
  if (state === null) return { version: -1, files: 0, rows: 0, withoutDigest: 0, problems: [] }
  const snapshot = snapshotOf(state)
  const chosen = snapshot.files.filter(({ path }) => paths === undefined || paths.includes(path))
  const problems: Problem[] = []
  const found = new Map<string, FoundFacts>()
  const total = chosen.reduce((sum, { rows }) => sum + (rows ?? 0), 0)
  let done = 0
  for (const { path, rows } of chosen) {
    signal?.throwIfAborted()
    const answer = await verifyFile(context, state.files.get(path)!)
    if (typeof answer === 'string') problems.push({ path, problem: answer })
    else found.set(path, answer)
    done += rows ?? 0
    progress?.(done, total)
  }
  const ranged = snapshot.files.map((file) => ({ ...file, sequences: file.sequences ?? rangeOf(found.get(file.path)) }))
  return {
    version: snapshot.version,
    files: chosen.length,
    rows: [...found.values()].reduce((sum, { rows }) => sum + rows, 0),
    withoutDigest: chosen.filter(({ digest }) => digest === null).length,
    problems: [...misplaced(ranged), ...problems],
  }
}

type Problem = Verified['problems'][number]

const rangeOf = (facts: FoundFacts | undefined): ArchiveFile['sequences'] =>
  facts === undefined || facts.rows === 0 ? null : { first: facts.first, last: facts.last }

/** What it holds, or what is wrong with it. */
async function verifyFile(context: Context, add: Add): Promise<FoundFacts | string> {
  try {
    await using local = await fetchFile(context, add.path, add.size)
    const found = await inspect(context, add.path, local.path)
    const problems = differences(add, found)
    return problems.length === 0 ? found : problems.join(', ')
  } catch (error) {
    const problem = error instanceof StorageError ? error.details['problem'] : undefined
    if (typeof problem === 'string') return problem
    throw error
  }
}

function differences(add: Add, found: FoundFacts): string[] {
  const { rows, sequences, timestamps } = parseStats(add.stats)
  const digest = add.tags?.[DIGEST_TAG]
  const outside =
    timestamps !== null &&
    found.firstTime !== null &&
    (found.firstTime < timestamps.first || found.lastTime! > timestamps.last)
  const stated = {
    ...found,
    ...(rows === null ? {} : { rows }),
    ...(sequences ?? {}),
    ...(digest === undefined ? {} : { digest }),
  }
  return [
    // Foreign writers may store rows in any order.
    ...compare({ ...found, ascending: found.ascending || digest === undefined }, stated),
    ...(outside ? ['its timestamps lie outside the stated range'] : []),
  ]
}

/**
 * Sequences that two files hold would be read twice, and those that no file holds are lost: the ledger has no gaps. Where
 * a file's range is unknown nobody can tell.
 */
function misplaced(files: readonly ArchiveFile[]): Problem[] {
  const problems: Problem[] = []
  const known = files.flatMap(({ path, rows, sequences }) => (sequences === null ? [] : [{ path, rows, ...sequences }]))
  const complete = files.every(({ rows, sequences }) => rows === 0 || sequences !== null)
  let before: { path: string | null; last: number } = { path: null, last: 0 }
  for (const { path, rows, first, last } of known.sort((a, b) => a.first - b.first)) {
    const gap = complete && first > before.last + 1
    if (first <= before.last) problems.push({ path, problem: `its range overlaps that of '${before.path}'` })
    if (gap)
      problems.push({ path, problem: `no file holds the sequences ${before.last + 1} to ${first - 1} before it` })
    if (rows !== null && rows < last - first + 1) {
      problems.push({
        path,
        problem: `it holds ${rows} rows for the ${last - first + 1} sequences ${first} to ${last}`,
      })
    }
    if (last > before.last) before = { path, last }
  }
  return problems
}
