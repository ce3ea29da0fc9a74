/** Queries as tables on their way out, all of one snapshot of the store (spec 06 §7). */
import { setImmediate as turn } from 'node:timers/promises'
import { QueryError } from '../../errors.ts'
import type { ExportColumn, ExportTable, RowStream } from '../../ports/exports.ts'
import type { ReadOptions } from '../../ports/reading.ts'
import { checkUnique } from '../column.ts'
import { type Decode, decodeCell, decoderOf, knownColumns } from '../decode.ts'
import { rowsAtHand, withRows } from '../loaded.ts'
import type { Relation } from '../relation.ts'
import { checkCount, readAll, shownColumns, statementOf } from '../run.ts'
import type { TableQuery } from '../table-query.ts'

/** Rows of a chunk; more are not faster. */
const BATCH = 8_192

export interface NamedQuery {
  readonly name: string
  readonly query: TableQuery
}

interface Ready {
  readonly name: string
  readonly relation: Relation
  readonly columns: readonly ExportColumn[]
}

/** Runs `work` with the tables of the queries, which it reads one after the other. All queries are of one store. */
export async function withTables<T>(
  queries: readonly NamedQuery[],
  options: { readonly signal?: AbortSignal },
  work: (tables: readonly ExportTable[]) => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted()
  const context = queries[0]?.query.context
  if (context === undefined) return work([])
  const { reader, timeoutMs } = context
  const read = { ...(timeoutMs !== undefined && { timeoutMs }), ...(options.signal && { signal: options.signal }) }
  await reader.refresh()
  const ready: Ready[] = []
  for (const named of queries) ready.push(await prepare(named, read))
  const stored = ready.filter(({ relation }) => rowsAtHand(relation) === null)
  const statements = stored.map(({ relation }) => statementOf(relation, context))
  const tables = (streams: readonly RowStream[]): ExportTable[] =>
    ready.map(({ name, relation, columns }) => {
      const rows = rowsAtHand(relation)
      const stream = streams[stored.findIndex((one) => one.relation === relation)]
      const chunks = decoded(stream ?? oneChunk(rows ?? []), columns, context.maxRows)
      const isTyped = columns.every(({ type }) => type !== 'unknown')
      if (stream?.parquet === undefined || !isTyped || context.maxRows !== undefined) return { name, columns, chunks }
      return { name, columns, chunks, parquet: async (path) => stream.parquet?.(path, columns) ?? null }
    })
  if (stored.length === 0) return work(tables([]))
  return reader.together(statements, (streams) => work(tables(streams)), { ...read, batchSize: BATCH })
}

type Chunks = AsyncIterable<{ readonly rows: readonly (readonly unknown[])[] }>

async function prepare({ name, query }: NamedQuery, options: ReadOptions): Promise<Ready> {
  // A relation of its own for each, so that one query may be there twice.
  const relation = { ...(await withRows(query.relation, options)) }
  const shown = shownColumns(relation)
  // Hand-written SQL that was not checked: a run without rows tells the names.
  const names = shown === null ? (await readAll(query.limit(0).relation, query.context)).columns : []
  const columns = knownColumns(shown, names).map((column): ExportColumn => ({ name: column.name, type: column.type }))
  checkUnique(
    columns.map((column) => column.name),
    'export (give one an alias with AS)',
  )
  if (columns.length === 0) throw new QueryError('export: the query has no columns', { code: 'E_QUERY_STEP' })
  return { name, relation, columns }
}

async function* decoded(
  chunks: Chunks,
  columns: readonly ExportColumn[],
  maxRows: number | undefined,
): AsyncGenerator<readonly (readonly unknown[])[]> {
  const decoders = columns.map(({ type }) => decoderOf(type, {}))
  // Most cells are what they shall be.
  const changed = decoders.flatMap((decode, i): [number, Decode][] => (decode === null ? [] : [[i, decode]]))
  let seen = 0
  for await (const { rows } of chunks) {
    // Stores in this process answer at once: whoever wants to stop the export gets a word in here.
    await turn()
    seen += rows.length
    checkCount(seen, { maxRows })
    if (changed.length === 0) {
      yield rows
      continue
    }
    yield rows.map((row) => {
      const cells = row.slice()
      for (const [i, decode] of changed) cells[i] = decodeCell(decode, cells[i])
      return cells
    })
  }
}

async function* oneChunk(rows: readonly (readonly unknown[])[]): Chunks & AsyncGenerator {
  if (rows.length > 0) yield { rows }
}
