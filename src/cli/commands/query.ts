import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { NotFoundError } from '../../errors.ts'
import type { TableQuery } from '../../query/table-query.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { count, duration, flag, text } from '../options.ts'
import { CONNECT, openReading, type Reading, ROW_OPTIONS, showRows } from '../reading.ts'
import { withSql } from '../sql-problems.ts'

export const PARAM_OPTIONS = [
  {
    flags: '--param <name=value>',
    description: 'value of a placeholder :name, or of $1, $2 … in order without a name',
    repeat: true,
  },
  { flags: '--query-timeout <duration>', description: 'stop the statement after this time' },
] as const

export const command: CommandSpec = {
  name: 'query',
  summary: 'read with SQL',
  arguments: [['[sql]', 'one SELECT over history tables and relationships; - reads it from standard input']],
  options: [
    { flags: '-f, --file <file>', description: 'read the SQL from this file; - is standard input' },
    ...PARAM_OPTIONS,
    ...ROW_OPTIONS,
    { flags: '--max-rows <n>', description: 'fail if there are more rows, instead of leaving some out' },
    { flags: '--version <name>', description: 'version (default: the active one)' },
    CONNECT,
  ],
  examples: [
    'defacto query "select plan, count(*) as n from customer_history where valid_to is null group by plan"',
    'defacto query "select * from customer_history where email = :mail" --param mail=ana@example.com -o jsonl',
    'defacto query -f report.sql --param 2024-01-01 -o csv > report.csv',
    'defacto query --connect duckdb:///analytics.duckdb "select count(*) as n from relationships"',
  ],
  async run(context, [given], options) {
    const limit = count(options, 'limit')
    const maxRows = count(options, 'maxRows')
    const statement = await statementOf(context, given, options)
    const { root } = await openReading(context, options)
    return withProblems(statement.sql, () =>
      showRows(context, queryOf(root, statement, maxRows), limit, { records: flag(options, 'records') }),
    )
  },
}

export interface Statement {
  readonly sql: string
  readonly params: unknown[] | Record<string, unknown> | undefined
  readonly timeoutMs: number | undefined
}

/** The SQL of the argument or of `--file`, with its parameters. */
export async function statementOf(context: Context, given: string | undefined, options: Options): Promise<Statement> {
  const file = text(options, 'file')
  if ((given === undefined) === (file === undefined))
    throw new UsageError('give the SQL, or --file with a file that holds it')
  const timeoutMs = duration(options, 'queryTimeout')?.ms
  const params = paramsOf(options['param'] as string[] | undefined)
  const place = file ?? (given === '-' ? '-' : null)
  const sql =
    place === null ? (given as string) : place === '-' ? await readAll(context.stdin) : await fileText(context, place)
  return { sql, params, timeoutMs }
}

export function queryOf(root: Reading['root'], { sql, params, timeoutMs }: Statement, maxRows?: number): TableQuery {
  return root.query(sql, params, {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(maxRows !== undefined && { maxRows }),
  })
}

/** Problems in the SQL are shown in its lines. */
export async function withProblems<T>(sql: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw withSql(error, sql)
  }
}

/** `name=value` pairs as an object, bare values as a list; numbers, true, false and null are read as such. */
function paramsOf(given: readonly string[] | undefined): unknown[] | Record<string, unknown> | undefined {
  if (given === undefined) return undefined
  const named = given.filter((item) => /^[A-Za-z_]\w*=/.test(item))
  if (named.length === 0) return given.map(literal)
  if (named.length < given.length) throw new UsageError('--param: either all with a name or none')
  return Object.fromEntries(
    given.map((item) => [item.slice(0, item.indexOf('=')), literal(item.slice(item.indexOf('=') + 1))]),
  )
}

function literal(word: string): unknown {
  if (word === 'null') return null
  if (word === 'true' || word === 'false') return word === 'true'
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(word)) return Number(word)
  return /^'.*'$/s.test(word) ? word.slice(1, -1) : word
}

async function fileText(context: Context, path: string): Promise<string> {
  try {
    return (await readFile(resolve(context.cwd, path), 'utf8')).replace(/^\ufeff/, '')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new NotFoundError(`cannot read the SQL of ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`, {
      cause: error,
    })
  }
}

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('utf8')
}
