/** Dead letters read again through the same slices as any other input. */
import { reprocessEntries } from '../dead-letters.ts'
import type { DeadLetterBox } from '../ports/dead-letter.ts'
import type { Context } from './context.ts'
import { loadRecords } from './input/load.ts'

export interface RetryCounts {
  retried: number
  ingested: number
  duplicates: number
  failed: number
  /** Not fit to be read again. */
  skipped: number
  sources: string[]
}

export async function retryEntries(
  context: Context,
  letters: DeadLetterBox,
  chosen: ReadonlySet<string>,
): Promise<RetryCounts> {
  const counts = { retried: 0, ingested: 0, duplicates: 0, failed: 0 }
  const { skipped, sources } = await reprocessEntries(letters, chosen, async (source, records) => {
    const defacto = await context.open()
    const done = await loadRecords(defacto, records, (record) => record, {
      source,
      process: false,
      maxErrors: null,
      signal: context.signal,
      onSlice: () => {},
    })
    counts.retried += done.read
    counts.ingested += done.ingested
    counts.duplicates += done.duplicates
    counts.failed += done.failed
  })
  return { ...counts, skipped, sources }
}
