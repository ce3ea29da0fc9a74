/** What the archive needs of Parquet. Files are local; where they come from and go to is not the codec's concern. */
import { StorageError } from '../../errors.ts'
import type { ArchiveColumn, ArchiveRow, MemberRow } from '../../ports/archive.ts'
import type { Member } from '../../ports/tiers.ts'
import type { Action } from './actions.ts'
import type { FileRange } from './statistics.ts'

/** What a data file holds. */
export interface FileFacts extends FileRange {
  /** See `row-digest.ts`. */
  readonly digest: string
}

export interface WrittenFacts extends FileFacts {
  /** Size of the file. */
  readonly bytes: number
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
  finish(): Promise<WrittenFacts | null>
  /** Closes without writing. Harmless after `finish`. */
  abandon(): void
}

/** Rows that stand together in a file, and its bytes that are needed to read them. */
export interface RowGroup {
  /** Bounds of `sequence`, both inclusive. */
  readonly first: number
  readonly last: number
  /** From `start` up to, without, `end`. */
  readonly start: number
  readonly end: number
}

export interface LocalCopy {
  readonly path: string
  /** Ascending; all else in the file is a hole and must not be decoded. Null: the file is whole. */
  readonly groups: readonly RowGroup[] | null
}

export interface ReadQuery {
  readonly files: readonly LocalCopy[]
  readonly after: number
  readonly to: number
  readonly sequences: readonly number[] | null
  readonly columns: readonly ArchiveColumn[]
  /** `file`: as the rows stand in the file, for one file that is known to be sorted by sequence. */
  readonly order: 'file' | 'sequence' | 'time'
}

/** Joins rows with the entities they concern. Keeps what it is given on disk where memory does not hold it. */
export interface MemberJoin {
  /** Members by ascending sequence. */
  add(members: readonly Member[]): Promise<void>
  /**
   * Rows with a timestamp, once for each member, ordered by (entity id as UTF-8 bytes, timestamp, sequence), in chunks.
   * Columns that a file lacks are null. Once, after the last `add`. @throws CodecError as `read`
   */
  read(query: Pick<ReadQuery, 'files' | 'to' | 'columns'>): AsyncIterable<MemberRow[]>
  /** Drops everything. Harmless when repeated. */
  close(): void
}

/** Files of which only parts are local. */
export interface PartialFiles {
  /** Bytes from the beginning of the footer to the end of the file, by the file's last bytes (at least 8). */
  footerBytes(end: Uint8Array): number
  /**
   * Makes a local file of `size` bytes that has nothing but its end, which holds the footer, and says which row groups
   * there are. Null if they do not tell their rows apart by sequence: such a file is read whole.
   */
  begin(file: string, size: number, end: Uint8Array): Promise<readonly RowGroup[] | null>
  /** Puts bytes at their place. */
  fill(file: string, at: number, bytes: Uint8Array): Promise<void>
}

export interface ParquetCodec {
  /** Null: files are always read whole. */
  readonly partial: PartialFiles | null
  writeData(file: string): Promise<FileWriter>
  /** @throws CodecError if the file is no Parquet or damaged */
  inspect(file: string): Promise<FoundFacts>
  /** Rows in chunks; columns that a file lacks are null. @throws CodecError as above */
  read(query: ReadQuery): AsyncIterable<ArchiveRow[]>
  joinMembers(): Promise<MemberJoin>
  /** Returns the size of the file in bytes. */
  writeCheckpoint(file: string, actions: readonly Action[]): Promise<number>
  /** Actions as parsed objects, not yet checked. @throws CodecError as above */
  readCheckpoint(file: string): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

/** A file cannot be decoded or encoded. The message is the library's, shortened to what names no values. */
export class CodecError extends StorageError {}
