/** Functions over text (spec 02 §7 "Text"). Everything counts code points. */
import type { Value } from '../../value.ts'
import { charactersOf, lengthOf, substring, trim } from '../code-points.ts'
import { equal } from '../equality.ts'
import { compileRegex, type Regex } from '../regex.ts'
import { textOf } from '../text.ts'
import { type AnyFunction, intArg, plain, prepared, stringArg, wrongType, wrongValue } from './function.ts'

function contains(all: Value, part: Value): Value {
  if (all === null) return null
  if (Array.isArray(all)) return (all as readonly Value[]).some((item) => equal(item, part))
  if (part === null) return null
  if (typeof all !== 'string') throw wrongType('contains', 'String or Array', all)
  return all.includes(stringArg(part, 'contains'))
}

function replace(text: Value, from: Value, to: Value): Value {
  const all = stringArg(text, 'replace')
  const old = stringArg(from, 'replace')
  const fresh = stringArg(to, 'replace')
  if (old !== '') return all.split(old).join(fresh)
  return (
    fresh +
    charactersOf(all)
      .map((character) => character + fresh)
      .join('')
  )
}

function length(value: Value): Value {
  if (typeof value === 'string') return lengthOf(value)
  if (Array.isArray(value)) return value.length
  throw wrongType('len', 'String or Array', value)
}

function pattern(name: string): (value: Value) => Regex {
  return (value) => {
    const text = stringArg(value, name)
    try {
      return compileRegex(text)
    } catch (error) {
      throw wrongValue(name, 'invalid regular expression', (error as Error).message)
    }
  }
}

export const TEXT_FUNCTIONS: Readonly<Record<string, AnyFunction>> = {
  'str::to_lowercase': plain(1, (text = null) => stringArg(text, 'str::to_lowercase').toLowerCase()),
  'str::to_uppercase': plain(1, (text = null) => stringArg(text, 'str::to_uppercase').toUpperCase()),
  'str::trim': plain(1, (text = null) => trim(stringArg(text, 'str::trim'))),
  'str::substring': plain(3, (text = null, start = null, count = null) =>
    substring(stringArg(text, 'str::substring'), intArg(start, 'str::substring'), intArg(count, 'str::substring')),
  ),
  starts_with: plain(2, (text = null, part = null) =>
    stringArg(text, 'starts_with').startsWith(stringArg(part, 'starts_with')),
  ),
  ends_with: plain(2, (text = null, part = null) =>
    stringArg(text, 'ends_with').endsWith(stringArg(part, 'ends_with')),
  ),
  contains: { arity: [2, 2], nullable: true, run: (all = null, part = null) => contains(all, part) },
  replace: plain(3, (text = null, from = null, to = null) => replace(text, from, to)),
  regex_match: prepared(pattern('regex_match'), (text, regex) => regex.test(stringArg(text, 'regex_match'))),
  regex_extract: prepared(pattern('regex_extract'), (text, regex) => regex.extract(stringArg(text, 'regex_extract'))),
  to_string: { arity: [1, 1], nullable: true, run: (value = null) => textOf(value) },
  len: plain(1, (value = null) => length(value)),
}
