/** Hand-written SQL as a query (spec 06 §6). */
import { didYouMean } from '../../core/spelling.ts'
import { QueryError } from '../../errors.ts'
import { checkUnique } from '../column.ts'
import type { Dialect } from '../dialect.ts'
import type { RawPart, RawRelation, TableName, TableRelation } from '../relation.ts'
import { type CheckResult, checkQuery, type Replacement } from './checker.ts'
import { position, SqlProblem, type Token, tokenize } from './lexer.ts'
import { bindParams, type RawParams } from './params.ts'
import { parseQuery } from './parser.ts'
import { readOnlyProblems } from './read-only.ts'

export interface RawOptions {
  /** False: tables and columns are not checked and `SELECT *` shows hidden columns; the text must still only read. */
  validate?: boolean
  timeoutMs?: number
  /** More rows are a `QueryError`. */
  maxRows?: number
}

const OPTIONS: readonly string[] = ['validate', 'timeoutMs', 'maxRows'] satisfies readonly (keyof RawOptions)[]

/** What the check needs to know of the version. */
export interface RawContext {
  readonly dialect: Dialect
  readonly tables: ReadonlyMap<string, TableRelation>
  /** The quoted SQL name under which a table lies. */
  relationOf(table: TableName): string
}

/** The statement as a relation. `QueryError` with all problems in `details.errors` (line, column, suggestion). */
export function rawRelation(sql: string, params: RawParams, options: RawOptions, context: RawContext): RawRelation {
  if (typeof sql !== 'string') throw new QueryError('query takes the SQL as text', { code: 'E_QUERY_SQL' })
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw new QueryError(`query: no option '${name}'${didYouMean(name, OPTIONS)}; there are ${OPTIONS.join(', ')}`, {
        code: 'E_QUERY_STEP',
      })
    }
  }
  if (options.timeoutMs !== undefined && !(Number.isFinite(options.timeoutMs) && options.timeoutMs > 0)) {
    throw new QueryError('query: timeoutMs must be a number of milliseconds above 0', { code: 'E_QUERY_STEP' })
  }
  if (options.maxRows !== undefined && !(Number.isSafeInteger(options.maxRows) && options.maxRows >= 0)) {
    throw new QueryError('query: maxRows must be a whole number, 0 or more', { code: 'E_QUERY_STEP' })
  }
  const problems: SqlProblem[] = []
  const tokens = attempt(problems, () => tokenize(sql)) ?? []
  const checked = problems.length > 0 ? null : check(sql, tokens, options, context, problems)
  const bound = bindParams(tokens, params)
  problems.push(...bound.problems)
  if (problems.length > 0) throw sqlError(sql, problems)
  const parts = partsOf(tokens, checked?.replacements ?? [], bound.values)
  if (checked === null) return { kind: 'raw', parts, columns: null }
  checkUnique(
    checked.columns.map((column) => column.name),
    'query (give one an alias with AS)',
  )
  return { kind: 'raw', parts, columns: checked.columns.map(({ name, type }) => ({ name, type })) }
}

function check(
  sql: string,
  tokens: readonly Token[],
  options: RawOptions,
  context: RawContext,
  problems: SqlProblem[],
): CheckResult | null {
  if (options.validate === false) {
    problems.push(...readOnlyProblems(tokens))
    return null
  }
  const query = attempt(problems, () => parseQuery(sql))
  if (query === undefined) return null
  const { dialect, tables } = context
  const result = checkQuery(query, {
    tables,
    nameKey: dialect.nameKey,
    quote: dialect.quote,
    havingTakesAliases: dialect.havingTakesAliases,
    isOwnSchema: (schema, table) => {
      const name = table.kind === 'history' ? `${table.name}_history` : `rel_${table.name}_history`
      const own = table.kind === 'relationships' ? 'relationships' : name
      return context.relationOf(table) === `${dialect.quote(schema)}.${dialect.quote(own)}`
    },
  })
  problems.push(...result.problems)
  return result
}

function attempt<T>(problems: SqlProblem[], work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof SqlProblem)) throw error
    problems.push(error)
    return undefined
  }
}

/** The text without comments and closing semicolon, names and values put in. */
function partsOf(
  tokens: readonly Token[],
  replacements: readonly Replacement[],
  values: ReturnType<typeof bindParams>['values'],
): RawPart[] {
  const starts = new Map(replacements.map((replacement) => [replacement.start, replacement]))
  const parts: RawPart[] = []
  let skipTo = 0
  let end = 0
  tokens.forEach((token, i) => {
    const last = tokens[i + 1]?.kind === 'end' && token.text === ';'
    if (token.kind === 'end' || last || token.start < skipTo) return
    if (token.start > end && parts.length > 0) parts.push(' ')
    end = token.end
    const replacement = starts.get(token.start)
    if (replacement !== undefined) {
      skipTo = end = replacement.end
      if ('text' in replacement) parts.push(replacement.text)
      else parts.push({ table: replacement.table, alias: replacement.alias })
      return
    }
    if (token.kind === 'param') parts.push({ value: values.get(token) ?? null })
    else parts.push(written(token))
  })
  return parts
}

function written(token: Token): string {
  if (token.kind === 'string') return `'${token.text.replaceAll("'", "''")}'`
  if (token.kind === 'quoted') return `"${token.text.replaceAll('"', '""')}"`
  return token.text
}

function sqlError(sql: string, problems: readonly SqlProblem[]): QueryError {
  const errors = problems.map(({ message, offset, suggestion }) => ({
    message: suggestion === null ? message : `${message}, did you mean "${suggestion}"?`,
    ...position(sql, offset),
    suggestion,
  }))
  const lines = errors.map(({ line, column, message }) => `Line ${line}, column ${column}: ${message}`)
  return new QueryError(lines.join('\n'), { code: 'E_QUERY_SQL', details: { errors } })
}
