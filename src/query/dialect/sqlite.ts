/** SQLite: dynamic types, instants as canonical text, booleans as 0 and 1 (spec 06 §1, §5.4). */
import type { PropertyType } from '../../core/definition/model.ts'
import { QueryError } from '../../errors.ts'
import type { Dialect, FunctionSql } from '../dialect.ts'
import { bound, type Fragment, text } from '../fragment.ts'
import { jsonSteps, quotedPath } from '../json-path.ts'
import { cellsJson } from '../loaded.ts'
import { standard } from './standard.ts'

const MIDNIGHT = "'T00:00:00+00:00'"

export const sqlite: Dialect = {
  name: 'sqlite',
  havingTakesAliases: true,
  functions: {
    ...standard,
    likely: ([value]) => text`likely(${value as Fragment})`,
    among: ([value, list]) => text`(${value as Fragment} in (select value from json_each(${list as Fragment})))`,
    like: ([value], term) => {
      // LIKE ignores case here; GLOB does not.
      const pattern = term.args[1]
      return text`(${value as Fragment} glob ${bound(globOf(pattern?.op === 'value' ? String(pattern.value) : ''))})`
    },
    ilike: ([value, pattern]) => text`(${value as Fragment} like ${pattern as Fragment} escape '\\')`,
    contains: ([value, part]) => text`(instr(${value as Fragment}, ${part as Fragment}) > 0)`,
    startsWith: ([value, part]) =>
      text`(substr(${value as Fragment}, 1, length(${part as Fragment})) = ${part as Fragment})`,
    div: ([a, b]) => text`(cast(${a as Fragment} as real) / ${b as Fragment})`,
    // The operator % works on integers only. The function `mod` sees 0.1 in 1 nine times, and Postgres has none.
    mod: ([a, b], term) =>
      term.type === 'integer'
        ? text`(${a as Fragment} % ${b as Fragment})`
        : text`(${a as Fragment} - ${b as Fragment} * trunc(1.0 * ${a as Fragment} / ${b as Fragment}))`,
    round: ([value, digits]) => text`round(${value as Fragment}, ${digits as Fragment})`,
    year: part(1, 4),
    month: part(6, 2),
    day: part(9, 2),
    date: ([value]) => text`substr(${value as Fragment}, 1, 10)`,
    dateTrunc: ([value], term) => {
      const unit = term.args[1]
      return truncate(value as Fragment, unit?.op === 'value' ? String(unit.value) : '')
    },
    jsonPath: ([value], { args: [, path], to }) =>
      jsonValue(value as Fragment, path?.op === 'value' ? String(path.value) : '$', to ?? 'string'),
  },
  quote,
  placeholder: () => '?',
  value(value, type) {
    if (value === null) return ['null']
    if (typeof value === 'boolean') return bound(value ? 1n : 0n)
    // A JavaScript number is bound as REAL; integers must stay integers ('5' and not '5.0' as text).
    if (typeof value === 'number' && type !== 'number' && Number.isSafeInteger(value)) return bound(BigInt(value))
    return bound(value)
  },
  cast(arg, from, to) {
    if (from === 'datetime') return arg
    if (from === 'boolean' && to === 'string') return text`case ${arg} when 1 then 'true' when 0 then 'false' end`
    if (from === 'string') return jsonNumber(arg, to)
    return text`cast(${arg} as ${STORED[to]})`
  },
  firstOf: (value, order) => text`json_extract(json_group_array(${value} order by ${order}), '$[0]')`,
  orderKey: (key, descending) => text`${key}${descending ? ' desc' : ''} nulls last`,
  limit(limit, offset) {
    const rows = text` limit ${bound(BigInt(limit ?? -1))}`
    return offset === 0 ? rows : text`${rows} offset ${bound(BigInt(offset))}`
  },
  unnested(rows, columns) {
    const cells = columns.map(({ name, type }, i) => {
      const cell = `json_extract(value, '$[${i}]')`
      const typed = type === 'integer' || type === 'number' ? `cast(${cell} as ${STORED[type]})` : cell
      return `${typed} as ${quote(name)}`
    })
    return text`select ${cells.join(', ')} from json_each(${bound(cellsJson(rows, columns))})`
  },
  nameKey: (name) => name.toLowerCase(),
}

const STORED = { string: 'text', number: 'real', integer: 'integer', boolean: 'integer', datetime: 'text' } as const

function quote(name: string): string {
  if (name.includes('\0')) throw new QueryError('a name contains a NUL character', { code: 'E_QUERY_NAME' })
  return `"${name.replaceAll('"', '""')}"`
}

/** CAST makes 0 of any text; only JSON numbers are read, other text becomes null. */
function jsonNumber(arg: Fragment, to: string): Fragment {
  const kinds = to === 'integer' ? "'integer'" : "'integer', 'real'"
  const stored = to === 'integer' ? 'integer' : 'real'
  return text`case when json_valid(${arg}) then case when json_type(${arg}) in (${kinds}) then cast(${arg} as ${stored}) end end`
}

/** One kind of value at a path of JSON text. Text with a NUL in it is none: Postgres cannot hold it. */
function jsonValue(json: Fragment, path: string, kind: PropertyType): Fragment {
  const place = bound(quotedPath(jsonSteps(path) ?? []))
  const found = text`json_extract(${json}, ${place})`
  // What is beyond a double is read as infinite.
  const number = text`case when abs(${found}) < 9e999 then cast(${found} as real) end`
  const branches = {
    string: text`when 'text' then ${found}`,
    number: text`when 'integer' then ${number} when 'real' then ${number}`,
    integer: text`when 'integer' then cast(${found} as integer)`,
    boolean: text`when 'true' then 1 when 'false' then 0`,
    datetime: text``,
  }
  return text`case when json_valid(${json}) and instr(${json}, '\\u0000') = 0 then case json_type(${json}, ${place}) ${branches[kind]} end end`
}

/** Digits of the canonical text, which begins `YYYY-MM-DDTHH:MM:SS` in UTC. */
function part(from: number, length: number): FunctionSql {
  return ([value]) => text`cast(substr(${value as Fragment}, ${String(from)}, ${String(length)}) as integer)`
}

function truncate(value: Fragment, unit: string): Fragment {
  switch (unit) {
    case 'year':
      return text`(substr(${value}, 1, 4) || '-01-01' || ${MIDNIGHT})`
    case 'quarter':
      return text`(substr(${value}, 1, 5) || printf('%02d', (cast(substr(${value}, 6, 2) as integer) - 1) / 3 * 3 + 1) || '-01' || ${MIDNIGHT})`
    case 'month':
      return text`(substr(${value}, 1, 7) || '-01' || ${MIDNIGHT})`
    case 'week':
      return text`(date(substr(${value}, 1, 10), '-6 days', 'weekday 1') || ${MIDNIGHT})`
    case 'day':
      return text`(substr(${value}, 1, 10) || ${MIDNIGHT})`
    case 'hour':
      return text`(substr(${value}, 1, 13) || ':00:00+00:00')`
    case 'minute':
      return text`(substr(${value}, 1, 16) || ':00+00:00')`
    default:
      return text`(substr(${value}, 1, 19) || '+00:00')`
  }
}

/** A LIKE pattern with backslash escapes as a GLOB pattern. */
function globOf(pattern: string): string {
  const literal = (c: string): string => (c === '*' || c === '?' || c === '[' ? `[${c}]` : c)
  return pattern.replace(/\\(.)|([%_])|([\s\S])/gu, (_, escaped?: string, wild?: string, other?: string) => {
    if (wild !== undefined) return wild === '%' ? '*' : '?'
    return literal(escaped ?? other ?? '')
  })
}
