/**
 * Checks a draft against the columns of a query and gives every part a type (spec 06 §5.4): unknown columns, values
 * of the wrong type and misplaced aggregates are `QueryError`s while the query is being built.
 */
import { Instant } from '../core/instant.ts'
import { didYouMean } from '../core/spelling.ts'
import { QueryError } from '../errors.ts'
import { type Columns, type ColumnType, findColumn } from './column.ts'
import type { Draft, DraftOrder } from './expression.ts'
import { type ArgumentRule, CASTS, DATE_UNITS, JSON_KINDS, type Signature, signatureOf } from './functions.ts'
import { instantOf } from './instants.ts'
import { jsonSteps } from './json-path.ts'
import {
  type CallTerm,
  hasAggregate,
  isAggregate,
  type OrderTerm,
  partsOf,
  type Scalar,
  someTerm,
  type Term,
} from './term.ts'

export interface ResolveScope {
  /** Columns per side for the condition of a join, else of the one input. */
  readonly columns: Columns | { readonly left: Columns; readonly right: Columns }
  /** The step, for messages: `filter`. */
  readonly where: string
}

type Call = Extract<Draft, { op: 'call' }>

/** A term over single rows: no aggregates. */
export function resolveRow(draft: Draft, scope: ResolveScope): Term {
  const term = resolve(draft, scope)
  if (hasAggregate(term)) {
    throw problem(scope, 'AGGREGATE', 'aggregates belong into agg() or having()')
  }
  return term
}

/** A condition over single rows. */
export function resolveCondition(draft: Draft, scope: ResolveScope): Term {
  return requireBoolean(resolveRow(draft, scope), scope)
}

/** A term over groups: outside of aggregates only the grouping keys may appear. */
export function resolveGroup(draft: Draft, scope: ResolveScope, keys: readonly string[]): Term {
  const term = resolve(draft, scope)
  checkGrouped(term, scope, keys)
  return term
}

export function resolveOrder(order: DraftOrder, scope: ResolveScope): OrderTerm {
  return { key: resolveRow(order.key, scope), descending: order.descending }
}

export function requireBoolean(term: Term, scope: ResolveScope): Term {
  if (term.type === 'boolean' || term.type === 'unknown') return term
  throw problem(scope, 'TYPE', `a condition must be boolean, this one is ${term.type}`)
}

function checkGrouped(term: Term, scope: ResolveScope, keys: readonly string[]): void {
  if (isAggregate(term)) {
    if (partsOf(term).some(hasAggregate)) throw problem(scope, 'AGGREGATE', 'an aggregate inside an aggregate')
    return
  }
  if (term.op === 'sql') return // the caller's own SQL, taken as an aggregate
  if (term.op === 'column' && !keys.includes(term.name)) {
    throw problem(scope, 'AGGREGATE', `"${term.name}" is neither a grouping key nor inside an aggregate`)
  }
  for (const part of partsOf(term)) checkGrouped(part, scope, keys)
}

function resolve(draft: Draft, scope: ResolveScope): Term {
  switch (draft.op) {
    case 'column': {
      const columns = columnsOf(scope, draft.side)
      const column = findColumn(columns, draft.name, scope.where)
      return { op: 'column', name: column.name, type: column.type, ...(draft.side && { side: draft.side }) }
    }
    case 'value':
      return valueTerm(draft.value, 'unknown', scope, true)
    case 'sql':
      return { op: 'sql', parts: draft.parts, args: draft.args.map((arg) => resolve(arg, scope)), type: 'unknown' }
    case 'call':
      return resolveCall(draft, scope)
  }
}

function columnsOf(scope: ResolveScope, side: 'left' | 'right' | undefined): Columns {
  if (scope.columns === null || Array.isArray(scope.columns)) return scope.columns
  const sides = scope.columns as { left: Columns; right: Columns }
  if (side !== undefined) return sides[side]
  throw problem(scope, 'SIDE', 'take columns from the two arguments of the callback, not from col()')
}

function resolveCall(draft: Call, scope: ResolveScope): Term {
  const signature = signatureOf(draft.fn)
  const given = draft.args.length
  if (given < signature.least || given > signature.most) {
    const { least, most } = signature
    const many = given > most && most > least
    const count = many ? `at most ${most}` : String(least)
    const way = many ? '; take a longer list from a query, by a join' : ''
    throw problem(scope, 'ARGUMENT', `${draft.fn} takes ${count} arguments, not ${given}${way}`)
  }
  const rules = draft.args.map((_, i) => ruleOf(draft, signature, i))
  const terms = draft.args.map((arg) => (arg.op === 'value' ? null : resolve(arg, scope)))
  const shared = sharedType(draft, rules, terms, scope)
  const args = draft.args.map((arg, i) => {
    const rule = rules[i] as ArgumentRule
    const term = terms[i]
    if (term) return checkTerm(term, rule, shared, draft.fn, scope)
    return valueArgument((arg as { value: unknown }).value, rule, shared, draft.fn, scope, signature.nulls === true)
  })
  const call: { -readonly [K in keyof CallTerm]: CallTerm[K] } = {
    op: 'call',
    fn: draft.fn,
    args,
    type: resultType(draft, signature, args, shared, scope),
  }
  if (draft.to) call.to = draft.to
  if (draft.order) call.order = draft.order.map((item) => resolveOrder(item, scope))
  if (draft.over) {
    call.over = {
      partitionBy: draft.over.partitionBy.map((part) => resolveRow(part, scope)),
      orderBy: draft.over.orderBy.map((item) => resolveOrder(item, scope)),
    }
  } else if (signature.kind === 'window') {
    throw problem(scope, 'WINDOW', `${draft.fn}() needs .over({partitionBy, orderBy})`)
  }
  return call
}

function ruleOf(draft: Call, signature: Signature, index: number): ArgumentRule {
  // The even arguments of `case` are conditions, but for the last one.
  if (draft.fn === 'case' && index % 2 === 0 && index < draft.args.length - 1) return 'boolean'
  return signature.args[Math.min(index, signature.args.length - 1)] as ArgumentRule
}

/** The common type of the `same`/`ordered` arguments: that of the first expression, else of the first value. */
function sharedType(
  draft: Call,
  rules: readonly ArgumentRule[],
  terms: readonly (Term | null)[],
  scope: ResolveScope,
): ColumnType {
  let shared: ColumnType = 'unknown'
  const isShared = (i: number): boolean => rules[i] === 'same' || rules[i] === 'ordered'
  terms.forEach((term, i) => {
    if (!term || !isShared(i) || term.type === 'unknown') return
    if (shared === 'unknown') shared = term.type
    else if (isNumeric(shared) && isNumeric(term.type)) shared = shared === term.type ? shared : 'number'
    else if (shared !== term.type) {
      throw problem(scope, 'TYPE', `${draft.fn}: ${describe(term)} does not go together with ${shared}`)
    }
  })
  if (shared !== 'unknown') return shared
  draft.args.forEach((arg, i) => {
    if (shared !== 'unknown' || terms[i] || !isShared(i) || arg.op !== 'value' || arg.value === null) return
    shared = typeOfValue(arg.value, scope)
  })
  return shared
}

function checkTerm(term: Term, rule: ArgumentRule, shared: ColumnType, fn: string, scope: ResolveScope): Term {
  const literal = rule === 'pattern' || rule === 'path' || rule === 'unit' || rule === 'digits'
  if (literal) throw problem(scope, 'ARGUMENT', `${fn}: the ${rule} must be a plain value, not an expression`)
  if (rule === 'ordered' && term.type === 'boolean') {
    throw problem(scope, 'TYPE', `${fn}: ${describe(term)} has no order; compare it with eq()`)
  }
  if (term.type === 'unknown' || rule === 'any' || rule === 'same' || rule === 'ordered') return term
  if (rule === 'numeric' ? isNumeric(term.type) : term.type === rule) return term
  const castable = term.type !== shared && rule === 'string' && CASTS[term.type].includes('string')
  throw problem(
    scope,
    'TYPE',
    `${fn} needs ${rule}, ${describe(term)} is ${term.type}${castable ? "; use .cast('string')" : ''}`,
  )
}

function valueArgument(
  value: unknown,
  rule: ArgumentRule,
  shared: ColumnType,
  fn: string,
  scope: ResolveScope,
  nulls: boolean,
): Term {
  if (rule === 'pattern') return patternTerm(value, fn, scope)
  if (rule === 'path') {
    if (jsonSteps(value) !== null) return { op: 'value', value: value as string, type: 'string' }
    throw problem(scope, 'ARGUMENT', `${fn}: not a path; write it as $.name, $."odd name" or $.list[0]`)
  }
  if (rule === 'digits') {
    const whole = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1_000_000
    if (!whole || (fn === 'round' && value > 15)) {
      throw problem(scope, 'ARGUMENT', `${fn}: ${fn === 'round' ? 'digits must be 0–15' : 'needs a whole number'}`)
    }
    return { op: 'value', value, type: 'integer' }
  }
  if (rule === 'unit') {
    if (typeof value === 'string' && DATE_UNITS.includes(value)) return { op: 'value', value, type: 'string' }
    throw problem(scope, 'ARGUMENT', `${fn}: no such unit; there are ${DATE_UNITS.join(', ')}`)
  }
  if (value === null && !nulls) {
    const way = fn === 'ne' || fn === 'notIn' ? 'notNull()' : 'isNull()'
    throw problem(scope, 'NULL', `${fn}(null) is never true; use ${way}`)
  }
  const target = rule === 'same' || rule === 'ordered' ? shared : rule === 'any' ? 'unknown' : rule
  if (rule === 'ordered' && typeof value === 'boolean') {
    throw problem(scope, 'TYPE', `${fn}: booleans have no order; compare them with eq()`)
  }
  return valueTerm(value, target === 'numeric' ? 'number' : target, scope, nulls || rule === 'any', fn)
}

function patternTerm(value: unknown, fn: string, scope: ResolveScope): Term {
  if (typeof value !== 'string') throw problem(scope, 'TYPE', `${fn} needs a pattern as text`)
  if (/(?:^|[^\\])(?:\\\\)*\\(?![\\%_])/.test(value)) {
    throw problem(scope, 'ARGUMENT', `${fn}: a backslash in a pattern must be followed by %, _ or another backslash`)
  }
  return { op: 'value', value, type: 'string' }
}

/** A value as a bound term of type `target`, or of its own type where the target is unknown. */
function valueTerm(value: unknown, target: ColumnType, scope: ResolveScope, nulls: boolean, fn?: string): Term {
  if (value === null && nulls) return { op: 'value', value: null, type: target }
  const own = typeOfValue(value, scope)
  const fail = (): QueryError =>
    problem(scope, 'TYPE', `${fn === undefined ? '' : `${fn}: `}needs ${target}, the given value is ${own}`)
  if (target === 'datetime') {
    const instant = instantOf(value)
    if (instant === null) throw fail()
    return { op: 'value', value: instant.toString(), type: 'datetime' }
  }
  const fits = target === 'unknown' || own === target || (isNumeric(own) && isNumeric(target))
  if (!fits) throw fail()
  const plain: Scalar = own === 'datetime' ? String(instantOf(value)) : (value as Scalar)
  return { op: 'value', value: plain, type: own }
}

function typeOfValue(value: unknown, scope: ResolveScope): Exclude<ColumnType, 'unknown'> {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'boolean'
    case 'bigint':
      if (value === BigInt.asIntN(64, value)) return 'integer'
      throw problem(scope, 'VALUE', 'an integer beyond 64 bits')
    case 'number':
      if (Number.isFinite(value)) return Number.isSafeInteger(value) ? 'integer' : 'number'
      throw problem(scope, 'VALUE', 'NaN and infinities are no values')
    default:
      if (value instanceof Instant || (value instanceof Date && instantOf(value) !== null)) return 'datetime'
      if (value === undefined) throw problem(scope, 'VALUE', 'a value is undefined')
      if (value === null) throw problem(scope, 'NULL', 'null is no value here; use isNull()')
      throw problem(scope, 'VALUE', 'values are text, numbers, booleans, Dates or expressions')
  }
}

function resultType(
  draft: Call,
  signature: Signature,
  args: readonly Term[],
  shared: ColumnType,
  scope: ResolveScope,
): ColumnType {
  if (draft.fn === 'cast') return castType(draft, args[0] as Term, scope)
  if (draft.fn === 'jsonPath') return jsonType(draft, args[0] as Term, scope)
  switch (signature.result) {
    case 'argument':
      if (shared === 'integer' && args.some((arg) => arg.type === 'number')) return 'number'
      return shared === 'unknown' ? ((args.find((arg) => arg.op !== 'value') ?? args[0])?.type ?? 'unknown') : shared
    case 'numeric':
      if (args.some((arg) => arg.type === 'unknown')) return 'unknown'
      return args.every((arg) => arg.type === 'integer') ? 'integer' : 'number'
    default:
      return signature.result
  }
}

function castType(draft: Call, arg: Term, scope: ResolveScope): ColumnType {
  const to = draft.to as keyof typeof CASTS
  if (!Object.hasOwn(CASTS, to)) {
    const types = Object.keys(CASTS)
    throw problem(
      scope,
      'ARGUMENT',
      `cast: no type '${to}'${didYouMean(String(to), types)}; there are ${types.join(', ')}`,
    )
  }
  if (arg.type === 'unknown' || CASTS[arg.type].includes(to)) return to
  throw problem(scope, 'TYPE', `cast: ${arg.type} cannot become ${to}, only ${CASTS[arg.type].join(', ')}`)
}

function jsonType(draft: Call, arg: Term, scope: ResolveScope): ColumnType {
  const to = draft.to as string
  if (!(JSON_KINDS as readonly string[]).includes(to)) {
    const kinds = JSON_KINDS.join(', ')
    throw problem(scope, 'ARGUMENT', `jsonPath: no kind '${to}'${didYouMean(to, JSON_KINDS)}; there are ${kinds}`)
  }
  // Dialects may read the text in a sub-select, where a window would see one row.
  if (someTerm(arg, (part) => part.op === 'call' && part.over !== undefined))
    throw problem(scope, 'WINDOW', 'jsonPath: name the window with mutate() first')
  return to as ColumnType
}

export function isNumeric(type: ColumnType): boolean {
  return type === 'number' || type === 'integer'
}

function describe(term: Term): string {
  return term.op === 'column' ? `column "${term.name}"` : `the ${term.type} expression`
}

function problem(scope: ResolveScope, code: string, message: string): QueryError {
  return new QueryError(`${scope.where}: ${message}`, { code: `E_QUERY_${code}`, details: { step: scope.where } })
}
