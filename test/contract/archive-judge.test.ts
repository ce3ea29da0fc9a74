/** Other programs read what we write: delta-rs every version of the table, DuckDB every data file. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import type { Archive, ArchiveRow } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, FLUSH, scanned, tombstones } from '../../src/testing/contract/archive.ts'
import { describeJudged, Judge } from '../support/delta-judge.ts'
import { room } from '../support/room.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'

const REDACT = 'defacto-redact/test'

describeJudged('delta-rs', () => {
  let judge: Judge
  let folder: string
  let table: string
  let archive: Archive
  beforeAll(() => {
    judge = new Judge()
  })
  afterAll(() => judge[Symbol.asyncDispose]())
  beforeEach(async () => {
    folder = await mkdtemp(join(room(), 'defacto-archive-judge-'))
    table = join(folder, 'table')
    archive = await openDeltaArchive({ objects: openFolder(table), temporary: folder, fileBytes: 12_000 })
  })
  afterEach(async () => {
    await archive.close()
    await rm(folder, { recursive: true })
  })

  async function compare(version?: number, expected?: readonly ArchiveRow[]): Promise<void> {
    const rows = expected ?? (await scanned(archive))
    const reading = await judge.read(table, version)
    const sum = (of: (row: ArchiveRow) => number) => rows.reduce((total, row) => total + of(row), 0)
    expect(reading.sequences).toEqual(rows.map(({ sequence }) => sequence))
    expect(reading.upToFifty).toBe(rows.filter(({ sequence }) => sequence <= 50).length)
    expect(reading.bytes).toBe(sum(({ data }) => Buffer.byteLength(data ?? '')))
    expect(reading.duplicates).toBe(sum(({ duplicateOf }) => duplicateOf ?? 0))
    expect(reading.excluded).toBe(sum(({ excluded }) => (excluded === true ? 1 : 0)))
  }

  test('opens every version of a table that grows, is erased from, merged and has checkpoints', async () => {
    const states = new Map<number, readonly ArchiveRow[]>()
    const note = async () => states.set((await archive.snapshot())!.version, await scanned(archive))
    for (let last = 40; last <= 2_480; last += 40) {
      await appendTo(archive, last)
      await note()
      if (last % 800 === 0) {
        await archive.rewrite({ txn: { appId: REDACT, version: last }, sequences: [3, last - 1], change: tombstones })
        await note()
      }
    }
    await archive.compact()
    await note()
    const names = await readdir(join(table, '_delta_log'))
    expect(names).toContain('00000000000000000050.checkpoint.parquet')
    expect(names).toContain('_last_checkpoint')
    for (const [version, rows] of states) await compare(version, rows)
    await compare()
    expect((await judge.read(table)).types).toEqual({
      sequence: 'int64',
      event_id: 'string',
      event_type: 'string',
      timestamp: 'string',
      source: 'string',
      data: 'string',
      raw: 'string',
      resolution_hints: 'string',
      duplicate_of: 'int64',
      excluded: 'bool',
      kinds: 'string',
      redaction: 'string',
    })
  })

  test('reads a purged table from its checkpoint alone, and writes on', async () => {
    await appendTo(archive, 200)
    await archive.rewrite({ txn: { appId: REDACT, version: 1 }, sequences: [7, 8], change: tombstones })
    await archive.purge({ orphanAgeMs: 0 })
    await compare()
    await judge.append(table, 1_000, 1_010)
    await compare()
    expect((await scanned(archive, { after: 999 })).map(({ eventId }) => eventId)).toContain('foreign-1010')
  })

  test('appends, deletes and writes checkpoints in between; ours goes on from there', async () => {
    await appendTo(archive, 100)
    await judge.append(table, 5_001, 5_020)
    await compare()
    // Our boundary is the recorded one, not the foreign rows.
    expect(await archive.boundary(FLUSH)).toBe(100)
    expect((await appendTo(archive, 150)).rows).toBe(50)
    await compare()
    await judge.delete(table, 'sequence = 42')
    expect((await scanned(archive, { after: 40, to: 43 })).map(({ sequence }) => sequence)).toEqual([41, 43])
    await judge.checkpoint(table)
    const fresh = await openDeltaArchive({ objects: openFolder(table), temporary: folder })
    expect((await fresh.snapshot())?.txns.get(FLUSH)).toBe(150)
    expect((await fresh.verify()).problems.map(({ problem }) => problem)).toEqual([
      'it holds 99 rows for the 100 sequences 1 to 100',
      'no file holds the sequences 151 to 5000 before it',
    ])
    await fresh.rewrite({ txn: { appId: REDACT, version: 1 }, sequences: [5_003, 9], change: tombstones })
    await fresh.close()
    await compare()
    expect((await appendTo(archive, 200)).rows).toBe(50)
    await compare()
  })

  test('files it wrote are refused by the second reader until a compaction writes them anew', async () => {
    await appendTo(archive, 100)
    await judge.append(table, 101, 150)
    await judge.delete(table, 'sequence > 140')
    const rows = async function* () {
      yield [...archiveRows(1, 100), ...(await scanned(archive, { after: 100 }))]
    }
    const refused = expect(archive.confirm({ after: 0, to: 140, rows: rows() })).rejects
    await refused.toMatchObject({ code: 'E_STORAGE', details: { object: expect.stringMatching(/^part-.*parquet$/) } })
    await expect(archive.confirm({ after: 0, to: 140, rows: rows() })).rejects.toThrow(/'defacto cold compact'/)
    await archive.compact()
    await archive.confirm({ after: 0, to: 140, rows: rows() })
    expect(await archive.verify()).toMatchObject({ withoutDigest: 0, problems: [] })
    await compare()
  })

  test('puts no payload into the log, nor do we into its checkpoint', async () => {
    await appendTo(archive, 100)
    await judge.append(table, 5_001, 5_020)
    await archive.purge({ orphanAgeMs: 0 })
    const log = join(table, '_delta_log')
    for (const name of await readdir(log)) {
      expect((await readFile(join(log, name))).toString('latin1'), name).not.toMatch(/example\.com|foreign-/)
    }
    await compare()
  })

  test('DuckDB reads the data files as they are: V1 pages, snappy, row groups, statistics', async () => {
    const large = await openDeltaArchive({ objects: openFolder(table), temporary: folder })
    await large.append({
      appId: FLUSH,
      async *rows(after) {
        for (let first = after + 1; first <= 45_000; first += 5_000) yield archiveRows(first, first + 4_999)
      },
    })
    await large.close()
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const ask = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson()
    const files = `'${join(table, 'data')}/*.parquet'`
    expect(await ask(`select count(*), sum(sequence), count(data) from read_parquet(${files})`)).toEqual([
      ['45000', String((45_000 * 45_001) / 2), '40500'],
    ])
    expect(
      await ask(`select row_group_num_rows, stats_min, stats_max from parquet_metadata(${files})
where path_in_schema = 'sequence' order by row_group_id`),
    ).toEqual([
      ['18432', '1', '18432'],
      ['18432', '18433', '36864'],
      ['8136', '36865', '45000'],
    ])
    expect(await ask(`select distinct compression from parquet_metadata(${files})`)).toEqual([['SNAPPY']])
    expect(await ask(`select distinct format_version from parquet_file_metadata(${files})`)).toEqual([['1']])
    connection.closeSync()
    instance.closeSync()
    await compare()
  })
})

describeS3('delta-rs in the same bucket', () => {
  let bucket: FreshBucket
  let objects: ObjectStore
  let judge: Judge
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(room(), 'defacto-archive-judge-'))
    bucket = await freshBucket()
    objects = openS3(`${bucket.url}/table`, bucket.options)
    // The judge's process takes its settings from the environment.
    process.env['AWS_ENDPOINT_URL'] = bucket.options.endpoint
    process.env['AWS_ALLOW_HTTP'] = 'true'
    judge = new Judge()
  })
  afterEach(async () => {
    await judge[Symbol.asyncDispose]()
    await objects.close()
    await bucket.drop()
    await rm(folder, { recursive: true })
  })

  describeJudged('and at the same time', () => {
    test('commits between the reading and the commit of an append, which begins anew', async () => {
      const archive = await openDeltaArchive({ objects, temporary: folder })
      await appendTo(archive, 100)
      let asked = 0
      const rows = async function* (after: number) {
        asked += 1
        yield archiveRows(after + 1, 150)
        if (asked === 1) await judge.append(`${bucket.url}/table`, 5_001, 5_020)
      }
      expect(await archive.append({ appId: FLUSH, rows })).toEqual({ rows: 50, files: 1, last: 150 })
      expect(asked).toBe(2)
      const foreign = Array.from({ length: 20 }, (_, index) => 5_001 + index)
      const expected = [...archiveRows(1, 150).map(({ sequence }) => sequence), ...foreign]
      expect((await scanned(archive)).map(({ sequence }) => sequence)).toEqual(expected)
      expect((await judge.read(`${bucket.url}/table`)).sequences).toEqual(expected)
      await archive.close()
    })
  })
})
