/** What `parquetjs.ts` uses of a library that brings no types. */

declare module 'parquetjs-lite' {
  /** A 64-bit number as the library's Thrift reader keeps it. */
  interface Int64 {
    valueOf(): number
  }

  export interface ColumnChunk {
    readonly meta_data: {
      readonly path_in_schema: readonly string[]
      readonly data_page_offset: Int64
      readonly dictionary_page_offset: Int64 | null
      readonly total_compressed_size: Int64
      readonly statistics?: { readonly min_value?: unknown; readonly max_value?: unknown } | null
    }
  }

  export interface RowGroup {
    readonly num_rows: Int64
    readonly columns: readonly ColumnChunk[]
  }

  export interface FileMetadata {
    readonly row_groups: readonly RowGroup[]
  }

  export interface Field {
    /** Definition level of a value that is there. */
    readonly dLevelMax: number
    readonly rLevelMax: number
  }

  export interface Schema {
    findField(path: readonly string[]): Field
  }

  /** Values that are there, in order, and a level for each row. */
  export interface ColumnData {
    readonly dlevels: readonly number[]
    readonly values: readonly unknown[]
  }

  interface EnvelopeReader {
    readFooter(): Promise<FileMetadata>
    readColumnChunk(schema: Schema, chunk: ColumnChunk): Promise<ColumnData>
  }

  interface Reader {
    readonly schema: Schema
  }

  const library: {
    readonly ParquetEnvelopeReader: new (
      read: (offset: number, length: number) => Promise<Buffer>,
      close: () => void,
      size: number,
    ) => EnvelopeReader
    readonly ParquetReader: new (metadata: FileMetadata, envelope: EnvelopeReader) => Reader
  }
  export default library
}

declare module 'parquetjs-lite/lib/codec/rle.js' {
  export interface Cursor {
    readonly buffer: Uint8Array
    offset: number
  }

  const codec: {
    decodeValues(
      type: string,
      cursor: Cursor,
      count: number,
      options: { readonly bitWidth: number; readonly disableEnvelope?: boolean },
    ): number[]
  }
  export default codec
}
