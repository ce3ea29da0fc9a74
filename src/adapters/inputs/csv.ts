/** CSV records (RFC 4180) with a header line: every value is text; what the options call null is null. */
import { parse } from 'csv-parse/sync'
import type { CsvOptions } from '../../core/pipeline/model.ts'
import { ConfigError } from '../../errors.ts'
import { type Decoder, decode, type InputRecord, UnreadableInput } from './record.ts'
import { csvRecords, type Piece, type Place } from './split.ts'

/** Records parsed together: the parser costs much to begin and little to go on. */
const TOGETHER = 256
/** Bytes after which fewer are taken together. */
const TOGETHER_BYTES = 1024 * 1024

export interface CsvSource {
  readonly from: Place
  readonly append: boolean
  readonly csv: CsvOptions
  /** Null: the first record has the names. */
  readonly header: readonly string[] | null
}

export async function* csvRows(
  chunks: AsyncIterable<Buffer>,
  part: string,
  { from, append, csv, header }: CsvSource,
): AsyncGenerator<InputRecord> {
  const decoder = decoderOf(csv.encoding)
  const delimiter = delimiterOf(csv)
  let names = header
  let group: Piece[] = []
  let bytes = 0
  const pieces = csvRecords(chunks, delimiter, { from, append })
  try {
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
      const piece = next.value
      if (names === null) {
        names = headerOf(piece, decoder, csv, part)
        continue
      }
      group.push(piece)
      bytes += piece.bytes.length
      if (group.length < TOGETHER && bytes < TOGETHER_BYTES) continue
      const together = group
      group = []
      bytes = 0
      yield* rowsOf(together, names, decoder, csv, part)
    }
  } catch (error) {
    // The stream breaks here, and what came before it is whole.
    if (names !== null) yield* rowsOf(group, names, decoder, csv, part)
    throw error
  } finally {
    await pieces.return(undefined)
  }
  if (names !== null) yield* rowsOf(group, names, decoder, csv, part)
}

/** Names of the columns: the first record of the stream; null if it is empty. */
export async function csvHeader(
  chunks: AsyncIterable<Buffer>,
  csv: CsvOptions,
  part: string,
): Promise<readonly string[] | null> {
  for await (const piece of csvRecords(chunks, delimiterOf(csv)))
    return headerOf(piece, decoderOf(csv.encoding), csv, part)
  return null
}

function delimiterOf({ delimiter }: CsvOptions): number {
  const code = delimiter.charCodeAt(0)
  if (delimiter.length === 1 && code < 0x80 && !'"\r\n'.includes(delimiter)) return code
  throw new ConfigError('csv.delimiter must be one ASCII character, neither a quote nor a line break')
}

/** Records of encodings of two bytes a character come here as UTF-8 already. */
export const isWide = (encoding: string): boolean => /^utf-?16/i.test(encoding)

function decoderOf(encoding: string): Decoder {
  try {
    return new TextDecoder(isWide(encoding) ? 'utf-8' : encoding, { fatal: true, ignoreBOM: true })
  } catch {
    throw new ConfigError(`csv.encoding '${encoding}' is not known; name one such as utf-8, latin1 or windows-1252`)
  }
}

type Fields = readonly (string | null)[]

function headerOf(piece: Piece, decoder: Decoder, csv: CsvOptions, part: string): readonly string[] {
  const { text, problem } = decode(piece, decoder)
  const fields = problem === undefined ? fieldsOf(text, csv) : null
  if (fields === null) throw new UnreadableInput(`${part}: the header line cannot be read`, 'the header cannot be read')
  const names = fields.map((name) => (name ?? '').trim())
  const [only] = names
  if (names.length === 1 && csv.delimiter === ',' && /[;\t|]/.test(only ?? '')) {
    const reason = 'the header is one column; separate columns by commas'
    throw new UnreadableInput(`${part}: ${reason}`, reason)
  }
  const twice = names.find((name, index) => name === '' || names.indexOf(name) !== index)
  if (twice === undefined) return names
  const reason = twice === '' ? 'the header names an empty column' : 'the header names a column twice'
  throw new UnreadableInput(`${part}: ${twice === '' ? reason : `the header names '${twice}' twice`}`, reason)
}

function* rowsOf(
  pieces: readonly Piece[],
  names: readonly string[],
  decoder: Decoder,
  csv: CsvOptions,
  part: string,
): Generator<InputRecord> {
  const texts = pieces.map((piece) => decode(piece, decoder))
  const together = texts.some(({ problem }) => problem !== undefined)
    ? null
    : parsed(texts.map(({ text }) => text).join('\n'), csv)
  const fits = together?.length === pieces.length
  for (const [index, { line, byte, next }] of pieces.entries()) {
    const { text, problem } = texts[index] as { text: string; problem?: string }
    const origin = { part, line, byte }
    const fields = problem !== undefined ? null : fits ? (together?.[index] as Fields) : fieldsOf(text, csv)
    if (fields === null) {
      yield { value: undefined, text, origin, next, problem: problem ?? 'record is not valid CSV' }
    } else if (fields.length !== names.length) {
      const wrong = `record has ${fields.length} fields, the header ${names.length}`
      yield { value: undefined, text, origin, next, problem: wrong }
    } else {
      // A null prototype takes `__proto__` as a name like any other.
      const value: Record<string, unknown> = Object.create(null) as Record<string, unknown>
      for (const [column, name] of names.entries()) value[name] = fields[column]
      yield { value: { ...value }, origin, next }
    }
  }
}

function fieldsOf(text: string, csv: CsvOptions): Fields | null {
  const rows = parsed(text, csv)
  return rows?.length === 1 ? (rows[0] as Fields) : null
}

/** Null: some record is not valid. */
function parsed(text: string, csv: CsvOptions): Fields[] | null {
  try {
    return parse(text, {
      delimiter: csv.delimiter,
      record_delimiter: '\n',
      relax_column_count: true,
      skip_empty_lines: false,
      cast: (value, { quoting }) => (value === csv.null && !quoting ? null : value),
    }) as unknown as Fields[]
  } catch {
    return null
  }
}
