/**
 * Rows of a data file as a second Parquet library reads them, one that shares nothing with the library that wrote them.
 * It knows V1 files, plain or with dictionaries, uncompressed or with snappy or gzip.
 */
import library, { type ColumnChunk, type ColumnData, type RowGroup, type Schema } from 'parquetjs-lite'
import { StorageError } from '../../errors.ts'
import { type ArchiveColumn, type ArchiveRow, tombstone } from '../../ports/archive.ts'
import { CodecError } from './codec.ts'
import { COLUMNS, type Column } from './columns.ts'
import './parquetjs-runs.ts'

/** Rows given at a time. */
const CHUNK = 2_048

/** Bytes fetched with the footer, which is mostly shorter. */
const TAIL = 65_536

/** A file that is read in ranges. */
export interface ByteSource {
  readonly size: number
  /** Bytes from `start` up to, without, `end`. */
  read(start: number, end: number): Promise<Uint8Array>
}

/**
 * Rows with `after < sequence <= to` in the order of the file, in chunks; columns that the file lacks are null. Holds one
 * row group at a time.
 * @throws CodecError if the library cannot decode the file; failures of the source as they are
 */
export async function* readSecond(
  source: ByteSource,
  { after, to }: { after: number; to: number },
): AsyncGenerator<ArchiveRow[]> {
  const window = new Window(source)
  await window.fetch(Math.max(0, source.size - TAIL), source.size)
  const envelope = new library.ParquetEnvelopeReader(
    (offset, length) => window.read(offset, length),
    () => {},
    source.size,
  )
  const { schema, groups } = await decoding(async () => {
    const metadata = await envelope.readFooter()
    const { schema } = new library.ParquetReader(metadata, envelope)
    const wanted = metadata.row_groups.filter((group) => mayHold(group, after, to))
    return { schema, groups: wanted.map((group) => groupOf(group, schema)) }
  })
  for (const { rows, start, end, parts } of groups) {
    await window.fetch(start, end)
    const columns = new Map<string, readonly unknown[]>()
    for (const { name, chunk, there } of parts) {
      const values = await decoding(async () => perRow(await envelope.readColumnChunk(schema, chunk), there, rows))
      columns.set(name, values)
    }
    for (let at = 0; at < rows; at += CHUNK) {
      const some = rowsOf(columns, at, Math.min(at + CHUNK, rows))
      yield some.filter(({ sequence }) => sequence > after && sequence <= to)
    }
  }
}

interface Group {
  readonly rows: number
  /** Where its bytes begin and end. */
  readonly start: number
  readonly end: number
  readonly parts: readonly Part[]
}

interface Part {
  readonly name: string
  readonly chunk: ColumnChunk
  /** Definition level of a value that is not null. */
  readonly there: number
}

function groupOf({ num_rows, columns }: RowGroup, schema: Schema): Group {
  const ranges = columns.map(rangeOf)
  const parts = columns.flatMap((chunk): Part[] => {
    const path = chunk.meta_data.path_in_schema
    const name = path.join('.')
    if (!COLUMNS.some((column) => column.name === name)) return []
    return [{ name, chunk: fromFirstPage(chunk), there: schema.findField(path).dLevelMax }]
  })
  return {
    rows: Number(num_rows),
    start: Math.min(...ranges.map(({ start }) => start)),
    end: Math.max(...ranges.map(({ end }) => end)),
    parts,
  }
}

/** Turns what the library throws, texts as well as errors, into ours. Its texts name no values. */
async function decoding<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StorageError) throw error
    throw undecodable(typeof error === 'string' ? error : 'it is not what Parquet files look like')
  }
}

function undecodable(why: string): CodecError {
  return new CodecError(`the second Parquet reader cannot decode it (${why})`, {
    details: { operation: 'parquet', driver: 'parquetjs-lite' },
  })
}

/** False only if the group's statistics say that all its sequences lie outside. */
function mayHold({ columns }: RowGroup, after: number, to: number): boolean {
  const chunk = columns.find(({ meta_data }) => meta_data.path_in_schema.join('.') === 'sequence')
  const { min_value: first, max_value: last } = chunk?.meta_data.statistics ?? {}
  if (typeof first !== 'bigint' || typeof last !== 'bigint') return true
  return last > BigInt(after) && first <= BigInt(to)
}

/**
 * The chunk with its dictionary as the first of its pages: told of a dictionary elsewhere, the library fetches 10 MB for
 * it, and then as much behind the chunk as the dictionary is long.
 */
function fromFirstPage(chunk: ColumnChunk): ColumnChunk {
  return { meta_data: { ...chunk.meta_data, dictionary_page_offset: null, data_page_offset: rangeOf(chunk).start } }
}

function rangeOf({ meta_data }: ColumnChunk): { start: number; end: number } {
  const dictionary = Number(meta_data.dictionary_page_offset ?? 0)
  const data = Number(meta_data.data_page_offset)
  const start = dictionary > 0 ? Math.min(dictionary, data) : data
  return { start, end: start + Number(meta_data.total_compressed_size) }
}

/** The values of all rows, with nulls where there is none. */
function perRow({ dlevels, values }: ColumnData, there: number, rows: number): unknown[] {
  let next = 0
  const all = dlevels.map((level) => (level === there ? values[next++] : null))
  // The library leaves out what it finds no dictionary entry for.
  if (all.length !== rows || next !== values.length) throw undecodable('a column has too few values')
  return all
}

function rowsOf(columns: ReadonlyMap<string, readonly unknown[]>, from: number, end: number): ArchiveRow[] {
  const rows = Array.from({ length: end - from }, (): Writable => ({ ...tombstone(0) }))
  for (const column of COLUMNS) {
    const values = columns.get(column.name)
    if (values === undefined) continue
    for (const [index, row] of rows.entries()) row[column.field] = decodedOf(values[from + index], column)
  }
  return rows as ArchiveRow[]
}

type Writable = Record<ArchiveColumn, string | number | boolean | null>

/** Entries of dictionaries come as text, whatever their type; 64-bit numbers as bigint, texts as bytes. */
function decodedOf(value: unknown, { name, type }: Column): string | number | boolean | null {
  if (value === null) return null
  if (type === 'string' && typeof value === 'string') return value
  if (type === 'string' && Buffer.isBuffer(value)) return value.toString('utf8')
  if (type === 'boolean' && typeof value === 'boolean') return value
  const number = type === 'long' && !Buffer.isBuffer(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(number)) throw undecodable(`a value of '${name}' has another type`)
  return number
}

/** The part of a file that is in memory; what lies outside is fetched for itself. */
class Window {
  readonly #source: ByteSource
  #start = 0
  #bytes: Buffer = Buffer.alloc(0)

  constructor(source: ByteSource) {
    this.#source = source
  }

  /** Replaces what was there. */
  async fetch(start: number, end: number): Promise<void> {
    this.#bytes = Buffer.alloc(0)
    this.#bytes = await this.#read(start, end)
    this.#start = start
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const at = offset - this.#start
    if (at >= 0 && at + length <= this.#bytes.length) return this.#bytes.subarray(at, at + length)
    return this.#read(offset, offset + length)
  }

  async #read(start: number, end: number): Promise<Buffer> {
    if (!(start >= 0 && start <= end && end <= this.#source.size)) throw undecodable('it points beyond its end')
    const { buffer, byteOffset, length } = await this.#source.read(start, end)
    if (length !== end - start) throw undecodable('it is shorter than stated')
    return Buffer.from(buffer, byteOffset, length)
  }
}
