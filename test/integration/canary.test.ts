/**
 * One person is planted everywhere a space writes, and erased. Then every byte is searched (issue of compliance: nothing is
 * left), everybody else is compared with what they were, and whatever could bring her back is tried.
 */
import '../temporal/quiet.ts'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type RunningTemporal, startTemporal } from '../../infra/starters/temporal.ts'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { runWorker, temporalRunner } from '../../src/temporal/index.ts'
import { inBucket, inFolders, inPostgres, type Sighting } from '../support/canary.ts'
import {
  CANARIES,
  CANARY_LETTERS,
  canaryDefinitions,
  canaryRecords,
  otherRecords,
  VALUES,
} from '../support/canary-world.ts'
import { describePostgres, withServer } from '../support/postgres.ts'
import { room } from '../support/room.ts'
import { runSpace } from '../support/run-space.ts'
import { freshBucket } from '../support/s3.ts'
import { ended, submit } from '../temporal/runs.ts'

const OTHERS = 60
const NOW = '2024-03-01T00:00:00Z'
const THEN = '2024-02-10T00:00:00Z'

let temporal: RunningTemporal
beforeAll(async () => {
  temporal = await startTemporal()
})
afterAll(() => temporal?.stop())

interface Place {
  readonly folder: string
  readonly options: DefactoOptions
  /** Sightings in everything the space has written. */
  search(): Promise<Sighting[]>
}

/** Everything a user can have done with a space before somebody asks to be erased. */
async function live(place: Place): Promise<{ customer: string; others: string; logs: string }> {
  const { folder, options } = place
  const logs: string[] = []
  const write = (level: string) => (message: string, fields?: object) => {
    logs.push(JSON.stringify({ level, message, ...fields }))
  }
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  const open = (no: 1 | 2 | 3): Promise<Defacto> =>
    Defacto.fromConfig(canaryDefinitions(no), { ...options, version: `v${no}`, activate: 'always', logger })

  mkdirSync(join(folder, 'in'))
  const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')
  {
    await using first = await open(1)
    for (const [source, records] of otherRecords(OTHERS)) await first.ingest(source, records as never)
    for (const [source, records] of canaryRecords('early')) await first.ingest(source, records as never)
    await first.ingest('crm', CANARY_LETTERS as never, { throwIfAllFail: false })
    await first.build()
    await first.tick({ asOf: '2024-01-20T00:00:00Z' })
    const one = (await first.identity.lookup(CANARIES.mail)) as string
    const two = (await first.identity.lookup(CANARIES.otherMail)) as string
    await first.merge(two, one, { reason: 'one person, call 7477' })
    await first.ledger.tiers.flush()
    await first.ledger.tiers.prune({ before: 60 })
  }
  {
    await using second = await open(2)
    await second.build()
    await second.ledger.tiers.flush()
  }
  await using space = await open(3)
  // The rest comes by a pipeline on a server, and what was pushed.
  for (const [source, records] of canaryRecords('late')) {
    writeFileSync(join(folder, 'in', `${source}.ndjson`), lines(records))
  }
  const files = (source: string): object => ({ source, kind: 'files', path: `in/${source}.ndjson`, settle: '0s' })
  const pipelines = {
    nightly: { inputs: { shop: files('shop'), phone: files('phone') }, steps: ['ingest', 'build', 'tick'] },
  }
  const { context, control } = runSpace(space, { folder, pipelines })
  const opened = { defacto: space, context, control, close: async () => {} }
  const worker = await runWorker({ temporal, opened: { context, control } })
  const runner = await temporalRunner({ temporal, space: context.operations.space })
  try {
    const run = await submit(opened, runner, { op: 'pipeline', pipeline: 'nightly' })
    expect((await ended(opened, run.runId)).status).toBe('succeeded')
  } finally {
    await runner.close()
    await worker.stop()
  }
  await space.ledger.tiers.flush()
  await space.ledger.tiers.compact()
  await context.operations.log.inputs.push([
    { batchId: 'b_1', line: 1, source: 'crm', raw: lines([CANARY_LETTERS[0] as object]), receivedAt: NOW },
  ])
  const out = join(folder, 'out')
  await space.tables().toParquet(join(out, 'parquet'))
  await space.tables().toCsv(join(out, 'csv'))
  await space.tables().history().toDuckdb(join(out, 'tables.duckdb'))
  await (await space.subject((await space.identity.lookup(CANARIES.mail)) as string)).export(join(out, 'subject'))
  const customer = (await space.identity.lookup(CANARIES.mail)) as string
  expect(await space.identity.lookup(CANARIES.otherMail)).toBe(customer)
  const others = await everybodyElse(space, customer)
  // What is looked for is really there.
  const seen = new Set((await place.search()).map(({ value }) => value))
  for (const value of Object.values(CANARIES)) expect(seen, `${value} was planted`).toContain(value)

  const { request } = await space.erasure.request({
    entityId: customer,
    kind: 'erase',
    reason: 'asked for it',
    options: { purgeExports: true },
  })
  const [reached] = await space.erasure.run([request.requestId])
  expect(reached).toMatchObject({ status: 'closed', done: true })
  expect((await space.erasure.certificate(request.requestId)).outstanding.map(({ store }) => store)).toContain(
    'database_files',
  )
  await space.erasure.scrub()
  return { customer, others, logs: logs.join('\n') }
}

/** Histories of all versions, now and then, without the person and what only she is in. */
async function everybodyElse(space: Defacto, customer: string, versions = ['v1', 'v2', 'v3']): Promise<string> {
  const parts: unknown[] = []
  for (const version of versions) {
    const queries = space.version(version)
    for (const type of ['customer', 'order']) {
      const own = type === 'customer' ? { customer_id: { ne: customer } } : {}
      parts.push(await queries.history(type).filter(own).orderBy(`${type}_id`, 'valid_from').rows())
      parts.push(await queries.history(type).asOf(THEN).filter(own).orderBy(`${type}_id`).rows())
    }
  }
  return JSON.stringify(parts, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

/** Whatever could know her still does not bring her back; she may come again, as somebody new. */
async function stayGone(place: Place, customer: string, others: string): Promise<void> {
  const { options } = place
  const open = (no: 1 | 2 | 3): Promise<Defacto> =>
    Defacto.fromConfig(canaryDefinitions(no), { ...options, version: `v${no}`, activate: 'always', logLevel: 'ERROR' })
  const gone = async (space: Defacto): Promise<void> => {
    expect(await space.identity.lookup(CANARIES.mail)).toBeUndefined()
    expect(await space.identity.lookup(CANARIES.phone)).toBeUndefined()
    expect((await space.timeline(customer)).entries).toEqual([])
    expect(await space.ledger.eventsFor(customer)).toEqual([])
    expect(await space.history('customer').filter({ customer_id: customer }).rows()).toEqual([])
  }
  {
    await using space = await open(3)
    await gone(space)
    expect(await everybodyElse(space, customer)).toBe(others)
    // The other versions have not been built for long, so that a build changes them in any case.
    const newest = await everybodyElse(space, customer, ['v3'])
    for (const full of [{ full: true }, { fromRaw: true }] as const) {
      await space.build(full)
      await gone(space)
      expect(await everybodyElse(space, customer, ['v3'])).toBe(newest)
    }
    for (const version of ['v1', 'v2']) await space.build(version, { full: true })
    await gone(space)
  }
  await restored(place, gone)
  {
    // A new start, with the same events: an id she never had.
    await using space = await open(3)
    await space.ingest('crm', [
      {
        kind: 'signed_up',
        at: '2024-03-02T00:00:00Z',
        account: 'a-canary',
        contact: { mail: CANARIES.mail, first: 'Neu', last: 'Geboren', address: { street: 'Anderswo 1' } },
      },
    ] as never)
    await space.build()
    const again = await space.identity.lookup(CANARIES.mail)
    expect(again).toBeDefined()
    expect(again).not.toBe(customer)
  }
}

/** A database made from the archive alone: everybody is somebody new there, and she is nobody. */
async function restored(place: Place, gone: (space: Defacto) => Promise<void>): Promise<void> {
  const options = {
    ...place.options,
    database: join(place.folder, 'restored.db'),
    namespace: 'defacto',
    deadLetter: undefined,
    version: 'v3',
    logLevel: 'ERROR',
  } as const
  const { deadLetter: _, ...opened } = options
  await Defacto.restore(canaryDefinitions(3), opened)
  await using space = await Defacto.fromConfig(canaryDefinitions(3), opened)
  await space.build()
  await gone(space)
  expect((await space.table('customer').rows()).length).toBe(OTHERS)
}

function newFolder(): string {
  const folder = mkdtempSync(join(room(), 'defacto-canary-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const serverFiles = (): string[] => [temporal.database ?? '', `${temporal.database}-wal`]

async function inTemporal(): Promise<Sighting[]> {
  return serverFiles().flatMap((path) => {
    const bytes = ((): Buffer => {
      try {
        return readFileSync(path)
      } catch {
        return Buffer.alloc(0)
      }
    })()
    return VALUES.filter((value) => bytes.includes(value)).map((value) => ({ place: 'temporal', value }))
  })
}

describe('a person who was everywhere', () => {
  test('SQLite, an archive in a folder', async () => {
    const folder = newFolder()
    const place: Place = {
      folder,
      options: {
        database: join(folder, 'space', 'defacto.db'),
        coldLedger: join(folder, 'cold'),
        deadLetter: { type: 'file', path: join(folder, 'letters', 'dead.jsonl') },
        clock: () => new Date(NOW),
      },
      // What she sent lies in `in`, and is her systems' own.
      search: async () => [
        ...(await inFolders(
          ['space', 'cold', 'letters', 'out'].map((name) => join(folder, name)),
          VALUES,
        )),
        ...(await inTemporal()),
      ],
    }
    mkdirSync(join(folder, 'space'))
    mkdirSync(join(folder, 'letters'))
    const { customer, others, logs } = await live(place)
    expect(await place.search()).toEqual([])
    expect(VALUES.filter((value) => logs.includes(value))).toEqual([])
    await stayGone(place, customer, others)
  })

  describePostgres('on a server', () => {
    test('Postgres, an archive in a bucket that keeps older versions', async () => {
      const folder = newFolder()
      const bucket = await freshBucket({ versioned: true })
      onTestFinished(() => bucket.drop())
      mkdirSync(join(folder, 'scratch'))
      await withServer({ durable: true }, async (server) => {
        const place: Place = {
          folder,
          options: {
            database: server.url,
            coldLedger: { url: bucket.url, storage: { endpoint: bucket.options.endpoint ?? '' } },
            deadLetter: { type: 'table' },
            compliance: { certificates: join(folder, 'keys', 'certificates') },
            clock: () => new Date(NOW),
          },
          search: async () => {
            const scratch = (name: string, bytes: Buffer): string => {
              const path = join(folder, 'scratch', name)
              writeFileSync(path, bytes)
              return path
            }
            return [
              ...(await inPostgres(server.url, VALUES)),
              ...(await inFolders([server.dataFolder, join(folder, 'out'), join(folder, 'keys')], VALUES)),
              ...(await inBucket(bucket.client, bucket.name, scratch, VALUES)).found,
              ...(await inTemporal()),
            ]
          },
        }
        const { customer, others, logs } = await live(place)
        expect(await place.search()).toEqual([])
        expect(VALUES.filter((value) => logs.includes(value))).toEqual([])
        await stayGone(place, customer, others)
      })
    })
  })
})
