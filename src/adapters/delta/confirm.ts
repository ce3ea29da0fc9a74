/** Compares a range of the table with rows that it must hold, before anybody deletes them elsewhere (spec 07 §4.3). */
import { StorageError } from '../../errors.ts'
import type { ArchiveRow, ConfirmRequest } from '../../ports/archive.ts'
import type { Add } from './actions.ts'
import { CodecError } from './codec.ts'
import { COLUMNS } from './columns.ts'
import { type Context, damagedFile } from './context.ts'
import { missing } from './data-files.ts'
import { objectPath } from './log-names.ts'
import { type ByteSource, readSecond } from './parquetjs.ts'
import { prune } from './plan.ts'
import { rowDigest } from './row-digest.ts'
import { DIGEST_TAG, snapshotOf } from './table-state.ts'

/** The given rows must be the archived ones, one for one, each with the sequence after that of the one before. */
export async function confirm(context: Context, request: ConfirmRequest): Promise<number> {
  const { after, to } = request
  const state = await context.log.newest()
  if (state === null) throw differs(null, 'there is no table', after + 1)
  await using given = new Given(request.rows)
  let last = after
  for (const { file } of prune(snapshotOf(state).files, { after, to, sequences: null })) {
    for await (const rows of rowsOf(context, state.files.get(file.path)!, { after, to })) {
      last = compare(file.path, rows, await given.take(rows.length), last)
    }
    if (last < Math.min(file.sequences?.last ?? last, to))
      throw differs(file.path, `it ends before sequence ${last + 1}`, last + 1)
  }
  if (last < to) throw differs(null, `no file holds sequence ${last + 1}`, last + 1)
  const [more] = await given.take(1)
  if (more !== undefined) throw unfit(`sequence ${more.sequence} lies behind the range, which ends with ${to}`)
  return state.version
}

/** The last sequence. */
function compare(path: string, archived: readonly ArchiveRow[], given: readonly ArchiveRow[], before: number): number {
  let last = before
  for (const [index, row] of archived.entries()) {
    const next = last + 1
    if (row.sequence !== next) throw differs(path, `sequence ${row.sequence} stands where ${next} must`, next)
    const wanted = given[index]?.sequence
    if (wanted !== next)
      throw unfit(wanted === undefined ? `${next} is missing` : `${wanted} stands where ${next} must`)
    if (!same(row, given[index]!)) throw differs(path, `sequence ${next} has another content`, next)
    last = next
  }
  return last
}

/** Digests decide; the quick look spares nearly all of them. */
function same(a: ArchiveRow, b: ArchiveRow): boolean {
  return COLUMNS.every(({ field }) => a[field] === b[field]) || rowDigest(a) === rowDigest(b)
}

async function* rowsOf(context: Context, add: Add, range: { after: number; to: number }): AsyncGenerator<ArchiveRow[]> {
  try {
    yield* readSecond(await sourceOf(context, add), range)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    if (add.tags?.[DIGEST_TAG] !== undefined) throw damagedFile(add.path, error.message, error)
    throw new StorageError(
      `The archive's file '${add.path}' was written by another program, and ${error.message}. 'defacto cold compact' writes it anew; then try again.`,
      { details: { operation: 'confirm', driver: 'delta', object: add.path, problem: error.message }, cause: error },
    )
  }
}

async function sourceOf(context: Context, { path, size }: Add): Promise<ByteSource> {
  const object = objectPath(path)
  if (object === null) throw damagedFile(path, 'its address lies outside the table')
  const stored = await context.objects.stat(object)
  if (stored === undefined) throw await missing(context, path)
  if (stored.size !== size) throw damagedFile(path, `it has ${stored.size} bytes instead of ${size}`)
  return {
    size,
    async read(start, end) {
      const bytes = await context.objects.get(object, { start, end })
      if (bytes === undefined) throw await missing(context, path)
      return bytes
    },
  }
}

/** The given rows, as many at a time as are wanted. */
class Given implements AsyncDisposable {
  readonly #chunks: AsyncIterator<readonly ArchiveRow[]>
  #rest: readonly ArchiveRow[] = []

  constructor(rows: AsyncIterable<readonly ArchiveRow[]>) {
    this.#chunks = rows[Symbol.asyncIterator]()
  }

  /** The next so many rows; fewer if there are no more. */
  async take(count: number): Promise<readonly ArchiveRow[]> {
    const taken: ArchiveRow[] = []
    while (taken.length < count) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#chunks.next()
        if (done === true) break
        this.#rest = value
      }
      const some = this.#rest.slice(0, count - taken.length)
      this.#rest = this.#rest.slice(some.length)
      taken.push(...some)
    }
    return taken
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.()
  }
}

function differs(path: string | null, problem: string, sequence: number): StorageError {
  const where = path === null ? 'The archive' : `The archive's file '${path}'`
  return new StorageError(
    `${where} does not hold the ledger's rows: ${problem}. Nothing may be deleted for it. See what 'defacto cold verify' says, and restore the file from a backup, or rewrite it from the ledger while the rows are there.`,
    { details: { operation: 'confirm', driver: 'delta', object: path, sequence, problem } },
  )
}

function unfit(problem: string): StorageError {
  return new StorageError(
    `The rows to compare the archive with are not the whole range: ${problem}. Check the ledger they come from.`,
    { details: { operation: 'confirm', driver: 'delta' } },
  )
}
