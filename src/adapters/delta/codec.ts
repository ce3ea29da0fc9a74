/** What the archive needs of Parquet. Files are local; where they come from and go to is not the codec's concern. */
import { StorageError } from '../../errors.ts'
import type { ArchiveColumn, ArchiveRow } from '../../ports/archive.ts'
import type { Action } from './actions.ts'
import type { FileRange } from './statistics.ts'

/** What a data file holds. */
export interface FileFacts extends FileRange {
  /** See `row-digest.ts`. */
  readonly digest: string
}

/** What was found when a file was read from end to end. */
export interface FoundFacts extends FileFacts {
  /** Rows as the footer counts them. */
  readonly footerRows: number
  /** Do sequences ascend without repetition? */
  readonly ascending: boolean
}

export interface FileWriter {
  /** Rows in ascending sequence order. */
  add(rows: readonly ArchiveRow[]): Promise<void>
  /** Writes the file; null and no file if no rows were added. The writer is closed afterwards, also after a failure. */
  finish(): Promise<FileFacts | null>
  /** Closes without writing. Harmless after `finish`. */
  abandon(): void
}

export interface ReadQuery {
  readonly files: readonly string[]
  readonly after: number
  readonly to: number
  readonly sequences: readonly number[] | null
  readonly columns: readonly ArchiveColumn[]
  /** `file`: as the rows stand in the file, for one file that is known to be sorted by sequence. */
  readonly order: 'file' | 'sequence' | 'time'
}

export interface ParquetCodec {
  writeData(file: string): Promise<FileWriter>
  /** @throws CodecError if the file is no Parquet or damaged */
  inspect(file: string): Promise<FoundFacts>
  /** Rows in chunks; columns that a file lacks are null. @throws CodecError as above */
  read(query: ReadQuery): AsyncIterable<ArchiveRow[]>
  writeCheckpoint(file: string, actions: readonly Action[]): Promise<void>
  /** Actions as parsed objects, not yet checked. @throws CodecError as above */
  readCheckpoint(file: string): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

/** A file cannot be decoded or encoded. The message is the library's, shortened to what names no values. */
export class CodecError extends StorageError {}
