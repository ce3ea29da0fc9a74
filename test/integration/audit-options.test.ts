import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { joined, openPeople, people } from '../support/people.ts'

const wrong: [string, object][] = [
  ['an unknown option', { batchsize: 5 }],
  ['an option in two spellings', { batchSize: 5, batch_size: 6 }],
  ['a text for a flag', { catchUp: 'yes' }],
  ['a number for the clock', { clock: 5 }],
  ['a logger without methods', { logger: {} }],
  ['a dead letter path without its type', { deadLetter: 'letters.jsonl' }],
  ['no dead letter sink at all', { deadLetter: null }],
  ['half a dead letter sink', { deadLetter: { send: async () => undefined } }],
  ['a dead letter sink that is not offered', { deadLetter: { type: 'kafka', topic: 'letters' } }],
  ['a URL of another database', { database: 'mysql://somewhere/db' }],
  ['a batch of no records', { batchSize: 0 }],
]

const wrongColdLedgers: [string, unknown][] = [
  ['nothing', ''],
  ['a number', 5],
  ['a list', ['s3://bucket']],
  ['an object without a place', { retention: { hotRows: 5 } }],
  ['a place of another kind', 'gs://bucket/prefix'],
  ['a database', 'postgresql://host/db'],
  ['a bucket without a name', 's3:///prefix'],
  ['an unknown key', { url: 'x', flushEvery: 5 }],
  ['a key in two spellings', { url: 'x', flushEveryMs: 5, flush_every_ms: 5 }],
  ['no time between flushes', { url: 'x', flushEveryMs: 0 }],
  ['more time than a timer takes', { url: 'x', flushEveryMs: 2 ** 31 }],
  ['an empty retention', { url: 'x', retention: {} }],
  ['negative days', { url: 'x', retention: { hotDays: -1 } }],
  ['half a row', { url: 'x', retention: { hotRows: 0.5 } }],
  ['credentials', { url: 's3://bucket', storage: { accessKeyId: 'AKIA', secretAccessKey: 'abc' } }],
  ['a flag that is none', { url: 's3://bucket', storage: { pathStyle: 'maybe' } }],
  ['an encryption of another kind', { url: 's3://bucket', storage: { serverSideEncryption: 'rot13' } }],
  ['no attempts', { url: 's3://bucket', storage: { attempts: 0 } }],
]

test.each(wrongColdLedgers)('a cold ledger that is %s is a configuration error', async (_title, coldLedger) => {
  const error = await openPeople(people(), { coldLedger } as never).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'ConfigError', code: 'E_CONFIG_COLD_LEDGER' })
  expect((error as Error).message).not.toMatch(/AKIA|abc/)
})

test.each([
  ['an address with credentials', { url: 's3://key:hush@bucket/prefix' }],
  ['an endpoint with credentials', { url: 's3://bucket', storage: { endpoint: 'http://key:hush@host' } }],
])('%s is a configuration error that does not repeat it', async (_title, coldLedger) => {
  const error = await openPeople(people(), { coldLedger } as never).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'ConfigError' })
  expect((error as Error).message).not.toContain('hush')
})

describe('a cold ledger', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'defacto-cold-options-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('is a text or an object, in documented spellings', async () => {
    for (const cold_ledger of [folder, `file://${folder}`, { url: folder, retention: { hot_days: 3, hot_rows: 5 } }]) {
      await using engine = await openPeople(people(), { cold_ledger, database: ':memory:' } as never)
      expect(await engine.ledger.tiers.status()).toMatchObject({ location: folder, flushed: 0, version: null })
    }
  })

  test('moves events: flush, prune to the retention, and a build that reads both tiers', async () => {
    const coldLedger = { url: folder, retention: { hotRows: 2 } }
    await using engine = await openPeople(people(), { coldLedger, database: ':memory:' } as never)
    const { tiers } = engine.ledger
    await engine.ingest(
      'web',
      [1, 2, 3, 4].map((n) => joined(`M${n}`, n)),
      { process: true },
    )
    const seen: number[] = []
    expect(await tiers.flush({ upTo: 3, onProgress: ({ done }) => seen.push(done) })).toBe(3)
    expect(seen.at(-1)).toBe(3)
    expect(await tiers.prune({ before: 0 })).toBe(0)
    expect(await tiers.prune({ dryRun: true })).toBe(2)
    expect(await tiers.prune()).toBe(2)
    expect(await tiers.status()).toMatchObject({ head: 4, flushed: 3, pruned: 2, hotRows: 2, coldRows: 3 })
    expect(await engine.build({ full: true })).toMatchObject({ eventsProcessed: 4 })
    expect(await tiers.verify()).toMatchObject({ rows: 3, problems: [] })
    for (const wrong of [{ upTo: -1 }, { upTo: 0.5 }]) {
      await expect(tiers.flush(wrong)).rejects.toMatchObject({ name: 'ConfigError' })
    }
    await expect(tiers.prune({ before: -1 })).rejects.toMatchObject({ name: 'ConfigError' })
  })

  test('is flushed and pruned by itself where it says how often', async () => {
    const coldLedger = { url: folder, flushEveryMs: 5, retention: { hotRows: 1 } }
    await using engine = await openPeople(people(), { coldLedger, database: ':memory:' } as never)
    await engine.ingest('web', [joined('M1', 1), joined('M2', 2)], { process: true })
    const { tiers } = engine.ledger
    await expect.poll(async () => (await tiers.status()).pruned, { timeout: 60_000 }).toBe(1)
    expect(await tiers.status()).toMatchObject({ flushed: 2, hotRows: 1, coldRows: 2 })
  })

  test('is asked for by every call about tiers', async () => {
    await using engine = await openPeople(people(), { database: ':memory:' } as never)
    const { tiers } = engine.ledger
    const calls = [tiers.flush(), tiers.prune(), tiers.compact(), tiers.vacuum(), tiers.verify(), tiers.restore()]
    for (const call of [...calls, tiers.status(), tiers.move(folder)]) {
      await expect(call).rejects.toMatchObject({ name: 'ConfigError', code: 'E_CONFIG_NO_COLD_LEDGER' })
    }
  })

  test('of a closed space takes no more calls, and closing waits for those that run', async () => {
    const engine = await openPeople(people(), { coldLedger: folder, database: ':memory:' } as never)
    await engine.ingest('web', [joined('M1', 1)])
    const flushing = engine.ledger.tiers.flush()
    await engine.close()
    expect(await flushing).toBe(1)
    await expect(engine.ledger.tiers.status()).rejects.toMatchObject({ name: 'ConfigError' })
  })
})

test.each(wrong)('%s is a configuration error', async (_title, options) => {
  await expect(openPeople(people(), options as never)).rejects.toMatchObject({ name: 'ConfigError' })
})

test('documented spellings are accepted', async () => {
  const options = { batch_size: 5, catch_up: false, schema_validation: 'warn', database: ':memory:' }
  await using engine = await openPeople(people(), options as never)
  expect(await engine.ingest('web', [joined('M1', 1)], { process: true })).toMatchObject({ eventsIngested: 1 })
})
