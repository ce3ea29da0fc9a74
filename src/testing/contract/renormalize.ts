/** Contract of renormalization: ids and duplicate marks are recomputed from scratch (spec 04 §2.3, §4.4). */
import assert from 'node:assert/strict'
import type { NormalizedEvent } from '../../core/event.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { day, event } from './fixtures.ts'

/** Renormalizes each sequence to the event of the same place, one transaction per row unless told otherwise. */
async function renormalize(store: Store, events: readonly (NormalizedEvent | null)[], chunk = 1): Promise<number> {
  await inUnit(store, (unit) => store.ledger.beginRenormalize(unit))
  const rows = events.map((renewed, i) => ({ sequence: i + 1, event: renewed }))
  let changed = 0
  for (let i = 0; i < rows.length; i += chunk) {
    changed += (await inUnit(store, (unit) => store.ledger.renormalize(unit, rows.slice(i, i + chunk)))).changed
  }
  await inUnit(store, (unit) => store.ledger.endRenormalize(unit))
  return changed
}

async function rows(store: Store): Promise<[string, number | null, boolean][]> {
  const all = await drain(store.ledger.scan({ after: 0, to: 1000, all: true }))
  return all.map((row) => [row.eventId, row.duplicateOf, row.excluded])
}

const replayed = async (store: Store): Promise<number[]> =>
  (await drain(store.ledger.scan({ after: 0, to: 1000 }))).map((row) => row.sequence)

export function renormalizeContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`renormalization on ${backend.name}`, () => {
    test('rows that stay the same are not written', async (store) => {
      const events = [event('a'), event('b')]
      await inUnit(store, (unit) => store.ledger.append(unit, events))
      assert.equal(await renormalize(store, events), 0)
      const changed = [event('a'), event('b', { eventType: 'left', timestamp: day(3), dataJson: '{"x":1}' })]
      await renormalize(store, changed)
      const row = await store.ledger.event({ sequence: 2 })
      assert.deepEqual([row?.eventType, row?.timestamp, row?.data], ['left', day(3).toString(), '{"x":1}'])
      assert.equal(row?.raw, '{"id":"b"}')
    })

    for (const chunk of [1, 2, 10]) {
      test(`ids may be exchanged and collapse, chunk ${chunk}`, async (store) => {
        await inUnit(store, (unit) =>
          store.ledger.append(
            unit,
            ['a', 'b', 'c', 'd'].map((id) => event(id)),
          ),
        )
        await renormalize(
          store,
          ['b', 'a', 'd', 'd'].map((id) => event(id)),
          chunk,
        )
        assert.deepEqual(await rows(store), [
          ['b', null, false],
          ['a', null, false],
          ['d', null, false],
          ['d', 3, false],
        ])
        assert.deepEqual(await replayed(store), [1, 2, 3])
        assert.equal(await store.ledger.countAfter(0), 3)
        assert.equal(await store.ledger.count(), 4)
        // Marks are reversible.
        await renormalize(
          store,
          ['a', 'b', 'c', 'd'].map((id) => event(id)),
          chunk,
        )
        assert.deepEqual(await replayed(store), [1, 2, 3, 4])
      })
    }

    test('a row that does not normalize keeps its data, is left out, and comes back', async (store) => {
      const events = [event('a'), event('b'), event('c')]
      await inUnit(store, (unit) => store.ledger.append(unit, events))
      await renormalize(store, [event('a'), null, event('c')])
      assert.deepEqual(await rows(store), [
        ['a', null, false],
        ['b', null, true],
        ['c', null, false],
      ])
      assert.deepEqual(await replayed(store), [1, 3])
      assert.equal((await drain(store.ledger.replay({ from: 1, includeDuplicates: true }))).length, 2)
      await renormalize(store, events)
      assert.deepEqual(await replayed(store), [1, 2, 3])
    })

    test('an excluded row does not stand in the way of its id', async (store) => {
      await inUnit(store, (unit) => store.ledger.append(unit, [event('a'), event('b')]))
      await renormalize(store, [null, event('a')])
      assert.deepEqual(await rows(store), [
        ['a', null, true],
        ['a', null, false],
      ])
      await renormalize(store, [event('a'), event('a')])
      assert.deepEqual(await replayed(store), [1])
    })

    test('an event that arrives meanwhile is not lost to a row that gives up its id', async (store) => {
      await inUnit(store, (unit) => store.ledger.append(unit, [event('a'), event('b')]))
      await inUnit(store, (unit) => store.ledger.beginRenormalize(unit))
      await inUnit(store, (unit) => store.ledger.append(unit, [event('b', { rawJson: '{"new":1}' }), event('b')]))
      await inUnit(store, (unit) =>
        store.ledger.renormalize(unit, [
          { sequence: 1, event: event('a') },
          { sequence: 2, event: event('other') },
        ]),
      )
      await inUnit(store, (unit) => store.ledger.endRenormalize(unit))
      const found = await store.ledger.event({ eventId: 'b' })
      assert.equal(found?.raw, '{"new":1}')
      const canonical = (await rows(store)).filter(([, duplicateOf]) => duplicateOf === null)
      assert.deepEqual(
        canonical.map(([id]) => id),
        ['a', 'other', 'b'],
      )
    })

    test('repeats that arrive meanwhile are not kept, repeats of before are', async (store) => {
      const { ledger } = store
      await inUnit(store, (unit) => ledger.append(unit, [event('a'), event('b'), event('c')]))
      await renormalize(store, [event('a'), event('a'), event('c')])
      await inUnit(store, (unit) => ledger.beginRenormalize(unit))
      await inUnit(store, (unit) => ledger.append(unit, [event('a'), event('d')]))
      // Another one takes it over.
      await inUnit(store, (unit) => ledger.beginRenormalize(unit))
      await inUnit(store, (unit) => ledger.append(unit, [event('c'), event('d')]))
      const events = ['a', 'a', 'c', 'a', 'd', 'c', 'd'].map((id, i) => ({ sequence: i + 1, event: event(id) }))
      await inUnit(store, (unit) => ledger.renormalize(unit, events))
      await inUnit(store, (unit) => ledger.endRenormalize(unit))
      const all = await drain(ledger.scan({ after: 0, to: 7, all: true }))
      assert.deepEqual(
        all.map((row) => [row.sequence, row.duplicateOf]),
        [
          [1, null],
          [2, 1],
          [3, null],
          [5, null],
        ],
      )
      assert.equal(await ledger.count(), 4)
      assert.equal(await ledger.countAfter(0), 3)
      const [again] = await inUnit(store, (unit) => ledger.append(unit, [event('a')]))
      assert.deepEqual(again, { sequence: 1, inserted: false })
      assert.equal(await ledger.head(), 7)
    })

    test('tells which of the given rows repeat an earlier one', async (store) => {
      await inUnit(store, (unit) =>
        store.ledger.append(
          unit,
          ['a', 'b', 'c', 'd'].map((id) => event(id)),
        ),
      )
      const given = async (...ids: (string | null)[]): Promise<[number, number][]> => {
        const events = ids.map((id, i) => ({ sequence: i + 1, event: id === null ? null : event(id) }))
        return [...(await inUnit(store, (unit) => store.ledger.renormalize(unit, events))).duplicateOf]
      }
      const pairs: [number, number][] = [
        [2, 1],
        [4, 1],
      ]
      assert.deepEqual(await given('a', 'b', 'c', 'd'), [])
      assert.deepEqual(await given('a', 'a', 'c', 'a'), pairs)
      assert.deepEqual(await given('a', 'a', 'c', 'a'), pairs)
      // The second row gets the id of the last, whose turn comes later; what is excluded repeats nothing.
      assert.deepEqual(await given(null, 'd', 'c', 'd'), [[4, 2]])
      assert.deepEqual(await given('d', null, 'd', 'x'), [[3, 1]])
      // Rows that are not there are nobody's repetition.
      const missing = [{ sequence: 9, event: event('d') }]
      assert.deepEqual(await inUnit(store, (unit) => store.ledger.renormalize(unit, missing)), {
        changed: 0,
        duplicateOf: new Map(),
      })
    })

    test('hints can be replaced alone', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a'), event('b')])
        await store.ledger.updateHints(unit, [{ sequence: 2, hintsJson: '{"member":{"card":"7"}}' }])
      })
      const hints = (await drain(store.ledger.scan({ after: 0, to: 2 }))).map((row) => row.hints)
      assert.deepEqual(hints, ['{}', '{"member":{"card":"7"}}'])
    })
  })
}
