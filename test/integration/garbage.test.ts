import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../src/core/expression/json.ts'
import {
  ConfigError,
  Defacto,
  DefactoError,
  type DefactoOptions,
  type IngestResult,
  NotFoundError,
  SourceRecord,
} from '../../src/index.ts'
import type { World } from '../oracle/oracle.ts'
import { inFolder } from '../support/scenario.ts'
import { shopDefinitions, shopRecords } from '../support/shop-records.ts'
import { readWorld } from '../support/world.ts'

const clock = (): Date => new Date('2024-06-01T00:00:00Z')
const definitions = shopDefinitions()

function open(options: DefactoOptions = {}): Promise<Defacto> {
  return Defacto.fromConfig(definitions as object, {
    database: ':memory:',
    clock,
    logLevel: 'ERROR',
    ...options,
  })
}

async function ingest(d: Defacto, records: unknown[]): Promise<IngestResult> {
  const result = await d.ingest('kiosk', records, { process: true, throwIfAllFail: false })
  expect(result.eventsIngested + result.eventsFailed + result.duplicatesSkipped).toBe(records.length)
  expect(result.failures.filter((failure) => !failure.advisory && failure.stage === 'normalization')).toHaveLength(
    result.eventsFailed,
  )
  for (const { error } of result.failures) expect(error).not.toBe('')
  return result
}

const joined = (over: object = {}): object => ({
  kind: 'member.new',
  at: '2024-03-01T09:00:00Z',
  contact: { mail: 'ana@shop.io' },
  card: '77-1',
  ...over,
})

test('records of any kind at all are taken or refused with a reason', { timeout: 120_000 }, async () => {
  const anything = fc.anything({
    withDate: true,
    withMap: true,
    withSet: true,
    withBigInt: true,
    withNullPrototype: true,
    withTypedArray: true,
    withSparseArray: true,
    withObjectString: true,
    withBoxedValues: true,
  })
  const spoiled = fc.record({
    kind: fc.oneof(fc.constant('member.new'), anything),
    at: fc.oneof(fc.constant(1709283600), anything),
    contact: anything,
    card: anything,
    joined: anything,
  })
  await using d = await open()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(anything, spoiled), { maxLength: 8 }), async (records) => {
      await ingest(d, records)
    }),
    { numRuns: 300 },
  )
  const before = await readWorld(d, definitions)
  await d.build({ fromRaw: true })
  expect(await readWorld(d, definitions)).toEqual(before)
  expect((await d.buildStatus()).pendingEvents).toBe(0)
})

test('wrong kinds, unknown types and missing parts name the field at fault', async () => {
  await using d = await open()
  const cases: [unknown, string | null][] = [
    [null, null],
    [7, null],
    ['text', null],
    [[joined()], null],
    [new Map(Object.entries(joined())), null],
    [{}, 'kind'],
    [joined({ kind: 5 }), 'kind'],
    [joined({ kind: 'member.gone' }), 'kind'],
    [joined({ kind: 'member_joined' }), 'kind'],
    [joined({ kind: '__proto__' }), 'kind'],
    [joined({ kind: 'constructor' }), 'kind'],
    [joined({ kind: 'toString' }), 'kind'],
  ]
  const { failures } = await ingest(
    d,
    cases.map(([record]) => record),
  )
  expect(failures.map(({ field }) => field)).toEqual(cases.map(([, field]) => field))
  for (const [index, failure] of failures.entries()) {
    expect(failure).toMatchObject({ stage: 'normalization', recoverable: false, raw: cases[index]?.[0] })
  }
  await expect(d.ingest('__proto__', [joined()])).rejects.toThrow(NotFoundError)
  await expect(d.ingest('kiosks', [joined()])).rejects.toThrow(/did you mean 'kiosk'/)
  expect(await d.ledger.count()).toBe(0)
})

test('impossible timestamps fail on the timestamp field', async () => {
  await using d = await open()
  const impossible = [
    undefined,
    null,
    true,
    [],
    {},
    '',
    'soon',
    '2024-02-30T00:00:00Z',
    '2024-13-01',
    '2024-01-01T24:00:00Z',
    '0000-01-01',
    '10000-01-01',
    '2024-01-01T00:00:00+25:00',
    1e300,
    -1e300,
    2 ** 80,
    '9'.repeat(30),
    '12:00',
    '2024-W05',
    '1e9',
  ]
  const { failures } = await ingest(
    d,
    impossible.map((at) => joined({ at })),
  )
  expect(failures.map(({ field }) => field)).toEqual(impossible.map(() => 'at'))
})

test('integers beyond the doubles keep every digit; numbers beyond everything are refused or left out', async () => {
  await using d = await open()
  const record = (no: string): SourceRecord => {
    const text = `{"kind":"loan.end","at":"2024-03-20T10:00:00Z","loan":{"no":${no}}}`
    return new SourceRecord({ value: parseJson(text), text })
  }
  const numbers = ['9007199254740993', '9007199254740992', '-9223372036854775808', '9223372036854775807']
  expect(await ingest(d, numbers.map(record))).toMatchObject({ eventsIngested: 4, failures: [] })
  for (const number of numbers) expect(await d.identity.lookup(number)).toBeTypeOf('string')
  // 2^63 is no Int any more, so it is read as a Float; 1e400 is no number at all.
  expect(await ingest(d, [record('9223372036854775808')])).toMatchObject({ eventsIngested: 1 })
  await ingest(d, [record('1e400'), record('-1e400')])
  const before = await readWorld(d, definitions)
  await d.build({ fromRaw: true })
  expect(await readWorld(d, definitions)).toEqual(before)
  for (const number of numbers) expect(await d.identity.lookup(number)).toBeTypeOf('string')
})

test('a record of ten megabytes and one nested ten thousand deep do not stop the others', async () => {
  await using d = await open()
  let deep: unknown = 0
  for (let i = 0; i < 10_000; i += 1) deep = i % 2 === 0 ? [deep] : { deep }
  const loop: Record<string, unknown> = joined({ card: '4-4' }) as Record<string, unknown>
  loop['self'] = loop
  const result = await ingest(d, [
    joined({ note: 'x'.repeat(10_000_000) }),
    joined({ card: '2-2', contact: { mail: 'b@shop.io' }, extra: deep }),
    joined({ card: deep }),
    loop,
    joined({ card: '3-3', contact: { mail: 'c@shop.io' } }),
  ])
  expect(result.eventsIngested).toBeGreaterThanOrEqual(2)
  expect(await d.identity.lookup('771')).toBeTypeOf('string')
  expect(await d.identity.lookup('33')).toBeTypeOf('string')
  await d.build({ fromRaw: true })
  expect(await d.identity.lookup('33')).toBeTypeOf('string')
})

test('lone surrogates name no one else and survive a rebuild', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'defacto.db')
    const cards = ['\ud800', '\udc00', 'a\ud800', '\ud83d\ude00', '\ufffd']
    const first = await open({ database })
    const result = await ingest(
      first,
      cards.map((card, i) => joined({ card, contact: { mail: `m${i}@shop.io` } })),
    )
    const before = await readWorld(first, definitions)
    expect(Object.keys(before)).toHaveLength(result.eventsIngested)
    await first.close()
    await using second = await open({ database })
    await ingest(
      second,
      cards.map((card) => ({ kind: 'member.tier', at: '2024-03-05T09:00:00Z', card, new_tier: '\ud800' })),
    )
    await second.build({ full: true })
    expect(Object.keys(await readWorld(second, definitions))).toHaveLength(result.eventsIngested)
    await second.build({ fromRaw: true })
    expect(Object.keys(await readWorld(second, definitions))).toHaveLength(result.eventsIngested)
  })
})

test('keys like __proto__ and constructor are data, at every level', async () => {
  const names = ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf']
  await using d = await open()
  for (const name of names) {
    const hostile = JSON.parse(`{"${name}":{"polluted":1,"kind":"member.new","mail":"x@shop.io"}}`)
    expect(await ingest(d, [hostile])).toMatchObject({ eventsFailed: 1 })
    const contact = JSON.parse(`{"mail":"${name}@shop.io","${name}":{"mail":"other"}}`)
    expect(await ingest(d, [joined({ card: name, contact, [name]: { polluted: 1 } })])).toMatchObject({
      eventsIngested: 1,
    })
    expect(await d.identity.lookup(name, { type: 'member' })).toBeTypeOf('string')
  }
  expect(Object.keys(await readWorld(d, definitions))).toHaveLength(names.length)
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
  for (const name of names) {
    expect(() => d.table(name as never)).toThrow(DefactoError)
    await expect(d.build({ version: name })).rejects.toThrow(DefactoError)
  }
})

test('a file that is no database, or not ours, is refused and left as it is', async () => {
  await inFolder(async (folder) => {
    const foreign = join(folder, 'foreign.db')
    const db = new DatabaseSync(foreign)
    db.exec('create table ledger (note text); insert into ledger values (1)')
    db.close()
    const noise = join(folder, 'noise.db')
    writeFileSync(noise, Buffer.alloc(8192, 'not a database '))
    const short = join(folder, 'short.db')
    writeFileSync(short, 'SQLite format 3\0')
    for (const database of [foreign, noise, short]) {
      const before = readFileSync(database)
      await expect(open({ database })).rejects.toThrow(DefactoError)
      expect(readFileSync(database)).toEqual(before)
    }
    await expect(open({ database: folder })).rejects.toThrow(ConfigError)
    await expect(open({ database: join(noise, 'x.db') })).rejects.toThrow(DefactoError)
    await expect(open({ database: 'oracle://host/db' })).rejects.toThrow(ConfigError)
    writeFileSync(join(folder, 'empty.db'), '')
    await (await open({ database: join(folder, 'empty.db') })).close()
  })
})

test('a truncated database is refused, or found whole', async () => {
  await inFolder(async (folder) => {
    const database = join(folder, 'whole.db')
    const d = await open({ database })
    await ingest(d, shopRecords(300, 5))
    await d.close()
    const whole = readFileSync(database)
    for (const share of [0.9, 0.5, 0.1]) {
      const cut = join(folder, `cut-${share}.db`)
      writeFileSync(cut, whole.subarray(0, Math.floor(whole.length * share)))
      await expect(open({ database: cut })).rejects.toThrow(/truncated|damaged|not a SQLite database/)
    }
    const holed = join(folder, 'holed.db')
    writeFileSync(holed, Buffer.from(whole).fill(0x5a, 4096, 40_960))
    await expect(
      open({ database: holed }).then(async (damaged) => {
        try {
          await damaged.build({ fromRaw: true })
          await readWorld(damaged, definitions)
        } finally {
          await damaged.close()
        }
      }),
    ).rejects.toThrow(DefactoError)
  })
})

test('clock jumps move no row', async () => {
  const worlds: World[] = []
  for (const jumps of [[], ['1970-01-01', '2024-03-02', '9999-12-31'], ['2030-01-01', '1999-01-01', '2024-03-02']]) {
    await inFolder(async (folder) => {
      let now = new Date('2024-03-01T00:00:00Z')
      const options = { database: join(folder, 'defacto.db'), clock: () => now }
      const records = shopRecords(120, 3)
      for (let i = 0; i < 4; i += 1) {
        await using d = await open(options)
        now = new Date(`${jumps[i] ?? '2024-03-01'}T00:00:00Z`)
        await ingest(d, records.slice(i * 30, i * 30 + 30))
      }
      now = new Date('2024-03-01T00:00:00Z')
      await using d = await open(options)
      await d.tick({ asOf: '9999-12-31T00:00:00Z' })
      worlds.push(await readWorld(d, definitions))
    })
  }
  expect(worlds[1]).toEqual(worlds[0])
  expect(worlds[2]).toEqual(worlds[0])
  await expect(open({ clock: () => new Date(Number.NaN) })).rejects.toThrow(DefactoError)
})
