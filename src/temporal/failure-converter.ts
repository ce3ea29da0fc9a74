/** Failures whose messages and stack traces are payloads, so that a codec reaches them. Loaded by path, in workflows too. */
import { DefaultFailureConverter } from '@temporalio/common'

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true })
