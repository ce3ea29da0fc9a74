/** A history store opened for nothing but reading (spec 06 §10). Opening it makes, migrates and locks nothing. */
import type { QueryReader } from './store.ts'

export interface HistoryReading {
  readonly reader: QueryReader
  /** Versions whose tables are there now. `definitions`: canonical JSON; null where the store does not keep them. */
  versions(): Promise<readonly { readonly version: string; readonly definitions: string | null }[]>
  /** Releases everything; queries under way fail. */
  close(): Promise<void>
}
