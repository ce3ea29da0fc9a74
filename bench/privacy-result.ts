/** What erasing and redacting single subjects cost. */
import { align, HEAD, machineText, mebibytes, number, row } from './print.ts'
import type { Measured } from './result.ts'

export interface PrivacyResult {
  readonly store: string
  readonly events: number
  readonly entities: number
  /** Of the archive, when everything but the last tenth was there alone. */
  readonly coldFiles: number
  readonly coldBytes: number
  readonly results: readonly Measured[]
  /** Requests of the batch, and how many files they touched and were written anew, in how many commits. */
  readonly batch: { readonly requests: number; readonly files: number; readonly commits: number }
  readonly peakRss: number
}

export function privacyText(result: PrivacyResult): string {
  const { store, events, entities, coldFiles, coldBytes, results, batch, peakRss } = result
  return [
    '',
    `${store}: ${number(events)} events of ${number(entities)} entities; the archive ${coldFiles} files, ${mebibytes(coldBytes)}`,
    ...align([HEAD, ...results.map(row)]),
    `a batch of ${number(batch.requests)} requests: ${batch.files} files written anew in ${batch.commits} commits`,
    `peak memory ${mebibytes(peakRss)}`,
    machineText(),
    '',
  ].join('\n')
}
