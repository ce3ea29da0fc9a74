/** Reading records from a place in the middle, in chunks of any size: exactly what is behind it (spec 10 §3.3). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type InputRecord, readRecords, type TextFormat } from '../../src/input-readers.ts'
import { csv, jsonArray, jsonDocument, ndjson } from '../support/ingest-parts.ts'

const CSV = { delimiter: ',', null: '', encoding: 'utf-8' }

async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

interface Options {
  readonly format: TextFormat
  readonly path?: string
  readonly append?: boolean
}

async function read(
  bytes: Buffer,
  size: number,
  { format, path, append }: Options,
  after?: InputRecord,
): Promise<InputRecord[]> {
  const from = after?.next ?? null
  const header = from === null || format !== 'csv' ? null : ['kind', 'at', 'no', 'amount', 'note']
  const options = { from, header, csv: CSV, records: path ?? null, append: append ?? false }
  const records: InputRecord[] = []
  for await (const record of readRecords(chunked(bytes.subarray(from?.byte ?? 0), size), format, 'in', options)) {
    records.push(record)
  }
  return records
}

const note = fc.oneof(
  fc.constant('plain'),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('"', 'a"b', '\r\n', '],{"', '\\', '}'),
)
const records = fc.array(
  fc.record({ kind: fc.constant('sold'), at: fc.constant('2024-01-01'), no: fc.nat(), amount: fc.nat(), note }),
  { maxLength: 12 },
)
const CASES: readonly [string, Options, (records: readonly Record<string, unknown>[]) => Buffer | string][] = [
  ['ndjson', { format: 'ndjson' }, ndjson],
  ['json', { format: 'json' }, jsonArray],
  ['json at a path', { format: 'json', path: 'result.items' }, jsonDocument],
  ['csv', { format: 'csv' }, csv],
]

describe.each(CASES)('%s', (_name, options, write) => {
  it('gives the same for chunks of any size, and the rest from behind every record', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: 1, max: 60 }), async (list, size) => {
        const bytes = Buffer.from(write(list) as string)
        const whole = await read(bytes, bytes.length + 1, options)
        expect(whole.filter(({ problem }) => problem === undefined).length).toBeGreaterThanOrEqual(list.length)
        expect(await read(bytes, size, options)).toEqual(whole)
        for (const [index, record] of whole.entries()) {
          expect(await read(bytes, size, options, record)).toEqual(whole.slice(index + 1))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('cut off anywhere, gives what is before the cut and at most one failure for the rest', async () => {
    const list = Array.from({ length: 6 }, (_, no) => ({ kind: 'sold', at: 'x', no, amount: 1, note: 'a "b"\n' }))
    const bytes = Buffer.from(write(list) as string)
    const whole = await read(bytes, bytes.length + 1, options)
    for (let cut = 1; cut < bytes.length; cut++) {
      const found = await read(bytes.subarray(0, cut), 7, options).catch((error: Error) => error)
      // Of CSV the header may be cut, and then nothing can be read.
      if (found instanceof Error) continue
      const good = found.filter(({ problem }) => problem === undefined)
      expect(whole.filter(({ problem }) => problem === undefined).map(({ value }) => value)).toEqual(
        expect.arrayContaining(good.slice(0, -1).map(({ value }) => value)),
      )
      const torn = found.filter((record) => !whole.some(({ origin }) => origin?.byte === record.origin?.byte))
      expect(torn.length).toBeLessThanOrEqual(1)
    }
  })
})

describe('a stream that is still written', () => {
  it.each([
    ['ndjson', '{"no": 1}\n{"no": 2}\n{"no"'],
    ['csv', 'no,note\n1,a\n2,"b\n\n"\n3,"c\n'],
  ] as const)('%s ends at its last complete record', async (format, text) => {
    const found = await read(Buffer.from(text), 5, { format, append: true })
    expect(found.map(({ value }) => Number((value as { no: unknown }).no))).toEqual([1, 2])
    const last = found.at(-1)?.next.byte ?? 0
    expect(text.slice(last)).toBe(format === 'csv' ? '3,"c\n' : '{"no"')
  })
})

describe('a JSON document', () => {
  it.each([
    ['{"items": []}', 'result.items', 'the JSON document has no array at the path of records'],
    ['{"result": {"items": 5}}', 'result.items', 'the JSON document has no array at the path of records'],
    ['{"result": ', 'result.items', 'the JSON document has no array at the path of records'],
    ['[1]', 'items', 'expected one JSON object around the array of records'],
    ['{"items": [1, 2], "more": {', 'items', 'the JSON array is cut off'],
    ['{"items": [1]} 2', 'items', 'text after the end of the JSON array; the rest is not read'],
  ])('%s', async (text, path, problem) => {
    const found = await read(Buffer.from(text), 3, { format: 'json', path })
    expect(found.at(-1)).toMatchObject({ problem, broken: true })
  })

  it('may name its array with escapes', async () => {
    const found = await read(Buffer.from('{"x": "\\"items\\": [9]", "\\u0069tems": [1, 2]}'), 2, {
      format: 'json',
      path: 'items',
    })
    expect(found.map(({ value }) => value)).toEqual([1, 2])
  })
})
