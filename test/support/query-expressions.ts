/** Random column expressions together with what they mean for a row, written without `src/query`'s help. */
import fc, { type GeneratorValue } from 'fast-check'
import { and, type BoolExpr, caseWhen, col, type Expr, lit, or } from '../../src/query/expression.ts'
import { compare, type Frame, type Kind, type Row, type Value } from './query-oracle.ts'

/** An expression for the query and its value for a row. */
export interface Both {
  readonly kind: Kind
  readonly expr: Expr<never>
  readonly of: (row: Row) => Value
  /** For the reader of a counterexample. */
  readonly text: string
}

export const TEXTS = ['', 'a', 'A', 'ab', 'aB', '%', 'a_', '*', "o'k", 'é', 'É', '\\', '😀b', 'a\nb', '"', 'zz', '12']
export const NUMBERS = [-2.5, -1, 0, 0.1, 1, 2.5, 3, 100, 1e300, -1e300, 5e-324, 2 ** 53, 1e15 + 0.5]
export const INTEGERS = [-3, 0, 1, 2, 7, 9007199254740993n, -9007199254740993n]
export const INSTANTS = [
  '0001-01-01T00:00:00+00:00',
  '1969-12-31T23:59:59.999999+00:00',
  '2024-01-01T00:00:00+00:00',
  '2024-01-01T00:00:00.500+00:00',
  '2024-01-01T00:00:00.500001+00:00',
  '2024-05-31T12:00:00+00:00',
  '9999-12-31T23:59:59.999999+00:00',
]
export const VALUES: Readonly<Record<Kind, readonly Value[]>> = {
  string: TEXTS,
  number: NUMBERS,
  integer: INTEGERS,
  boolean: [true, false],
  datetime: INSTANTS,
}

const KINDS = ['string', 'number', 'integer', 'boolean', 'datetime'] as const
type E = Expr<never>
const any = (value: unknown): never => value as never

export function pick<T>(g: GeneratorValue, items: readonly T[]): T {
  return items[g(fc.nat, { max: items.length - 1 })] as T
}

export function anyKind(g: GeneratorValue): Kind {
  return pick(g, KINDS)
}

/** An expression of the kind over the frame's columns. */
export function expression(g: GeneratorValue, frame: Frame, kind: Kind, depth = 2): Both {
  const columns = Object.keys(frame.columns).filter((name) => frame.columns[name] === kind)
  const leaf = depth === 0 || g(fc.nat, { max: 2 }) === 0
  if (leaf && columns.length > 0 && g(fc.nat, { max: 4 }) > 0) return column(kind, pick(g, columns))
  if (leaf) return literal(kind, pick(g, VALUES[kind]))
  const made = compound(g, kind, (of) => expression(g, frame, of, depth - 1))
  // What a database may refuse: numbers beyond their type.
  const holds = frame.rows.every((row) => inRange(made.of(row)))
  return holds ? made : literal(kind, pick(g, VALUES[kind]))
}

export function condition(g: GeneratorValue, frame: Frame): Both {
  return expression(g, frame, 'boolean', 3)
}

function column(kind: Kind, name: string): Both {
  return { kind, expr: any(col(name)), of: (row) => row[name] ?? null, text: name }
}

function literal(kind: Kind, value: Value): Both {
  // An instant as text would be text.
  const expr =
    kind === 'datetime' ? lit(new Date(String(value))) : kind === 'number' ? lit(value).cast('number') : lit(value)
  const cut =
    kind === 'datetime'
      ? String(value)
          .replace(/(\.\d{3})\d{3}/, '$1')
          .replace('.000', '')
      : value
  return { kind, expr: any(expr), of: () => cut, text: `lit(${String(value)})` }
}

function inRange(value: Value): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'bigint' || (value < 2n ** 60n && value > -(2n ** 60n))
}

function compound(g: GeneratorValue, kind: Kind, make: (kind: Kind) => Both): Both {
  const shared = g(fc.nat, { max: 5 })
  if (shared === 0) {
    const [a, b] = [make(kind), make(kind)]
    return made(
      'coalesce',
      kind,
      [a, b],
      (e, f) => e.coalesce(any(f)),
      ([x, y]) => x ?? y ?? null,
      true,
    )
  }
  if (shared === 1) {
    const [test, a, b] = [make('boolean'), make(kind), make(kind)]
    return {
      kind,
      expr: any(caseWhen([[test.expr as unknown as BoolExpr, a.expr]], b.expr as never)),
      of: (row) => (test.of(row) === true ? a.of(row) : b.of(row)),
      text: `case(${test.text}, ${a.text}, ${b.text})`,
    }
  }
  switch (kind) {
    case 'string':
      return textual(g, make)
    case 'number':
      return numeric(g, make)
    case 'integer':
      return whole(g, make)
    case 'boolean':
      return logical(g, make)
    case 'datetime':
      return truncated(g, make)
  }
}

/** Null if an argument is, unless the function says otherwise. */
function made(
  fn: string,
  kind: Kind,
  args: readonly Both[],
  expr: (...args: E[]) => unknown,
  of: (values: Value[]) => Value,
  takesNull = false,
): Both {
  return {
    kind,
    expr: any(expr(...args.map((arg) => arg.expr))),
    of: (row) => {
      const values = args.map((arg) => arg.of(row))
      return !takesNull && values.includes(null) ? null : of(values)
    },
    text: `${fn}(${args.map((arg) => arg.text).join(', ')})`,
  }
}

const ascii = (text: Value, upper: boolean): string =>
  String(text).replace(/[a-zA-Z]/g, (c) => (upper ? c.toUpperCase() : c.toLowerCase()))

function textual(g: GeneratorValue, make: (kind: Kind) => Both): Both {
  switch (g(fc.nat, { max: 5 })) {
    case 0:
      return made(
        'lower',
        'string',
        [make('string')],
        (e) => e.lower(),
        ([v]) => ascii(v as Value, false),
      )
    case 1:
      return made(
        'upper',
        'string',
        [make('string')],
        (e) => e.upper(),
        ([v]) => ascii(v as Value, true),
      )
    case 2:
      return made(
        'concat',
        'string',
        [make('string'), make('string')],
        (a, b) => a.concat(any(b)),
        ([a, b]) => `${a}${b}`,
      )
    case 3:
      return made(
        'text',
        'string',
        [make('integer')],
        (e) => e.cast('string'),
        ([v]) => String(v),
      )
    case 4:
      return made(
        'text',
        'string',
        [make('boolean')],
        (e) => e.cast('string'),
        ([v]) => String(v),
      )
    default:
      return made(
        'date',
        'string',
        [make('datetime')],
        (e) => e.date(),
        ([v]) => String(v).slice(0, 10),
      )
  }
}

function numeric(g: GeneratorValue, make: (kind: Kind) => Both): Both {
  const two = [make('number'), make(pick(g, ['number', 'integer']))]
  const [n, m] = [(v: Value[]) => Number(v[0]), (v: Value[]) => Number(v[1])]
  switch (g(fc.nat, { max: 6 })) {
    case 0:
      return made(
        'add',
        'number',
        two,
        (a, b) => a.add(any(b)),
        (v) => n(v) + m(v),
      )
    case 1:
      return made(
        'sub',
        'number',
        two,
        (a, b) => a.sub(any(b)),
        (v) => n(v) - m(v),
      )
    case 2:
      return made(
        'mul',
        'number',
        [two[0] as Both, literal('number', 2.5)],
        (a) => a.mul(2.5),
        (v) => n(v) * 2.5,
      )
    case 3:
      return made(
        'div',
        'number',
        [make('integer'), make('integer')],
        (a, b) => a.div(any(b)),
        (v) => (m(v) === 0 ? null : n(v) / m(v)),
      )
    case 4:
      return made(
        'neg',
        'number',
        [make('number')],
        (e) => e.neg(),
        (v) => -n(v),
      )
    case 5:
      return made(
        'abs',
        'number',
        [make('number')],
        (e) => e.abs(),
        (v) => Math.abs(n(v)),
      )
    default:
      return made(
        'number',
        'number',
        [make('integer')],
        (e) => e.cast('number'),
        (v) => n(v),
      )
  }
}

function whole(g: GeneratorValue, make: (kind: Kind) => Both): Both {
  const big = (value: Value): bigint => BigInt(value as number | bigint)
  const two = [make('integer'), make('integer')]
  switch (g(fc.nat, { max: 8 })) {
    case 0:
      return made(
        'add',
        'integer',
        two,
        (a, b) => a.add(any(b)),
        ([a, b]) => big(a as Value) + big(b as Value),
      )
    case 1:
      return made(
        'sub',
        'integer',
        two,
        (a, b) => a.sub(any(b)),
        ([a, b]) => big(a as Value) - big(b as Value),
      )
    case 2:
      return made(
        'mul',
        'integer',
        [make('integer')],
        (e) => e.mul(3),
        ([v]) => big(v as Value) * 3n,
      )
    case 3: {
      const by = pick(g, [-3, 2, 7])
      return made(
        `mod ${by}`,
        'integer',
        [make('integer')],
        (e) => e.mod(by),
        ([v]) => big(v as Value) % BigInt(by),
      )
    }
    case 4:
      return made(
        'abs',
        'integer',
        [make('integer')],
        (e) => e.abs(),
        ([v]) => {
          const one = big(v as Value)
          return one < 0n ? -one : one
        },
      )
    case 5:
      return made(
        'length',
        'integer',
        [make('string')],
        (e) => e.length(),
        ([v]) => [...String(v)].length,
      )
    case 6:
      return made(
        'year',
        'integer',
        [make('datetime')],
        (e) => e.year(),
        ([v]) => Number(String(v).slice(0, 4)),
      )
    case 7:
      return made(
        'day',
        'integer',
        [make('datetime')],
        (e) => e.day(),
        ([v]) => Number(String(v).slice(8, 10)),
      )
    default:
      return made(
        'integer',
        'integer',
        [make('boolean')],
        (e) => e.cast('integer'),
        ([v]) => Number(v),
      )
  }
}

const TESTS = {
  eq: (sign: number) => sign === 0,
  ne: (sign: number) => sign !== 0,
  gt: (sign: number) => sign > 0,
  gte: (sign: number) => sign >= 0,
  lt: (sign: number) => sign < 0,
  lte: (sign: number) => sign <= 0,
} as const

function logical(g: GeneratorValue, make: (kind: Kind) => Both): Both {
  switch (g(fc.nat, { max: 8 })) {
    case 0: {
      const [a, b] = [make('boolean'), make('boolean')]
      const isAnd = g(fc.boolean)
      const of = (row: Row): Value => {
        const held = [a.of(row), b.of(row)]
        if (held.includes(!isAnd)) return !isAnd
        return held.includes(null) ? null : isAnd
      }
      const parts = [a.expr, b.expr] as unknown as [BoolExpr, BoolExpr]
      return {
        kind: 'boolean',
        expr: any(isAnd ? and(...parts) : or(...parts)),
        of,
        text: `${isAnd ? 'and' : 'or'}(${a.text}, ${b.text})`,
      }
    }
    case 1:
      return made(
        'not',
        'boolean',
        [make('boolean')],
        (e) => e.not(),
        ([v]) => v !== true,
      )
    case 2:
      return made(
        'isNull',
        'boolean',
        [make(anyKind(g))],
        (e) => e.isNull(),
        ([v]) => v === null,
        true,
      )
    case 3: {
      const kind = pick(g, ['string', 'integer', 'datetime'] as const)
      const list = g(fc.subarray<Value>, [...VALUES[kind]], { maxLength: 3 }).map((value) => literal(kind, value))
      const isIn = g(fc.boolean)
      return made(
        isIn ? 'in' : 'notIn',
        'boolean',
        [make(kind)],
        (e) => {
          const values = list.map((item) => item.expr) as never
          return isIn ? e.in(values) : e.notIn(values)
        },
        ([v]) => {
          if (list.length === 0) return !isIn
          return v === null ? null : list.some((item) => compare(item.of({}), v as Value) === 0) === isIn
        },
        true,
      )
    }
    case 4: {
      const kind = pick(g, ['string', 'number', 'datetime'] as const)
      return made(
        'between',
        'boolean',
        [make(kind), make(kind), make(kind)],
        (a, b, c) => a.between(any(b), any(c)),
        ([v, low, high]) =>
          // Three-valued: outside one known end is false, whatever the other.
          both(
            ordered(v, low, (sign) => sign >= 0),
            ordered(v, high, (sign) => sign <= 0),
          ),
        true,
      )
    }
    case 5: {
      const test = pick(g, ['startsWith', 'contains'] as const)
      const js = test === 'contains' ? 'includes' : 'startsWith'
      return made(
        test,
        'boolean',
        [make('string'), make('string')],
        (a, b) => a[test](any(b)),
        ([a, b]) => String(a)[js](String(b)),
      )
    }
    case 6: {
      const part = pick(g, TEXTS)
      const pattern = part.replace(/[\\%_]/g, '\\$&')
      return made(
        `like %${part}_`,
        'boolean',
        [make('string')],
        (e) => e.like(`%${pattern}_`),
        ([v]) => [...String(v)].slice(0, -1).join('').endsWith(part) && String(v) !== '',
      )
    }
    default: {
      const kind = pick(g, ['string', 'number', 'integer', 'datetime'] as const)
      const test = pick(g, Object.keys(TESTS) as (keyof typeof TESTS)[])
      return made(
        test,
        'boolean',
        [make(kind), make(kind)],
        (a, b) => a[test](any(b)),
        ([a, b]) => TESTS[test](compare(a as Value, b as Value)),
      )
    }
  }
}

function ordered(a: Value | undefined, b: Value | undefined, test: (sign: number) => boolean): boolean | null {
  return a === null || b === null ? null : test(compare(a as Value, b as Value))
}

function both(a: boolean | null, b: boolean | null): boolean | null {
  if (a === false || b === false) return false
  return a === null || b === null ? null : true
}

function truncated(g: GeneratorValue, make: (kind: Kind) => Both): Both {
  const [unit, length, rest] = pick(g, [
    ['year', 4, '-01-01T00:00:00+00:00'],
    ['month', 7, '-01T00:00:00+00:00'],
    ['day', 10, 'T00:00:00+00:00'],
    ['second', 19, '+00:00'],
  ] as const)
  return made(
    unit,
    'datetime',
    [make('datetime')],
    (e) => e.dateTrunc(unit),
    ([v]) => String(v).slice(0, length) + rest,
  )
}
