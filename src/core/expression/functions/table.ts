/** All functions of the language by name (spec 02 §7). */
import { didYouMean } from '../../spelling.ts'
import { DATE_FUNCTIONS } from './dates.ts'
import type { AnyFunction } from './function.ts'
import { LIST_FUNCTIONS } from './lists.ts'
import { NUMBER_FUNCTIONS } from './numbers.ts'
import { TEXT_FUNCTIONS } from './text.ts'

const FUNCTIONS: ReadonlyMap<string, AnyFunction> = new Map(
  [TEXT_FUNCTIONS, NUMBER_FUNCTIONS, DATE_FUNCTIONS, LIST_FUNCTIONS].flatMap((group) => Object.entries(group)),
)

/** Functions that need more than the values of their arguments: the clock, or arguments left unevaluated. */
const SPECIAL: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['now', [0, 0]],
  ['days_since', [1, 1]],
  ['coalesce', [1, Number.POSITIVE_INFINITY]],
])

/** What reads the evaluation clock. */
export const CLOCK_FUNCTIONS: ReadonlySet<string> = new Set(['now', 'days_since'])

export const FUNCTION_NAMES: readonly string[] = [...FUNCTIONS.keys(), ...SPECIAL.keys()]

/** The function that only works on the values of its arguments; undefined for the special and the unknown ones. */
export function functionNamed(name: string): AnyFunction | undefined {
  return FUNCTIONS.get(name)
}

/** Why a call with so many arguments is wrong; null if it is right. */
export function callProblem(name: string, count: number): string | null {
  const arity = FUNCTIONS.get(name)?.arity ?? SPECIAL.get(name)
  if (arity === undefined) return `unknown function '${name}'${suggestion(name)}`
  const [least, most] = arity
  if (count >= least && count <= most) return null
  const wanted =
    most === least ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`
  return `function '${name}' takes ${wanted} argument${wanted === '1' || wanted === 'at least 1' ? '' : 's'}, not ${count}`
}

function suggestion(name: string): string {
  const bare = name.slice(name.lastIndexOf(':') + 1)
  const qualified = FUNCTION_NAMES.find((known) => known !== name && known.slice(known.lastIndexOf(':') + 1) === bare)
  return qualified === undefined ? didYouMean(name, FUNCTION_NAMES) : ` (did you mean '${qualified}'?)`
}
