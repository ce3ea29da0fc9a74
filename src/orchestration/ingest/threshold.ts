/** How many failures of an input are too many (spec 10 §3.3). Pure. */
import type { InputMark } from '../../ports/runs.ts'
import type { OnError } from '../model.ts'
import { progressOf } from './marks.ts'

export interface Share {
  readonly read: number
  readonly failed: number
}

/** What this run has read of its parts; parts that are held are judged already and spoil no others. */
export function totals(marks: Iterable<InputMark>): Share {
  let read = 0
  let failed = 0
  for (const mark of marks) {
    if (mark.state === 'held') continue
    const progress = progressOf(mark)
    read += progress.read
    failed += progress.failed
  }
  return { read, failed }
}

/** After a chunk. */
export function isExceeded({ read, failed }: Share, limits: OnError): boolean {
  if (limits.maxCount !== null && failed > limits.maxCount) return true
  return read >= limits.minRecords && failed > limits.maxRatio * read
}

/** When everything is read: also if nothing of it was any good. */
export function isExceededInAll(share: Share, limits: OnError): boolean {
  return isExceeded(share, limits) || (share.read > 0 && share.failed === share.read)
}

/** The parts to hold, the worst first, until the rest is within the limits. */
export function partsToHold(marks: readonly InputMark[], limits: OnError): InputMark[] {
  const rest = new Set(marks.filter(({ state }) => state !== 'held'))
  const spoilt = [...rest].filter((mark) => progressOf(mark).failed > 0)
  spoilt.sort((a, b) => excess(b, limits) - excess(a, limits))
  const held: InputMark[] = []
  for (const worst of spoilt) {
    if (!isExceededInAll(totals(rest), limits)) break
    rest.delete(worst)
    held.push(worst)
  }
  return held
}

/** True if no other part has more failures beyond what its records allow. */
export function isWorst(mark: InputMark, marks: Iterable<InputMark>, limits: OnError): boolean {
  const own = excess(mark, limits)
  for (const other of marks) {
    if (other.part === mark.part || other.state === 'held' || progressOf(other).failed === 0) continue
    if (excess(other, limits) > own) return false
  }
  return true
}

/** Failures beyond those that are allowed; a part with few of them among many records has less than none. */
function excess(mark: InputMark, { maxRatio }: OnError): number {
  const { read, failed } = progressOf(mark)
  return failed - maxRatio * read
}
