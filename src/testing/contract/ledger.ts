/** Contract of the ledger (spec 04 §2). */
import assert from 'node:assert/strict'
import type { NormalizedEvent } from '../../core/event.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { at, day, event } from './fixtures.ts'

const append = (store: Store, events: readonly NormalizedEvent[]) =>
  inUnit(store, (unit) => store.ledger.append(unit, events))

export function ledgerContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`ledger on ${backend.name}`, () => {
    test('numbers new events in input order, one result per input', async (store) => {
      assert.deepEqual(await append(store, []), [])
      assert.equal(await store.ledger.head(), 0)
      const results = await append(store, [event('a'), event('b'), event('a'), event('c')])
      assert.deepEqual(results, [
        { sequence: 1, inserted: true },
        { sequence: 2, inserted: true },
        { sequence: 1, inserted: false },
        { sequence: 3, inserted: true },
      ])
      assert.equal(await store.ledger.head(), 3)
    })

    test('an id that is known writes nothing, whatever else differs', async (store) => {
      await append(store, [event('a', { rawJson: '{"first":true}' })])
      const again = await append(store, [event('a', { timestamp: day(2), rawJson: '{}' }), event('b')])
      assert.deepEqual(again, [
        { sequence: 1, inserted: false },
        { sequence: 2, inserted: true },
      ])
      assert.equal((await store.ledger.event({ sequence: 1 }))?.raw, '{"first":true}')
    })

    test('a rolled back append leaves no gap', async (store) => {
      await append(store, [event('a')])
      await assert.rejects(
        inUnit(store, async (unit) => {
          await store.ledger.append(unit, [event('b'), event('c')])
          throw new Error('no')
        }),
        { message: 'no' },
      )
      assert.equal(await store.ledger.head(), 1)
      assert.deepEqual(await append(store, [event('c')]), [{ sequence: 2, inserted: true }])
    })

    test('concurrent appends give gap-free sequences in commit order', async (store) => {
      const batches = Array.from({ length: 20 }, (_, batch) =>
        append(store, [event(`${batch}/1`), event(`${batch}/2`), event('shared')]),
      )
      const inserted = (await Promise.all(batches)).flat().filter((result) => result.inserted)
      assert.deepEqual(
        inserted.map((result) => result.sequence),
        Array.from({ length: 41 }, (_, i) => i + 1),
      )
    })

    test('stored rows come back as they were given', async (store) => {
      const given = event('a', {
        eventType: 'tool_borrowed',
        timestamp: at('2024-02-29T23:59:59.000001Z'),
        dataJson: '{"n":9007199254740993,"t":"ä\\u0000\u{1f600}"}',
        kindsJson: '{"n":"f"}',
        hintsJson: '{"member":{"card":"1"}}',
        rawJson: '{"a" : [1.0, "x"]}',
      })
      await append(store, [given])
      assert.deepEqual(await store.ledger.event({ eventId: 'a' }), {
        sequence: 1,
        eventId: 'a',
        eventType: 'tool_borrowed',
        timestamp: '2024-02-29T23:59:59.000001+00:00',
        source: 'kiosk',
        data: given.dataJson,
        kinds: given.kindsJson,
        hints: given.hintsJson,
        raw: given.rawJson,
        duplicateOf: null,
        excluded: false,
        redaction: null,
      })
      assert.equal(await store.ledger.event({ eventId: 'b' }), undefined)
      assert.equal(await store.ledger.event({ sequence: 2 }), undefined)
    })

    test('scan goes by sequence, replay by time', async (store) => {
      await append(store, [
        event('late', { timestamp: day(9) }),
        event('early', { timestamp: day(2) }),
        event('fraction', { timestamp: at('2024-01-02T00:00:00.000001Z') }),
        event('same', { timestamp: day(2), source: 'app' }),
      ])
      const { ledger } = store
      const ids = (rows: readonly { eventId: string }[]): string[] => rows.map((row) => row.eventId)
      for (const chunk of [1, 2, 3, 100]) {
        assert.deepEqual(ids(await drain(ledger.scan({ after: 0, to: 4, chunk }))), [
          'late',
          'early',
          'fraction',
          'same',
        ])
        assert.deepEqual(ids(await drain(ledger.scan({ after: 1, to: 3, chunk }))), ['early', 'fraction'])
        assert.deepEqual(ids(await drain(ledger.scan({ after: 0, to: 4, chunk, source: 'app' }))), ['same'])
        assert.deepEqual(ids(await drain(ledger.replay({ from: 1, chunk }))), ['early', 'same', 'fraction', 'late'])
        assert.deepEqual(ids(await drain(ledger.replay({ from: 2, to: 3, chunk }))), ['early', 'fraction'])
      }
    })

    test('a unit of work can scan what was committed before', async (store) => {
      await append(store, [event('a'), event('b')])
      await inUnit(store, async (unit) => {
        const rows = await drain(store.ledger.scan({ unit, after: 0, to: 2, chunk: 1 }))
        assert.deepEqual(
          rows.map((row) => row.eventId),
          ['a', 'b'],
        )
      })
    })

    test('scan leaves raw out on request', async (store) => {
      await append(store, [event('a', { hintsJson: '{"m":{"k":"v"}}' })])
      const [full] = await drain(store.ledger.scan({ after: 0, to: 1 }))
      const [slim] = await drain(store.ledger.scan({ after: 0, to: 1, raw: false }))
      assert.deepEqual(slim, { ...full, raw: '' })
    })

    test('replay pages through many events of one instant', async (store) => {
      await append(
        store,
        Array.from({ length: 30 }, (_, i) => event(`e${i}`, { timestamp: day(i < 25 ? 2 : 1) })),
      )
      const order = [26, 27, 28, 29, 30, ...Array.from({ length: 25 }, (_, i) => i + 1)]
      for (const chunk of [1, 4, 7]) {
        const rows = await drain(store.ledger.replay({ from: 1, chunk }))
        assert.deepEqual(
          rows.map((r) => r.sequence),
          order,
        )
      }
    })

    test('a stream sees rows that were there, while appends go on', async (store) => {
      await append(
        store,
        Array.from({ length: 10 }, (_, i) => event(`e${i}`)),
      )
      const seen: number[] = []
      for await (const rows of store.ledger.scan({ after: 0, to: 10, chunk: 3 })) {
        for (const { sequence } of rows) seen.push(sequence)
        await append(store, [event(`more ${seen.length}`)])
      }
      assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      assert.equal(await store.ledger.head(), 14)
    })

    test('counts rows, per source, and what is above a cursor', async (store) => {
      assert.equal(await store.ledger.count(), 0)
      await append(store, [event('a'), event('b', { source: 'app' }), event('a'), event('c')])
      assert.equal(await store.ledger.count(), 3)
      assert.equal(await store.ledger.count({ source: 'app' }), 1)
      assert.equal(await store.ledger.count({ source: 'nobody' }), 0)
      assert.equal(await store.ledger.countAfter(0), 3)
      assert.equal(await store.ledger.countAfter(2), 1)
      assert.equal(await store.ledger.countAfter(99), 0)
    })

    test('counts events of no entity', async (store) => {
      await append(store, [event('a'), event('b'), event('c'), event('d')])
      await inUnit(store, (unit) =>
        store.mapping.write(unit, [
          { sequence: 2, entityId: 'm', entityType: 'member' },
          { sequence: 2, entityId: 'l', entityType: 'loan' },
          { sequence: 3, entityId: 'm', entityType: 'member' },
        ]),
      )
      assert.equal(await store.ledger.countUnmapped(0, 4), 2)
      assert.equal(await store.ledger.countUnmapped(1, 3), 0)
      assert.equal(await store.ledger.countUnmapped(3, 1000), 1)
    })

    test('raws gives the records of any number of sequences', async (store) => {
      await append(store, [event('a'), event('b')])
      const raws = await store.ledger.raws([...Array.from({ length: 50_000 }, (_, i) => i + 2), 1])
      assert.deepEqual(
        [...raws],
        [
          [1, '{"id":"a"}'],
          [2, '{"id":"b"}'],
        ],
      )
    })
  })
}
