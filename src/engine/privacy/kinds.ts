/** Which pivot a kind of request has: everything else of its stages is the same. */
import type { RequestKind } from '../../ports/privacy.ts'
import { erasePivot } from './erase-pivot.ts'
import type { Pivot } from './pivot.ts'
import { redactPivot } from './redact-pivot.ts'

/** Whole entities go the same way, whoever asks for it. */
const PIVOTS: Partial<Record<RequestKind, Pivot>> = { erase: erasePivot, retention: erasePivot, redact: redactPivot }

export function pivotOf(kind: RequestKind): Pivot {
  const pivot = PIVOTS[kind]
  if (pivot === undefined) throw new Error(`no pivot for requests of kind '${kind}'`)
  return pivot
}
