/** Functions (spec 02 §7) and operators (spec 02 §4, §5) of the expression language. */
import assert from 'node:assert/strict'
import { EVENT, FUNCTION_CASES } from '../unit/expression-cases.ts'
import { outcome } from '../unit/expression-kit.ts'
import type { Rule } from './rule.ts'

const FUNCTIONS = 'src/core/expression/functions/'

function holds(cases: readonly (readonly [expression: string, outcome: string])[]): void {
  for (const [expression, expected] of cases) assert.equal(outcome(expression, { event: EVENT }), expected, expression)
}

/** The cases of a function; `off` is a change to one of the files of functions. */
function fn(name: string, file: string, find: string, replace: string): Rule {
  return {
    id: `fn.${name}`,
    spec: '02 §7',
    off: { file: file.includes('/') ? file : FUNCTIONS + file, find, replace },
    check: () => holds(FUNCTION_CASES[name] ?? []),
  }
}

const functions: Rule[] = [
  fn('str::to_lowercase', 'text.ts', '.toLowerCase()', ''),
  fn('str::to_uppercase', 'text.ts', '.toUpperCase()', '.toLocaleLowerCase()'),
  fn('str::trim', 'text.ts', "trim(stringArg(text, 'str::trim'))", "stringArg(text, 'str::trim').trim()"),
  fn('str::substring', 'src/core/expression/code-points.ts', 'Math.max(0, characters.length + start)', '0'),
  fn('starts_with', 'text.ts', '.startsWith(', '.endsWith('),
  fn('ends_with', 'text.ts', '.endsWith(', '.includes('),
  fn('contains.String', 'text.ts', 'all.includes(', 'all.startsWith('),
  fn('contains.Array', 'text.ts', 'equal(item, part)', 'item === part'),
  fn('replace', 'text.ts', 'all.split(old).join(fresh)', 'all.replace(old, fresh)'),
  fn('regex_match', 'text.ts', 'regex.test(', '!regex.test('),
  fn('regex_extract', 'src/core/expression/regex.ts', 'compiled.groupCount() > 0 ? 1 : 0', '0'),
  fn('to_string', 'text.ts', 'textOf(value)', 'String(value)'),
  fn('len.String', 'text.ts', 'return lengthOf(value)', 'return value.length'),
  fn('len.Array', 'text.ts', 'return value.length', 'return value.length - 1'),
  fn('math::abs', 'numbers.ts', 'Math.abs(number.float)', 'number.float'),
  fn('floor', 'numbers.ts', "wholeNumber('floor', Math.floor)", "wholeNumber('floor', Math.trunc)"),
  fn('ceil', 'numbers.ts', "wholeNumber('ceil', Math.ceil)", "wholeNumber('ceil', Math.round)"),
  fn('round', 'numbers.ts', "wholeNumber('round', halfAwayFromZero)", "wholeNumber('round', Math.round)"),
  fn('min', 'numbers.ts', "extreme('min', 1)", "extreme('min', -1)"),
  fn('max', 'numbers.ts', "extreme('max', -1)", "extreme('max', 1)"),
  fn('now', 'src/core/expression/call.ts', 'return (context) => context.now\n', 'return () => null\n'),
  fn('days_between', 'dates.ts', "between('days_between', DAY)", "between('days_between', HOUR)"),
  fn('hours_between', 'dates.ts', "between('hours_between', HOUR)", "between('hours_between', MINUTE)"),
  fn('minutes_between', 'dates.ts', 'makeDuration(-d.ms, -d.us)', 'makeDuration(-d.ms, d.us)'),
  fn('days_since', 'dates.ts', 'passed.ms < 0 ? 0 - days : days', 'days'),
  fn('year_of', 'dates.ts', 'civilFromDays(dayOf(instant)).year)', 'civilFromDays(dayOf(instant)).month)'),
  fn('month_of', 'dates.ts', 'civilFromDays(dayOf(instant)).month)', 'civilFromDays(dayOf(instant)).month - 1)'),
  fn('day_of', 'dates.ts', 'civilFromDays(dayOf(instant)).day)', 'civilFromDays(dayOf(instant)).day - 1)'),
  fn('hour_of', 'dates.ts', 'Math.floor(ms / HOUR) - Math.floor(ms / DAY) * 24', 'Math.trunc(ms / HOUR) % 24'),
  fn('minute_of', 'dates.ts', 'Math.floor(ms / MINUTE) - Math.floor(ms / HOUR) * 60', 'Math.trunc(ms / MINUTE) % 60'),
  fn('day_of_week', 'src/core/instant.ts', '(((days + 3) % 7) + 7) % 7', '(((days + 4) % 7) + 7) % 7'),
  fn(
    'date_trunc',
    'dates.ts',
    "'quarter', (instant) => monthStart(instant, (month) => month - ((month - 1) % 3))",
    "'quarter', (instant) => monthStart(instant, (month) => month)",
  ),
  fn('parse_datetime', 'date-format.ts', "fields.get('offset') ?? 0", '0'),
  fn('split', 'lists.ts', "separator === '' ? charactersOf(text) : text.split(separator)", 'text.split(separator)'),
  fn('join', 'lists.ts', '.map(textOf)', '.map((item) => JSON.stringify(item))'),
  fn('to_int', 'numbers.ts', "wholeNumber('to_int', Math.trunc)", "wholeNumber('to_int', Math.round)"),
  fn('to_float', 'src/core/number-text.ts', 'return Number.isFinite(value) ? value : null', 'return value'),
  fn('coalesce', 'src/core/expression/call.ts', 'if (value !== null) return value', 'if (value) return value'),
]

function op(
  name: string,
  spec: string,
  [file, find, replace]: [string, string, string],
  ...cases: [string, string][]
): Rule {
  return {
    id: `op.${name}`,
    spec,
    off: { file: `src/core/expression/${file}`, find, replace },
    check: () => holds(cases),
  }
}

const ARITHMETIC = 'arithmetic.ts'

const operators: Rule[] = [
  op(
    'null',
    '02 §5.1',
    [ARITHMETIC, 'if (a === null || b === null) return null', ''],
    ['null + 1', 'Null'],
    ['event.int * event.none', 'Null'],
  ),
  op('null-order', '02 §5.1', ['order.ts', 'null : order(a, b) > 0', 'false : order(a, b) > 0'], ['null > 1', 'Null']),
  op(
    'and-lazy',
    '02 §5.2',
    [
      'compile.ts',
      "truth(first(context), 'and') && truth(second(context), 'and')",
      "truth(second(context), 'and') && truth(first(context), 'and')",
    ],
    ['event.none != null and event.text > 5', 'false'],
  ),
  op(
    'bool-only',
    '02 §5.2',
    ['compile.ts', 'if (value === true) return true', 'if (value) return true'],
    ['if event.int then 1 else 2', 'type error'],
  ),
  op('equal-numbers', '02 §5.3', ['equality.ts', 'equalNumbers(b.value, a)', 'false'], ['5 == event.five', 'true']),
  op(
    'equal-iso',
    '02 §5.3',
    ['equality.ts', 'if (b instanceof Instant) return equalInstant(b, a)', ''],
    ['"2024-01-15T10:30:45.123456Z" == event.time', 'true'],
  ),
  op(
    'equal-deep',
    '02 §5.3',
    ['equality.ts', 'a.every((item, i) => equal(item, b[i]))', 'false'],
    ['split("a,b", ",") == split("a-b", "-")', 'true'],
  ),
  op(
    'order-code-points',
    '02 §5.4',
    ['code-points.ts', 'return highX === highY ? x - y : highX ? 1 : -1', 'return x - y'],
    ['"\uffff" < "😀"', 'true'],
  ),
  op(
    'int-overflow',
    '02 §5.5',
    [ARITHMETIC, "if (int === null) throw domainFailure('Int overflow')", ''],
    ['event.largest + 1', 'domain error'],
  ),
  op('int-division', '02 §5.5', [ARITHMETIC, 'Math.trunc(a / b) + 0', 'Math.floor(a / b)'], ['-7 / 2', 'Int -3']),
  op(
    'division-by-zero',
    '02 §5.5',
    [ARITHMETIC, "if (b === 0) throw domainFailure('Division by zero')", 'if (b === 0) return 0'],
    ['0.0 / 0', 'domain error'],
  ),
  op(
    'float-finite',
    '02 §5.5',
    [ARITHMETIC, 'if (!Number.isFinite(value))', 'if (false)'],
    ['event.huge * event.huge', 'domain error'],
  ),
  op(
    'power',
    '02 §5.5',
    [
      ARITHMETIC,
      "if (exponent < 0n) throw domainFailure('Int power with a negative exponent')",
      'if (exponent < 0n) return 0',
    ],
    ['2 ** -1', 'domain error'],
  ),
  op(
    'iso-plus-duration',
    '02 §5.5',
    [
      ARITHMETIC,
      "value instanceof Instant ? value : typeof value === 'string' ? readInstant(value) : undefined\n  if (start",
      'value instanceof Instant ? value : undefined\n  if (start',
    ],
    ['event.iso + 1d', 'DateTime 2024-01-16T10:30:45+00:00'],
  ),
  op(
    'duration-scaled',
    '02 §5.5',
    [ARITHMETIC, "operator === '*' && isNumeric(a) ? scaled(b, a) : undefined", 'undefined'],
    ['2.0 * 3h', 'Duration 21600s'],
  ),
  op('precedence', '02 §3', ['parse.ts', "['==', 3]", "['==', 4]"], ['2 > 1 == 3 > 2', 'true']),
  op(
    'power-right',
    '02 §3',
    ['parse.ts', 'this.#nested(() => this.#power())', 'this.#nested(() => this.#unary())'],
    ['2 ** 3 ** 2', 'Int 512'],
  ),
  op('escapes', '02 §3', ['lex.ts', 'if (replaced !== undefined) {', 'if (true) {'], ['"\\d" == "\\\\d"', 'true']),
  op(
    'index-negative',
    '02 §4',
    ['access.ts', '.at(position(index, object)) ?? null', '[position(index, object)] ?? null'],
    ['event.list[-1]', 'Float 2'],
  ),
  op(
    'index-type',
    '02 §4',
    ['access.ts', 'if (!isObject(object)) throw', 'if (!isObject(object)) return null\n  else throw'],
    ['event.int[0]', 'type error'],
  ),
]

export const rules: Rule[] = [...functions, ...operators]
