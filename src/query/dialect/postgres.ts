/**
 * Postgres: every value has a type the server must know, text has collations, and arithmetic that SQLite answers with
 * null is an error (spec 06 §1, §5.4). What differs all the same: whole numbers beyond 64 bits are an error here (SQLite
 * goes on with doubles), and so are doubles beyond the largest (SQLite: infinity); sums of doubles depend on the order of
 * rows in their last digits.
 */
import { QueryError } from '../../errors.ts'
import type { ColumnType } from '../column.ts'
import type { Dialect, FunctionSql } from '../dialect.ts'
import { bound, type Fragment, text } from '../fragment.ts'
import { cellsJson } from '../loaded.ts'
import type { CallTerm } from '../term.ts'
import { jsonNumber, jsonPath } from './postgres-json.ts'
import { standard } from './standard.ts'
import { typedValue } from './typed-value.ts'

/** Text compares and changes case by code points, whatever the database's own collation. */
const BINARY = 'collate "C"'

export const postgres: Dialect = {
  name: 'postgres',
  havingTakesAliases: false,
  functions: {
    ...standard,
    gt: compared('>'),
    gte: compared('>='),
    lt: compared('<'),
    lte: compared('<='),
    between: ([value, low, high], term) =>
      text`(${binary(value, typeOf(term, 0))} between ${low as Fragment} and ${high as Fragment})`,
    likely: ([value]) => value as Fragment,
    // An array is taken into the parts of a view, down to their indexes; a sub-select after `in` is not.
    among: ([value], term) => {
      const list = term.args[1]?.op === 'value' ? String(term.args[1].value) : '[]'
      const json = list.replace(/\\\\|\\u0000/g, (found) => (found === '\\u0000' ? '\\ufffd' : found))
      return text`(${value as Fragment} = any (array(select jsonb_array_elements_text(${bound(json)}::jsonb))))`
    },
    like: ([value, pattern]) => text`(${value as Fragment} like ${pattern as Fragment} escape '\\')`,
    ilike: ([value, pattern]) => text`(${value as Fragment} ${BINARY} ilike ${pattern as Fragment} escape '\\')`,
    contains: ([value, part]) => text`(strpos(${value as Fragment}, ${part as Fragment}) > 0)`,
    startsWith: ([value, part]) => text`starts_with(${value as Fragment}, ${part as Fragment})`,
    lower: ([value]) => text`lower(${value as Fragment} ${BINARY})`,
    upper: ([value]) => text`upper(${value as Fragment} ${BINARY})`,
    div: ([a, b]) => text`(${double(a)} / nullif(${b as Fragment}, 0))`,
    mod: ([a, b], term) =>
      term.type === 'integer'
        ? text`(${a as Fragment} % nullif(${b as Fragment}, 0))`
        : remainder(double(a), text`nullif(${double(b)}, 0)`),
    round: ([value], term) => rounded(double(value), plainNumber(term, 1)),
    avg: ([value]) => text`avg(${double(value)})`,
    min: ([value], term) => text`min(${binary(value, typeOf(term, 0))})`,
    max: ([value], term) => text`max(${binary(value, typeOf(term, 0))})`,
    lag: ([value], term) => text`lag(${value as Fragment}, ${String(plainNumber(term, 1))})`,
    lead: ([value], term) => text`lead(${value as Fragment}, ${String(plainNumber(term, 1))})`,
    year: part('year'),
    month: part('month'),
    day: part('day'),
    date: ([value]) => text`to_char(${value as Fragment} at time zone 'UTC', 'YYYY-MM-DD')`,
    jsonPath: ([value], term) => jsonPath(value as Fragment, term),
    dateTrunc: ([value, unit]) => text`date_trunc(${unit as Fragment}, ${value as Fragment}, 'UTC')`,
  },
  quote,
  placeholder: (index) => `$${index}`,
  value: (value, type) => typedValue(STORED, typeof value === 'string' ? withoutNul(value) : value, type),
  cast(arg, from, to) {
    if (from === 'datetime') return canonicalText(arg)
    if (from === 'string') return jsonNumber(arg, to)
    if (from === 'number' && to === 'integer') return truncated(arg)
    return text`cast(${arg} as ${from === 'boolean' && to === 'integer' ? 'integer' : STORED[to]})`
  },
  firstOf: (value, order) => text`(array_agg(${value} order by ${order}))[1]`,
  orderKey: (key, descending, type) => text`${binary(key, type)}${descending ? ' desc' : ''} nulls last`,
  limit(limit, offset) {
    const rows = limit === null ? [] : text` limit ${bound(BigInt(limit))}::bigint`
    return offset === 0 ? rows : text`${rows} offset ${bound(BigInt(offset))}::bigint`
  },
  unnested(rows, columns) {
    const cells = columns.map(({ name, type }, i) => {
      const cell = `(r.cells ->> ${i})`
      return `${type === 'string' || type === 'unknown' ? cell : `${cell}::${STORED[type]}`} as ${quote(name)}`
    })
    const json = cellsJson(rows, columns, withoutNul)
    return text`select ${cells.join(', ')} from jsonb_array_elements(${bound(json)}::jsonb) as r (cells)`
  },
  // Unquoted names are folded to lower case, ASCII letters only.
  nameKey: (name, quoted) => (quoted ? name : name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())),
}

const STORED = {
  string: 'text',
  number: 'double precision',
  integer: 'bigint',
  boolean: 'boolean',
  datetime: 'timestamptz',
} as const

/** Texts hold no U+0000 here; stored ones have U+FFFD in its place. */
function withoutNul(value: string): string {
  return value.replaceAll('\0', '\ufffd')
}

function quote(name: string): string {
  if (name.includes('\0')) throw new QueryError('a name contains a NUL character', { code: 'E_QUERY_NAME' })
  return `"${name.replaceAll('"', '""')}"`
}

/** In hand-written SQL small whole numbers are `integer`, as if they stood in the text: `left(plan, $1)`. */
function typeOf(term: CallTerm, index: number): ColumnType {
  return term.args[index]?.type ?? 'unknown'
}

function plainNumber(term: CallTerm, index: number): number {
  const arg = term.args[index]
  return arg?.op === 'value' ? Number(arg.value) : 0
}

/** One side with an explicit collation is enough for both. */
function binary(value: Fragment | undefined, type: ColumnType): Fragment {
  const fragment = value ?? []
  return type === 'string' ? text`${fragment} ${BINARY}` : fragment
}

function double(value: Fragment | undefined): Fragment {
  return text`cast(${value ?? []} as double precision)`
}

function compared(operator: string): FunctionSql {
  return ([a, b], term) => text`(${binary(a, typeOf(term, 0))} ${operator} ${b as Fragment})`
}

function part(unit: string): FunctionSql {
  return ([value]) => text`date_part('${unit}', ${value as Fragment} at time zone 'UTC')::bigint`
}

/** Doubles have no `%`. The same steps as SQLite's dialect, so that both round alike. */
function remainder(a: Fragment, b: Fragment): Fragment {
  return text`(${a} - ${b} * trunc(${a} / ${b}))`
}

/**
 * Half away from zero, on the exact value of the double: 2.675 lies below the half and becomes 2.67. `round(numeric)`
 * alone would see only 15 digits. From 2^52 on doubles have no fraction.
 */
function rounded(value: Fragment, digits: number): Fragment {
  const half = text`case when ${value} < 0 then -0.5 else 0.5 end`
  const near =
    digits === 0 ? text`trunc(${value} + ${half})` : text`round(${exact(value)}, ${String(digits)})::double precision`
  return text`case when abs(${value}) < 4503599627370496 then ${near} else ${value} end`
}

const TWO_62 = '4611686018427387904::double precision'
const TWO_TO_MINUS_62 = '0.00000000000000000021684043449710088680149056017398834228515625'

/** A double below 2^52 as `numeric`, to 62 binary places: both parts are whole numbers that a bigint holds. */
function exact(value: Fragment): Fragment {
  const fraction = text`((${value} - trunc(${value})) * ${TWO_62})::bigint`
  return text`(trunc(${value})::bigint::numeric + ${fraction}::numeric * ${TWO_TO_MINUS_62})`
}

/** Towards zero; what a bigint cannot hold becomes its nearest. */
function truncated(value: Fragment): Fragment {
  return text`case when ${value} >= 9223372036854775807 then 9223372036854775807 when ${value} <= -9223372036854775808 then -9223372036854775808 else trunc(${value})::bigint end`
}

/** Digits of the second as canonical text has them: none, three or six. */
function canonicalText(value: Fragment): Fragment {
  const micros = text`to_char(${value} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
  return text`(regexp_replace(${micros}, '(\\.000000|000)$', '') || '+00:00')`
}
