/** After an erasure was carried into an archive and it was purged, no byte of it holds what was erased (spec 05 §4.2 no. 11). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GetObjectCommand, ListObjectVersionsCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { createLogger } from '../../src/adapters/log/logger.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { tieredStore } from '../../src/adapters/tiered/store.ts'
import { flushCold } from '../../src/engine/cold/flush.ts'
import { confirmed } from '../../src/engine/cold/prune.ts'
import { restoreCold } from '../../src/engine/cold/restore.ts'
import { Engine } from '../../src/engine/engine.ts'
import { type Archive, tombstone } from '../../src/ports/archive.ts'
import type { ObjectStore } from '../../src/ports/objects.ts'
import type { Store, TreatedRow } from '../../src/ports/store.ts'
import { scanned } from '../../src/testing/contract/archive.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { event } from '../../src/testing/contract/fixtures.ts'
import { describeJudged, Judge } from '../support/delta-judge.ts'
import { room } from '../support/room.ts'
import { describeS3, type FreshBucket, freshBucket } from '../support/s3.ts'

const CANARY = 'Featherstonehaugh'
const ROWS = 4_000
/** Of rows that are erased, and of rows that are treated: far apart, at the ends of files, first and last of all texts. */
const ERASED = [2, 3, 700, 701, 2_400]
const TREATED = [5, 1_000, 2_401]
const marked = new Set([...ERASED, ...TREATED])

/** A person is in every text of some rows, and is the smallest or the greatest of all. */
function eventOf(n: number) {
  if (!marked.has(n)) return event(`e${n}`, { dataJson: `{"text":"m${n}"}`, hintsJson: `{"m":{"k":"${n}"}}` })
  const name = n % 2 === 0 ? `!${CANARY} ${n}` : `~${CANARY} ${n}`
  return event(`${name} id`, {
    dataJson: `{"0":"${name}"}`,
    hintsJson: `{"0":{"k":"${name}"}}`,
    rawJson: `{"0":"${name}"}`,
    kindsJson: `{"${name}":"t"}`,
    eventType: n % 4 === 0 ? 'joined' : `${name} type`,
  })
}

const treatedRow = (sequence: number): TreatedRow => ({
  sequence,
  data: '{"0":"[REDACTED]"}',
  raw: '{"0":"[REDACTED]"}',
  hints: '{"m":{"k":"token"}}',
  kinds: null,
  redaction: '{"v":1,"raw":["0"],"data":["0"],"hints":{"m":{"k":"token"}},"removed":[]}',
})

let folder: string
let objects: ObjectStore
let store: Store
let engine: Engine

function engineOf(given: Store): Engine {
  return new Engine({
    store: given,
    clock: () => new Date(),
    newId: () => crypto.randomUUID(),
    logger: createLogger({ target: { debug() {}, info() {}, warn() {}, error() {} } }),
    deadLetter: null,
    batchSize: 100,
    processStart: '',
  })
}

async function openStore(name: string): Promise<Store> {
  const archive = await openDeltaArchive({ objects, temporary: folder })
  return tieredStore(await openSqliteStore({ path: join(folder, `${name}.db`), now: () => NOW }), archive)
}

/** Everything is archived; half of it has left the database. */
async function fill(): Promise<void> {
  store = await openStore('space')
  engine = engineOf(store)
  const events = Array.from({ length: ROWS }, (_, i) => eventOf(i + 1))
  await inUnit(store, (unit) => store.ledger.append(unit, events))
  for (let upTo = ROWS / 5; upTo <= ROWS; upTo += ROWS / 5) await flushCold(engine, { upTo })
  await inUnit(store, (unit) => store.tiers.prune(unit, ROWS / 2))
}

const archiveOf = (): Archive => store.archive!
const dataFiles = async (): Promise<string[]> => {
  const paths: string[] = []
  for await (const { path } of objects.list('data/')) paths.push(path)
  return paths
}

/** Erases, redacts, and carries both into the archive. Event ids, and types, of treated rows stay: they are nobody's name here. */
async function forget(sequences = ERASED, treated = TREATED): Promise<void> {
  await inUnit(store, async (unit) => {
    await store.ledger.empty(
      unit,
      sequences.map((sequence) => ({ sequence, digest: `digest ${sequence}` })),
    )
    await store.ledger.treat(unit, treated.map(treatedRow))
  })
  await store.ledger.settle()
}

/** What holds a word: the file as it lies there, what Parquet readers make of it, or its footer. */
async function holding(word: string, all: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const found = new Set<string>()
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const copy = join(folder, 'looked-at.parquet')
  for (const [path, bytes] of all) {
    if (Buffer.from(bytes).includes(word)) found.add(path)
    if (!path.includes('.parquet')) continue
    await writeFile(copy, bytes)
    for (const table of ['read_parquet', 'parquet_metadata', 'parquet_kv_metadata']) {
      const rows = await connection.runAndReadAll(`select * from ${table}('${copy}')`)
      if (JSON.stringify(rows.getRowsJson()).includes(word)) found.add(`${path} by ${table}`)
    }
  }
  connection.closeSync()
  instance.closeSync()
  await rm(copy, { force: true })
  return [...found].sort()
}

async function objectsThere(): Promise<Map<string, Uint8Array>> {
  const all = new Map<string, Uint8Array>()
  for await (const { path } of objects.list('')) all.set(path, (await objects.get(path)) ?? new Uint8Array())
  return all
}

beforeEach(async () => {
  folder = await mkdtemp(join(room(), 'defacto-archive-erasure-'))
})
afterEach(async () => {
  await store.close()
  await objects.close()
  await rm(folder, { recursive: true })
})

/** Rows that are treated keep their event ids, and the names of their fields. */
const erasedOnly = (): Promise<void> => forget([...ERASED, ...TREATED], [])

describe('an erasure in a folder', () => {
  beforeEach(async () => {
    objects = openFolder(join(folder, 'cold'))
    await fill()
  })

  test('leaves nothing in any file: rows, statistics, footers, log', async () => {
    expect((await holding(CANARY, await objectsThere())).length).toBeGreaterThan(3)
    await erasedOnly()
    expect((await archiveOf().purge({ orphanAgeMs: 0 })).pending).toEqual([])
    expect(await holding(CANARY, await objectsThere())).toEqual([])
    expect((await archiveOf().verify()).problems).toEqual([])
    const rows = await scanned(archiveOf())
    for (const sequence of [...ERASED, ...TREATED]) {
      expect(rows[sequence - 1]).toEqual(tombstone(sequence, `digest ${sequence}`))
    }
    await confirmed(engine, archiveOf(), ROWS / 2, ROWS)
  })

  test('and nothing of what was treated, where the rest of a row stays', async () => {
    await forget()
    await archiveOf().purge({ orphanAgeMs: 0 })
    const rows = await scanned(archiveOf())
    for (const sequence of TREATED) expect(rows[sequence - 1]).toMatchObject(treatedRow(sequence))
    const secret = rows.filter((row) => [row.data, row.raw, row.hints, row.kinds].join().includes(CANARY))
    expect(secret).toEqual([])
    // What the row is stays: its event id and type.
    const texts = new Set(rows.flatMap((row) => [row.eventId, row.eventType]).filter((text) => text?.includes(CANARY)))
    expect([...texts].every((text) => / (?:id|type)$/.test(text ?? ''))).toBe(true)
    await confirmed(engine, archiveOf(), ROWS / 2, ROWS)
  })

  test('of many rows writes each file that has some once, in one commit', async () => {
    const before = (await archiveOf().snapshot())!
    expect(before.files.length).toBeGreaterThan(4)
    const [first, , third] = before.files
    const touched = [first, third].flatMap((file) => {
      const { first: from, last } = file!.sequences!
      return Array.from({ length: 500 }, (_, i) => from + Math.floor((i * (last - from)) / 500))
    })
    const stored = await dataFiles()
    // Many requests: one unit each, carried at once.
    for (let at = 0; at < touched.length; at += 100) {
      const some = touched.slice(at, at + 100)
      await inUnit(store, async (unit) => {
        await store.ledger.empty(
          unit,
          some.slice(0, 50).map((sequence) => ({ sequence, digest: null })),
        )
        await store.ledger.treat(unit, some.slice(50).map(treatedRow))
      })
    }
    await store.ledger.settle()
    const after = (await archiveOf().snapshot())!
    expect(after.version).toBe(before.version + 1)
    expect((await dataFiles()).length).toBe(stored.length + 2)
    const kept = before.files.filter(({ path }) => after.files.some((file) => file.path === path))
    expect(kept.length).toBe(before.files.length - 2)
    expect((await archiveOf().purge({ orphanAgeMs: 0 })).pending).toEqual([])
    expect((await dataFiles()).length).toBe(stored.length)
  })

  test('of rows that are not archived yet goes there as tombstones, and comes back as such', async () => {
    await inUnit(store, (unit) => store.ledger.append(unit, [event('last 1'), event('last 2'), event('last 3')]))
    await erasedOnly()
    await forget([ROWS + 1, ROWS + 2], [])
    await flushCold(engine)
    await confirmed(engine, archiveOf(), ROWS / 2, ROWS + 3)
    expect((await scanned(archiveOf(), { after: ROWS })).slice(0, 2)).toEqual([
      tombstone(ROWS + 1, `digest ${ROWS + 1}`),
      tombstone(ROWS + 2, `digest ${ROWS + 2}`),
    ])
    const other = await openStore('other')
    await restoreCold(engineOf(other))
    expect(await other.ledger.count()).toBe(ROWS + 3 - marked.size - 2)
    expect(await other.ledger.countAfter(0)).toBe(await store.ledger.countAfter(0))
    expect((await drain(other.ledger.scan({ after: 0, to: ROWS + 3, all: true, raw: false }))).length).toBe(
      await other.ledger.count(),
    )
    const guards = { digestOf: (id: string) => id.replace('again', 'digest'), treated: () => expect.unreachable() }
    const given = [event(`again ${ERASED[0]}`), event(`again ${ROWS + 2}`), event('last 3'), event('new')]
    expect(await inUnit(other, (unit) => other.ledger.append(unit, given, guards))).toEqual([
      { sequence: ERASED[0], inserted: false },
      { sequence: ROWS + 2, inserted: false },
      { sequence: ROWS + 3, inserted: false },
      { sequence: ROWS + 4, inserted: true },
    ])
    await other.close()
  })

  test('that is interrupted before anything was carried over leaves it for the next one', async () => {
    await inUnit(store, (unit) =>
      store.ledger.empty(
        unit,
        [...marked].map((sequence) => ({ sequence, digest: null })),
      ),
    )
    await store.close()
    store = await openStore('space')
    // Readers find what the unit left, and so does the archive.
    expect(await drain(store.ledger.rows([...marked]))).toEqual([])
    await store.ledger.settle()
    await archiveOf().purge({ orphanAgeMs: 0 })
    expect(await holding(CANARY, await objectsThere())).toEqual([])
  })

  test('leaves no trace of what was staged before it', async () => {
    await inUnit(store, async (unit) => {
      await store.ledger.updateHints(
        unit,
        ERASED.map((sequence) => ({ sequence, hintsJson: `{"m":{"k":"${CANARY}"}}` })),
      )
      await store.ledger.empty(
        unit,
        [...marked].map((sequence) => ({ sequence, digest: null })),
      )
    })
    const staged = await store.tiers.staged(99, { from: 1, to: ROWS })
    expect(staged.length).toBe(marked.size)
    expect(JSON.stringify(staged)).not.toContain(CANARY)
  })

  describeJudged('as delta-rs sees it', () => {
    test('is a table like any other', async () => {
      await erasedOnly()
      await archiveOf().purge({ orphanAgeMs: 0 })
      const judge = new Judge()
      const reading = await judge.read(join(folder, 'cold'))
      await judge[Symbol.asyncDispose]()
      expect(reading.sequences).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1))
      expect(JSON.stringify(reading)).not.toContain(CANARY)
    })
  })
})

describeS3('an erasure in a bucket', () => {
  let bucket: FreshBucket

  async function prepare(options: { versioned?: true; lockable?: true }): Promise<void> {
    bucket = await freshBucket(options)
    objects = openS3(`${bucket.url}/at`, bucket.options)
    await fill()
  }
  afterEach(() => bucket.drop())

  /** Every version of everything. */
  async function versionsThere(): Promise<Map<string, Uint8Array>> {
    const all = new Map<string, Uint8Array>()
    const { Versions = [] } = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name }))
    for (const { Key, VersionId } of Versions) {
      const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key, VersionId }))
      all.set(`${Key} ${VersionId}`, await Body!.transformToByteArray())
    }
    return all
  }

  async function versionOf(key: string): Promise<string | undefined> {
    const { Versions = [] } = await bucket.client.send(
      new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: key }),
    )
    return Versions[0]?.VersionId
  }

  test.each([{}, { versioned: true }] as const)('leaves nothing, older versions included: %o', async (options) => {
    await prepare(options)
    expect((await holding(CANARY, await versionsThere())).length).toBeGreaterThan(3)
    await erasedOnly()
    expect((await archiveOf().purge({ orphanAgeMs: 0 })).pending).toEqual([])
    expect(await holding(CANARY, await versionsThere())).toEqual([])
  })

  test('says what a lock holds back', async () => {
    await prepare({ lockable: true })
    const [locked] = (await archiveOf().snapshot())!.files
    const Retention = { Mode: 'GOVERNANCE' as const, RetainUntilDate: new Date(Date.now() + 3_600_000) }
    const Key = `at/${locked!.path}`
    await bucket.client.send(new PutObjectRetentionCommand({ Bucket: bucket.name, Key, Retention }))
    await erasedOnly()
    for (const _ of ['first', 'second']) {
      const { pending } = await archiveOf().purge({ orphanAgeMs: 0 })
      expect(pending).toEqual([{ path: locked!.path, reason: expect.stringContaining('object lock') }])
    }
    const left = await holding(CANARY, await versionsThere())
    expect(left.length).toBeGreaterThan(0)
    expect(left.every((path) => path.startsWith(Key))).toBe(true)
    // The lock ends.
    const over = { Bucket: bucket.name, Key, VersionId: await versionOf(Key), BypassGovernanceRetention: true }
    await bucket.client.send(new PutObjectRetentionCommand({ ...over, Retention: {} }))
    expect((await archiveOf().purge({ orphanAgeMs: 0 })).pending).toEqual([])
    expect(await holding(CANARY, await versionsThere())).toEqual([])
  })
})
