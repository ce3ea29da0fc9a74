/** What queries, exports and graph calls cost beside the same SQL by hand. */
import { align, HEAD, machineText, mebibytes, number, row } from './print.ts'
import type { Measured } from './result.ts'

export interface QueriesResult {
  readonly store: string
  /** Of the history. */
  readonly rows: number
  readonly results: readonly Measured[]
  /** Peak resident memory of the process that did it all, bytes. */
  readonly peakRss: number
}

export function queriesText({ store, rows, results, peakRss }: QueriesResult): string {
  return [
    '',
    `${store}, and a copy in a DuckDB file: ${number(rows)} rows of history`,
    ...align([HEAD, ...results.map(row)]),
    `peak memory ${mebibytes(peakRss)}`,
    machineText(),
    '',
  ].join('\n')
}
