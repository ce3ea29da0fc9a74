/**
 * Dead letters of a file sink for people and tools: read them, read their records again, and note what became of them
 * (spec 07 §9). The lines are never changed; decisions stand in a journal beside the file.
 */
import { readDeadLetters, settleDeadLetters } from './adapters/dead-letter/store.ts'
import { parseJson } from './core/expression/json.ts'
import type { DeadLetterEntry } from './ports/dead-letter.ts'
import { SourceRecord } from './records.ts'

export { readDeadLetters, settleDeadLetters }

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
 * Hands the records of open entries to `load`, source by source, and settles each entry whose record was taken. A record
 * that fails again is a new dead letter (the engine sends it), so the old entry is settled either way and nothing counts
 * twice. `chosen`: ids to take; null takes all. Returns how many entries are not fit to be read again.
 */
export async function reprocessEntries(
  path: string,
  chosen: ReadonlySet<string> | null,
  load: (source: string, records: AsyncGenerator<SourceRecord>) => Promise<void>,
): Promise<{ skipped: number; sources: string[] }> {
  const bySource = new Map<string, Set<string>>()
  let skipped = 0
  for await (const entry of readDeadLetters(path, { status: 'open' })) {
    if (chosen !== null && !chosen.has(entry.id)) continue
    if (!isReadable(entry)) {
      skipped += 1
      continue
    }
    const { source } = entry.failure
    bySource.set(source, (bySource.get(source) ?? new Set()).add(entry.id))
  }
  for (const [source, ids] of bySource) {
    const read: string[] = []
    await load(source, recordsOf(path, ids, read))
    await settleDeadLetters(path, read, { status: 'retried', reason: null, at: new Date().toISOString() })
  }
  return { skipped, sources: [...bySource.keys()] }
}

/** New failures are appended to the file being read: the ids were fixed before, so the loop ends. */
async function* recordsOf(path: string, ids: ReadonlySet<string>, read: string[]): AsyncGenerator<SourceRecord> {
  const open = new Set(ids)
  for await (const { id, failure } of readDeadLetters(path, { status: 'open', parse: parseJson })) {
    if (!open.delete(id)) continue
    read.push(id)
    yield new SourceRecord({ value: failure.raw, ...(failure.origin === null ? {} : { origin: failure.origin }) })
    if (open.size === 0) return
  }
}
