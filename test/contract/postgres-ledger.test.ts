/** What is particular to ledger, identity and mappings in Postgres: values it cannot hold, row locks, shards. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { it } from 'vitest'
import { mappedPages } from '../../src/adapters/postgres/mapped-pages.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import type { NormalizedEvent } from '../../src/core/event.ts'
import { parseJson, stringifyJson } from '../../src/core/expression/json.ts'
import { owns } from '../../src/core/shard.ts'
import type { HintRow, MappedRow, Store } from '../../src/ports/store.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { day, event } from '../../src/testing/contract/fixtures.ts'
import { tier } from '../../src/testing/contract/tiering.ts'
import { describePostgres } from '../support/postgres.ts'
import { assertSameIds, untilSomeoneWaits, withPostgres } from '../support/postgres-store.ts'

async function chunksOf<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const chunks: T[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

const MEAN_UNITS = [
  '\0',
  '\ud83d',
  '\ude00',
  '\uffff',
  '"',
  '\\',
  ', ',
  ': ',
  '{',
  '}',
  '\n',
  '\t',
  '\r',
  'é',
  '\u2028',
]
const text = fc
  .array(fc.oneof(fc.constantFrom(...MEAN_UNITS), fc.string({ maxLength: 3 })), { maxLength: 5 })
  .map((parts) => parts.join(''))
const scalar = fc.oneof(
  text,
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  ),
}))
const object = fc.dictionary(text, value, { maxKeys: 4 })

describePostgres('values in the Postgres ledger', () => {
  it('gives any event back as it was', async () => {
    const events = fc.array(
      fc.record({
        id: text,
        type: text,
        source: text,
        data: object,
        hints: fc.dictionary(text, fc.dictionary(text, text)),
        raw: object,
      }),
      { minLength: 1, maxLength: 120 },
    )
    await withPostgres(async ({ store }) => {
      let round = 0
      await fc.assert(
        fc.asyncProperty(events, async (cases) => {
          round += 1
          const given = cases.map((one, i) =>
            event(`${round}/${i}/${one.id}`, {
              eventType: `t${one.type}`,
              source: one.source,
              dataJson: stringifyJson(one.data),
              hintsJson: stringifyJson(one.hints),
              kindsJson: stringifyJson(one.data),
              rawJson: ` ${stringifyJson(one.raw)}\n`,
            }),
          )
          const before = await store.ledger.head()
          await inUnit(store, async (unit) => {
            await store.ledger.append(unit, given)
            const mapping = given.map((_, i) => ({
              sequence: before + i + 1,
              entityId: `${cases[i]?.id}`,
              entityType: 'm',
            }))
            await store.mapping.write(unit, mapping)
          })
          const to = await store.ledger.head()
          const scanned = await drain(store.ledger.scan({ after: before, to }))
          const mapped = await store.ledger.mappedRange(null, { after: before, to })
          assert.deepEqual([scanned.length, mapped.length], [given.length, given.length])
          for (const [i, row] of scanned.entries()) {
            const one = given[i] as NormalizedEvent
            assert.deepEqual(
              [row.eventId, row.eventType, row.source, row.kinds, row.raw],
              [one.eventId, one.eventType, one.source, one.kindsJson, one.rawJson],
            )
            assert.deepEqual(parseJson(row.hints), parseJson(one.hintsJson))
            sameData(row.data, one.dataJson)
          }
          for (const row of mapped) {
            const i = row.sequence - before - 1
            assert.equal(row.entityId, cases[i]?.id)
            sameData(row.data, (given[i] as NormalizedEvent).dataJson)
          }
        }),
        { numRuns: 25 },
      )
    })
  })

  it('keeps numbers of any spelling', async () => {
    const numbers = [
      '-0',
      '-0.0',
      '0',
      '0.50',
      '1e17',
      '1E5',
      '-1e-7',
      '1e400',
      '1e999999',
      '9223372036854775807',
      '1.0e3',
      '123456789012345678901234567890',
    ]
    const given = numbers.map((number, i) =>
      event(`n${i}`, { dataJson: `{"a":${number},"b":[true,{"c": ${number}}]}` }),
    )
    await withPostgres(async ({ store }) => {
      await inUnit(store, (unit) => store.ledger.append(unit, given))
      const rows = await drain(store.ledger.scan({ after: 0, to: 100 }))
      for (const [i, row] of rows.entries()) sameData(row.data, given[i]?.dataJson ?? '')
    })
  })

  it('keeps data that jsonb can hold open to SQL, and hints without blanks', async () => {
    await withPostgres(async ({ store, admin, names }) => {
      const plain = {
        dataJson: '{"zip":"1, 2: 3","a":0.5,"o":{"k":1,"kk":[1,2]}}',
        hintsJson: '{"m":{"email":"a, b"}}',
      }
      const held = { dataJson: '{"t":"\\u0000","o":{"kk":1,"k":2}}' }
      await inUnit(store, (unit) => store.ledger.append(unit, [event('plain', plain), event('held', held)]))
      const rows = await admin.query(
        null,
        'test',
        `select data->'o'->>'k', data->>'zip' from ${names.infra('ledger')} where jsonb_typeof(data) = 'object'`,
      )
      assert.deepEqual(rows, [['1', '1, 2: 3']])
      assert.equal((await store.ledger.event({ eventId: 'plain' }))?.hints, plain.hintsJson)
      assert.equal((await store.ledger.event({ eventId: 'held' }))?.data, held.dataJson)
    })
  })

  it('keeps records of ten megabytes, 512 levels, any escapes and lone surrogates', async () => {
    const raws = [
      `{"big":"${'x'.repeat(10_000_000)}"}`,
      `{"deep":${'['.repeat(511)}${']'.repeat(511)}}`,
      '{"n":"\\u0000 \\ud800 \\udc00\\ud800","n":1e999999}',
      '{"loose":"\ud800 \udc00\ud800"}',
    ]
    await withPostgres(async ({ store }) => {
      await inUnit(store, (unit) =>
        store.ledger.append(
          unit,
          raws.map((rawJson, i) => event(`e${i}`, { rawJson })),
        ),
      )
      const kept = [...(await store.ledger.raws([1, 2, 3, 4])).values()]
      assert.deepEqual(kept.slice(0, 3), raws.slice(0, 3))
      assert.deepEqual(JSON.parse(kept[3] ?? ''), JSON.parse(raws[3] ?? ''))
    })
  })

  it('looks for ids of any text without complaint', async () => {
    await withPostgres(async ({ store }) => {
      for (const id of ['\0', '\ud800']) {
        assert.deepEqual(await store.ledger.eventsFor(id), [])
        assert.equal(await store.ledger.event({ eventId: id }), undefined)
        assert.equal(await store.ledger.count({ source: id }), 0)
        assert.equal(await store.identity.survivorOf(id), id)
        assert.deepEqual(await store.identity.hintsFor(id), {})
        assert.deepEqual(await store.identity.lookupAll(id, { entityType: id }), [])
        assert.deepEqual(await store.mapping.existing(null, [id]), new Set())
      }
    })
  })
})

/** The same values, with keys inside values in the same order. */
function sameData(found: string, given: string): void {
  const [a, b] = [found, given].map((json) => parseJson(json) as Record<string, unknown>)
  assert.deepEqual(a, b)
  for (const field of Object.keys(b ?? {})) assert.equal(stringifyJson(a?.[field]), stringifyJson(b?.[field]))
}

describePostgres('several processes on Postgres', () => {
  it('number events without gaps and store each id once', async () => {
    await withPostgres(async ({ store, open }) => {
      const stores = [store, await open(), await open()]
      const results = await Promise.all(
        Array.from({ length: 24 }, (_, i) => {
          const one = stores[i % 3] as Store
          const size = i % 2 === 0 ? 3 : 80
          const events = Array.from({ length: size }, (_, k) => event(k % 2 === 0 ? `own ${i}/${k}` : `shared ${k}`))
          return inUnit(one, (unit) => one.ledger.append(unit, events))
        }),
      )
      const inserted = results.flat().filter((result) => result.inserted)
      const sequences = inserted.map((result) => result.sequence).sort((a, b) => a - b)
      assert.deepEqual(
        sequences,
        Array.from(sequences, (_, i) => i + 1),
      )
      assert.equal(await store.ledger.head(), sequences.length)
      assert.equal(await store.ledger.count(), sequences.length)
      const ids = (await drain(store.ledger.scan({ after: 0, to: 10_000 }))).map((row) => row.eventId)
      assert.equal(new Set(ids).size, sequences.length)
    })
  })

  it('an append and a renormalization may take the same id at once', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      const append = (...ids: string[]) =>
        inUnit(other, (unit) =>
          other.ledger.append(
            unit,
            ids.map((id) => event(id)),
          ),
        )
      const renew = (sequence: number, id: string) =>
        inUnit(other, (unit) => other.ledger.renormalize(unit, [{ sequence, event: event(id) }]))
      await append('a', 'b')
      let late: Promise<unknown> | undefined
      await inUnit(store, async (unit) => {
        await store.ledger.renormalize(unit, [{ sequence: 2, event: event('c') }])
        late = append('c', 'd')
        await untilSomeoneWaits(admin, names)
      })
      assert.deepEqual(await late, [
        { sequence: 2, inserted: false },
        { sequence: 3, inserted: true },
      ])
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('e')])
        late = renew(1, 'e')
        await untilSomeoneWaits(admin, names)
      })
      assert.deepEqual(await late, { changed: 1, duplicateOf: new Map() })
      const rows = await drain(store.ledger.scan({ after: 0, to: 4, all: true }))
      assert.deepEqual(
        rows.map(({ eventId, duplicateOf }) => [eventId, duplicateOf]),
        [
          ['e', null],
          ['c', null],
          ['d', null],
          ['e', 1],
        ],
      )
    })
  })

  it('an append waits for the unit that holds appends, and sees what it wrote', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      const order: string[] = []
      let append: Promise<void> | undefined
      await inUnit(store, async (unit) => {
        await store.ledger.holdAppends(unit)
        append = inUnit(other, async (mine) => {
          await other.ledger.append(mine, [event('a')])
          order.push('append')
        })
        await untilSomeoneWaits(admin, names)
        await store.ledger.append(unit, [event('a')])
        order.push('hold')
      })
      await append
      assert.deepEqual(order, ['hold', 'append'])
      assert.equal(await store.ledger.head(), 1)
    })
  })

  it('the mapping lock is one process’s until its unit ends', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      let waiting: Promise<number> | undefined
      await inUnit(store, async (unit) => {
        const state = await store.mapping.lock(unit, { wait: true })
        assert.deepEqual(await store.mapping.lock(unit, { wait: false }), state)
        assert.equal(await inUnit(other, (mine) => other.mapping.lock(mine, { wait: false })), null)
        waiting = inUnit(other, async (mine) => (await other.mapping.lock(mine, { wait: true })).mappedUpto)
        await untilSomeoneWaits(admin, names)
        await store.mapping.setState(unit, { ...state, mappedUpto: 7 })
      })
      assert.equal(await waiting, 7)
    })
  })

  it('reserve the same hints in any order and agree', async () => {
    await withPostgres(async ({ store, open }) => {
      const stores = [store, await open()]
      const hints = (by: number): HintRow[] =>
        Array.from({ length: 500 }, (_, i) => ({
          entityType: 't',
          hintType: 'k',
          value: `${i}`,
          entityId: `${by}/${i}`,
        }))
      await Promise.all(
        stores.map((one, by) =>
          inUnit(one, (unit) => one.identity.insert(unit, by === 0 ? hints(by) : hints(by).reverse())),
        ),
      )
      const [mine, theirs] = await Promise.all(stores.map((one) => one.identity.lookup(null, hints(0))))
      assert.deepEqual(mine, theirs)
      assert.equal(mine?.includes(undefined), false)
    })
  })

  it('read the old hints until a reset commits; hints that stay keep when they were made', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      const keys = ['a', 'b', 'c'].map((value) => ({ entityType: 't', hintType: 'k', value }))
      const hints = (...ids: string[]): HintRow[] =>
        ids.map((entityId, i) => ({ ...(keys[i] as (typeof keys)[0]), entityId }))
      await inUnit(store, async (unit) => {
        await store.identity.insert(unit, hints('1', '2'))
        await store.ledger.append(unit, [event('e')])
        await store.mapping.write(unit, [{ sequence: 1, entityId: '1', entityType: 't' }])
      })
      const identity = names.infra('identity')
      await admin.query(
        null,
        'test',
        `update ${identity} set redacted = true, created_at = '2001-01-01' where hint_value = 'b'`,
      )
      await inUnit(store, async (unit) => {
        await store.identity.reset(unit, hints('1', '1', '3'), [])
        assert.deepEqual(await other.identity.lookup(null, keys), ['1', '2', undefined])
        assert.equal((await other.ledger.eventsFor('1')).length, 1)
      })
      assert.deepEqual(await other.identity.lookup(null, keys), ['1', '1', '3'])
      assert.deepEqual(await other.ledger.eventsFor('1'), [])
      const kept = `select hint_value, redacted, created_at < '2002-01-01' from ${identity} order by 1`
      assert.deepEqual(await admin.query(null, 'test', kept), [
        ['a', false, false],
        ['b', true, true],
        ['c', false, false],
      ])
    })
  })
})

/** `count` events, some of one instant, some left out of replays, mapped to entities of very different size. */
async function fill(store: Store, count: number): Promise<void> {
  const entity = (i: number): string => (i % 3 === 0 ? 'large' : `e${(i * 7) % Math.ceil(count / 8)}`)
  const events = Array.from({ length: count }, (_, i) => event(`${i}`, { timestamp: day(1 + ((i * 11) % 5)) }))
  await inUnit(store, async (unit) => {
    await store.ledger.append(unit, events)
    const rows = events.flatMap((_, i) => [
      { sequence: i + 1, entityId: entity(i), entityType: 'm' },
      ...(i % 5 === 0 ? [{ sequence: i + 1, entityId: `loan ${i}`, entityType: 'loan' }] : []),
    ])
    await store.mapping.write(unit, rows)
    await store.ledger.beginRenormalize(unit)
    await store.ledger.renormalize(
      unit,
      [4, 9, 16, 21].map((sequence) => ({ sequence, event: null })),
    )
    await store.ledger.endRenormalize(unit)
  })
}

const keyOf = (row: MappedRow): string => `${row.entityId} ${row.timestamp} ${String(row.sequence).padStart(6, '0')}`

describePostgres('mapped events of Postgres', () => {
  it('come in order through pages of any size', async () => {
    await withPostgres(async ({ store, admin, names }) => {
      await fill(store, 120)
      const all = (await store.ledger.mappedRange(null, { after: 0, to: 120 })).map(keyOf)
      assert.deepEqual(all, [...all].sort())
      const space = { database: admin, names, shard: null }
      for (const page of [1, 2, 5, 30, 1000]) {
        for (const chunk of [1, 7, 1000]) {
          const chunks = await chunksOf(mappedPages(space, { afterEntity: null, to: 120, chunk, page }))
          assert.deepEqual(chunks.flat().map(keyOf), all)
          assert.ok(chunks.every((rows) => rows.length > 0 && rows.length <= chunk))
        }
      }
      const part = await chunksOf(mappedPages(space, { afterEntity: 'e3', to: 60, chunk: 9, page: 4 }))
      const expected = await store.ledger.mappedRange(null, { after: 0, to: 60 })
      assert.deepEqual(part.flat().map(keyOf), expected.filter((row) => row.entityId > 'e3').map(keyOf))
      // A caller that stops early leaves no connection behind.
      for await (const rows of mappedPages(space, { afterEntity: null, to: 120, chunk: 2, page: 5 })) {
        if (rows.length > 0) break
      }
      await admin.query(null, 'test', 'select 1')
    })
  })

  it('belong to exactly one shard', async () => {
    await withPostgres(async ({ store, open }) => {
      await fill(store, 120)
      const range = { after: 0, to: 120 }
      const shards = await Promise.all([0, 1, 2].map((id) => open({ id, total: 3 })))
      const found = await Promise.all(
        shards.map(async (one) => {
          const rows = await one.ledger.mappedRange(null, range)
          const byEntity = await drain(one.ledger.mappedByEntity({ afterEntity: null, to: 120 }))
          assert.deepEqual(byEntity, rows)
          assert.ok(rows.every((row) => owns(one.shard, row.entityId)))
          assert.equal(await one.ledger.countMapped(120), new Set(rows.map((row) => row.sequence)).size)
          return rows.map(keyOf)
        }),
      )
      const all = (await store.ledger.mappedRange(null, range)).map(keyOf)
      assert.deepEqual(found.flat().sort(), all)
      assert.ok(found.every((keys) => keys.length > 0))
    })
  })
})

describePostgres('renormalization in sets', () => {
  it('does what one row after the other would, however far the ledger has tiers', async () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const plan = fc.record({
      stored: fc.array(id, { minLength: 1, maxLength: 12 }),
      passes: fc.array(
        fc.record({
          renewed: fc.array(fc.option(id, { freq: 5 }), { minLength: 30, maxLength: 30 }),
          chunk: fc.integer({ min: 1, max: 8 }),
          meanwhile: fc.array(id, { maxLength: 3 }),
          stage: fc.constantFrom(null, 'filling' as const, 'on' as const),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    })
    await withPostgres(async ({ store, admin, names }) => {
      await fc.assert(
        fc.asyncProperty(plan, async ({ stored, passes }) => {
          const tables = ['ledger', 'event_ids', 'tiered_state', 'tier_jobs'].map((table) => names.infra(table))
          await admin.query(null, 'test', `truncate ${tables.join(', ')}`)
          const head = names.infra('head')
          await admin.query(null, 'test', `update ${head} set last = 0, renormalizing = false, tiers = 'off'`)
          const model = await openSqliteStore({ path: ':memory:', now: () => NOW })
          const both = async <T>(work: (one: Store) => Promise<T>): Promise<void> => {
            assert.deepEqual(await work(store), await work(model))
          }
          const append = (ids: readonly string[]): Promise<void> =>
            both((one) =>
              inUnit(one, (unit) =>
                one.ledger.append(
                  unit,
                  ids.map((name) => event(name)),
                ),
              ),
            )
          try {
            await append(stored)
            for (const { renewed, chunk, meanwhile, stage } of passes) {
              if (stage !== null) await tier(store, stage)
              await both((one) => inUnit(one, (unit) => one.ledger.beginRenormalize(unit)))
              const upTo = await store.ledger.head()
              for (let from = 0; from < upTo; from += chunk) {
                const rows = renewed.slice(from, Math.min(from + chunk, upTo)).map((name, i) => ({
                  sequence: from + i + 1,
                  event: name === null ? null : event(name, { dataJson: `{"id":"${name}"}` }),
                }))
                await both((one) => inUnit(one, (unit) => one.ledger.renormalize(unit, rows)))
                if (from === 0) await append(meanwhile)
              }
              await both((one) => inUnit(one, (unit) => one.ledger.endRenormalize(unit)))
              await both((one) => drain(one.ledger.scan({ after: 0, to: 1000, all: true })))
              await both((one) => one.ledger.countAfter(0))
              await assertSameIds(admin, names)
            }
          } finally {
            await model.close()
          }
        }),
        { numRuns: 60 },
      )
    })
  })
})
