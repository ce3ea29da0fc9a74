/** Evaluates expression text (02) by walking it with a cursor, every time anew. Covers what the tests generate. */
import {
  DAY,
  Failure,
  floorDiv,
  SECOND,
  Span,
  same,
  step,
  Time,
  textOf,
  timeFrom,
  timeFromIso,
  UNITS,
  type V,
} from './values.ts'

export interface Scope {
  /** `event.<name>`; absent: every `event.*` is null. */
  event?: (name: string) => V
  entity?: (name: string) => V
  value?: V
  now: Time
}

const TOKEN =
  /\s*(?:(\d+[dhms](?![A-Za-z0-9_]))|(\d+\.\d+)|(\d+)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*(?:::[A-Za-z_]\w*)?(?:\.\w+)*)|(\*\*|==|!=|<=|>=|&&|\|\||[-+*/<>!(),[\]]))/y

interface Token {
  kind: 'span' | 'float' | 'int' | 'text' | 'name' | 'sign'
  text: string
}

function tokens(text: string): Token[] {
  const out: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const m = TOKEN.exec(text)
    if (!m) throw new Error(`the reference interpreter cannot read: ${text}`)
    const i = m.slice(1).findIndex((group) => group !== undefined)
    const kind = (['span', 'float', 'int', 'text', 'name', 'sign'] as const)[i] as Token['kind']
    out.push({ kind, text: m[i + 1] as string })
  }
  return out
}

/** A delayed value: the right side of `and`, a branch, an argument of `coalesce` may never be evaluated. */
type Lazy = () => V

export function evaluate(text: string, scope: Scope): V {
  const list = tokens(text)
  let at = 0
  const peek = (): string => list[at]?.text ?? ''
  const accept = (...wanted: string[]): string | null => {
    if (list[at]?.kind === 'text' || !wanted.includes(peek())) return null
    at += 1
    return wanted.find((w) => w === list[at - 1]?.text) as string
  }
  const expect = (wanted: string): void => {
    if (accept(wanted) === null) throw new Error(`expected ${wanted} in ${text}`)
  }
  const leftToRight = (next: () => Lazy, ops: string[], join: (op: string, a: Lazy, b: Lazy) => V) => (): Lazy => {
    let left = next()
    for (let op = accept(...ops); op !== null; op = accept(...ops)) {
      const [a, b, sign] = [left, next(), op]
      left = () => join(sign, a, b)
    }
    return left
  }

  const power = (): Lazy => {
    const base = unary()
    if (accept('**') === null) return base
    const exponent = power()
    return () => arithmetic('**', base(), exponent())
  }
  const unary = (): Lazy => {
    const op = accept('not', '!', '-')
    if (op === null) return postfix()
    const operand = unary()
    return op === '-' ? () => negate(operand()) : () => !truth(operand())
  }
  const postfix = (): Lazy => {
    let base = primary()
    while (accept('[') !== null) {
      const [object, index] = [base, or()]
      expect(']')
      base = () => at_(object(), index())
    }
    return base
  }
  const primary = (): Lazy => {
    if (accept('(') !== null) {
      const inner = or()
      expect(')')
      return inner
    }
    if (accept('if') !== null) {
      const condition = or()
      expect('then')
      const yes = or()
      expect('else')
      const no = or()
      return () => (truth(condition()) ? yes() : no())
    }
    const token = list[at] as Token
    at += 1
    if (token.kind === 'span')
      return () => new Span(BigInt(token.text.slice(0, -1)) * (UNITS[token.text.slice(-1)] as bigint))
    if (token.kind === 'float') return () => Number(token.text)
    if (token.kind === 'int') return () => BigInt(token.text)
    if (token.kind === 'text') return () => token.text.slice(1, -1).replace(/\\([\\"'])/g, '$1')
    if (token.text === 'true' || token.text === 'false') return () => token.text === 'true'
    if (token.text === 'null') return () => null
    if (accept('(') !== null) {
      const args: Lazy[] = []
      while (accept(')') === null) {
        args.push(or())
        accept(',')
      }
      return () => call(token.text, args, scope)
    }
    return () => path(token.text, scope)
  }
  const product = leftToRight(power, ['*', '/'], (op, a, b) => arithmetic(op, a(), b()))
  const sum = leftToRight(product, ['+', '-'], (op, a, b) => arithmetic(op, a(), b()))
  const ordering = leftToRight(sum, ['>=', '<=', '>', '<'], (op, a, b) => order(op, a(), b()))
  const equality = leftToRight(ordering, ['==', '!='], (op, a, b) => same(a(), b()) === (op === '=='))
  const and = leftToRight(equality, ['and', '&&'], (_, a, b) => truth(a()) && truth(b()))
  const or = leftToRight(and, ['or', '||'], (_, a, b) => truth(a()) || truth(b()))

  const result = or()
  if (at < list.length) throw new Error(`left over: ${peek()} in ${text}`)
  return result()
}

/** A Boolean position: null is false, anything else but Bool an error. */
export function truth(value: V): boolean {
  if (value === null) return false
  if (typeof value !== 'boolean') throw new Failure('Bool required')
  return value
}

function path(text: string, scope: Scope): V {
  const [root, first, ...rest] = text.split('.')
  if (root === 'value' && first === undefined) return scope.value ?? null
  const read = root === 'event' ? scope.event : root === 'entity' ? scope.entity : undefined
  if ((root !== 'event' && root !== 'entity') || first === undefined) throw new Error(`unknown root ${text}`)
  return rest.reduce<V>(step, read?.(first) ?? null)
}

function at_(object: V, index: V): V {
  if (object === null || index === null) return null
  if (object instanceof Map && typeof index === 'string') return object.get(index) ?? null
  const items = typeof object === 'string' ? [...object] : object
  if (!Array.isArray(items) || typeof index !== 'bigint') throw new Failure('cannot index')
  return items[Number(index < 0n ? index + BigInt(items.length) : index)] ?? null
}

function negate(value: V): V {
  if (value === null) return null
  if (typeof value === 'bigint') return int(-value)
  if (typeof value === 'number') return -value
  if (value instanceof Span) return new Span(-value.us)
  throw new Failure('cannot negate')
}

function int(value: bigint): bigint {
  if (value < -(2n ** 63n) || value >= 2n ** 63n) throw new Failure('Int overflow')
  return value
}
function float(value: number): number {
  if (!Number.isFinite(value)) throw new Failure('not finite')
  return value
}

function arithmetic(op: string, a: V, b: V): V {
  if (a === null || b === null) return null
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    if (op === '+') return int(a + b)
    if (op === '-') return int(a - b)
    if (op === '*') return int(a * b)
    if (op === '/') return b === 0n ? zero() : int(a / b)
    if (b < 0n) throw new Failure('negative exponent')
    return int(a ** b)
  }
  if ((typeof a === 'bigint' || typeof a === 'number') && (typeof b === 'bigint' || typeof b === 'number')) {
    const [x, y] = [Number(a), Number(b)]
    if (op === '/' && y === 0) return zero()
    return float(op === '+' ? x + y : op === '-' ? x - y : op === '*' ? x * y : op === '/' ? x / y : x ** y)
  }
  if (op === '+' && typeof a === 'string' && typeof b === 'string') return a + b
  if (a instanceof Span && b instanceof Span) {
    if (op === '+') return new Span(a.us + b.us)
    if (op === '-') return new Span(a.us - b.us)
    if (op === '/') return float(Number(a.us) / Number(b.us))
  }
  const left = a instanceof Time ? a : typeof a === 'string' ? timeFromIso(a) : null
  if (left && b instanceof Span && (op === '+' || op === '-'))
    return new Time(op === '+' ? left.us + b.us : left.us - b.us)
  if (a instanceof Span && b instanceof Time && op === '+') return new Time(a.us + b.us)
  if (a instanceof Time && b instanceof Time && op === '-') return new Span(a.us - b.us)
  if (a instanceof Span && typeof b === 'bigint' && op === '*') return new Span(a.us * b)
  throw new Failure(`cannot apply ${op}`)
}

function zero(): never {
  throw new Failure('division by zero')
}

function order(op: string, a: V, b: V): V {
  if (a === null || b === null) return null
  const sign = compare(a, b)
  return op === '<' ? sign < 0 : op === '<=' ? sign <= 0 : op === '>' ? sign > 0 : sign >= 0
}

function compare(a: V, b: V): number {
  if ((typeof a === 'bigint' || typeof a === 'number') && (typeof b === 'bigint' || typeof b === 'number')) {
    return a < b ? -1 : a > b ? 1 : 0
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (a instanceof Span && b instanceof Span) return Number(a.us - b.us)
  if (a instanceof Time || b instanceof Time) {
    const x = a instanceof Time ? a : typeof a === 'string' ? timeFromIso(a) : null
    const y = b instanceof Time ? b : typeof b === 'string' ? timeFromIso(b) : null
    if (x && y) return x.us < y.us ? -1 : x.us > y.us ? 1 : 0
  }
  throw new Failure('cannot compare')
}

function call(name: string, args: Lazy[], scope: Scope): V {
  if (name === 'coalesce') {
    for (const arg of args) {
      const value = arg()
      if (value !== null) return value
    }
    return null
  }
  if (name === 'now') return scope.now
  const values = args.map((arg) => arg())
  const [a = null, b = null, c = null] = values
  if (name === 'to_string') return a === null ? '' : textOf(a)
  if (values.includes(null)) return null
  switch (name) {
    case 'str::trim':
      return text(a).trim()
    case 'str::to_lowercase':
      return text(a).toLowerCase()
    case 'str::to_uppercase':
      return text(a).toUpperCase()
    case 'replace':
      return text(a).split(text(b)).join(text(c))
    case 'starts_with':
      return text(a).startsWith(text(b))
    case 'ends_with':
      return text(a).endsWith(text(b))
    case 'contains':
      return Array.isArray(a) ? a.some((item) => same(item, b)) : text(a).includes(text(b))
    case 'len':
      return BigInt(Array.isArray(a) ? a.length : [...text(a)].length)
    case 'to_float':
      if (typeof a === 'bigint' || typeof a === 'number') return Number(a)
      throw new Failure('Int or Float required')
    case 'round': {
      if (typeof a !== 'number' || typeof b !== 'bigint') throw new Failure('Float and Int required')
      const scale = 10 ** Number(b)
      return (Math.sign(a) * Math.round(Math.abs(a) * scale)) / scale
    }
    case 'min':
    case 'max':
      return values.reduce((best, item) =>
        (name === 'min' ? compare(item, best) < 0 : compare(item, best) > 0) ? item : best,
      )
    case 'days_since':
      return (scope.now.us - time(a).us) / DAY
    case 'days_between':
      return abs(time(a).us - time(b).us) / DAY
    case 'hours_between':
      return abs(time(a).us - time(b).us) / (3600n * SECOND)
    case 'hour_of':
      return floorDiv(time(a).us, 3600n * SECOND) - floorDiv(time(a).us, DAY) * 24n
    default:
      throw new Error(`the reference interpreter has no function ${name}`)
  }
}

const abs = (n: bigint): bigint => (n < 0n ? -n : n)

function text(value: V): string {
  if (typeof value !== 'string') throw new Failure('String required')
  return value
}

function time(value: V): Time {
  const found = value instanceof Time ? value : typeof value === 'string' ? timeFrom(value) : null
  if (!found) throw new Failure('DateTime required')
  return found
}
