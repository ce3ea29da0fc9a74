/** Random chains of query steps, each carried out twice: on a query and on the rows it stands for. */
import fc, { type GeneratorValue } from 'fast-check'
import {
  asc,
  avg,
  col,
  count,
  countDistinct,
  desc,
  type Expr,
  type Expression,
  first,
  lag,
  last,
  lead,
  max,
  min,
  rank,
  rowNumber,
  sum,
} from '../../src/query/expression.ts'
import type { QueryRoot } from '../../src/query/root.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { anyKind, condition, expression, INSTANTS, pick } from './query-expressions.ts'
import * as oracle from './query-oracle.ts'
import {
  compare,
  compareNullable,
  type Frame,
  type How,
  type Kind,
  type Measure,
  names,
  type Row,
  type Value,
} from './query-oracle.ts'

/** Rows of the history tables. */
export interface Histories {
  readonly customer: readonly Row[]
  readonly order: readonly Row[]
}
export interface Pipeline {
  readonly query: (root: QueryRoot) => TableQuery
  readonly frame: Frame
  readonly text: readonly string[]
}

const CUSTOMER: Frame['columns'] = {
  customer_id: 'string',
  customer_state: 'string',
  plan: 'string',
  mrr: 'number',
  seats: 'integer',
  active: 'boolean',
  signup: 'datetime',
  valid_from: 'datetime',
  valid_to: 'datetime',
  merged_into: 'string',
}
const ORDER: Frame['columns'] = { order_id: 'string', total: 'number', plan: 'string', valid_from: 'datetime' }
/** More rows are cut before the next step. */
const MANY = 60

export function pipeline(g: GeneratorValue, data: Histories): Pipeline {
  let made = base(g, data)
  const steps = g(fc.nat, { max: 5 })
  for (let i = 0; i < steps; i++) made = step(g, made, data)
  return made
}

function base(g: GeneratorValue, data: Histories): Pipeline {
  return g(fc.nat, { max: 4 }) === 0 ? orders(data) : customers(g, data)
}

function orders({ order }: Histories): Pipeline {
  const rows = order.filter((row) => row.valid_to === null && row.merged_into === null)
  return only(
    { query: (root) => root.table('order'), frame: { columns: ORDER, rows }, text: ["table('order')"] },
    names({ columns: ORDER, rows }),
  )
}

/** `table` or `history`, points in time, filters and merges in any order (spec 06 §3, §4). */
function customers(g: GeneratorValue, { customer }: Histories): Pipeline {
  const isHistory = g(fc.nat, { max: 2 }) > 0
  const survivors = customer.filter((row) => row.merged_into === null && (isHistory || row.valid_to === null))
  let rows: readonly Row[] = survivors
  const text = [`${isHistory ? 'history' : 'table'}('customer')`]
  const made: ((query: TableQuery) => TableQuery)[] = []
  const instants: string[] = []
  for (let i = g(fc.nat, { max: 3 }); i > 0; i--) {
    const kind = g(fc.nat, { max: 2 })
    if (kind === 0 && isHistory) {
      const at = pick(g, INSTANTS)
      instants.push(at)
      made.push((query) => query.asOf(at))
      text.push(`asOf(${at})`)
    } else if (kind === 1) {
      made.push((query) => query.resolveMerges())
      rows = oracle.withMerged(rows, customer, 'customer_id')
      text.push('resolveMerges')
    } else {
      const where = condition(g, { columns: CUSTOMER, rows: customer })
      made.push((query) => query.filter(where.expr as never))
      rows = rows.filter((row) => where.of(row) === true)
      text.push(`filter ${where.text}`)
    }
  }
  // A point in time applies to the union of the selection and what was merged, whatever came first.
  for (const at of instants) {
    rows = rows.filter(
      (row) =>
        compare(row.valid_from as Value, at) <= 0 && (row.valid_to === null || compare(row.valid_to as Value, at) > 0),
    )
  }
  const query = (root: QueryRoot): TableQuery =>
    made.reduce((q, change) => change(q), isHistory ? root.history('customer') : root.table('customer'))
  return only({ query, frame: { columns: CUSTOMER, rows }, text }, names({ columns: CUSTOMER, rows }))
}

function chain(
  before: Pipeline,
  text: string,
  frame: Frame,
  change: (query: TableQuery, root: QueryRoot) => TableQuery,
): Pipeline {
  return { query: (root) => change(before.query(root), root), frame, text: [...before.text, text] }
}

function only(before: Pipeline, wanted: readonly string[]): Pipeline {
  const shape = Object.fromEntries(
    wanted.map((name) => [name, { kind: before.frame.columns[name] as Kind, of: (row: Row) => row[name] ?? null }]),
  )
  return chain(before, `select ${wanted}`, oracle.project(before.frame, shape), (query) => query.select(...wanted))
}

const STEPS = { filter, mutate, shape, rename, sortAndLimit, distinct, union, join, group, window }
const OFTEN = ['filter', 'join', 'group', 'window', ...Object.keys(STEPS)] as (keyof typeof STEPS)[]

function step(g: GeneratorValue, before: Pipeline, data: Histories): Pipeline {
  const small = before.frame.rows.length > MANY ? sortAndLimit(g, before) : before
  return STEPS[pick(g, OFTEN)](g, small, data)
}

function filter(g: GeneratorValue, before: Pipeline): Pipeline {
  const where = condition(g, before.frame)
  return chain(before, `filter ${where.text}`, oracle.filter(before.frame, where.of), (query) =>
    query.filter(where.expr as never),
  )
}

function mutate(g: GeneratorValue, before: Pipeline): Pipeline {
  const { frame } = before
  const made = expression(g, frame, anyKind(g))
  const name = pick(g, [...names(frame), 'made', 'odd name"'])
  const kept = Object.fromEntries(
    names(frame).map((of) => [of, { kind: frame.columns[of] as Kind, of: (row: Row) => row[of] ?? null }]),
  )
  return chain(
    before,
    `mutate ${name} = ${made.text}`,
    oracle.project(frame, { ...kept, [name]: made }),
    (query) => query.mutate({ [name]: made.expr }) as unknown as TableQuery,
  )
}

function shape(g: GeneratorValue, before: Pipeline): Pipeline {
  const kinds = [anyKind(g), anyKind(g), anyKind(g)]
  const made = Object.fromEntries(kinds.map((kind, i) => [`x${i}`, expression(g, before.frame, kind)]))
  const exprs = Object.fromEntries(Object.entries(made).map(([name, { expr }]) => [name, expr]))
  const text = Object.entries(made).map(([name, one]) => `${name} = ${one.text}`)
  return chain(before, `select ${text}`, oracle.project(before.frame, made), (query) => query.select(exprs))
}

function rename(g: GeneratorValue, before: Pipeline): Pipeline {
  const { frame } = before
  const from = pick(g, names(frame))
  const to = pick(g, ['renamed', 'order', 'Ü', 'select'])
  if (to in frame.columns) return before
  const shape = names(frame).map((name) => [
    name === from ? to : name,
    { kind: frame.columns[name] as Kind, of: (row: Row) => row[name] ?? null },
  ])
  return chain(
    before,
    `rename ${from} ${to}`,
    oracle.project(frame, Object.fromEntries(shape)),
    (query) => query.rename({ [from]: to } as never) as unknown as TableQuery,
  )
}

/** Every column in a random order: equal rows alone have no place of their own. */
function total(g: GeneratorValue, frame: Frame): { name: string; descending: boolean }[] {
  const shuffled = g(fc.shuffledSubarray<string>, names(frame), { minLength: names(frame).length })
  return shuffled.map((name) => ({ name, descending: g(fc.boolean) }))
}

function sortAndLimit(g: GeneratorValue, before: Pipeline): Pipeline {
  const keys = total(g, before.frame)
  const [rows, offset] = [g(fc.nat, { max: 20 }), g(fc.nat, { max: 3 })]
  const sorted = oracle.sort(before.frame, keys)
  const text = `orderBy ${keys.map(({ name, descending }) => name + (descending ? ' desc' : ''))} limit ${rows} offset ${offset}`
  return chain(before, text, { ...sorted, rows: sorted.rows.slice(offset, offset + rows) }, (query) =>
    query.orderBy(...keys.map(({ name, descending }) => (descending ? desc(name) : asc(name)))).limit(rows, { offset }),
  )
}

function distinct(_: GeneratorValue, before: Pipeline): Pipeline {
  return chain(before, 'distinct', oracle.distinct(before.frame), (query) => query.distinct())
}

function union(g: GeneratorValue, before: Pipeline): Pipeline {
  const other = filter(g, before)
  const once = g(fc.boolean)
  return chain(
    before,
    `union(${other.text.at(-1)}, ${once})`,
    oracle.union(before.frame, other.frame, once),
    (query, root) => query.union(other.query(root), { distinct: once }),
  )
}

function join(g: GeneratorValue, before: Pipeline, data: Histories): Pipeline {
  const other = base(g, data)
  const pairs = names(before.frame).flatMap((left) =>
    names(other.frame)
      .filter(
        (right) =>
          other.frame.columns[right] === before.frame.columns[left] && before.frame.columns[left] !== 'boolean',
      )
      .map((right) => [left, right] as const),
  )
  if (pairs.length === 0) return before
  const [left, right] = pick(g, pairs)
  const how = pick(g, ['inner', 'left', 'right', 'full', 'semi', 'anti'] as const) as How
  const test = pick(g, ['eq', 'eq', 'eq', 'lt'] as const)
  const suffixes = ['_l', '_r'] as const
  const all = [...names(before.frame), ...names(other.frame)]
  if (all.some((name) => all.includes(`${name}_l`) || all.includes(`${name}_r`))) return before
  const on = (a: Row, b: Row): Value => {
    const [x, y] = [a[left] ?? null, b[right] ?? null]
    if (x === null || y === null) return null
    return test === 'eq' ? compare(x, y) === 0 : compare(x, y) < 0
  }
  const frame = oracle.join(before.frame, other.frame, how, on, suffixes)
  const text = `join ${how} on ${left} ${test} ${right} (${other.text.join(' → ')})`
  return chain(before, text, frame, (query, root) => {
    const condition = (l: Record<string, Expr>, r: Record<string, Expr>) => l[left]?.[test](r[right] as never)
    return query.join(other.query(root), test === 'eq' ? { left, right } : (condition as never), {
      how,
      suffixes,
    }) as TableQuery
  })
}

type Aggregate = { measure: Measure; expr: Expression; text: string }

function aggregate(g: GeneratorValue, frame: Frame): Aggregate {
  const over = expression(g, frame, anyKind(g), 1)
  const made = (
    kind: Kind,
    fn: string,
    expr: Expression,
    of: (values: Value[], rows: readonly Row[]) => Value,
  ): Aggregate => ({
    measure: {
      kind,
      of: (rows) =>
        of(
          rows.map(over.of).filter((value) => value !== null),
          rows,
        ),
    },
    expr,
    text: `${fn}(${over.text})`,
  })
  const whole = over.kind === 'integer' && frame.rows.every((row) => Math.abs(Number(over.of(row))) < 2 ** 40)
  const total = (values: Value[]): Value =>
    values.length === 0 ? null : values.reduce((a: number, b) => a + Number(b), 0)
  switch (g(fc.nat, { max: 7 })) {
    case 0:
      return made('integer', 'count', count(over.expr), (values) => values.length)
    case 1:
      return made(
        'integer',
        'countDistinct',
        countDistinct(over.expr),
        (values) => new Set(values.map(oracle.keyOf)).size,
      )
    case 2:
      if (whole) return made('integer', 'sum', sum(over.expr), total)
      break
    case 3:
      if (whole)
        return made('number', 'avg', avg(over.expr), (values) =>
          values.length === 0 ? null : Number(total(values)) / values.length,
        )
      break
    case 4:
      if (over.kind !== 'boolean')
        return made(over.kind, 'min', min(over.expr), (values) => values.toSorted(compare)[0] ?? null)
      break
    case 5:
      if (over.kind !== 'boolean')
        return made(over.kind, 'max', max(over.expr), (values) => values.toSorted(compare).at(-1) ?? null)
      break
    case 6: {
      const last_ = (rows: readonly Row[]): Value =>
        rows
          .map(over.of)
          .toSorted((a, b) => compareNullable(a, b, true))
          .at(-1) ?? null
      return made(over.kind, 'last by desc', last(over.expr, { orderBy: desc(over.expr) }), (_, rows) => last_(rows))
    }
    case 7:
      return made(
        over.kind,
        'first',
        first(over.expr, { orderBy: over.expr }),
        (_, rows) => rows.map(over.of).toSorted((a, b) => compareNullable(a, b))[0] ?? null,
      )
  }
  return { measure: { kind: 'integer', of: (rows) => rows.length }, expr: count(), text: 'count()' }
}

function group(g: GeneratorValue, before: Pipeline): Pipeline {
  const { frame } = before
  const keys = g(fc.shuffledSubarray<string>, names(frame), { maxLength: 2 })
  const measures = ['m0', 'm1', 'm2']
    .map((name) => [name, aggregate(g, frame)] as const)
    .filter(([name]) => !keys.includes(name))
  const least = keys.length > 0 && g(fc.boolean) ? g(fc.nat, { max: 3 }) : 0
  const after = oracle.group(
    frame,
    keys,
    Object.fromEntries(measures.map(([name, { measure }]) => [name, measure])),
    (rows) => rows.length >= least,
  )
  const text = `group by ${keys} having ${least} agg ${measures.map(([name, one]) => `${name} = ${one.text}`)}`
  return chain(before, text, after, (query) => {
    const shape = Object.fromEntries(measures.map(([name, { expr }]) => [name, expr]))
    if (keys.length === 0) return query.agg(shape) as unknown as TableQuery
    const grouped = query.groupBy(...keys)
    return (least > 0 ? grouped.having(count().gte(least)) : grouped).agg(shape) as unknown as TableQuery
  })
}

function window(g: GeneratorValue, before: Pipeline): Pipeline {
  const { frame } = before
  const name = 'w'
  if (name in frame.columns) return before
  const partitionBy = g(fc.shuffledSubarray<string>, names(frame), { maxLength: 2 })
  const keys = total(g, frame)
  const orderBy = keys.map((key) => (key.descending ? desc(key.name) : asc(key.name)))
  const over = { partitionBy, orderBy }
  const value = pick(g, names(frame))
  const kind = frame.columns[value] as Kind
  const same = (a: Row | undefined, b: Row | undefined): boolean =>
    names(frame).every((of) => compareNullable(a?.[of] ?? null, b?.[of] ?? null) === 0)
  const add = (
    fn: string,
    of_: Kind,
    expr: Expression,
    of: Parameters<typeof oracle.windowed>[5],
    order = keys,
  ): Pipeline =>
    chain(
      before,
      `${name} = ${fn}(${value}) over (${partitionBy} by ${keys.map((key) => key.name)})`,
      oracle.windowed(frame, name, of_, partitionBy, order, of),
      (query) => query.mutate({ [name]: expr }) as unknown as TableQuery,
    )
  switch (g(fc.nat, { max: 5 })) {
    case 0:
      return add('rowNumber', 'integer', rowNumber().over(over), (_, at) => at + 1)
    case 1:
      return add('rank', 'integer', rank().over(over), (rows, at) => rows.findIndex((row) => same(row, rows[at])) + 1)
    case 2:
      return add('lag', kind, lag(value).over(over), (rows, at) => rows[at - 1]?.[value] ?? null)
    case 3:
      return add('lead', kind, lead(value, 2).over(over), (rows, at) => rows[at + 2]?.[value] ?? null)
    case 4:
      return add('count, running', 'integer', count(value).over(over), (rows, at) => {
        const end = rows.findLastIndex((row) => same(row, rows[at]))
        return rows.slice(0, end + 1).filter((row) => row[value] !== null).length
      })
    default:
      return add(
        'count',
        'integer',
        count(col(value)).over({ partitionBy }),
        (rows) => rows.filter((row) => row[value] !== null).length,
      )
  }
}
