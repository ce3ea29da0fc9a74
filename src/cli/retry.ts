/** Dead letters read again as records of their source; each entry is settled once its record went through. */

import type { RawRecord } from '../core/event.ts'
import { parseJson } from '../core/expression/json.ts'
import { readDeadLetters, settleDeadLetters } from '../dead-letters.ts'
import type { DeadLetterEntry } from '../ports/dead-letter.ts'
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

/** Only a record that never reached the ledger can be read again; other failures are mended by a build. */
function isReadable({ failure }: DeadLetterEntry): boolean {
  return (
    failure.stage === 'normalization' &&
    failure.sequence === null &&
    typeof failure.raw === 'object' &&
    failure.raw !== null
  )
}

/**
 * Reads the chosen open entries again, source by source. A record that fails again is a new dead letter (the engine sends
 * it), so the old entry is settled either way and nothing is counted twice.
 */
export async function retryEntries(context: Context, path: string, chosen: ReadonlySet<string>): Promise<RetryCounts> {
  const counts: RetryCounts = { retried: 0, ingested: 0, duplicates: 0, failed: 0, skipped: 0, sources: [] }
  const bySource = new Map<string, Set<string>>()
  for await (const entry of readDeadLetters(path, { status: 'open' })) {
    if (!chosen.has(entry.id)) continue
    if (!isReadable(entry)) {
      counts.skipped += 1
      continue
    }
    const { source } = entry.failure
    bySource.set(source, (bySource.get(source) ?? new Set()).add(entry.id))
  }
  if (bySource.size === 0) return counts
  const defacto = await context.open()
  const { SourceRecord } = await import('../index.ts')
  for (const [source, ids] of bySource) {
    const read: string[] = []
    // New failures are appended to the file being read: the ids were fixed before, so the loop ends.
    const records = async function* (): AsyncGenerator<RawRecord> {
      const open = new Set(ids)
      for await (const { id, failure } of readDeadLetters(path, { status: 'open', parse: parseJson })) {
        if (!open.delete(id)) continue
        read.push(id)
        yield { value: failure.raw, ...(failure.origin === null ? {} : { origin: failure.origin }) }
        if (open.size === 0) return
      }
    }
    const done = await loadRecords(defacto, records(), (record) => new SourceRecord(record), {
      source,
      process: false,
      maxErrors: null,
      signal: context.signal,
      onSlice: () => {},
    })
    await settleDeadLetters(path, read, { status: 'retried', reason: null, at: new Date().toISOString() })
    counts.retried += done.read
    counts.ingested += done.ingested
    counts.duplicates += done.duplicates
    counts.failed += done.failed
    counts.sources.push(source)
  }
  return counts
}
