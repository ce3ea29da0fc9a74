/** What can go wrong with an expression: at load `ExpressionError`, at evaluation `EvaluationError` (spec 02 §9). */

/** The text is no valid expression. `column` is 1-based and counts UTF-16 units from the start of the text. */
export class ExpressionError extends Error {
  readonly column: number
  /** What could have stood there, e.g. `')'`; null where nothing single was expected. */
  readonly expected: string | null

  constructor(message: string, column: number, expected: string | null = null) {
    super(message)
    this.name = 'ExpressionError'
    this.column = column
    this.expected = expected
  }
}

/** `type`: an operand of the wrong type; `domain`: a value outside what the operation can do. */
export type ErrorClass = 'type' | 'domain'

/** An expression failed on the values it met. The message names types, functions and the expression, never values. */
export class EvaluationError extends Error {
  readonly errorClass: ErrorClass
  readonly expression: string

  constructor(reason: string, errorClass: ErrorClass, expression: string) {
    super(`${reason} in expression: ${expression}`)
    this.name = 'EvaluationError'
    this.errorClass = errorClass
    this.expression = expression
  }
}

/** Thrown inside an evaluation, where the expression's text is not known; costs no stack trace. Never leaves `compile`. */
export class Failure {
  readonly errorClass: ErrorClass
  readonly reason: string
  /** What is wrong with a pattern, in its own words; only for literals, because those of events stay out of messages. */
  readonly detail: string | null

  constructor(errorClass: ErrorClass, reason: string, detail: string | null = null) {
    this.errorClass = errorClass
    this.reason = reason
    this.detail = detail
  }
}

export function typeFailure(reason: string): Failure {
  return new Failure('type', reason)
}

export function domainFailure(reason: string, detail: string | null = null): Failure {
  return new Failure('domain', reason, detail)
}

/** The error that a caller of a compiled expression sees for anything thrown inside. */
export function located(thrown: unknown, expression: string): unknown {
  if (thrown instanceof Failure) return new EvaluationError(thrown.reason, thrown.errorClass, expression)
  // The host refuses texts and lists beyond its limits, and nesting beyond its stack.
  if (thrown instanceof RangeError) return new EvaluationError('Value too large', 'domain', expression)
  return thrown
}
