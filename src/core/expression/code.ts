/** The compiled form of expressions and their parts. */
import type { Value } from '../value.ts'
import type { EvalContext } from './context.ts'

/** Throws `EvaluationError` and nothing else; never gives undefined. */
export type Compiled = (context: EvalContext) => Value

/** A compiled part, which may throw a `Failure`; `constant` is its value if that is known before it runs. */
export interface Code {
  readonly run: Compiled
  readonly constant: Value | undefined
}
