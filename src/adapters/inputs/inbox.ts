/** Pushed records that wait in the space's database: every batch is a part, its lines are the records (spec 10 §3.2). */
import type { RawRecord } from '../../core/event.ts'
import { parseJson } from '../../core/expression/json.ts'
import type { InputBatch, InputPart, InputReader } from '../../ports/inputs.ts'
import type { InboxRow, InputPort, Json } from '../../ports/runs.ts'

/** Of one batch, or of all that were pushed for a source. Rows leave the inbox in the unit that stores them. */
export class InboxReader implements InputReader {
  readonly #inputs: InputPort
  readonly #of: { readonly batchId: string } | { readonly source: string }

  constructor(inputs: InputPort, of: { readonly batchId: string } | { readonly source: string }) {
    this.#inputs = inputs
    this.#of = of
  }

  async parts(): Promise<InputPart[]> {
    const of = this.#of
    const batches = await this.#inputs.batches('source' in of ? of.source : undefined)
    return batches
      .filter(({ batchId }) => !('batchId' in of) || batchId === of.batchId)
      .map(({ batchId }) => ({ part: batchId, fingerprint: '', settled: true, endless: true }))
  }

  /** Lines that were taken are gone; whatever is there, pushed again perhaps, is still to be read. */
  async begin(): Promise<Json> {
    return 0
  }

  async *read(
    { part }: InputPart,
    position: Json,
    { batch }: { batch: number; signal: AbortSignal },
  ): AsyncGenerator<InputBatch> {
    let after = typeof position === 'number' ? position : 0
    let rows = await this.#inputs.inbox(part, { after, limit: batch })
    for (;;) {
      const last = rows.at(-1)?.line ?? after
      const following = rows.length < batch ? [] : await this.#inputs.inbox(part, { after: last, limit: batch })
      yield { records: rows.map(recordOf), position: last, done: following.length === 0 }
      if (following.length === 0) return
      after = last
      rows = following
    }
  }

  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}

function recordOf({ batchId, line, raw }: InboxRow): RawRecord {
  const origin = { part: batchId, line, byte: null }
  try {
    return { value: parseJson(raw), text: raw, origin }
  } catch {
    return { value: undefined, text: raw, origin, problem: 'record is not valid JSON' }
  }
}
