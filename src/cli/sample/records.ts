/** How the records fared, over all runs on this space. */
import type { EventFailure } from '../../index.ts'
import type { Pipeline } from '../../orchestration/model.ts'
import type { InputMark, RunLog } from '../../ports/runs.ts'

/** Failures of one kind. `reason` and `field` never hold values of a record. */
export interface FailureCount {
  readonly source: string
  readonly field: string | null
  readonly reason: string
  count: number
}

export interface SourceRecords {
  readonly read: number
  readonly ingested: number
  readonly duplicates: number
  readonly dead: number
}

export interface SampleRecords extends SourceRecords {
  readonly sources: Readonly<Record<string, SourceRecords>>
  readonly failures: readonly FailureCount[]
  /** Files that were read to their end. */
  readonly files: number
}

/** Counted from the marks, which commit with the records: they add up after any number of kills. */
export async function recordsOf(log: RunLog, pipeline: Pipeline): Promise<SampleRecords> {
  const sources: Record<string, SourceRecords> = {}
  let files = 0
  for (const name of [...new Set(pipeline.inputs.map(({ source }) => source))].sort()) {
    const marks: InputMark[] = []
    for (const input of pipeline.inputs.filter(({ source }) => source === name))
      marks.push(...(await log.inputs.marks(pipeline.name, input.name)))
    const sum = (key: 'recordsRead' | 'ingested' | 'duplicates' | 'failed'): number =>
      marks.reduce((total, mark) => total + mark[key], 0)
    sources[name] = {
      read: sum('recordsRead'),
      ingested: sum('ingested'),
      duplicates: sum('duplicates'),
      dead: sum('failed'),
    }
    files += marks.filter(({ state }) => state === 'done').length
  }
  const total = (key: keyof SourceRecords): number =>
    Object.values(sources).reduce((sum, source) => sum + source[key], 0)
  const letters = await log.letters.list({ status: 'open', stage: 'normalization' })
  return {
    read: total('read'),
    ingested: total('ingested'),
    duplicates: total('duplicates'),
    dead: total('dead'),
    sources,
    failures: countFailures(letters.map(({ failure }) => failure)),
    files,
  }
}

/** Equal source, field and reason counted together, in a fixed order. */
function countFailures(failures: readonly EventFailure[]): FailureCount[] {
  const counts = new Map<string, FailureCount>()
  for (const { source, field, error } of failures) {
    const key = JSON.stringify([source, field ?? '', error])
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { source, field, reason: error, count: 1 })
    else known.count += 1
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count)
}
