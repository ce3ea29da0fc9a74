/** Questions asked of the finished space; a failed one ends the run with exit 5. */
import type { Defacto } from '../../index.ts'
import { ENTITY_TYPES } from './facts.ts'
import type { SampleManifest } from './manifest.ts'
import type { SampleRecords } from './records.ts'

export interface CheckOutcome {
  readonly name: string
  readonly passed: boolean
  /** What was looked at, or what is wrong. */
  readonly detail: string
}

export async function runChecks(
  defacto: Defacto,
  manifest: SampleManifest,
  records: SampleRecords,
): Promise<CheckOutcome[]> {
  return [await historyValid(defacto), accounting(manifest, records), await nothingPending(defacto)]
}

/** Every entity has exactly one open row, and its rows follow each other without gap or overlap (spec 07 §6.1). */
async function historyValid(defacto: Defacto): Promise<CheckOutcome> {
  let rows = 0
  const wrong = new Set<string>()
  for (const type of ENTITY_TYPES) {
    const id = `${type}_id`
    const ordered = defacto.history(type).select(id, 'valid_from', 'valid_to').orderBy(id, 'valid_from')
    let before: Readonly<Record<string, unknown>> | null = null
    for await (const row of ordered.stream() as AsyncIterable<Readonly<Record<string, unknown>>>) {
      rows += 1
      const continues = before !== null && before[id] === row[id]
      if (continues ? before?.['valid_to'] !== row['valid_from'] : before !== null && before['valid_to'] !== null) {
        wrong.add(String(before?.[id]))
      }
      before = row
    }
    if (before !== null && before['valid_to'] !== null) wrong.add(String(before[id]))
  }
  const detail =
    wrong.size === 0 ? `${rows} rows, one open row per entity` : `${wrong.size} entities with broken history`
  return { name: 'history_valid', passed: wrong.size === 0, detail }
}

/** Every line is in the ledger, a repeat or a dead letter, in the numbers the generator wrote down. */
function accounting(manifest: SampleManifest, records: SampleRecords): CheckOutcome {
  const { read, ingested, duplicates, dead } = records
  const problems: string[] = []
  if (read !== ingested + duplicates + dead)
    problems.push(`${read} read but ${ingested + duplicates + dead} accounted for`)
  if (read !== manifest.lines) problems.push(`${read} lines read, ${manifest.lines} written`)
  if (duplicates !== manifest.duplicates) problems.push(`${duplicates} repeats found, ${manifest.duplicates} put in`)
  if (dead !== manifest.malformed) problems.push(`${dead} dead letters, ${manifest.malformed} bad lines put in`)
  const detail =
    problems.length === 0 ? `${read} = ${ingested} + ${duplicates} repeated + ${dead} dead` : problems.join('; ')
  return { name: 'accounting', passed: problems.length === 0, detail }
}

async function nothingPending(defacto: Defacto): Promise<CheckOutcome> {
  const { pendingEvents, dirty, cursor } = await defacto.buildStatus()
  const passed = pendingEvents === 0 && !dirty
  return {
    name: 'nothing_pending',
    passed,
    detail: passed ? `built up to event ${cursor}` : `${pendingEvents} events pending`,
  }
}
