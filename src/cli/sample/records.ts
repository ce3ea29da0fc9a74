/** How the records fared, over all runs on this space. */
import type { Defacto } from '../../index.ts'
import { addUp } from './ingest.ts'
import type { SampleManifest } from './manifest.ts'
import type { FailureCount, PartCounts } from './marks.ts'

export interface SourceRecords {
  readonly read: number
  readonly ingested: number
  readonly duplicates: number
  readonly dead: number
}

export interface SampleRecords extends SourceRecords {
  readonly sources: Readonly<Record<string, SourceRecords>>
  readonly failures: readonly FailureCount[]
}

/**
 * Counted from the ledger and the marks, not from single runs: after a kill a file is read once more, and what was in
 * the ledger already then looks like repeats.
 */
export async function recordsOf(
  defacto: Defacto,
  manifest: SampleManifest,
  parts: ReadonlyMap<string, PartCounts>,
): Promise<SampleRecords> {
  const sources: Record<string, SourceRecords> = {}
  for (const name of [...new Set(manifest.parts.map((part) => part.source))].sort()) {
    const counts = manifest.parts.filter((part) => part.source === name).map((part) => parts.get(part.file))
    const read = counts.reduce((sum, part) => sum + (part?.read ?? 0), 0)
    const dead = counts.reduce((sum, part) => sum + (part?.failed ?? 0), 0)
    const ingested = await defacto.ledger.count({ source: name })
    sources[name] = { read, ingested, duplicates: read - dead - ingested, dead }
  }
  const total = (key: keyof SourceRecords): number =>
    Object.values(sources).reduce((sum, source) => sum + source[key], 0)
  return {
    read: total('read'),
    ingested: total('ingested'),
    duplicates: total('duplicates'),
    dead: total('dead'),
    sources,
    failures: addUp([...parts.values()].flatMap((part) => part.failures)),
  }
}
