/** Coercion of mapped fields (spec 03 §3.1) and conforming to properties (spec 03 §5). */
import assert from 'node:assert/strict'
import { CoercionFailure, coerce, conform, type ValueRule, Violation } from '../../src/core/coerce.ts'
import type { PropertyType } from '../../src/core/definition/model.ts'
import type { Value } from '../../src/core/value.ts'
import { type Case, COERCIONS, CONFORMING } from '../unit/coerce-cases.ts'
import { show } from '../unit/expression-kit.ts'
import type { Rule } from './rule.ts'

const FILE = 'src/core/coerce.ts'
type Kind = 'String' | 'Int' | 'Float' | 'Bool' | 'DateTime' | 'Duration' | 'Array' | 'Object' | 'Null'

function coerced(value: Value, type: PropertyType): string {
  const result = coerce(value, type)
  return result instanceof CoercionFailure ? 'fails' : show(result)
}

function cell(from: Kind, to: PropertyType, find: string, replace: string, file = FILE): Rule {
  return {
    id: `coerce.${from}.${to}`,
    spec: '03 §3.1',
    off: { file, find, replace },
    check: () => {
      for (const [value, expected] of COERCIONS[`${from}.${to}`] ?? [])
        assert.equal(coerced(value, to), expected, show(value))
    },
  }
}

/** Where the function of each type refuses what it does not name; the text stands once in the file. */
const REFUSALS: Readonly<Record<PropertyType, string>> = {
  string: "impossible(value, 'string')",
  number: "return impossible(value, 'number')",
  integer: "return impossible(value, 'integer')",
  boolean: "?? unreadable(value, 'boolean')\n  return impossible(value, 'boolean')",
  datetime: "return impossible(value, 'datetime')",
}

/** A cell that fails always; switched off, its values are let through as they are. */
function refused(from: Kind, to: PropertyType): Rule {
  const find = REFUSALS[to]
  return cell(from, to, find, find.replace('impossible(', `kindOf(value) === '${from}' ? value : impossible(`))
}

/** Null stays null; switched off, it becomes the empty value of the type. */
function stays(to: PropertyType): Rule {
  const find = 'if (value === null || value === undefined) return null\n  switch (type) {'
  const empty = to === 'string' ? "''" : to === 'boolean' ? 'false' : '0'
  return cell('Null', to, find, find.replace('return null', `return type === '${to}' ? ${empty} : null`))
}

const NUMBERS = 'src/core/number-text.ts'
const TYPES = ['string', 'number', 'integer', 'boolean', 'datetime'] as const

const cells: Rule[] = [
  cell(
    'String',
    'string',
    "if (typeof value === 'string') return value\n",
    "if (typeof value === 'string') return value.trim()\n",
  ),
  cell('String', 'number', 'if (!DECIMAL.test(text)) return null', '', NUMBERS),
  cell('String', 'integer', 'if (!WHOLE.test(text)) return null', '', NUMBERS),
  cell('String', 'boolean', "?? unreadable(value, 'boolean')", '?? false'),
  cell(
    'String',
    'datetime',
    'instantFromText(value) ?? instantFromEpochText(value)',
    'instantFromText(value)',
    'src/core/instant.ts',
  ),
  cell('Int', 'string', 'const readable = typeof value', "const readable = typeof value !== 'number' && typeof value"),
  cell(
    'Int',
    'number',
    "if (typeof value === 'number') return toFloat(value + 0)",
    "if (typeof value === 'number') return value",
  ),
  cell(
    'Int',
    'integer',
    "if (typeof value === 'bigint') return value\n",
    "if (typeof value === 'bigint') return Number(value)\n",
  ),
  cell('Int', 'boolean', 'return value !== 0\n', 'return value === 1\n'),
  cell('Int', 'datetime', 'size < 1e11 ? value * 1000 : value', 'value', 'src/core/instant.ts'),
  cell('Float', 'string', "sign + digits.padEnd(exponent + 1, '0')", 'text', NUMBERS),
  cell(
    'Float',
    'number',
    'if (value instanceof Float) return value\n',
    'if (value instanceof Float) return value.value\n',
  ),
  cell('Float', 'integer', 'Math.trunc(asNumber(value))', 'Math.round(asNumber(value))'),
  refused('Float', 'boolean'),
  cell(
    'Float',
    'datetime',
    'value instanceof Float ? value.value : value) ??',
    'value instanceof Float ? value.value : Math.round(value)) ??',
  ),
  cell('Bool', 'string', 'readable ? textOf(value)', "readable ? (value === true ? '1' : textOf(value))"),
  refused('Bool', 'number'),
  refused('Bool', 'integer'),
  cell(
    'Bool',
    'boolean',
    "if (typeof value === 'boolean') return value\n",
    "if (typeof value === 'boolean') return !value\n",
  ),
  refused('Bool', 'datetime'),
  cell('DateTime', 'string', ' || value instanceof Instant\n  return readable', '\n  return readable'),
  refused('DateTime', 'number'),
  refused('DateTime', 'integer'),
  refused('DateTime', 'boolean'),
  cell('DateTime', 'datetime', 'if (value instanceof Instant) return value\n', ''),
  ...(['Duration', 'Array', 'Object'] as const).flatMap((from) => TYPES.map((to) => refused(from, to))),
  ...TYPES.map(stays),
]

function conformed(value: Value, rule: ValueRule): string {
  const result = conform(value, rule)
  return result instanceof Violation ? 'fails' : show(result)
}

function conforming(id: string, find: string, replace: string, rule: ValueRule, cases: readonly Case[]): Rule {
  return {
    id: `conform.${id}`,
    spec: '03 §5',
    off: { file: FILE, find, replace },
    check: () => {
      for (const [value, expected] of cases) assert.equal(conformed(value, rule), expected, show(value))
    },
  }
}

function type(name: PropertyType, find: string, replace: string): Rule {
  return conforming(name, find, replace, { type: name }, CONFORMING[name] ?? [])
}

const properties: Rule[] = [
  type(
    'string',
    'const result = withoutLoss(value, rule.type)',
    "const result = rule.type === 'string' ? value : withoutLoss(value, rule.type)",
  ),
  type(
    'number',
    "if (typeof value === 'number') return toFloat(value + 0)",
    "if (typeof value === 'number') return value",
  ),
  type('integer', 'if (!Number.isInteger(asNumber(value)))', 'if (false)'),
  type('boolean', "typeof value !== 'string' && value !== 0 && value !== 1", "typeof value !== 'string' && false"),
  type('datetime', "return impossible(value, 'datetime')", 'return value'),
  conforming('allowed', 'equal(one, result)', 'one === result', { type: 'number', allowed: [1, 2.5] }, [
    [1, 'Float 1'],
    ['2.5', 'Float 2.5'],
    [2, 'fails'],
    [null, 'Null'],
  ]),
  conforming('min', 'size < min', 'size <= min', { type: 'integer', min: 1 }, [
    [1, 'Int 1'],
    [0, 'fails'],
    [null, 'Null'],
  ]),
  conforming('max', 'size > max', 'size >= max', { type: 'number', max: 1 }, [
    [1, 'Float 1'],
    [1.5, 'fails'],
    [null, 'Null'],
  ]),
  conforming(
    'redacted',
    'rule.sensitive === true && ',
    'false && ',
    { type: 'string', allowed: ['a'], sensitive: true },
    [
      ['[REDACTED]', 'String [REDACTED]'],
      ['a'.repeat(64), `String ${'a'.repeat(64)}`],
      ['*****6789', 'String *****6789'],
      ['other', 'fails'],
    ],
  ),
]

export const rules: Rule[] = [...cells, ...properties]
