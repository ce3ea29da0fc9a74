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
  const rest = marks.filter(({ state }) => state !== 'held').sort((a, b) => ratio(b) - ratio(a))
  const held: InputMark[] = []
  while (isExceededInAll(totals(rest), limits)) {
    const worst = rest.shift()
    if (worst === undefined || progressOf(worst).failed === 0) break
    held.push(worst)
  }
  return held
}

/** True if no other part has a greater share of failures. */
export function isWorst(mark: InputMark, marks: Iterable<InputMark>): boolean {
  for (const other of marks) {
    if (other.part !== mark.part && other.state !== 'held' && ratio(other) > ratio(mark)) return false
  }
  return true
}

function ratio(mark: InputMark): number {
  const { read, failed } = progressOf(mark)
  return read === 0 ? 0 : failed / read
}
