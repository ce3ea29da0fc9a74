/**
 * Statistics of a data file as the log carries them (spec 07 §5.3): row count and bounds of `sequence` and `timestamp`,
 * nothing else, because values of other columns are personal data and the log outlives an erasure.
 */
import { instantFromText, makeInstant } from '../../core/instant.ts'
import type { ArchiveFile } from '../../ports/archive.ts'

export interface FileRange {
  readonly rows: number
  readonly first: number
  readonly last: number
  /** Exact bounds; null if no row has a timestamp. */
  readonly firstTime: string | null
  readonly lastTime: string | null
  readonly withoutTime: number
}

export function formatStats(range: FileRange): string {
  const { rows, first, last, firstTime, lastTime, withoutTime } = range
  const times = firstTime !== null && lastTime !== null
  return JSON.stringify({
    numRecords: rows,
    minValues: { sequence: first, ...(times ? { timestamp: roundedDown(firstTime) } : {}) },
    maxValues: { sequence: last, ...(times ? { timestamp: roundedUp(lastTime) } : {}) },
    nullCount: { sequence: 0, timestamp: withoutTime },
  })
}

export type StatedRange = Pick<ArchiveFile, 'rows' | 'sequences' | 'timestamps'>

/** What a file's statistics say; nothing where they are absent, unreadable or contradict themselves. */
export function parseStats(text: string | null | undefined): StatedRange {
  const stats = parsed(text)
  const min = stats['minValues'] as Record<string, unknown> | undefined
  const max = stats['maxValues'] as Record<string, unknown> | undefined
  const rows = stats['numRecords']
  const [first, last] = [min?.['sequence'], max?.['sequence']]
  const [firstTime, lastTime] = [min?.['timestamp'], max?.['timestamp']]
  const nulls = (stats['nullCount'] as Record<string, unknown> | undefined)?.['timestamp']
  return {
    rows: isCount(rows) ? rows : null,
    sequences: isCount(first) && isCount(last) && first <= last ? { first, last } : null,
    timestamps: isCount(rows) && nulls === rows ? NO_TIMESTAMPS : timesOf(firstTime, lastTime),
  }
}

/** Of a file with tombstones only. */
const NO_TIMESTAMPS = { first: '', last: '' }

function timesOf(first: unknown, last: unknown): StatedRange['timestamps'] {
  return typeof first === 'string' && typeof last === 'string' && first <= last ? { first, last } : null
}

/** The same statistics without the columns that have no business in the log; foreign writers may have put them there. */
export function withoutValues(text: string | null | undefined): string | undefined {
  const stats = parsed(text)
  if (!isCount(stats['numRecords'])) return undefined
  const kept = (name: string): Record<string, unknown> => {
    const all = (stats[name] ?? {}) as Record<string, unknown>
    return Object.fromEntries(['sequence', 'timestamp'].flatMap((key) => (key in all ? [[key, all[key]]] : [])))
  }
  return JSON.stringify({
    numRecords: stats['numRecords'],
    minValues: kept('minValues'),
    maxValues: kept('maxValues'),
    nullCount: kept('nullCount'),
  })
}

function parsed(text: string | null | undefined): Record<string, unknown> {
  try {
    const value = JSON.parse(text ?? '{}') as unknown
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** Readers of statistics may cut to milliseconds; both bounds hold then too. Text that is no instant stays as it is. */
function roundedDown(text: string): string {
  const instant = instantFromText(text)
  return instant === null || instant.us === 0 ? text : String(makeInstant(instant.ms, 0) ?? text)
}

function roundedUp(text: string): string {
  const instant = instantFromText(text)
  return instant === null || instant.us === 0 ? text : String(makeInstant(instant.ms + 1, 0) ?? text)
}
