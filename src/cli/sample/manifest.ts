/** What the generator wrote down about the sample's files. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../../errors.ts'

export interface SamplePart {
  readonly file: string
  readonly source: string
  /** `2024-01`: the delivery this file belongs to. */
  readonly month: string
  readonly lines: number
}

export interface SampleManifest {
  /** Processing time of the whole run. */
  readonly clock: string
  readonly lines: number
  /** Lines that repeat an earlier record, and lines no system can use: both known from making them. */
  readonly duplicates: number
  readonly malformed: number
  readonly parts: readonly SamplePart[]
}

export async function readManifest(folder: string): Promise<SampleManifest> {
  try {
    return JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as SampleManifest
  } catch (cause) {
    throw new ConfigError(`the sample's manifest.json in ${folder} is missing or damaged`, { cause })
  }
}

/** Files that have come by some night, and the processing time of that night's run. */
export interface Delivery {
  readonly parts: readonly SamplePart[]
  readonly asOf: string
}

/** Two nights: the one that finds three months of files, and the one a month later that finds the rest. */
export function deliveriesOf(manifest: SampleManifest): readonly Delivery[] {
  const months = [...new Set(manifest.parts.map((part) => part.month))].sort()
  const last = months.at(-1)
  const earlier = manifest.parts.filter((part) => part.month !== last)
  const rest = { parts: manifest.parts.filter((part) => part.month === last), asOf: manifest.clock }
  return earlier.length === 0 ? [rest] : [{ parts: earlier, asOf: lastDay(months.at(-2) as string) }, rest]
}

function lastDay(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return new Date(Date.UTC(year, number, 0)).toISOString()
}
