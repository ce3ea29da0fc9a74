/** Reads every file from end to end and compares it with what the log says of it. */
import { StorageError } from '../../errors.ts'
import type { Verified } from '../../ports/archive.ts'
import type { Add } from './actions.ts'
import type { FoundFacts } from './codec.ts'
import type { Context } from './context.ts'
import { compare, fetchFile, inspect } from './data-files.ts'
import { parseStats } from './statistics.ts'
import { DIGEST_TAG, snapshotOf, type TableState } from './table-state.ts'

export async function verify(context: Context, { paths }: { paths?: readonly string[] }): Promise<Verified> {
  const state = await context.log.newest()
  if (state === null) return { version: -1, files: 0, rows: 0, withoutDigest: 0, problems: [] }
  const snapshot = snapshotOf(state)
  const chosen = snapshot.files.filter(({ path }) => paths === undefined || paths.includes(path))
  const problems = overlaps(state)
  let [rows, withoutDigest] = [0, 0]
  for (const { path } of chosen) {
    const add = state.files.get(path)!
    const answer = await verifyFile(context, add)
    if (add.tags?.[DIGEST_TAG] === undefined) withoutDigest += 1
    if (typeof answer === 'string') problems.push({ path, problem: answer })
    else rows += answer
  }
  return { version: snapshot.version, files: chosen.length, rows, withoutDigest, problems }
}

/** Its rows, or what is wrong with it. */
async function verifyFile(context: Context, add: Add): Promise<number | string> {
  try {
    await using local = await fetchFile(context, add.path, add.size)
    const found = await inspect(context, add.path, local.path)
    const problems = differences(add, found)
    return problems.length === 0 ? found.rows : problems.join(', ')
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

/** A sequence in two live files would be read twice. */
function overlaps(state: TableState): { path: string; problem: string }[] {
  const problems: { path: string; problem: string }[] = []
  let before: { path: string; last: number } | null = null
  for (const { path, sequences } of snapshotOf(state).files) {
    if (sequences === null) continue
    if (before !== null && sequences.first <= before.last) {
      problems.push({ path, problem: `its range overlaps that of '${before.path}'` })
    }
    if (before === null || sequences.last > before.last) before = { path, last: sequences.last }
  }
  return problems
}
