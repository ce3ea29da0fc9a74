/**
 * Rows of another Postgres database as records (spec 10 §3.2): one query in one read-only transaction. With a cursor, every
 * batch ends where the cursor's value changes, so that going on there leaves out none of several rows of one value.
 */
import { hash } from 'node:crypto'
import pg from 'pg'
import Cursor from 'pg-cursor'
import type { RawRecord } from '../../core/event.ts'
import { parseJson } from '../../core/expression/json.ts'
import { addDuration, Duration, instantFromText } from '../../core/instant.ts'
import type { PostgresInput } from '../../core/pipeline/model.ts'
import { ConfigError } from '../../errors.ts'
import type { InputBatch, InputPart, InputReader, KnownPart } from '../../ports/inputs.ts'
import type { Json } from '../../ports/runs.ts'
import { storageError } from './errors.ts'

/** What position is made of: bound next, and the greatest value that was ever read. */
interface Place {
  readonly from: string
  readonly seen: string
}

/** Rows of one cursor value that are still one batch; of more, a retry reads some again. */
const LARGEST_TIE = 10_000
const RECORD = 'record'
const JSON_TYPES = [114, 3802]
const NUMBERS = [20, 21, 23, 26, 700, 701, 1700]
/** date, timestamp, timestamptz: their texts are in order, as the session writes them. */
const INSTANTS = [1082, 1114, 1184]

/** `database`: with its secrets. */
export class PostgresReader implements InputReader {
  readonly #input: PostgresInput
  readonly #database: string

  constructor(input: PostgresInput, database: string) {
    this.#input = input
    this.#database = database
  }

  async parts(): Promise<InputPart[]> {
    const { name, query, cursor } = this.#input
    const fingerprint = hash('sha256', JSON.stringify([query, cursor?.column ?? null]))
    return [{ part: name, fingerprint, settled: true, endless: true }]
  }

  /** Somewhat before where it was (`overlap`): rows may have been committed later than their value says. */
  async begin(part: InputPart, { fingerprint, position }: KnownPart): Promise<Json> {
    const place = position as unknown as Place | null
    if (this.#input.cursor === null || fingerprint !== part.fingerprint || place === null) return null
    return { from: earlier(place.seen, this.#input.cursor.overlapMs), seen: place.seen }
  }

  async *read(
    { part }: InputPart,
    position: Json,
    { batch, signal }: { batch: number; signal: AbortSignal },
  ): AsyncGenerator<InputBatch> {
    const { cursor } = this.#input
    const begin = (position as unknown as Place | null) ?? null
    const from = begin?.from ?? (cursor === null ? null : String(cursor.initial))
    const client = new pg.Client({ connectionString: this.#database, application_name: 'defacto input' })
    // A connection that breaks while nothing is asked of it tells the next question.
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query(SESSION)
      const { sql, values, order } = await this.#statement(client, from)
      const rows = pages(client, sql, values, batch, signal)
      if (order === null) yield* plain(rows, part)
      else yield* cursored(rows, part, { batch, order, place: { from: from as string, seen: begin?.seen ?? null } })
    } catch (error) {
      signal.throwIfAborted()
      throw storageError(error, 'read an input', 'the database of the input')
    } finally {
      // Ends the transaction, and what the server still does for it.
      await client.end().catch(() => undefined)
    }
  }

  async finish(): Promise<void> {}
  async close(): Promise<void> {}

  /** The server itself makes JSON of a row: numbers keep their digits, instants their zone. */
  async #statement(
    client: pg.Client,
    from: string | null,
  ): Promise<{ sql: string; values: string[]; order: Order | null }> {
    const { cursor } = this.#input
    const query = this.#input.query.trim().replace(/;\s*$/, '')
    const bound = cursor === null ? query : query.replace(/(?<!:):cursor\b/g, '$1')
    const values = bound === query ? [] : [from as string]
    const { fields } = await client.query(`select * from (\n${bound}\n) q limit 0`, values)
    const record = fields.find(({ name, dataTypeID }) => name === RECORD && JSON_TYPES.includes(dataTypeID))
    const json = record === undefined ? 'row_to_json(q)::text' : `q.${RECORD}::text`
    if (cursor === null) return { sql: `select ${json} from (\n${query}\n) q`, values, order: null }
    const column = fields.find(({ name }) => name === cursor.column)
    if (column === undefined) {
      throw new ConfigError(
        `the query of input '${this.#input.name}' gives no column '${cursor.column}' (cursor.column)`,
      )
    }
    if (values.length === 0) {
      throw new ConfigError(
        `the query of input '${this.#input.name}' does not use :cursor; compare ${cursor.column} with it`,
      )
    }
    const sql = `select ${json}, q.${pg.escapeIdentifier(cursor.column)}::text from (\n${bound}\n) q`
    return { sql, values, order: orderOf(column.dataTypeID, this.#input.name) }
  }
}

const SESSION = `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set client_encoding = 'UTF8'; set extra_float_digits = 1;
  set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;
  begin isolation level repeatable read read only`

type Row = readonly [record: string | null, cursor: string | null]
type Order = (a: string, b: string) => number

async function* pages(
  client: pg.Client,
  sql: string,
  values: readonly string[],
  batch: number,
  signal: AbortSignal,
): AsyncGenerator<Row[]> {
  const types = { getTypeParser: () => (text: string) => text }
  const cursor = client.query(new Cursor<Row>(sql, [...values], { rowMode: 'array', types: types as never }))
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  aborted.catch(() => undefined)
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    for (;;) {
      signal.throwIfAborted()
      const rows = await Promise.race([cursor.read(batch), aborted])
      if (rows.length === 0) return
      yield rows
    }
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** No order of its own: going on is beginning anew. */
async function* plain(pages: AsyncIterable<Row[]>, part: string): AsyncGenerator<InputBatch> {
  let held: Row[] = []
  for await (const rows of pages) {
    if (held.length > 0) yield { records: held.map((row) => recordOf(row, part)), position: null, done: false }
    held = rows
  }
  yield { records: held.map((row) => recordOf(row, part)), position: null, done: true }
}

async function* cursored(
  pages: AsyncIterable<Row[]>,
  part: string,
  { batch, order, place }: { batch: number; order: Order; place: { from: string; seen: string | null } },
): AsyncGenerator<InputBatch> {
  let held: Row[] = []
  let { from, seen } = place
  // Cursor of the rows held last; null before the first.
  let last: string | null = null
  const flushed = (done: boolean): InputBatch => {
    const records = held.map((row) => recordOf(row, part))
    held = []
    return { records, position: { from, seen: seen ?? from }, done }
  }
  for await (const rows of pages) {
    for (const row of rows) {
      const value = row[1]
      if (value !== null && value !== last) {
        if (last !== null) {
          if (order(value, last) < 0) throw unordered()
          from = last
          if (held.length >= batch) yield flushed(false)
        }
        last = value
        if (seen === null || order(value, seen) > 0) seen = value
      } else if (held.length >= Math.max(batch, LARGEST_TIE)) yield flushed(false)
      held.push(row)
    }
  }
  if (last !== null) from = last
  yield flushed(true)
}

function recordOf([text]: Row, part: string): RawRecord {
  const origin = { part, line: null, byte: null }
  return text === null
    ? { value: null, text: 'null', origin, problem: 'the column record is null' }
    : { value: parseJson(text), text, origin }
}

function orderOf(type: number, input: string): Order {
  if (NUMBERS.includes(type)) return (a, b) => compareNumbers(a, b)
  if (INSTANTS.includes(type)) return (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  throw new ConfigError(`the cursor of input '${input}' is neither number nor instant; name a column of such a type`)
}

function compareNumbers(a: string, b: string): number {
  if (/^-?\d+$/.test(a) && /^-?\d+$/.test(b)) {
    const [x, y] = [BigInt(a), BigInt(b)]
    return x < y ? -1 : x > y ? 1 : 0
  }
  return Number(a) - Number(b)
}

function unordered(): ConfigError {
  return new ConfigError('rows of an input are not in the order of its cursor; end the query with order by that column')
}

function earlier(value: string, byMs: number): string {
  if (byMs === 0) return value
  const instant = instantFromText(value)
  if (instant === null) throw new ConfigError('cursor.overlap needs a cursor of instants')
  return addDuration(instant, new Duration(byMs), -1)?.toString() ?? value
}
