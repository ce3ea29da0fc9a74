/** Relations run: every way out of a query goes through here (spec 06 §5.3). */
import { QueryError } from '../errors.ts'
import type { ReadOptions } from '../ports/reading.ts'
import type { Column } from './column.ts'
import { compile, type Statement } from './compile.ts'
import { rowsAtHand, withRows } from './loaded.ts'
import type { Relation } from './relation.ts'
import type { QueryContext } from './table-query.ts'

/** Rows as the driver gives them; `columns` are names. */
export interface Chunk {
  readonly columns: readonly string[]
  readonly rows: readonly unknown[][]
}

/** The statement of a relation whose rows are all in the database; with one row more than `maxRows`. */
export function statementOf(relation: Relation, { dialect, reader, maxRows }: QueryContext): Statement {
  // One row more than allowed is enough to know that there are too many.
  const guarded: Relation =
    maxRows === undefined
      ? relation
      : { kind: 'limit', input: relation, limit: maxRows + 1, offset: 0, columns: relation.columns }
  return compile(guarded, dialect, reader)
}

/** All rows at once. */
export async function readAll(
  relation: Relation,
  context: QueryContext,
  signal: { signal?: AbortSignal } = {},
): Promise<Chunk> {
  const options = { ...limitsOf(context), ...signal }
  const ready = await prepare(relation, context, options)
  const chunk = atHand(ready) ?? (await ask(ready, context, options))
  checkCount(chunk.rows.length, context)
  return chunk
}

/** Chunk by chunk, from one consistent snapshot; memory holds at most one. No rows: no chunks. */
export async function* readChunks(
  relation: Relation,
  context: QueryContext,
  options: { batchSize: number; signal?: AbortSignal },
): AsyncGenerator<Chunk, void, void> {
  const read = { ...limitsOf(context), ...options }
  const ready = await prepare(relation, context, read)
  let seen = 0
  for await (const chunk of atHandChunks(ready, options.batchSize) ?? fromDatabase(ready, context, read)) {
    seen += chunk.rows.length
    checkCount(seen, context)
    yield chunk
  }
}

/** The columns a caller sees; null if only the database knows. */
export function shownColumns(relation: Relation): readonly Column[] | null {
  return relation.columns?.filter((column) => !column.hidden) ?? null
}

function limitsOf({ timeoutMs }: QueryContext): ReadOptions {
  return timeoutMs === undefined ? {} : { timeoutMs }
}

async function prepare(relation: Relation, { reader }: QueryContext, options: ReadOptions): Promise<Relation> {
  options.signal?.throwIfAborted()
  await reader.refresh()
  return withRows(relation, options)
}

function ask(relation: Relation, context: QueryContext, options: ReadOptions): Promise<Chunk> {
  const { text, params } = statementOf(relation, context)
  return context.reader.all(text, params, options)
}

function fromDatabase(
  relation: Relation,
  context: QueryContext,
  options: ReadOptions & { batchSize: number },
): AsyncIterable<Chunk> {
  const { text, params } = statementOf(relation, context)
  return context.reader.stream(text, params, options)
}

function atHand(relation: Relation): Chunk | null {
  const rows = rowsAtHand(relation)
  if (rows === null) return null
  return { columns: relation.columns?.map((column) => column.name) ?? [], rows: rows as unknown[][] }
}

function atHandChunks(relation: Relation, batchSize: number): AsyncIterable<Chunk> | null {
  const chunk = atHand(relation)
  return chunk && slices(chunk, batchSize)
}

async function* slices({ columns, rows }: Chunk, batchSize: number): AsyncGenerator<Chunk, void, void> {
  for (let at = 0; at < rows.length; at += batchSize) yield { columns, rows: rows.slice(at, at + batchSize) }
}

export function checkCount(rows: number, { maxRows }: { readonly maxRows?: number | undefined }): void {
  if (maxRows === undefined || rows <= maxRows) return
  throw new QueryError(`The query returns more than maxRows = ${maxRows} rows`, {
    code: 'E_QUERY_MAX_ROWS',
    details: { maxRows },
  })
}
