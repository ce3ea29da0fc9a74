/** Inputs made of stored parts, files or objects, in any format (spec 10 §3.2). */
import type { RawRecord } from '../../core/event.ts'
import type { CsvOptions, InputFormat } from '../../core/pipeline/model.ts'
import { inputChanged } from '../../errors.ts'
import type { InputBatch, InputPart, InputReader, KnownPart, StoredParts } from '../../ports/inputs.ts'
import type { Json } from '../../ports/runs.ts'
import { csvHeader, isWide } from './csv.ts'
import { type TextPlace, UnreadableInput } from './record.ts'
import { CSV, formatOf, readRecords } from './records.ts'
import { START } from './split.ts'
import { unpackedFrom } from './unpack.ts'

export interface StoredFormat {
  readonly format: InputFormat | null
  readonly records: string | null
  readonly csv: CsvOptions
  readonly append: boolean
}

/** Characters of record text after which a batch ends early: few large records weigh as much as many small ones. */
const BATCH_TEXT = 16 * 1024 * 1024

export class StoredReader implements InputReader {
  readonly #parts: StoredParts
  readonly #format: StoredFormat

  constructor(parts: StoredParts, format: StoredFormat) {
    this.#parts = parts
    this.#format = format
  }

  parts(): Promise<InputPart[]> {
    return this.#parts.list()
  }

  async begin(part: InputPart, known: KnownPart): Promise<Json> {
    if (known.fingerprint === part.fingerprint) return known.position
    const goesOn = this.#format.append && (await this.#parts.continues(part, known.fingerprint))
    return goesOn ? known.position : null
  }

  async *read(
    part: InputPart,
    position: Json,
    { batch, signal }: { batch: number; signal: AbortSignal },
  ): AsyncGenerator<InputBatch> {
    const confirm = async (): Promise<void> => {
      if (!(await this.#parts.isUnchanged(part))) throw inputChanged()
    }
    const format = this.#format.format ?? formatOf(part.part)
    if (format === 'parquet') {
      const { parquetRecords } = await import('./parquet.ts')
      const row = typeof position === 'number' ? position : 0
      const local = await this.#parts.local(part, signal)
      try {
        yield* inBatches(parquetRecords(local.path, part.part, row), row, batch, confirm)
      } finally {
        await local.release()
      }
      return
    }
    const from = position as TextPlace | null
    try {
      yield* inBatches(this.#text(part, format, from, signal), from as Json, batch, confirm)
    } catch (error) {
      if (!(error instanceof UnreadableInput)) throw error
      const origin = { part: part.part, line: START.line, byte: START.byte }
      const record: RawRecord = {
        value: undefined,
        text: '',
        origin,
        problem: `${error.reason}; nothing of it is read`,
      }
      yield { records: [record], position: from as Json, done: true }
    }
  }

  finish(part: Pick<InputPart, 'part' | 'fingerprint'>): Promise<void> {
    return this.#parts.finish(part)
  }

  close(): Promise<void> {
    return this.#parts.close()
  }

  async *#text(
    part: InputPart,
    format: Exclude<InputFormat, 'parquet'> | null,
    from: TextPlace | null,
    signal: AbortSignal,
  ) {
    const { csv, append, records } = this.#format
    const wide = format === 'csv' && isWide(csv.encoding) ? csv.encoding : null
    const chunks = (byte: number): AsyncIterable<Buffer> =>
      unpackedFrom((at) => this.#parts.open(part, at, signal), part.part, byte, wide)
    // The names of the columns stand at the beginning, wherever reading goes on.
    const isInside = format === 'csv' && from !== null && from.byte > 0
    const header = isInside ? await csvHeader(chunks(0), csv, part.part) : null
    yield* readRecords(chunks(from?.byte ?? 0), format, part.part, { from, append, records, csv: csv ?? CSV, header })
  }
}

/** A batch is given when it is known whether something is behind it. `confirm`: asked before the last one. */
async function* inBatches(
  records: AsyncIterable<RawRecord & { readonly next: TextPlace | number }>,
  start: Json,
  batch: number,
  confirm: () => Promise<void>,
): AsyncGenerator<InputBatch> {
  let held: RawRecord[] = []
  let weight = 0
  let position = start
  for await (const record of records) {
    if (held.length >= batch || weight >= BATCH_TEXT) {
      yield { records: held, position, done: false }
      held = []
      weight = 0
    }
    held.push(record)
    weight += record.text?.length ?? 0
    position = record.next as Json
  }
  await confirm()
  yield { records: held, position, done: true }
}
