/** Short ways to evaluate an expression and to write down what it gives. No test framework in here. */
import { compile } from '../../src/core/expression/compile.ts'
import type { EvalContext } from '../../src/core/expression/context.ts'
import { EvaluationError, ExpressionError } from '../../src/core/expression/errors.ts'
import { HANDLER, MAPPING, NORMALIZE, type Scope } from '../../src/core/expression/scope.ts'
import { textOf } from '../../src/core/expression/text.ts'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import { kindOf, type Value } from '../../src/core/value.ts'

export function at(text: string): Instant {
  const instant = instantFromText(text)
  if (instant === null) throw new Error(`no instant: ${text}`)
  return instant
}

export const NOW = at('2024-06-15T12:00:00Z')

export interface Given {
  event?: Record<string, Value>
  entity?: Record<string, Value> | null
  raw?: unknown
  value?: Value
  now?: Instant
}

export function contextOf({ event = {}, entity = {}, raw = {}, value = null, now = NOW }: Given): EvalContext {
  return {
    raw,
    value,
    now,
    event: { data: event, timestamp: now, eventType: 'paid', eventId: 'e_1', source: 'shop' },
    entity: entity && {
      id: 'member_1',
      state: 'active',
      properties: entity,
      createdTime: at('2024-01-01'),
      stateEnteredTime: at('2024-02-01'),
      lastEventTime: at('2024-03-01'),
    },
  }
}

/** The value of an expression over `event`, `entity`; with `raw` or `value` given, over these. */
export function evaluate(text: string, given: Given = {}): Value {
  const scope: Scope = 'raw' in given ? MAPPING : 'value' in given ? NORMALIZE : HANDLER
  return compile(text, scope)(contextOf(given))
}

/** Type and text of a value, lists and objects item by item: `Int 5`, `[String a, Null]`. */
export function show(value: Value): string {
  if (value === null) return 'Null'
  if (Array.isArray(value)) return `[${(value as Value[]).map(show).join(', ')}]`
  const kind = kindOf(value)
  if (kind === 'Object') {
    const members = Object.entries(value as Record<string, Value>).map(([key, item]) => `${key}: ${show(item)}`)
    return `{${members.join(', ')}}`
  }
  return kind === 'Bool' ? textOf(value) : `${kind} ${textOf(value)}`
}

/** What an expression gives, or how it fails: `Int 5`, `type error`, `domain error`, `load error`. */
export function outcome(text: string, given: Given = {}): string {
  try {
    return show(evaluate(text, given))
  } catch (error) {
    if (error instanceof EvaluationError) return `${error.errorClass} error`
    if (error instanceof ExpressionError) return 'load error'
    throw error
  }
}
