/**
 * DuckDB: every value has a type, text compares by bytes, and much of what it can do more than the others is turned back to
 * what they do (spec 06 §1, §5.4): letters beyond ASCII keep their case, halves are rounded on the exact value, text becomes
 * a number only if it is one in JSON. What differs all the same: whole numbers beyond 64 bits are an error (SQLite goes on
 * with doubles), and sums of doubles depend on the order of rows in their last digits.
 */
import type { PropertyType } from '../../core/definition/model.ts'
import { QueryError } from '../../errors.ts'
import type { Dialect, FunctionSql } from '../dialect.ts'
import { bound, type Fragment, text } from '../fragment.ts'
import { type JsonStep, jsonSteps, quotedPath } from '../json-path.ts'
import { cellsJson } from '../loaded.ts'
import type { CallTerm } from '../term.ts'
import { standard } from './standard.ts'
import { typedValue } from './typed-value.ts'

const STORED = {
  string: 'varchar',
  number: 'double',
  integer: 'bigint',
  boolean: 'boolean',
  datetime: 'timestamptz',
} as const

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const LOWER = 'abcdefghijklmnopqrstuvwxyz'

export const duckdb: Dialect = {
  name: 'duckdb',
  havingTakesAliases: true,
  functions: {
    ...standard,
    likely: ([value]) => value as Fragment,
    among: ([value, list]) =>
      text`(${value as Fragment} in (select unnest(from_json(${list as Fragment}::json, '["varchar"]'))))`,
    like: ([value, pattern]) => text`(${value as Fragment} like ${pattern as Fragment} escape '\\')`,
    ilike: ([value], term) => {
      const pattern = bound(lowered(plainText(term, 1)))
      return text`(${cased(value, UPPER, LOWER)} like ${pattern}::varchar escape '\\')`
    },
    contains: ([value, part]) => text`contains(${value as Fragment}, ${part as Fragment})`,
    startsWith: ([value, part]) => text`starts_with(${value as Fragment}, ${part as Fragment})`,
    lower: ([value]) => cased(value, UPPER, LOWER),
    upper: ([value]) => cased(value, LOWER, UPPER),
    div: ([a, b]) => text`(${double(a)} / nullif(${double(b)}, 0))`,
    mod: ([a, b], term) =>
      term.type === 'integer'
        ? text`(${a as Fragment} % nullif(${b as Fragment}, 0))`
        : remainder(double(a), text`nullif(${double(b)}, 0)`),
    round: ([value], term) => rounded(double(value), Number(plainText(term, 1))),
    avg: ([value]) => text`avg(${double(value)})`,
    lag: ([value], term) => text`lag(${value as Fragment}, ${String(Number(plainText(term, 1)))})`,
    lead: ([value], term) => text`lead(${value as Fragment}, ${String(Number(plainText(term, 1)))})`,
    year: part('year'),
    month: part('month'),
    day: part('day'),
    date: ([value]) => text`strftime(${local(value)}, '%Y-%m-%d')`,
    dateTrunc: ([value], term) => {
      const cut = text`date_trunc('${plainText(term, 1)}', ${local(value)})`
      return text`make_timestamptz(epoch_us(${cut}))`
    },
    jsonPath: ([value], term) => jsonValue(value as Fragment, plainText(term, 1), term.to ?? 'string'),
  },
  quote,
  placeholder: (index) => `$${index}`,
  value: (value, type) => typedValue(STORED, value, type),
  cast(arg, from, to) {
    if (from === 'datetime') return canonicalText(arg)
    if (from === 'string') return jsonNumber(arg, to)
    if (from === 'number' && to === 'integer') return truncated(arg)
    return text`cast(${arg} as ${STORED[to]})`
  },
  firstOf: (value, order) => text`first(${value} order by ${order})`,
  orderKey: (key, descending) => text`${key}${descending ? ' desc' : ''} nulls last`,
  limit(limit, offset) {
    const rows = limit === null ? [] : text` limit ${bound(BigInt(limit))}::bigint`
    return offset === 0 ? rows : text`${rows} offset ${bound(BigInt(offset))}::bigint`
  },
  unnested(rows, columns) {
    const cells = columns.map(({ name, type }, i) => {
      const cell = `r.cells[${i + 1}]`
      return `${type === 'string' || type === 'unknown' ? cell : `${cell}::${STORED[type]}`} as ${quote(name)}`
    })
    const json = bound(cellsJson(rows, columns))
    const lists = text`select unnest(from_json(${json}::json, '[["varchar"]]')) as cells`
    return text`select ${cells.join(', ')} from (${lists}) as r`
  },
  // Names are the same whatever their case, quoted or not; ASCII letters only.
  nameKey: lowered,
}

function quote(name: string): string {
  if (name.includes('\0')) throw new QueryError('a name contains a NUL character', { code: 'E_QUERY_NAME' })
  return `"${name.replaceAll('"', '""')}"`
}

function lowered(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** In hand-written SQL small whole numbers are `integer`, as if they stood in the text: `left(plan, $1)`. */
function plainText(term: CallTerm, index: number): string {
  const arg = term.args[index]
  return arg?.op === 'value' ? String(arg.value) : ''
}

/** ASCII letters only, as on the other databases. */
function cased(value: Fragment | undefined, from: string, to: string): Fragment {
  return text`translate(${value ?? []}, '${from}', '${to}')`
}

function double(value: Fragment | undefined): Fragment {
  return text`cast(${value ?? []} as double)`
}

/** Date and time in UTC, without the calendars of the time zone library. */
function local(value: Fragment | undefined): Fragment {
  return text`make_timestamp(epoch_us(${value ?? []}))`
}

function part(unit: string): FunctionSql {
  return ([value]) => text`date_part('${unit}', ${local(value)})`
}

/** The same steps as on the other databases, so that all round alike. */
function remainder(a: Fragment, b: Fragment): Fragment {
  return text`(${a} - ${b} * trunc(${a} / ${b}))`
}

const TWO_62 = '4611686018427387904'
const TWO_63 = '9223372036854775808'

/**
 * Half away from zero, on the exact value of the double: 2.675 lies below the half and becomes 2.67. `round` multiplies
 * first, which may reach the half. So whole part and fraction (to 62 binary places) are put together as a whole number of
 * units of the last digit; read as text it is the double nearest to it. From 2^52 on doubles have no fraction.
 */
function rounded(value: Fragment, digits: number): Fragment {
  const half = text`case when ${value} < 0 then -0.5::double else 0.5::double end`
  const near =
    digits === 0
      ? text`trunc(${value} + ${half})`
      : text`cast(${units(value, digits)} || 'e-${String(digits)}' as double)`
  return text`case when abs(${value}) < 4503599627370496::double then ${near} else ${value} end`
}

function units(value: Fragment, digits: number): Fragment {
  const scale = `${10n ** BigInt(digits)}::hugeint`
  const fraction = text`cast(abs(${value} - trunc(${value})) * ${TWO_62}::double as hugeint)`
  const near = text`((${fraction} * ${scale} * 2 + ${TWO_62}::hugeint) // ${TWO_63}::hugeint)`
  const whole = text`cast(trunc(abs(${value})) as hugeint) * ${scale}`
  return text`(case when ${value} < 0 then '-' else '' end || cast(${whole} + ${near} as varchar))`
}

const MOST = '9223372036854775807::bigint'
const LEAST = "'-9223372036854775808'::bigint"

/** Towards zero; what a bigint cannot hold becomes its nearest. */
function truncated(value: Fragment): Fragment {
  const bounds = text`when ${value} >= 9223372036854775807::double then ${MOST} when ${value} <= -9223372036854775808::double then ${LEAST}`
  return text`case ${bounds} else cast(trunc(${value}) as bigint) end`
}

/** Digits of the second as canonical text has them: none, three or six. */
function canonicalText(value: Fragment): Fragment {
  const micros = text`strftime(${local(value)}, '%Y-%m-%dT%H:%M:%S.%f')`
  return text`(regexp_replace(${micros}, '(\\.000000|000)$', '') || '+00:00')`
}

const SPACE = '[ \\t\\n\\r]*'
const SPACES = "(' ' || chr(9) || chr(10) || chr(13))"

/** JSON numbers that are certain to fit a double; the same ones as on Postgres. */
const WHOLE = '-?(0|[1-9]\\d{0,99})'
const MODERATE = `${WHOLE}(\\.\\d{1,99})?([eE][+-]?0*1?\\d?\\d)?`
const EXTREME = '-?[1-9](\\.\\d{1,30})?[eE]([+]?(2\\d\\d|30[0-7])|-(2\\d\\d|3[01]\\d|32[0-3]))'

/** Only JSON numbers are read, other text becomes null; so do numbers beyond a double and those of 100 digits. */
function jsonNumber(arg: Fragment, to: string): Fragment {
  const bare = text`trim(${arg}, ${SPACES})`
  if (to === 'integer') {
    const clamped = text`cast(least(greatest(try_cast(${bare} as hugeint), ${LEAST}), ${MOST}) as bigint)`
    const beyond = text`case when starts_with(${bare}, '-') then ${LEAST} else ${MOST} end`
    return text`case when regexp_full_match(${arg}, '${SPACE}${WHOLE}${SPACE}') then coalesce(${clamped}, ${beyond}) end`
  }
  const numbers = `${SPACE}(${MODERATE}|${EXTREME})${SPACE}`
  return text`case when regexp_full_match(${arg}, '${numbers}') then try_cast(${bare} as double) end`
}

/** What this reader takes for JSON, and others do not: commas behind the last member, and numbers that are none. */
const STRING = '"([^"\\\\]|\\\\.)*"'
const LENIENT = ',[ \\t\\n\\r]*[\\]}]|[iI][nN][fF]|[nN][aA][nN]'

/** One kind of value at a path of JSON text. Text with a NUL in it is none: Postgres cannot hold it. */
function jsonValue(json: Fragment, path: string, kind: PropertyType): Fragment {
  const places = jsonPlaces(jsonSteps(path) ?? [])
  const place = places.at(-1) as Fragment
  const holder = places.slice(0, -1).reduce((from, to) => text`json_extract(${from}, ${to})`, json)
  const found = text`json_extract_string(${holder}, ${place})`
  const numbers = "in ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')"
  const type = text`json_type(${holder}, ${place})`
  const value = {
    string: text`when ${type} = 'VARCHAR' then ${found}`,
    number: text`when ${type} ${numbers} then ${jsonNumber(found, 'number')}`,
    integer: text`when ${type} ${numbers} then ${jsonNumber(found, 'integer')}`,
    boolean: text`when ${type} = 'BOOLEAN' then cast(${found} as boolean)`,
    datetime: text`when false then null`,
  }[kind]
  const strict = text`not regexp_matches(regexp_replace(${json}, '${STRING}', '@', 'g'), '${LENIENT}')`
  return text`case when json_valid(${json}) and ${strict} and not contains(${json}, '\\u0000') then case ${value} end end`
}

/** A star stands for any name, quoted or not, so a name with one in it is written as a pointer. */
function jsonPlaces(steps: readonly JsonStep[]): Fragment[] {
  const star = steps.findIndex((step) => typeof step === 'string' && step.includes('*'))
  if (star === -1) return [placeOf(quotedPath(steps))]
  const pointer = `/${String(steps[star]).replaceAll('~', '~0').replaceAll('/', '~1')}`
  return [placeOf(quotedPath(steps.slice(0, star))), placeOf(pointer), ...jsonPlaces(steps.slice(star + 1))]
}

function placeOf(path: string): Fragment {
  return text`${bound(path)}::varchar`
}
