/** Functions over lists (spec 02 §7 "Lists, casts, null"). */
import type { Value } from '../../value.ts'
import { charactersOf } from '../code-points.ts'
import { textOf } from '../text.ts'
import { type AnyFunction, plain, stringArg, wrongType } from './function.ts'

function split(text: string, separator: string): Value {
  return separator === '' ? charactersOf(text) : text.split(separator)
}

function join(list: Value, separator: string): Value {
  if (!Array.isArray(list)) throw wrongType('join', 'Array', list)
  return (list as readonly Value[]).map(textOf).join(separator)
}

export const LIST_FUNCTIONS: Readonly<Record<string, AnyFunction>> = {
  split: plain(2, (text = null, separator = null) => split(stringArg(text, 'split'), stringArg(separator, 'split'))),
  join: plain(2, (list = null, separator = null) => join(list, stringArg(separator, 'join'))),
}
