/** How errors leave a process for the orchestrator (spec 10 §4.5): class, code and nothing else. */
import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '@temporalio/common'
import { classify } from '../src/orchestration/failure.ts'
import { allowedText } from '../workflows/allow-list.ts'

/** The only place that makes failures. What people read of an error is in the run's row. */
export function toFailure(error: unknown): Error {
  if (error instanceof CancelledFailure) return error
  if (error instanceof ApplicationFailure && error.type === 'NotAllowed') return error
  const { type, code, retryable, benign, delayMs } = classify(error)
  const failure = ApplicationFailure.create({
    message: allowedText(code) ? code : 'E_INTERNAL',
    type: allowedText(type) ? type : 'Error',
    nonRetryable: !retryable,
    // Zero would mean that nothing was said.
    nextRetryDelay: retryable && delayMs !== null ? Math.max(1, Math.round(delayMs)) : undefined,
    category: benign ? ApplicationFailureCategory.BENIGN : undefined,
  })
  // Places on this machine are in the log.
  failure.stack = ''
  return failure
}
