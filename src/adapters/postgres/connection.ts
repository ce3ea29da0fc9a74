/** How values come from the server, and one statement on one connection. */

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import type { ClientBase, QueryResult } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

export type Row = unknown[]
/** What is bound: text, numbers, booleans, null, or arrays of them (bound as Postgres arrays). */
export type Param = string | number | bigint | boolean | null | readonly (string | number | bigint | boolean | null)[]

const INT8 = 20
const TIMESTAMPTZ = 1184
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't',
  [INT8]: integer,
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  [TIMESTAMPTZ]: canonicalInstant,
  1700: numeric,
}
const asText = (text: string): unknown => text

/** Parsers for `pg`: whole numbers narrowed, instants in canonical text, JSON and everything else as text. */
export const TYPES = {
  getTypeParser: (oid: number) => PARSERS[oid] ?? asText,
} as unknown as typeof pg.types

/** Whole numbers come as `number`, and as `bigint` only where a `number` cannot hold them. */
function integer(text: string): number | bigint {
  const small = Number(text)
  return Number.isSafeInteger(small) ? small : BigInt(text)
}

/** Sums of integers and averages: exact where it matters, like the SQLite store. */
function numeric(text: string): number | bigint {
  return /^-?\d+$/.test(text) ? integer(text) : Number(text)
}

/** `2024-01-31 08:30:00.25+00` (session time zone UTC) as canonical text (spec 04 §1). */
export function canonicalInstant(text: string): string {
  if (text.length === 22) return `${text.slice(0, 10)}T${text.slice(11, 19)}+00:00`
  const end = text.indexOf('+', 19)
  // Infinity and years outside the canonical range stay as the server writes them.
  if (end === -1 || text[19] !== '.') return text
  const digits = text.slice(20, end)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${digits.padEnd(digits.length <= 3 ? 3 : 6, '0')}+00:00`
}

/**
 * Settings every session has; statements rely on them. Batches look up thousands of rows by key: the default cost of a
 * random page is that of rotating disks and would make the planner read whole tables instead. The last one lets a server
 * that knows it (14 and later) stop working for a process that is gone.
 */
export function sessionSettings(options: {
  statementTimeoutMs: number
  lockTimeoutMs: number
  readOnly?: boolean
}): string {
  return `${options.readOnly === true ? 'set default_transaction_read_only = on; ' : ''}set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set client_encoding = 'UTF8'; set extra_float_digits = 1;
    set standard_conforming_strings = on; set jit = off; set random_page_cost = 1.1; set statement_timeout = ${options.statementTimeoutMs};
    set lock_timeout = ${options.lockTimeoutMs}; set idle_in_transaction_session_timeout = 60000;
    select set_config(name, '5000', false) from pg_settings where name = 'client_connection_check_interval'`
}

export async function run(client: ClientBase, sql: string, params: readonly Param[] = []): Promise<QueryResult<Row>> {
  // `rowMode` makes arrays of the rows, which the type of the result cannot tell.
  return client.query({ text: sql, values: params as unknown[], rowMode: 'array' }) as unknown as Promise<
    QueryResult<Row>
  >
}

const COPY_BLOCK = 1 << 16

/** `copy … from stdin` in text format; `lines` are rows without the line end. Returns when the server has them all. */
export async function copyIn(client: ClientBase, sql: string, lines: Iterable<string>): Promise<void> {
  await pipeline(Readable.from(blocks(lines)), client.query(copyFrom(sql)))
}

function* blocks(lines: Iterable<string>): Iterable<Buffer> {
  let block = ''
  for (const line of lines) {
    block += `${line}\n`
    if (block.length < COPY_BLOCK) continue
    yield Buffer.from(block)
    block = ''
  }
  if (block !== '') yield Buffer.from(block)
}

const SPECIAL = /[\\\t\n\r]/
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** One field of a COPY line. Numbers and booleans need no escaping; null is `\N`. */
export function copyField(value: string | number | bigint | boolean | null): string {
  if (value === null) return '\\N'
  if (typeof value !== 'string') return String(value)
  return SPECIAL.test(value) ? value.replace(/[\\\t\n\r]/g, (c) => ESCAPES[c] as string) : value
}
