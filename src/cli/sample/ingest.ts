/** Reading one file of the sample into the ledger. */
import { join } from 'node:path'
import { type Defacto, type EventFailure, SourceRecord } from '../../index.ts'
import { openBytes } from '../input/bytes.ts'
import { readRecords } from '../input/records.ts'
import type { SamplePart } from './manifest.ts'
import type { FailureCount, PartCounts } from './marks.ts'

/** Reads the file to its end; bad lines are counted by reason and go to the dead letters. */
export async function ingestPart(
  defacto: Defacto,
  folder: string,
  part: SamplePart,
  signal: AbortSignal,
): Promise<PartCounts> {
  const input = await openBytes(join(folder, part.file), process.stdin)
  let read = 0
  const records = async function* (): AsyncGenerator<SourceRecord> {
    for await (const record of readRecords(input.chunks, 'ndjson', part.file)) {
      read += 1
      yield new SourceRecord(record)
    }
  }
  const result = await defacto.ingest(part.source, records(), { throwIfAllFail: false, signal })
  return {
    read,
    ingested: result.eventsIngested,
    duplicates: result.duplicatesSkipped,
    failed: result.eventsFailed,
    failures: countFailures(result.failures),
  }
}

function countFailures(failures: readonly EventFailure[]): FailureCount[] {
  return addUp(failures.map(({ source, field, error }) => ({ source, field, reason: error, count: 1 })))
}

/** Counts of equal source, field and reason added up, in a fixed order. */
export function addUp(failures: Iterable<FailureCount>): FailureCount[] {
  const counts = new Map<string, FailureCount>()
  for (const { source, field, reason, count } of failures) {
    const key = JSON.stringify([source, field ?? '', reason])
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { source, field, reason, count })
    else known.count += count
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count)
}
