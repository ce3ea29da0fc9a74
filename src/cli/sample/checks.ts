/** What the report says of checks: those of the pipeline, and what only the generator of the records can tell. */
import type { CheckResult } from '../../ports/runs.ts'
import type { SampleManifest } from './manifest.ts'
import type { SampleRecords } from './records.ts'

export interface CheckOutcome {
  readonly name: string
  readonly passed: boolean
  /** What was looked at, or what is wrong. */
  readonly detail: string
}

export function pipelineOutcome({ check, asset, passed, message, value }: CheckResult): CheckOutcome {
  return { name: check, passed, detail: message ?? `${asset}${value === null ? '' : `: ${value}`}` }
}

/** Every line is in the ledger, a repeat or a dead letter, in the numbers the generator wrote down. */
export function accounting(manifest: SampleManifest, records: SampleRecords): CheckOutcome {
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
