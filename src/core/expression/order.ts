/** The orderings `< <= > >=` of the expression language (spec 02 §5.4). Null operands give null. */
import { Instant } from '../instant.ts'
import { kindOf, type Value } from '../value.ts'
import type { OrderOperator } from './ast.ts'
import { compare } from './equality.ts'
import { domainFailure, type Failure, typeFailure } from './errors.ts'

/** Order of two values that are not null; throws a `Failure` where they have none. */
export function order(a: Value, b: Value): number {
  const sign = compare(a, b)
  if (sign === null) throw incomparable(a, b)
  return sign
}

function incomparable(a: Value, b: Value): Failure {
  const dateWithText =
    (a instanceof Instant && typeof b === 'string') || (b instanceof Instant && typeof a === 'string')
  if (dateWithText) return domainFailure('String compared with a DateTime is no ISO 8601 date')
  return typeFailure(`Cannot compare ${kindOf(a)} with ${kindOf(b)}`)
}

export const ORDERINGS: Readonly<Record<OrderOperator, (a: Value, b: Value) => Value>> = {
  '<': (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a < b
    return a === null || b === null ? null : order(a, b) < 0
  },
  '<=': (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a <= b
    return a === null || b === null ? null : order(a, b) <= 0
  },
  '>': (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a > b
    return a === null || b === null ? null : order(a, b) > 0
  },
  '>=': (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a >= b
    return a === null || b === null ? null : order(a, b) >= 0
  },
}
