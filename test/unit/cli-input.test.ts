/** Reading records from bytes: lines, arrays, CSV, broken input, places (spec 10 §3.2–3.3). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBytes, textFormatOf } from '../../src/cli/input/bytes.ts'
import type { RawRecord } from '../../src/core/event.ts'
import { LONGEST_RECORD, readRecords, type TextFormat } from '../../src/input-readers.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'defacto-input-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function* chunked(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(input: string | Buffer, format: TextFormat | null, size = 7): Promise<RawRecord[]> {
  const records: RawRecord[] = []
  for await (const record of readRecords(chunked(Buffer.from(input as string), size), format, 'in'))
    records.push(record)
  return records
}
const values = (records: readonly RawRecord[]): unknown[] => records.map(({ value }) => value)

describe('ndjson', () => {
  it('gives every line with its text and place, blank lines left out', async () => {
    expect(await read('{"a":1}\n\r\n  {"b":2}  \r\n{"c":3}', 'ndjson')).toEqual([
      { value: { a: 1 }, text: '{"a":1}', origin: { part: 'in', line: 1, byte: 0 }, next: { byte: 8, line: 2 } },
      { value: { b: 2 }, text: '  {"b":2}  ', origin: { part: 'in', line: 3, byte: 10 }, next: { byte: 23, line: 4 } },
      { value: { c: 3 }, text: '{"c":3}', origin: { part: 'in', line: 4, byte: 23 }, next: { byte: 30, line: 4 } },
    ])
  })

  it('is the same for every chunk size', async () => {
    const record = fc.record({ text: fc.string({ unit: 'grapheme' }), n: fc.integer(), list: fc.array(fc.boolean()) })
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), async (records, size) => {
        const lines = records.map((item) => `${JSON.stringify(item)}\n`).join('')
        expect(values(await read(lines, 'ndjson', size))).toEqual(records)
        expect(values(await read(JSON.stringify(records, null, 1), 'json', size))).toEqual(records)
      }),
      { numRuns: 60 },
    )
  })

  it('turns what cannot be read into a record with a problem and goes on', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"a":1}\n{"a":\n'),
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      Buffer.from('[1]\n"x"'),
    ])
    const records = await read(bytes, 'ndjson')
    expect(records.map(({ problem }) => problem)).toEqual([
      undefined,
      'record is not valid JSON',
      'record is not valid UTF-8',
      undefined,
      undefined,
    ])
    expect(records[1]).toMatchObject({ text: '{"a":', origin: { line: 2, byte: 8 } })
    expect(records[2]).toMatchObject({ value: undefined, origin: { line: 3, byte: 14 } })
    expect(values(records).slice(3)).toEqual([[1], 'x'])
  })

  it('takes a byte-order mark at the start and Ints of any size', async () => {
    expect(values(await read('\ufeff{"n":1152921504606846976}', 'ndjson'))).toEqual([{ n: 1152921504606846976n }])
  })

  it('reads lines of many megabytes', async () => {
    const text = 'x'.repeat(10 * 1024 * 1024)
    const [long, short] = await read(`{"a":"${text}"}\n{"b":1}\n`, 'ndjson', 256 * 1024)
    expect((long!.value as { a: string }).a).toHaveLength(text.length)
    expect(short?.value).toEqual({ b: 1 })
  })

  it('does not hold a record beyond the limit', async () => {
    const endless = async function* (): AsyncGenerator<Buffer> {
      const chunk = Buffer.alloc(1024 * 1024, 0x78)
      for (let size = 0; size <= LONGEST_RECORD; size += chunk.length) yield chunk
      yield Buffer.from('\n{"b":1}\n')
    }
    const records: RawRecord[] = []
    for await (const record of readRecords(endless(), 'ndjson', 'in')) records.push(record)
    expect(records[0]?.problem).toMatch(/longer than 64 MiB/)
    expect(records[0]?.text?.length).toBeLessThan(10_000)
    expect(records[1]?.value).toEqual({ b: 1 })
  })
})

describe('json', () => {
  it('streams the elements of one array with their places', async () => {
    const records = await read('[\n {"a":"]\\"},["},\n  2 , [3,[4]], "x"\n]\n', 'json')
    expect(values(records)).toEqual([{ a: ']"},[' }, 2, [3, [4]], 'x'])
    expect(records[0]?.origin).toEqual({ part: 'in', line: 2, byte: 3 })
    expect(records[1]?.origin).toMatchObject({ line: 3 })
  })

  it('is chosen by the first byte where the name says nothing, and lines of objects stay lines', async () => {
    expect(values(await read(' [{"a":1}]', null))).toEqual([{ a: 1 }])
    expect(values(await read('{"a":1}\n{"a":2}', null))).toEqual([{ a: 1 }, { a: 2 }])
    expect(values(await read('{"a":1}\n{"a":2}', 'json'))).toEqual([{ a: 1 }, { a: 2 }])
    expect(await read('[]', 'json')).toEqual([])
    expect(await read('', null)).toEqual([])
  })

  it.each([
    ['[1, 2', 'the JSON array is cut off', 2],
    ['[1,', 'the JSON array is cut off', 2],
    ['[1,]', 'broken JSON array: a record is missing; the rest is not read', 2],
    ['[1] x', 'text after the end of the JSON array; the rest is not read', 2],
    ['"x"', 'expected one JSON array of records', 1],
    ['[{"a" 1}, 2]', 'record is not valid JSON', 2],
  ])('%s', async (text, problem, count) => {
    const records = await read(text, 'json')
    expect(records).toHaveLength(count)
    expect(records.map((record) => record.problem)).toContain(problem)
  })
})

describe('csv', () => {
  it('reads quotes, breaks inside them, empty values and places', async () => {
    const records = await read('a,b,c\r\n1,"x, ""y""\nz",\n"",2,3\n', 'csv')
    expect(values(records)).toEqual([
      { a: '1', b: 'x, "y"\nz', c: null },
      { a: '', b: '2', c: '3' },
    ])
    expect(records.map(({ origin }) => origin?.line)).toEqual([2, 4])
  })

  it('reports records that do not fit the header', async () => {
    const records = await read('a,b\n1\n1,2,3\n"x"y,2\n4,5', 'csv')
    expect(records.map(({ problem }) => problem)).toEqual([
      'record has 1 fields, the header 2',
      'record has 3 fields, the header 2',
      'record is not valid CSV',
      undefined,
    ])
  })

  it('refuses a header it cannot use, and __proto__ is a name like any other', async () => {
    await expect(read('a,a\n1,2', 'csv')).rejects.toThrow(/names 'a' twice/)
    await expect(read('a,\n1,2', 'csv')).rejects.toThrow(/an empty column/)
    const [record] = await read('__proto__,b\n1,2', 'csv')
    expect(Object.keys(record?.value as object)).toEqual(['__proto__', 'b'])
  })
})

describe('files', () => {
  const text = '{"a":1}\n{"a":2}\n'
  const readFile = async (path: string, stdin = Readable.from([])): Promise<RawRecord[]> => {
    const records: RawRecord[] = []
    const input = await openBytes(path, stdin)
    for await (const record of readRecords(input.chunks, textFormatOf(path), path)) records.push(record)
    return records
  }
  const put = (name: string, bytes: string | Buffer): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }

  it('unpacks gzip and zstd, by name or by their first bytes', async () => {
    for (const path of [
      put('a.ndjson.gz', gzipSync(text)),
      put('b.ndjson.zst', zstdCompressSync(text)),
      put('c.ndjson', gzipSync(text)),
    ]) {
      expect(values(await readFile(path))).toEqual([{ a: 1 }, { a: 2 }])
    }
    expect(values(await readFile('-', Readable.from([gzipSync(text)])))).toEqual([{ a: 1 }, { a: 2 }])
  })

  it('makes one failure of the rest of a broken packing', async () => {
    const long = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `{"a":${i},"b":"${Math.sin(i)}"}\n`).join(''))
    for (const [name, packed] of [
      ['x.ndjson.gz', gzipSync(long)],
      ['x.ndjson.zst', zstdCompressSync(long)],
    ] as const) {
      const records = await readFile(put(name, packed.subarray(0, packed.length - 2000)))
      const bad = records.filter(({ problem }) => problem !== undefined)
      expect(bad.at(-1)?.problem).toMatch(/compressed data is broken|not valid JSON/)
      expect(bad.some(({ problem }) => problem === 'compressed data is broken; the rest is not read')).toBe(true)
      expect(records.length - bad.length).toBeGreaterThan(1000)
    }
  })

  it('knows formats by suffix', () => {
    expect(['a.ndjson', 'a.jsonl.gz', 'a.json', 'a.csv.zst', '-', 'a.txt'].map(textFormatOf)).toEqual([
      'ndjson',
      'ndjson',
      'json',
      'csv',
      null,
      null,
    ])
    expect(() => textFormatOf('a.parquet')).toThrow(/parquet/)
  })

  it('says what is wrong with a file', async () => {
    await expect(readFile(join(folder, 'none.ndjson'))).rejects.toThrow(/does not exist/)
    await expect(readFile(folder)).rejects.toThrow(/is a folder/)
    await expect(readFile(put('plain.ndjson.gz', text))).rejects.toThrow(/not compressed as its name says/)
  })
})
