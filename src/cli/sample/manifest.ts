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

/** One delivery: the files of a month, and the processing time of its build: the morning of the month's last day. */
export interface Delivery {
  readonly month: string
  readonly parts: readonly SamplePart[]
  readonly asOf: string
}

export function deliveriesOf(manifest: SampleManifest): Delivery[] {
  const months = [...new Set(manifest.parts.map((part) => part.month))].sort()
  return months.map((month) => ({
    month,
    parts: manifest.parts.filter((part) => part.month === month),
    asOf: lastDay(month),
  }))
}

function lastDay(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number)
  return new Date(Date.UTC(year, number, 0)).toISOString()
}
