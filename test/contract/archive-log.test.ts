/** The log: the shape of every action we write, what is made of the actions we read, and late writers. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Action, formatCommit, parseCommit } from '../../src/adapters/delta/actions.ts'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { checkpointActions } from '../../src/adapters/delta/checkpoint.ts'
import { compactable, groups, type Planned, prune } from '../../src/adapters/delta/plan.ts'
import { formatStats, parseStats, withoutValues } from '../../src/adapters/delta/statistics.ts'
import { boundaryOf, replay } from '../../src/adapters/delta/table-state.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { StorageError } from '../../src/errors.ts'
import type { ArchiveFile } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import { appendTo, archiveRows, scanned, tombstones } from '../../src/testing/contract/archive.ts'
import { room } from '../support/room.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-log-'))
})
afterEach(() => rm(folder, { recursive: true }))

const table = () => join(folder, 'table')
const open = (objects: ObjectStore = openFolder(table())) =>
  openDeltaArchive({ objects, temporary: folder, fileBytes: 12_000 })

const count = z.int().nonnegative()
const text = z.string().min(1)
const bounds = z.strictObject({ sequence: count, timestamp: text.optional() })
const STATS = z.strictObject({
  numRecords: count,
  minValues: bounds,
  maxValues: bounds,
  nullCount: z.strictObject({ sequence: z.literal(0), timestamp: count }),
})
const json = <T extends z.ZodType>(schema: T) => z.string().transform((body) => schema.parse(JSON.parse(body)))
const noPartition = z.strictObject({})
const LINE = z.union([
  z.strictObject({
    commitInfo: z.looseObject({
      timestamp: count,
      operation: text,
      operationParameters: z.record(z.string(), z.string()),
      engineInfo: z.literal('defacto'),
      txnId: z.uuid(),
    }),
  }),
  z.strictObject({ protocol: z.strictObject({ minReaderVersion: z.literal(1), minWriterVersion: z.literal(2) }) }),
  z.strictObject({
    metaData: z.strictObject({
      id: z.uuid(),
      format: z.strictObject({ provider: z.literal('parquet'), options: noPartition }),
      schemaString: json(
        z.strictObject({
          type: z.literal('struct'),
          fields: z.array(
            z.strictObject({
              name: text,
              type: z.enum(['long', 'string', 'boolean']),
              nullable: z.boolean(),
              metadata: noPartition,
            }),
          ),
        }),
      ),
      partitionColumns: z.tuple([]),
      configuration: z.record(z.string().startsWith('delta.'), z.string()),
      createdTime: count,
    }),
  }),
  z.strictObject({
    add: z.strictObject({
      path: z.string().regex(/^data\/\d{20}-\d{20}\.[A-Za-z0-9-]+\.parquet$/),
      partitionValues: noPartition,
      size: count,
      modificationTime: count,
      dataChange: z.boolean(),
      stats: json(STATS),
      tags: z.strictObject({
        'defacto.rows': z.string().regex(/^\d+$/),
        'defacto.digest': z.string().regex(/^[0-9a-f]{64}$/),
      }),
    }),
  }),
  z.strictObject({
    remove: z.strictObject({
      path: text,
      deletionTimestamp: count,
      dataChange: z.boolean(),
      extendedFileMetadata: z.literal(true),
      partitionValues: noPartition,
      size: count,
    }),
  }),
  z.strictObject({ txn: z.strictObject({ appId: text, version: count, lastUpdated: count }) }),
])

test('every line that is written follows the protocol, and no commit names a thing twice', async () => {
  const archive = await open()
  await appendTo(archive, 300)
  await archive.rewrite({ txn: { appId: 'defacto-redact/test', version: 1 }, sequences: [1, 290], change: tombstones })
  await archive.compact()
  await archive.close()
  const log = join(table(), '_delta_log')
  const names = (await readdir(log)).sort()
  expect(names).toEqual(names.map((_, index) => `${String(index).padStart(20, '0')}.json`))
  for (const name of names) {
    const body = await readFile(join(log, name), 'utf8')
    expect(body).toMatch(/\n$/)
    const lines = body.trimEnd().split('\n')
    const actions = lines.map((line) => LINE.parse(JSON.parse(line)))
    const keys = actions.map((action) => {
      const [kind = '', value = {}] = Object.entries(action)[0] ?? []
      const { path, appId } = value as { path?: string; appId?: string }
      return `${kind} ${path ?? appId ?? ''}`
    })
    expect(new Set(keys).size, name).toBe(keys.length)
    expect(keys.filter((key) => key.startsWith('commitInfo'))).toHaveLength(1)
  }
})

const add = (path: string, extra: object = {}): Action => ({
  add: { path, partitionValues: {}, size: 1, modificationTime: 1, dataChange: true, ...extra },
})
const remove = (path: string, deletionTimestamp = 1): Action => ({
  remove: { path, deletionTimestamp, dataChange: true },
})
const BASE: Action[] = [
  { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
  {
    metaData: {
      id: 'id',
      format: { provider: 'parquet', options: {} },
      schemaString: '{}',
      partitionColumns: [],
      configuration: {},
    },
  },
]

describe('reconciliation', () => {
  test('the latest action of a path or application wins, whatever the order within a commit', () => {
    const state = replay(
      null,
      [
        { version: 0, actions: BASE },
        { version: 1, actions: [add('a'), add('b'), { txn: { appId: 'x', version: 5 } }] },
        { version: 2, actions: [add('a', { size: 2 }), remove('a'), remove('b'), { txn: { appId: 'x', version: 7 } }] },
      ],
      -1,
    )
    expect([...state.files].map(([path, { size }]) => [path, size])).toEqual([['a', 2]])
    expect([...state.removed.keys()]).toEqual(['b'])
    expect(boundaryOf(state, 'x')).toBe(7)
  })

  test('a checkpoint in the middle changes nothing', () => {
    const step = fc.array(
      fc.oneof(
        fc.constantFrom('a', 'b', 'c', 'd').map((path) => add(path)),
        fc.constantFrom('a', 'b', 'c', 'd').map((path) => remove(path, 10)),
        fc.nat(9).map((version): Action => ({ txn: { appId: 'x', version, lastUpdated: 1 } })),
      ),
      { maxLength: 4 },
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), fc.nat(7), (steps, cut) => {
        const commits = [BASE, ...steps].map((actions, version) => ({ version, actions }))
        const at = Math.min(cut, commits.length - 1)
        const whole = replay(null, commits, -1)
        const half = replay(null, commits.slice(0, at + 1), -1)
        const text = formatCommit(checkpointActions(half, 11))
        const rest = replay(null, [{ version: at, actions: parseCommit(text, 'x') }, ...commits.slice(at + 1)], at)
        expect(new Set(rest.files.keys())).toEqual(new Set(whole.files.keys()))
        expect(new Set(rest.removed.keys())).toEqual(new Set(whole.removed.keys()))
        expect(rest.txns).toEqual(whole.txns)
      }),
    )
  })

  test('unknown actions, fields and blank lines are passed over', () => {
    const body =
      '{"add":{"path":"a","size":1,"modificationTime":1,"new":{}}}\r\n\r\n{"domainMetadata":{"x":1}}\n{"cdc":{}}\n'
    expect(parseCommit(Buffer.from(body), 'x')).toHaveLength(1)
  })

  test('what this program cannot do right it refuses', () => {
    const needs = (minReaderVersion: number): Action => ({ protocol: { minReaderVersion, minWriterVersion: 7 } })
    expect(() => replay(null, [{ version: 0, actions: [...BASE, needs(3)] }], -1)).toThrow(/protocol \(3, 7\)/)
    const vector = '{"add":{"path":"a","size":1,"modificationTime":1,"deletionVector":{"storageType":"u"}}}'
    expect(() => parseCommit(Buffer.from(vector), 'x')).toThrow(/deletion vectors/)
  })
})

describe('statistics', () => {
  const range = { rows: 2, first: 1, last: 9, withoutTime: 0 }

  test('bounds hold after readers cut them to milliseconds', () => {
    const texts = { firstTime: '2024-01-01T00:00:00.000999+00:00', lastTime: '2024-12-31T23:59:59.999001+00:00' }
    expect(parseStats(formatStats({ ...range, ...texts })).timestamps).toEqual({
      first: '2024-01-01T00:00:00+00:00',
      last: '2025-01-01T00:00:00+00:00',
    })
  })

  test('a file of tombstones says that it has no timestamps', () => {
    const stats = formatStats({ ...range, firstTime: null, lastTime: null, withoutTime: 2 })
    expect(parseStats(stats)).toEqual({
      rows: 2,
      sequences: { first: 1, last: 9 },
      timestamps: { first: '', last: '' },
    })
  })

  test('other columns are left out of checkpoints; nonsense counts as unknown', () => {
    const foreign =
      '{"numRecords":1,"minValues":{"sequence":1,"data":"secret"},"maxValues":{"sequence":1},"nullCount":{"data":0}}'
    expect(withoutValues(foreign)).toBe(
      '{"numRecords":1,"minValues":{"sequence":1},"maxValues":{"sequence":1},"nullCount":{}}',
    )
    for (const nonsense of ['', '[', '7', 'null', '{"numRecords":"1"}', null, undefined]) {
      expect(parseStats(nonsense)).toEqual({ rows: null, sequences: null, timestamps: null })
    }
  })
})

describe('plans', () => {
  const file = (first: number, last: number, bytes = 10): ArchiveFile => ({
    path: `${first}`,
    bytes,
    rows: 1,
    sequences: { first, last },
    timestamps: null,
    digest: null,
  })

  test('groups of overlapping files lie apart, and pruning keeps every file that may hold a wanted row', () => {
    const files = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(12)).map(([first, length]) => file(first, first + length)),
      { maxLength: 12 },
    )
    const wanted = fc.record({
      after: fc.nat(40),
      to: fc.nat(80),
      sequences: fc.option(fc.uniqueArray(fc.nat(80)).map((list) => list.sort((a, b) => a - b))),
    })
    fc.assert(
      fc.property(files, wanted, (all, query) => {
        const planned = prune(all, query)
        for (const one of all) {
          const holds = Array.from({ length: 81 }, (_, n) => n).filter(
            (n) => n >= one.sequences!.first && n <= one.sequences!.last && n > query.after && n <= query.to,
          )
          const hit = query.sequences === null ? holds : holds.filter((n) => query.sequences!.includes(n))
          const chosen = planned.filter(({ file: found }) => found === one)
          expect(chosen).toHaveLength(hit.length > 0 ? 1 : 0)
          if (query.sequences !== null && chosen[0] !== undefined) expect(chosen[0].sequences).toEqual(hit)
        }
        let reached = -1
        const grouped: Planned[] = []
        for (const group of groups(planned, 'sequence')) {
          expect(Math.min(...group.map((one) => one.file.sequences!.first))).toBeGreaterThan(reached)
          reached = Math.max(...group.map((one) => one.file.sequences!.last))
          grouped.push(...group)
        }
        expect(new Set(grouped)).toEqual(new Set(planned))
      }),
    )
  })

  test('only neighbouring small files that overlap nothing are merged', () => {
    const runs = (files: ArchiveFile[]) => compactable(files, 100).map((run) => run.map(({ path }) => Number(path)))
    expect(runs([file(1, 9), file(10, 19), file(20, 29, 90), file(30, 39), file(40, 49)])).toEqual([
      [1, 10],
      [30, 40],
    ])
    expect(runs([file(1, 9, 50), file(10, 19, 50), file(20, 29, 50)])).toEqual([[1, 10]])
    expect(runs([file(1, 15), file(10, 19), file(20, 29), file(30, 39)])).toEqual([[20, 30]])
    expect(runs([file(1, 9)])).toEqual([])
  })
})

describe('late writers', () => {
  /** Holds the next commit back until `meanwhile` is done. */
  function held(store: ObjectStore, meanwhile: () => Promise<unknown>, atVersion: number): ObjectStore {
    let done = false
    return {
      ...delegate(store),
      async put(path, body, options) {
        if (!done && path.endsWith(`${String(atVersion).padStart(20, '0')}.json`)) {
          done = true
          await meanwhile()
        }
        return store.put(path, body, options)
      },
    }
  }

  test('a commit into a place that was free only because the log was cleaned does not count', async () => {
    const quick = await open()
    await appendTo(quick, 50)
    const { version } = (await quick.snapshot())!
    const late = await open(
      held(
        openFolder(table()),
        async () => {
          await appendTo(quick, 80)
          await quick.purge()
        },
        version + 1,
      ),
    )
    const result = await appendTo(late, 120)
    expect(result).toMatchObject({ rows: 40, last: 120 })
    for (const archive of [quick, late, await open()]) {
      expect(await scanned(archive)).toEqual(archiveRows(1, 120))
      await archive.close()
    }
  })

  test('a commit whose request arrives after all, when the writer has looked, does not archive twice', async () => {
    const store = openFolder(table())
    let late: (() => Promise<unknown>) | null = null
    const archive = await open({
      ...delegate(store),
      async put(path, body, options) {
        if (late === null && path.endsWith('1.json')) {
          late = () => store.put(path, body, options)
          throw new StorageError('no answer', { recoverable: true, details: { outcome: 'unknown' } })
        }
        if (late !== null && path.endsWith('.json')) await late()
        return store.put(path, body, options)
      },
    })
    await appendTo(archive, 100)
    expect(await scanned(archive)).toEqual(archiveRows(1, 100))
    await archive.close()
  })

  function delegate(store: ObjectStore): ObjectStore {
    return {
      location: store.location,
      get: (path, range) => store.get(path, range),
      stat: (path) => store.stat(path),
      put: (path, body, options) => store.put(path, body, options),
      upload: (path, file) => store.upload(path, file),
      download: (path, file) => store.download(path, file),
      list: (prefix, options) => store.list(prefix, options),
      remove: (paths) => store.remove(paths),
      hidden: (prefix) => store.hidden(prefix),
      abandon: (ageMs) => store.abandon(ageMs),
      close: () => store.close(),
    }
  }
})

test('a table of the reference, with fewer columns and statistics of payloads, is read, erased from and cleaned', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const file = join(folder, 'part-0.parquet')
  await connection.run(`
copy (
  select i::bigint as sequence, 'id-' || i as event_id, 'opened' as event_type, '2024-01-01T00:00:00+00:00' as "timestamp",
    'support' as source, '{"email":"secret@example.com"}' as data, '{}' as raw, '{}' as resolution_hints, null::bigint as duplicate_of
  from range(1, 21) as r(i)
) to '${file}' (format parquet)`)
  connection.closeSync()
  instance.closeSync()
  const store = openFolder(table())
  await store.upload('part-0.parquet', file)
  const { size } = (await store.stat('part-0.parquet'))!
  const stats = JSON.stringify({
    numRecords: 20,
    minValues: { sequence: 1, data: 'secret@example.com' },
    maxValues: { sequence: 20, data: 'secret@example.com' },
    nullCount: { sequence: 0 },
  })
  await store.put(
    '_delta_log/00000000000000000000.json',
    formatCommit([...BASE, add('part-0.parquet', { size, stats })]),
  )
  const archive = await open()
  expect(await archive.boundary('defacto-flush/test')).toBe(20)
  const [first] = await scanned(archive, { order: 'time' })
  expect(first).toMatchObject({ sequence: 1, eventId: 'id-1', excluded: null, kinds: null, redaction: null })
  expect((await archive.verify()).withoutDigest).toBe(1)
  await archive.purge()
  expect(await archive.snapshot()).toMatchObject({ rows: 20, last: 20 })
  for (const name of await readdir(join(table(), '_delta_log'))) {
    expect((await readFile(join(table(), '_delta_log', name))).includes('secret@')).toBe(false)
  }
  expect((await appendTo(archive, 30)).rows).toBe(10)
  await archive.rewrite({ txn: { appId: 'defacto-redact/test', version: 1 }, sequences: [4], change: tombstones })
  await archive.purge({ orphanAgeMs: 0 })
  expect((await readdir(table())).sort()).toEqual(expect.not.arrayContaining(['part-0.parquet']))
  expect((await scanned(archive)).map(({ sequence }) => sequence)).toEqual(
    archiveRows(1, 30).map((row) => row.sequence),
  )
  expect((await archive.verify()).problems).toEqual([])
  await archive.close()
})
