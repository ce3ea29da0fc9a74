/**
 * Temporal for tests. Importing this file asks for the server that all test files of a run share. Where none can be had,
 * importing fails under `CI=true`; elsewhere `describeTemporal` leaves its tests out.
 */
import { describe, inject } from 'vitest'
import type { TemporalAddress } from '../../src/temporal/index.ts'
import { askDesk } from './desk.ts'

const answer = await askDesk(inject('temporalDesk'))

/** `describe` for what needs a server. */
export const describeTemporal = describe.skipIf('missing' in answer)

/** The shared server. */
export function sharedTemporal(): TemporalAddress {
  if ('missing' in answer) throw new Error(answer.missing)
  const [address = '', namespace = ''] = answer.url.split('/')
  return { address, namespace }
}
