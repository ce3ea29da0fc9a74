/** What is particular to a tiered ledger in Postgres: older tables, several processes at once, texts of its rows. */
import assert from 'node:assert/strict'
import { it } from 'vitest'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { MIGRATIONS } from '../../src/adapters/postgres/migrations.ts'
import type { Names } from '../../src/adapters/postgres/names.ts'
import { openPostgresStore } from '../../src/adapters/postgres/store.ts'
import { owns } from '../../src/core/shard.ts'
import { ConfigError } from '../../src/errors.ts'
import { tombstone } from '../../src/ports/archive.ts'
import type { AppendResult, Store } from '../../src/ports/store.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { event } from '../../src/testing/contract/fixtures.ts'
import { tier } from '../../src/testing/contract/tiering.ts'
import { describePostgres, execute, freshNamespace } from '../support/postgres.ts'
import { assertSameIds, untilSomeoneWaits, withPostgres } from '../support/postgres-store.ts'

const append = (store: Store, ids: readonly string[]): Promise<AppendResult[]> =>
  inUnit(store, (unit) =>
    store.ledger.append(
      unit,
      ids.map((id) => event(id)),
    ),
  )

async function countOf(admin: Database, names: Names, table: string): Promise<unknown> {
  return (await admin.query(null, 'test', `select count(*) from ${names.infra(table)}`))[0]?.[0]
}

/** A namespace as the first release left it: an event, its duplicate, a tombstone and an excluded row. */
async function firstLevel(url: string, namespace: string): Promise<void> {
  await execute(
    url,
    `create schema ${namespace}; set search_path = ${namespace};
    create table meta (key text primary key, value text not null);
    insert into meta values ('space_id', 'a-b-c'), ('namespace', '${namespace}'), ('schema', '1'),
      ('schema_minimum', '1'), ('migration/1', '${NOW} ${MIGRATIONS[0]?.name}');
    ${MIGRATIONS[0]?.sql};
    insert into ledger (sequence, event_id, event_type, "timestamp", source, data, resolution_hints, duplicate_of,
        excluded, raw)
      select s, id, 'joined', '2024-01-01', 'kiosk', '{}', '{}', duplicate_of, excluded, '{}'
      from (values (1, 'a', null, false), (2, 'a', 1, false), (4, 'd', null, true)) v (s, id, duplicate_of, excluded);
    insert into ledger (sequence) values (3);
    update head set last = 4; insert into source_counts values ('kiosk', 3)`,
  )
}

describePostgres('tables of the first level', () => {
  it('are brought up to date with everything in them, once, whoever comes first', async () => {
    const { url, namespace, drop } = freshNamespace()
    const open = (migrations: 'auto' | 'check') => openPostgresStore({ url, namespace, migrations, now: () => NOW })
    try {
      await firstLevel(url, namespace)
      await assert.rejects(
        open('check'),
        (error) => error instanceof ConfigError && /has tables of level 1, this package needs 6/.test(error.message),
      )
      const stores = await Promise.all(Array.from({ length: 4 }, () => open('auto')))
      const [store] = stores as [Store]
      assert.deepEqual(new Set(stores.map(({ spaceId }) => spaceId)), new Set(['a-b-c']))
      assert.deepEqual(
        [await store.ledger.head(), await store.ledger.count(), await store.ledger.countAfter(0)],
        [4, 3, 1],
      )
      assert.equal(await store.tiers.state(), null)
      assert.deepEqual(await append(store, ['a', 'b']), [
        { sequence: 1, inserted: false },
        { sequence: 5, inserted: true },
      ])
      await tier(store, 'on')
      assert.equal(await store.ledger.countAfter(0), 2)
      assert.deepEqual((await drain(store.tiers.rows({ after: 0, to: 4 })))[2], tombstone(3))
      await tier(store, 'empty')
      assert.deepEqual(
        await append(store, ['a', 'b', 'd']),
        [1, 5, 6].map((sequence) => ({ sequence, inserted: sequence === 6 })),
      )
      for (const one of stores) await one.close()
      await (await open('check')).close()
    } finally {
      await drop()
    }
  })
})

describePostgres('several processes on a tiered ledger', () => {
  it('append while event ids are begun and filled, and nothing is stored twice', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const before = Array.from({ length: 1000 }, (_, i) => `before ${i}`)
      await append(store, before)
      const appenders = await Promise.all(Array.from({ length: 4 }, () => open()))
      let filled = false
      const results = appenders.map(async (one, by) => {
        const found: [string, AppendResult][] = []
        // Sizes on both sides of where appends change their way; three ids of ten were stored before or by another one.
        for (let round = 0; round < 10 || !filled; round += 1) {
          const size = round % 5 === 0 ? 120 : 1 + (round % 7)
          const ids = Array.from({ length: size }, (_, i) => {
            if (i % 10 < 2) return `before ${(round * 31 + i * 7 + by) % before.length}`
            return i % 10 === 2 ? `shared ${round} ${i}` : `${by} ${round} ${i}`
          })
          const stored = await append(one, ids)
          found.push(...stored.map((result, i): [string, AppendResult] => [ids[i] as string, result]))
        }
        return found
      })
      await inUnit(store, (unit) => store.tiers.begin(unit))
      while (!(await inUnit(store, (unit) => store.tiers.fill(unit, 30))));
      filled = true
      const sequences = new Map(before.map((id, i) => [id, i + 1]))
      for (const [id, { sequence }] of (await Promise.all(results)).flat()) {
        assert.equal(sequences.get(id) ?? sequence, sequence)
        sequences.set(id, sequence)
      }
      const head = await store.ledger.head()
      const numbers = [...sequences.values()].sort((a, b) => a - b)
      assert.deepEqual(
        numbers,
        Array.from({ length: head }, (_, i) => i + 1),
      )
      assert.deepEqual([await countOf(admin, names, 'ledger'), await countOf(admin, names, 'event_ids')], [head, head])
      await assertSameIds(admin, names)
      const again = await append(store, [...sequences.keys()])
      assert.ok(again.every(({ inserted }) => !inserted))
    })
  })

  it('renormalize while event ids are filled, and both tables say the same', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const total = 600
      await append(
        store,
        Array.from({ length: total }, (_, i) => `e${i + 1}`),
      )
      const [renewing, appending] = [await open(), await open()]
      await inUnit(renewing, (unit) => renewing.ledger.beginRenormalize(unit))
      await inUnit(store, (unit) => store.tiers.begin(unit))
      const fill = (): Promise<boolean> => inUnit(store, (unit) => store.tiers.fill(unit, 15))
      for (let from = 1; from <= total; from += 20) {
        // Ids change places, collapse, and are given up.
        const rows = Array.from({ length: 20 }, (_, i) => {
          const sequence = from + i
          const id = sequence % 3 === 0 ? 1 + ((sequence * 7) % total) : total + 1 - sequence
          return { sequence, event: sequence % 11 === 0 ? null : event(`e${id}`) }
        })
        await Promise.all([
          inUnit(renewing, (unit) => renewing.ledger.renormalize(unit, rows)),
          append(appending, [`e${from}`, `e${total - from}`, `new ${from}`]),
          fill(),
        ])
      }
      await Promise.all([fill(), inUnit(renewing, (unit) => renewing.ledger.endRenormalize(unit))])
      while (!(await fill()));
      await assertSameIds(admin, names)
      const head = await store.ledger.head()
      assert.deepEqual([await countOf(admin, names, 'event_ids'), (await store.tiers.state())?.filled], [head, null])
      const replayed = (await drain(store.ledger.scan({ after: 0, to: head }))).map(({ eventId }) => eventId)
      assert.deepEqual([new Set(replayed).size, await store.ledger.countAfter(0)], [replayed.length, replayed.length])
    })
  })

  it('a change waits for a claim that runs, and knows of it', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      await append(store, ['a', 'b', 'c'])
      await tier(store, 'on')
      let change: Promise<unknown> | undefined
      await inUnit(store, async (unit) => {
        await store.tiers.lock(unit)
        change = inUnit(other, (mine) => other.ledger.renormalize(mine, [{ sequence: 1, event: event('c') }]))
        await untilSomeoneWaits(admin, names)
        await store.tiers.put(unit, { claimed: 3, job: 5 })
      })
      await change
      assert.deepEqual(await store.tiers.staged(5, { from: 1, to: 3 }), [{ sequence: 3, change: { duplicateOf: 1 } }])
    })
  })

  it('a claim waits for a change that runs', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      await append(store, ['a', 'b'])
      await tier(store, 'on')
      const order: string[] = []
      let claim: Promise<void> | undefined
      await inUnit(store, async (unit) => {
        await store.ledger.renormalize(unit, [{ sequence: 2, event: event('a') }])
        claim = inUnit(other, async (mine) => {
          await other.tiers.lock(mine)
          order.push('claim')
        })
        await untilSomeoneWaits(admin, names)
        order.push('change')
      })
      await claim
      assert.deepEqual(order, ['change', 'claim'])
    })
  })

  it('a ledger stays one of one tier as long as a unit relies on it', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      await append(store, ['a'])
      let begin: Promise<void> | undefined
      await inUnit(store, async (unit) => {
        assert.equal(await store.tiers.lock(unit), null)
        // Whoever appends is not in the way.
        await append(other, ['b'])
        begin = inUnit(other, (mine) => other.tiers.begin(mine))
        await untilSomeoneWaits(admin, names)
        assert.equal(await store.tiers.state(unit), null)
        await store.ledger.append(unit, [event('c')])
      })
      await begin
      assert.equal((await store.tiers.state())?.filled, 0)
    })
  })

  it('an append waits for what is taken over, and comes behind it', async () => {
    await withPostgres(async ({ store, open, admin, names }) => {
      const other = await open()
      await tier(store, 'on')
      let late: Promise<AppendResult[]> | undefined
      await inUnit(store, async (unit) => {
        const row = { source: 'kiosk', duplicateOf: null, excluded: false }
        await store.tiers.adopt(unit, [{ ...row, sequence: 1, eventId: 'a' }])
        late = append(other, ['a', 'b'])
        await untilSomeoneWaits(admin, names)
        await store.tiers.adopt(unit, [{ ...row, sequence: 2, eventId: 'b' }])
      })
      assert.deepEqual(
        await late,
        [1, 2].map((sequence) => ({ sequence, inserted: false })),
      )
    })
  })
})

describePostgres('shards of a tiered ledger', () => {
  it('have the members and counts of their own entities, archived or not', async () => {
    await withPostgres(async ({ store, open }) => {
      const ids = Array.from({ length: 60 }, (_, i) => `e${i + 1}`)
      const mappings = ids.map((_, i) => ({ sequence: i + 1, entityId: `entity ${i % 13}`, entityType: 'm' }))
      await append(store, ids)
      await inUnit(store, (unit) => store.mapping.write(unit, mappings))
      await tier(store, 'pruned')
      const shards = await Promise.all([0, 1, 2].map((id) => open({ id, total: 3 })))
      const found = await Promise.all(
        shards.map(async (one) => {
          const members = await drain(one.tiers.members({ to: 60, afterEntity: null, chunk: 7 }))
          assert.ok(members.length > 0 && members.every(({ entityId }) => owns(one.shard, entityId)))
          assert.deepEqual(await one.tiers.membersIn(null, { after: 0, to: 60 }), members)
          assert.equal(await one.ledger.countMapped(60), members.length)
          return members
        }),
      )
      assert.deepEqual(
        found.flat().sort((a, b) => a.sequence - b.sequence),
        mappings,
      )
    })
  })
})

describePostgres('rows for the archive', () => {
  it('have the same texts whoever asks, however the server spells them', async () => {
    const given = [
      event('plain', { dataJson: '{"b":1,"a":{"k":[1,2],"kk":0.5}}', hintsJson: '{"m":{"email":"a, b: c"}}' }),
      event('held', { dataJson: '{"t":"\\u0000","n":-0,"o":{"kk":1,"k":1e17}}', kindsJson: '{ "n" : "f" }' }),
      event('mean \ud800\0', { source: '\uffff', rawJson: ' {"a" : [1.0, 1e999] }\n' }),
    ]
    await withPostgres(async ({ store, open, admin, names }) => {
      await inUnit(store, (unit) => store.ledger.append(unit, given))
      await admin.query(
        null,
        'test',
        `update ${names.infra('ledger')} set redaction = '{"p" : ["$.a"]}' where sequence = 1`,
      )
      const rows = await drain(store.tiers.rows({ after: 0, to: 10 }))
      const scanned = await drain(store.ledger.scan({ after: 0, to: 10, all: true }))
      assert.deepEqual(
        rows,
        scanned.map((row, i) => ({ ...row, redaction: i === 0 ? '{"p" : ["$.a"]}' : null })),
      )
      assert.deepEqual(
        [rows[1]?.data, rows[1]?.kinds, rows[2]?.eventId, rows[2]?.source, rows[2]?.raw],
        [given[1]?.dataJson, given[1]?.kindsJson, given[2]?.eventId, '\uffff', given[2]?.rawJson],
      )
      const other = await open()
      for (const chunk of [1, 2]) assert.deepEqual(await drain(other.tiers.rows({ after: 0, to: 10, chunk })), rows)
    })
  })
})
