/** The one check of a definition set (spec 01 §5, 10 §3.8). Collects everything, needs no database, never throws. */
import { checkPipelines } from '../pipeline/check.ts'
import { Check } from './check.ts'
import { checkEffects } from './check-effects.ts'
import { checkExpressions } from './check-expressions.ts'
import { checkMachines } from './check-machine.ts'
import { checkNames } from './check-names.ts'
import { checkRelationships } from './check-relationships.ts'
import { checkSchemas } from './check-schemas.ts'
import { checkSources } from './check-sources.ts'
import { checkValues } from './check-values.ts'
import type { Loaded } from './load.ts'
import type { Issue } from './model.ts'

export interface ValidateOptions {
  /** Unknown keys (W09) are errors. */
  strict?: boolean
  /** The clock expressions will run with; `wall` makes every use of the clock a warning (W13). */
  expressionClock?: 'event' | 'wall'
}

export interface ValidationResult {
  /** True if there are no errors. */
  readonly valid: boolean
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
  readonly issues: readonly Issue[]
}

/** Checks a loaded set. */
export function validate(loaded: Loaded, options: ValidateOptions = {}): ValidationResult {
  const check = new Check(loaded)
  checkNames(check)
  checkValues(check)
  checkMachines(check)
  checkEffects(check)
  checkRelationships(check)
  checkExpressions(check, options.expressionClock === 'wall')
  checkSources(check)
  checkSchemas(check)
  checkPipelines(check)
  return resultOf([...loaded.issues, ...check.issues.list], options)
}

/** One line of text: code, place (or path), message. */
export function issueText(issue: Issue): string {
  const where = issue.place ?? issue.path
  return where === '' ? `${issue.code} ${issue.message}` : `${issue.code} ${where}: ${issue.message}`
}

/** The result for these findings. */
export function resultOf(found: readonly Issue[], options: ValidateOptions = {}): ValidationResult {
  const issues = options.strict
    ? found.map((issue) => (issue.code === 'W09' ? { ...issue, severity: 'error' as const } : issue))
    : found
  const errors = issues.filter((issue) => issue.severity === 'error')
  const warnings = issues.filter((issue) => issue.severity === 'warning')
  return { valid: errors.length === 0, errors: errors.map(issueText), warnings: warnings.map(issueText), issues }
}
