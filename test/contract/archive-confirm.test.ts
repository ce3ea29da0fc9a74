/** The second Parquet reader: what it must read as the first one does, and what it must notice. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import rle from 'parquetjs-lite/lib/codec/rle.js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatCommit } from '../../src/adapters/delta/actions.ts'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import '../../src/adapters/delta/parquetjs-runs.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { type Archive, type ArchiveRow, tombstone } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRow, FLUSH, ledgerTo } from '../../src/testing/contract/archive.ts'
import { room } from '../support/room.ts'

let folder: string
let archive: Archive
const table = () => join(folder, 'table')
const open = (objects: ObjectStore = openFolder(table())) => openDeltaArchive({ objects, temporary: folder })
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-confirm-'))
  archive = await open()
})
afterEach(async () => {
  await archive.close()
  await rm(folder, { recursive: true })
})

/** Archives rows 1 to `last` and confirms them all, and then the range. */
async function confirmed(last: number, rowOf: (sequence: number) => ArchiveRow): Promise<void> {
  await archive.append({ appId: FLUSH, rows: (after) => ledgerTo(last, after, rowOf) })
  await archive.confirm({ after: 0, to: last, rows: ledgerTo(last, 0, rowOf) })
}

describe('what the first reader reads, the second one reads', () => {
  const TEXTS = [
    '',
    '\u0000',
    'a\u0000b',
    ' ',
    'größer 😀',
    '\uFFFD',
    '\u2028"\\',
    '{}',
    'null',
    '-',
    '1:a',
    '\r\n',
    '\uFEFFx',
  ]

  test('texts that are hard to keep, in every column', async () => {
    const rowOf = (sequence: number): ArchiveRow => {
      const text = (at: number) => (sequence % 7 === at % 7 ? null : TEXTS[(sequence + at) % TEXTS.length]!)
      const [eventId, eventType, source, data, raw] = [text(0), text(1), text(2), text(3), text(4)]
      const [hints, kinds, redaction] = [text(5), text(6), text(7)]
      const timestamp = sequence % 3 === 0 ? null : archiveRow(1).timestamp
      return { ...tombstone(sequence), eventId, eventType, timestamp, source, data, raw, hints, kinds, redaction }
    }
    await confirmed(400, rowOf)
  })

  test('any text', async () => {
    const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 12 }), { numRuns: 3_000, seed: 7 })
    await confirmed(1_000, (sequence) => {
      const [eventId, data, raw] = texts.slice(sequence * 3 - 3, sequence * 3)
      return { ...archiveRow(1), sequence, eventId: eventId!, data: data!, raw: raw! }
    })
  })

  test('texts of a megabyte', async () => {
    await confirmed(12, (sequence) => ({
      ...archiveRow(1),
      sequence,
      data: `${sequence}`.repeat(1_048_576 / 2),
      raw: '',
    }))
  })

  test('columns without any value, and none but tombstones', async () => {
    await confirmed(30_000, tombstone)
  })

  test('numbers up to 2^53 - 1, with and without repetition', async () => {
    await confirmed(300, (sequence) => ({
      ...archiveRow(1),
      sequence,
      duplicateOf: sequence % 3 === 0 ? null : Number.MAX_SAFE_INTEGER - (sequence % 100 === 0 ? sequence : 1),
      excluded: sequence % 5 === 0 ? null : sequence % 2 === 0,
    }))
  })

  test('dictionaries with more than 256 entries, in runs and mixed, over several row groups', async () => {
    await confirmed(45_000, (sequence) => ({
      ...tombstone(sequence),
      source: `source-${Math.floor(sequence / 20) % 900}`,
      eventType: `type-${(sequence * 7_919) % 700}`,
      hints: sequence < 20_000 ? null : `hint-${Math.floor(sequence / 1_000)}`,
      duplicateOf: 1 + (Math.floor(sequence / 30) % 600),
    }))
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const found = await connection.runAndReadAll(`
select count(*) from parquet_metadata('${table()}/data/*.parquet')
where path_in_schema in ('source', 'event_type', 'duplicate_of') and encodings like '%DICTIONARY%'`)
    expect(Number(found.getRows()[0]?.[0])).toBe(9)
    connection.closeSync()
    instance.closeSync()
  })

  test('runs of any width and length decode to what was encoded', () => {
    const value = fc.record({ times: fc.integer({ min: 1, max: 40 }), value: fc.nat() })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 24 }),
        fc.array(value, { minLength: 1, maxLength: 20 }),
        (bitWidth, runs) => {
          const limited = runs.map((run) => ({ ...run, value: run.value % 2 ** bitWidth }))
          const buffer = Buffer.concat(limited.map((run, index) => encoded(run, bitWidth, index % 2 === 0)))
          const expected = limited.flatMap((run, index) =>
            Array.from({ length: index % 2 === 0 ? run.times : run.times * 8 }, (_, at) =>
              index % 2 === 0 ? run.value : (run.value + at) % 2 ** bitWidth,
            ),
          )
          const cursor = { buffer, offset: 0 }
          const options = { bitWidth, disableEnvelope: true }
          expect(rle.decodeValues('INT32', cursor, expected.length, options)).toEqual(expected)
          expect(cursor.offset).toBe(buffer.length)
        },
      ),
    )
  })

  /** A value repeated so many times, or so many groups of eight ascending values. */
  function encoded({ times, value }: { times: number; value: number }, bitWidth: number, repeated: boolean): Buffer {
    const values = Array.from({ length: times * 8 }, (_, at) => BigInt((value + at) % 2 ** bitWidth))
    const bits = repeated ? BigInt(value) : values.reduce((all, one, at) => all | (one << BigInt(at * bitWidth)), 0n)
    const size = repeated ? Math.ceil(bitWidth / 8) : bitWidth * times
    const body = Buffer.from(bits.toString(16).padStart(size * 2, '0'), 'hex').reverse()
    return Buffer.concat([Buffer.from([times * 2 + (repeated ? 0 : 1)]), body])
  }
})

describe('a range', () => {
  test('of a large file costs only the row groups that hold it', async () => {
    const rowOf = (sequence: number): ArchiveRow => ({
      ...archiveRow(1),
      sequence,
      data: `${Math.sin(sequence)}`.repeat(9),
    })
    await archive.append({ appId: FLUSH, rows: (after) => ledgerTo(60_000, after, rowOf) })
    const store = openFolder(table())
    let bytes = 0
    const counting: ObjectStore = {
      ...store,
      async get(path, range) {
        const body = await store.get(path, range)
        if (path.startsWith('data/')) bytes += body?.length ?? 0
        return body
      },
      download: (path, file) => store.download(path, file),
      list: (prefix, options) => store.list(prefix, options),
      stat: (path) => store.stat(path),
    }
    const other = await open(counting)
    await other.confirm({ after: 20_000, to: 30_000, rows: ledgerTo(30_000, 20_000, rowOf) })
    const { bytes: whole } = (await archive.snapshot())!
    expect(bytes).toBeGreaterThan(whole / 5)
    expect(bytes).toBeLessThan(whole / 2)
    await other.close()
  })
})

describe('what the second reader does not vouch for', () => {
  const data = async () => join(table(), 'data', (await readdir(join(table(), 'data')))[0] ?? '')
  const confirm = () => archive.confirm({ after: 0, to: 200, rows: ledgerTo(200, 0) })

  test('every changed byte of a file is noticed or changes no row', async () => {
    await appendTo(archive, 200)
    const file = await data()
    const bytes = await readFile(file)
    let noticed = 0
    for (let at = 0; at < bytes.length; at += 53) {
      const changed = Buffer.from(bytes)
      changed[at] = changed[at]! ^ 0x11
      await writeFile(file, changed)
      await confirm().catch((error: unknown) => {
        expect(error, `byte ${at}`).toMatchObject({
          code: 'E_STORAGE',
          details: { object: expect.stringMatching(/^data/) },
        })
        noticed += 1
      })
    }
    expect(noticed).toBeGreaterThan(40)
  })

  test('missing and short files are named', async () => {
    await appendTo(archive, 200)
    const file = await data()
    await writeFile(file, (await readFile(file)).subarray(0, 900))
    await expect(confirm()).rejects.toThrow(
      /^The archive's file 'data\/.*' is damaged: it has 900 bytes instead of \d+/,
    )
    await rm(file)
    await expect(confirm()).rejects.toThrow(/'data\/.*' is damaged: it is missing\. Restore it/)
  })

  test('files of other programs with zstd, until a compaction writes them anew', async () => {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const file = join(folder, 'part-0.parquet')
    await connection.run(`copy (select i::bigint as sequence, 'id-' || i as event_id from range(1, 21) as r(i))
to '${file}' (format parquet, compression zstd)`)
    connection.closeSync()
    instance.closeSync()
    const store = openFolder(table())
    await appendTo(archive, 20)
    await store.upload('part-0.parquet', file)
    const { size } = (await store.stat('part-0.parquet'))!
    const [old] = (await archive.snapshot())!.files
    const add = { path: 'part-0.parquet', partitionValues: {}, size, modificationTime: 1, dataChange: true }
    const remove = { path: old!.path, deletionTimestamp: 1, dataChange: true }
    await store.put('_delta_log/00000000000000000002.json', formatCommit([{ add }, { remove }]))
    const rowOf = (sequence: number): ArchiveRow => ({ ...tombstone(sequence), eventId: `id-${sequence}` })
    const foreign = () => archive.confirm({ after: 0, to: 20, rows: ledgerTo(20, 0, rowOf) })
    await expect(foreign()).rejects.toThrow(
      /'part-0\.parquet' was written by another program.*'defacto cold compact' writes it anew/,
    )
    expect(await archive.compact()).toEqual({ before: 1, after: 1 })
    await foreign()
    expect(await archive.compact()).toEqual({ before: 0, after: 0 })
  })
})
