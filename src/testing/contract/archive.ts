/** What every archive must do (`src/ports/archive.ts`), over any object storage. */
import assert from 'node:assert/strict'
import { type Archive, type ArchiveRow, type ScanRequest, tombstone } from '../../ports/archive.ts'
import type { TestApi } from './backend.ts'

/** An empty place that can be opened several times, as several processes would. */
export interface ArchivePlace {
  /** `fileBytes`: uncompressed bytes after which an append closes a file. */
  open(options?: { fileBytes?: number }): Promise<Archive>
  dispose(): Promise<void>
}

export interface ArchiveContract {
  readonly name: string
  readonly api: TestApi
  place(): Promise<ArchivePlace>
}

export const FLUSH = 'defacto-flush/test'
const REDACT = 'defacto-redact/test'
const CHUNK = 50
/** Some 300 of the rows below. */
const SMALL = 40_000

/** A row whose time has little to do with its sequence; every tenth is a tombstone, texts are hard to keep. */
export function archiveRow(sequence: number): ArchiveRow {
  if (sequence % 10 === 7) return tombstone(sequence)
  const micros = String((sequence * 7_919) % 1_000_000).padStart(6, '0')
  const second = String((sequence * 31) % 60).padStart(2, '0')
  return {
    sequence,
    eventId: `id-${sequence}`,
    eventType: sequence % 2 === 0 ? 'opened' : 'größer 😀',
    timestamp: `2024-01-01T00:00:${second}.${micros}+00:00`,
    source: 'support',
    data: JSON.stringify({ n: sequence, text: 'a\u0000b "quoted" \\ \n\t' }),
    raw: JSON.stringify({ email: `person${sequence}@example.com` }),
    hints: '',
    duplicateOf: sequence % 9 === 0 ? sequence - 1 : null,
    excluded: sequence % 3 === 0,
    kinds: sequence % 4 === 0 ? '{"n":"integer"}' : null,
    redaction: null,
  }
}

export function archiveRows(first: number, last: number): ArchiveRow[] {
  return Array.from({ length: last - first + 1 }, (_, index) => archiveRow(first + index))
}

/** What a ledger that reaches to `last` gives above `after`. */
export async function* ledgerTo(last: number, after: number, rowOf = archiveRow): AsyncGenerator<ArchiveRow[]> {
  for (let first = after + 1; first <= last; first += CHUNK) {
    yield Array.from({ length: Math.min(CHUNK, last - first + 1) }, (_, index) => rowOf(first + index))
  }
}

export const appendTo = (archive: Archive, last: number) =>
  archive.append({ appId: FLUSH, rows: (after) => ledgerTo(last, after) })

export async function scanned(archive: Archive, request?: ScanRequest): Promise<ArchiveRow[]> {
  const rows: ArchiveRow[] = []
  for await (const chunk of archive.scan(request)) rows.push(...chunk)
  return rows
}

/** The change that erases. */
export const tombstones = (rows: readonly ArchiveRow[]): ArchiveRow[] => rows.map(({ sequence }) => tombstone(sequence))

const sequencesOf = (rows: readonly ArchiveRow[]): number[] => rows.map(({ sequence }) => sequence)

export function archiveContract({ name, api, place }: ArchiveContract): void {
  const { describe, it } = api

  /** Runs `work` on an archive of a new place and removes both. */
  function test(title: string, work: (archive: Archive, place: ArchivePlace) => Promise<void>): void {
    it(title, async () => {
      const here = await place()
      try {
        const archive = await here.open({ fileBytes: SMALL })
        try {
          await work(archive, here)
        } finally {
          await archive.close()
        }
      } finally {
        await here.dispose()
      }
    })
  }

  describe(`archive: ${name}`, () => {
    test('an empty place has no table, and reading it changes nothing', async (archive) => {
      assert.equal(await archive.snapshot(), null)
      assert.equal(await archive.boundary(FLUSH), 0)
      assert.deepEqual(await scanned(archive), [])
      assert.equal(await archive.checkpoint(), null)
      assert.deepEqual((await archive.verify()).problems, [])
      assert.deepEqual(await archive.purge(), { removed: 0, bytes: 0, pending: [] })
      assert.deepEqual(await archive.compact(), { before: 0, after: 0 })
      assert.equal(await archive.snapshot(), null)
    })

    test('appended rows come back as they were, in files with ranges, and the boundary moves', async (archive, here) => {
      const result = await appendTo(archive, 1_000)
      assert.equal(result.rows, 1_000)
      assert.equal(result.last, 1_000)
      assert.ok(result.files > 2, `${result.files} files`)
      const snapshot = await archive.snapshot()
      assert.equal(snapshot?.rows, 1_000)
      assert.equal(snapshot?.last, 1_000)
      assert.equal(snapshot?.txns.get(FLUSH), 1_000)
      let next = 1
      for (const { sequences, rows } of snapshot!.files) {
        assert.equal(sequences?.first, next)
        assert.equal(rows, sequences!.last - sequences!.first + 1)
        next = sequences!.last + 1
      }
      const other = await here.open()
      assert.deepEqual(await scanned(other), archiveRows(1, 1_000))
      assert.equal(await other.boundary(FLUSH), 1_000)
      assert.deepEqual((await other.verify()).problems, [])
      await other.close()
    })

    test('appending again archives only what is new, and nothing twice', async (archive) => {
      await appendTo(archive, 120)
      assert.deepEqual(await appendTo(archive, 120), { rows: 0, files: 0, last: 120 })
      assert.equal((await appendTo(archive, 200)).rows, 80)
      assert.deepEqual(await scanned(archive), archiveRows(1, 200))
    })

    test('rows that do not follow the boundary one by one are refused, and nothing of them is kept', async (archive) => {
      await appendTo(archive, 100)
      for (const wrong of [[100], [102], [101, 103], [101, 101]]) {
        const rows = async function* () {
          yield wrong.map(archiveRow)
        }
        await assert.rejects(archive.append({ appId: FLUSH, rows }), /without a gap/)
      }
      assert.deepEqual(await scanned(archive), archiveRows(1, 100))
    })

    test('ranges, sequences and columns are read by themselves', async (archive) => {
      await appendTo(archive, 1_000)
      assert.deepEqual(await scanned(archive, { after: 290, to: 655 }), archiveRows(291, 655))
      assert.deepEqual(await scanned(archive, { after: 1_000 }), [])
      assert.deepEqual(sequencesOf(await scanned(archive, { sequences: [999, 3, 3, 400, 5_000] })), [3, 400, 999])
      assert.deepEqual(await scanned(archive, { sequences: [] }), [])
      const many = Array.from({ length: 800 }, (_, index) => 1_000 - index)
      assert.deepEqual(await scanned(archive, { sequences: many, to: 900 }), archiveRows(201, 900))
      assert.deepEqual(await scanned(archive, { sequences: [12], columns: ['eventId'] }), [
        { ...tombstone(12), eventId: 'id-12' },
      ])
    })

    test('in order of time rows come by timestamp and sequence over all files, without tombstones', async (archive) => {
      await appendTo(archive, 1_000)
      const expected = archiveRows(101, 900)
        .filter(({ timestamp }) => timestamp !== null)
        .sort((a, b) => (a.timestamp! < b.timestamp! ? -1 : a.timestamp! > b.timestamp! ? 1 : a.sequence - b.sequence))
      assert.deepEqual(await scanned(archive, { order: 'time', after: 100, to: 900 }), expected)
    })

    test('a rewrite changes its rows and no others, once per number', async (archive) => {
      await appendTo(archive, 1_000)
      const before = await archive.snapshot()
      const request = {
        txn: { appId: REDACT, version: 1 },
        sequences: [601, 2, 602, 4_000],
        change: tombstones,
      }
      const result = await archive.rewrite(request)
      assert.deepEqual([result.applied, result.rows, result.files], [true, 3, 2])
      const erased = new Set([2, 601, 602])
      const expected = archiveRows(1, 1_000).map((row) => (erased.has(row.sequence) ? tombstone(row.sequence) : row))
      assert.deepEqual(await scanned(archive), expected)
      assert.deepEqual(await scanned(archive, { snapshot: before! }), archiveRows(1, 1_000))
      assert.equal((await archive.rewrite({ ...request, sequences: 'all' })).applied, false)
      assert.equal((await archive.snapshot())?.txns.get(REDACT), 1)
      assert.equal(await archive.boundary(FLUSH), 1_000)
    })

    test('a rewrite asks for wanted rows only, in ascending chunks, and takes a later answer', async (archive) => {
      await appendTo(archive, 1_000)
      const asked: number[] = []
      const result = await archive.rewrite({
        txn: { appId: REDACT, version: 1 },
        sequences: [950, 40, 41, 999],
        async change(rows) {
          asked.push(...sequencesOf(rows))
          return Promise.resolve(rows.map((row) => ({ ...row, redaction: '{"at":1}' })))
        },
      })
      assert.deepEqual(asked, [40, 41, 950, 999])
      assert.equal(result.rows, 4)
      assert.deepEqual(await scanned(archive, { sequences: [41, 42] }), [
        { ...archiveRow(41), redaction: '{"at":1}' },
        archiveRow(42),
      ])
    })

    test('a change that loses, adds, moves or renumbers rows is refused, and nothing is changed', async (archive) => {
      await appendTo(archive, 300)
      const wrong: ((rows: readonly ArchiveRow[]) => readonly ArchiveRow[])[] = [
        (rows) => rows.slice(1),
        (rows) => [...rows, archiveRow(9_999)],
        (rows) => rows.toReversed(),
        (rows) => rows.map((row) => ({ ...row, sequence: row.sequence + 1 })),
      ]
      const { version } = (await archive.snapshot())!
      for (const change of wrong) {
        const request = { txn: { appId: REDACT, version: 1 }, sequences: [5, 6, 7], change }
        await assert.rejects(archive.rewrite(request), /same number and order/)
      }
      assert.equal((await archive.snapshot())?.version, version)
      assert.deepEqual(await scanned(archive), archiveRows(1, 300))
    })

    test('a range is confirmed when it holds exactly the given rows, wherever its bounds lie', async (archive) => {
      await appendTo(archive, 1_000)
      const { version } = (await archive.snapshot())!
      for (const [after, to] of [
        [0, 1_000],
        [123, 877],
        [499, 500],
        [500, 500],
      ] as const) {
        assert.equal(await archive.confirm({ after, to, rows: ledgerTo(to, after) }), version)
      }
    })

    test('a range that holds other rows than the given ones is not confirmed', async (archive) => {
      await assert.rejects(archive.confirm({ after: 0, to: 1, rows: ledgerTo(1, 0) }), /there is no table/)
      await appendTo(archive, 600)
      const other = (sequence: number) => ({ ...archiveRow(sequence), ...(sequence === 401 ? { raw: '{}' } : {}) })
      const cases: [AsyncIterable<ArchiveRow[]>, number, RegExp][] = [
        [ledgerTo(600, 0, other), 600, /'data\/.*sequence 401 has another content/],
        [ledgerTo(601, 0), 601, /no file holds sequence 601/],
        [ledgerTo(599, 0), 600, /not the whole range: 600 is missing/],
        [ledgerTo(601, 0), 600, /sequence 601 lies behind the range/],
        [ledgerTo(600, 1), 600, /2 stands where 1 must/],
      ]
      for (const [rows, to, message] of cases) {
        await assert.rejects(archive.confirm({ after: 0, to, rows }), (error: Error) => {
          assert.match(error.message, message)
          assert.doesNotMatch(error.message, /example\.com/)
          return true
        })
      }
    })

    test('a rewrite that changes nothing is a commit all the same, also where no table is yet', async (archive) => {
      const change = (rows: readonly ArchiveRow[]) => rows
      assert.equal(
        (await archive.rewrite({ txn: { appId: REDACT, version: 1 }, sequences: [1], change })).applied,
        true,
      )
      const first = await archive.snapshot()
      await archive.rewrite({ txn: { appId: REDACT, version: 2 }, sequences: 'all', change })
      assert.equal((await archive.snapshot())?.version, first!.version + 1)
    })

    test('an append that meets a rewrite asks for its rows again', async (archive, here) => {
      const other = await here.open()
      let erased = false
      const rowOf = (sequence: number) => (erased && sequence === 5 ? tombstone(5) : archiveRow(sequence))
      let asked = 0
      const rows = async function* (after: number) {
        asked += 1
        for await (const chunk of ledgerTo(300, after, rowOf)) {
          yield chunk
          if (erased) continue
          erased = true
          await other.rewrite({
            txn: { appId: REDACT, version: 1 },
            sequences: [5],
            change: tombstones,
          })
        }
      }
      assert.equal((await archive.append({ appId: FLUSH, rows })).rows, 300)
      assert.ok(asked > 1)
      assert.deepEqual((await scanned(archive))[4], tombstone(5))
      await other.close()
    })

    test('writers side by side archive every row once', async (archive, here) => {
      const others = await Promise.all(Array.from({ length: 3 }, () => here.open({ fileBytes: SMALL })))
      const writers = [archive, ...others]
      const results = await Promise.all(writers.map((writer) => appendTo(writer, 1_500)))
      assert.equal(
        results.reduce((sum, { rows }) => sum + rows, 0),
        1_500,
      )
      assert.deepEqual(sequencesOf(await scanned(archive)), sequencesOf(archiveRows(1, 1_500)))
      assert.deepEqual((await archive.verify()).problems, [])
      for (const other of others) await other.close()
    })

    test('compaction merges small files and keeps the rows', async (archive, here) => {
      const large = await here.open()
      for (const last of [100, 200, 300, 400]) await appendTo(large, last)
      assert.deepEqual(await large.compact(), { before: 4, after: 1 })
      assert.equal((await large.snapshot())?.files.length, 1)
      assert.deepEqual(await scanned(archive), archiveRows(1, 400))
      assert.deepEqual(await large.compact(), { before: 0, after: 0 })
      assert.equal((await appendTo(archive, 500)).rows, 100)
      await large.close()
    })

    test('a purge leaves nothing of replaced rows, and says what it leaves', async (archive, here) => {
      await appendTo(archive, 600)
      const old = await archive.snapshot()
      await archive.rewrite({
        txn: { appId: REDACT, version: 1 },
        sequences: [5],
        change: tombstones,
      })
      const kept = await archive.vacuum()
      assert.equal(kept.removed, 0)
      assert.equal(kept.pending.length, 1)
      const swept = await archive.purge()
      assert.deepEqual(swept.pending, [])
      assert.ok(swept.removed > 1)
      await assert.rejects(scanned(archive, { snapshot: old! }), { code: 'E_ARCHIVE_VERSION', recoverable: true })
      const other = await here.open()
      assert.deepEqual((await scanned(other))[4], tombstone(5))
      assert.equal((await appendTo(other, 700)).rows, 100)
      assert.deepEqual(sequencesOf(await scanned(archive)), sequencesOf(archiveRows(1, 700)))
      await other.close()
    })

    test('a checkpoint carries the whole state, and the log before it may go', async (archive, here) => {
      await appendTo(archive, 1_000)
      const before = await archive.snapshot()
      assert.equal(await archive.checkpoint(), before!.version)
      const cleaned = await archive.cleanLog({ retentionMs: -60_000 })
      assert.equal(cleaned.removed, before!.version)
      const other = await here.open()
      assert.deepEqual(await other.snapshot(), before)
      assert.equal((await appendTo(other, 1_100)).rows, 100)
      assert.equal((await appendTo(archive, 1_200)).rows, 100)
      assert.deepEqual(await scanned(other), archiveRows(1, 1_200))
      await other.close()
    })
  })
}
