/** Values for `$1` and `:name` of hand-written SQL. */
import { instantOf } from '../instants.ts'
import type { Scalar } from '../term.ts'
import { SqlProblem, type Token } from './lexer.ts'

export type RawParams = readonly unknown[] | Readonly<Record<string, unknown>>

/** The bound value of every parameter token; all that is missing, superfluous or no value is a problem. */
export function bindParams(
  tokens: readonly Token[],
  params: RawParams,
): {
  values: ReadonlyMap<Token, Scalar>
  problems: SqlProblem[]
} {
  const values = new Map<Token, Scalar>()
  const problems: SqlProblem[] = []
  const used = new Set<string>()
  const byNumber = Array.isArray(params)
  for (const token of tokens) {
    if (token.kind !== 'param') continue
    const key = byNumber ? String(Number(token.text) - 1) : token.text
    used.add(key)
    const place = /^\d/.test(token.text) ? `$${token.text}` : `:${token.text}`
    if (!Object.hasOwn(params, key)) {
      const form =
        byNumber === /^\d/.test(token.text) || Object.keys(params).length === 0
          ? ''
          : byNumber
            ? '; params is an array'
            : '; params is an object'
      problems.push(new SqlProblem(`no value for parameter ${place}${form}`, token.start))
      continue
    }
    const value = scalarOf((params as Record<string, unknown>)[key])
    if (value === undefined) problems.push(new SqlProblem(`parameter ${place} is no value`, token.start))
    else values.set(token, value)
  }
  const unused = Object.keys(params).filter((key) => !used.has(key))
  if (unused.length > 0) {
    const names = unused.map((key) => (byNumber ? `$${Number(key) + 1}` : `:${key}`))
    problems.push(new SqlProblem(`the statement has no parameter ${names.join(', ')}`, 0))
  }
  return { values, problems }
}

function scalarOf(value: unknown): Scalar | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'bigint':
      return value === BigInt.asIntN(64, value) ? value : undefined
    case 'number':
      return Number.isFinite(value) ? value : undefined
    default:
      return value === null ? null : (instantOf(value)?.toString() ?? undefined)
  }
}
