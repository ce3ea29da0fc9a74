/** A history store opened for nothing but reading (spec 06 §10). Opening it makes, migrates and locks nothing. */
import type { HistoryLayout } from '../core/history.ts'
import type { QueryReader } from './store.ts'

export interface HistoryReading {
  readonly reader: QueryReader
  /** Versions whose tables are there now. */
  versions(): Promise<readonly StoredVersion[]>
  /** Releases everything; queries under way fail. */
  close(): Promise<void>
}

export interface StoredVersion {
  readonly version: string
  /** Canonical JSON; null where the store does not keep them. */
  readonly definitions: string | null
  /** What the tables were made for; left out where the store does not tell. */
  readonly layout?: HistoryLayout
}
