/** Contract of renormalization: ids and duplicate marks are recomputed from scratch (spec 04 §2.3, §4.4). */
import assert from 'node:assert/strict'
import type { NormalizedEvent } from '../../core/event.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { day, event } from './fixtures.ts'
import { STAGES, type Stage, tier } from './tiering.ts'

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
      assert.equal(await renormalize(store, changed), 1)
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
      assert.equal(await renormalize(store, [event('a'), null, event('c')]), 1)
      assert.deepEqual(await rows(store), [
        ['a', null, false],
        ['b', null, true],
        ['c', null, false],
      ])
      assert.deepEqual(await replayed(store), [1, 3])
      assert.equal((await drain(store.ledger.replay({ from: 1, includeDuplicates: true }))).length, 2)
      assert.equal(await renormalize(store, events), 1)
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

    test('tells which of the given rows repeat an earlier one', async (store) => {
      await inUnit(store, (unit) =>
        store.ledger.append(
          unit,
          ['a', 'b', 'c', 'd'].map((id) => event(id)),
        ),
      )
      const given = (...ids: (string | null)[]) =>
        inUnit(store, (unit) =>
          store.ledger.renormalize(
            unit,
            ids.map((id, i) => ({ sequence: i + 1, event: id === null ? null : event(id) })),
          ),
        )
      assert.deepEqual(await given('a', 'b', 'c', 'd'), { changed: 0, duplicateOf: new Map() })
      const repeats = new Map([
        [2, 1],
        [4, 1],
      ])
      assert.deepEqual(await given('a', 'a', 'c', 'a'), { changed: 2, duplicateOf: repeats })
      assert.deepEqual(await given('a', 'a', 'c', 'a'), { changed: 0, duplicateOf: repeats })
      // The second row holds the id until the first takes it; the third is told of the first.
      assert.deepEqual(await given(null, 'd', 'c', 'd'), { changed: 3, duplicateOf: new Map([[4, 2]]) })
      const back = await given('d', 'd', 'd', null)
      assert.deepEqual(
        [...back.duplicateOf],
        [
          [2, 1],
          [3, 1],
        ],
      )
      // Rows that are not there are nobody's repetition.
      const missing = await inUnit(store, (unit) =>
        store.ledger.renormalize(unit, [{ sequence: 9, event: event('d') }]),
      )
      assert.deepEqual(missing, { changed: 0, duplicateOf: new Map() })
    })

    for (const stage of STAGES) {
      for (const chunk of [1, 3, 10]) {
        api.it(`marks of a tiered ledger are those of one with one tier: ${stage}, chunk ${chunk}`, () =>
          withStore(backend, (tiered) => withStore(backend, (plain) => asTwin(tiered, plain, stage, chunk))),
        )
      }
      test(`an event that arrives meanwhile gets its turn in a tiered ledger: ${stage}`, (store) =>
        arrival(store, stage))
    }

    test('a change of an archived row that nobody asked for is staged', async (store) => {
      const ids = ['a', 'b', 'c', 'd', 'e']
      await inUnit(store, (unit) =>
        store.ledger.append(
          unit,
          ids.map((id) => event(id)),
        ),
      )
      await tier(store, 'on')
      await inUnit(store, async (unit) => {
        await store.tiers.put(unit, { claimed: 4, flushed: 3, job: 7 })
        await store.tiers.prune(unit, 2)
        await store.ledger.beginRenormalize(unit)
        // Takes their ids from rows whose turn comes later: one archived, one of both tiers, one on its way, one hot.
        await store.ledger.renormalize(unit, [{ sequence: 1, event: event('b') }])
      })
      const staged = () => store.tiers.staged(7, { from: 1, to: 10 })
      assert.deepEqual(await staged(), [{ sequence: 2, change: { duplicateOf: 1 } }])
      const take = (id: string) =>
        inUnit(store, (unit) => store.ledger.renormalize(unit, [{ sequence: 1, event: event(id) }]))
      for (const id of ['c', 'd', 'e']) await take(id)
      assert.deepEqual(
        await staged(),
        [2, 3, 4].map((sequence) => ({ sequence, change: { duplicateOf: 1 } })),
      )
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

/** What renormalizations leave: which rows are skipped, whose the ids are, and what later appends are told. */
async function marks(store: Store, ids: readonly string[]): Promise<unknown> {
  const head = await store.ledger.head()
  const cuts = Array.from({ length: head + 1 }, (_, i) => i)
  return {
    count: await store.ledger.count(),
    after: await Promise.all(cuts.map((cut) => store.ledger.countAfter(cut))),
    ids: await Promise.all(ids.map((id) => store.tiers.sequenceOf(id))),
  }
}

async function asTwin(tiered: Store, plain: Store, stage: Stage, chunk: number): Promise<void> {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'x', 'y']
  const first = ids.slice(0, 10).map((id) => event(id))
  for (const store of [tiered, plain]) await inUnit(store, (unit) => store.ledger.append(unit, first))
  await tier(tiered, stage)
  const rounds: (string | null)[][] = [
    ['b', 'a', 'd', 'd', null, 'f', 'b', 'x', 'j', 'i'],
    ['j', 'i', 'h', 'g', 'f', 'e', 'd', 'c', 'b', 'a'],
    [null, 'a', null, 'a', 'a', 'x', 'x', 'x', null, 'y'],
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'],
    ['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a'],
  ]
  for (const round of rounds) {
    const given = round.map((id, i) => ({ sequence: i + 1, event: id === null ? null : event(id) }))
    for (const store of [tiered, plain]) await inUnit(store, (unit) => store.ledger.beginRenormalize(unit))
    for (let i = 0; i < given.length; i += chunk) {
      const part = given.slice(i, i + chunk)
      const [ours, theirs] = await Promise.all(
        [tiered, plain].map((store) => inUnit(store, (unit) => store.ledger.renormalize(unit, part))),
      )
      assert.deepEqual(ours?.duplicateOf, theirs?.duplicateOf)
      assert.deepEqual(await marks(tiered, ids), await marks(plain, ids))
    }
    for (const store of [tiered, plain]) await inUnit(store, (unit) => store.ledger.endRenormalize(unit))
    assert.deepEqual(await marks(tiered, ids), await marks(plain, ids))
    if (stage === 'filling') await inUnit(tiered, (unit) => tiered.tiers.fill(unit, 1))
    const pruned = (await tiered.tiers.state())?.pruned ?? 0
    assert.deepEqual(await rows(tiered), (await rows(plain)).slice(pruned))
  }
  const again = ['c', 'a', 'z']
  const results = await Promise.all(
    [tiered, plain].map((store) =>
      inUnit(store, (unit) =>
        store.ledger.append(
          unit,
          again.map((id) => event(id)),
        ),
      ),
    ),
  )
  assert.deepEqual(results[0], results[1])
}

async function arrival(store: Store, stage: Stage): Promise<void> {
  await inUnit(store, (unit) => store.ledger.append(unit, [event('a'), event('b')]))
  await tier(store, stage)
  await inUnit(store, (unit) => store.ledger.beginRenormalize(unit))
  const arrived = await inUnit(store, (unit) => store.ledger.append(unit, [event('b'), event('b'), event('a')]))
  assert.deepEqual(arrived, [
    { sequence: 3, inserted: true },
    { sequence: 4, inserted: true },
    { sequence: 5, inserted: true },
  ])
  assert.equal(await store.ledger.countAfter(0), 2)
  await inUnit(store, async (unit) => {
    await store.ledger.renormalize(unit, [
      { sequence: 1, event: event('a') },
      { sequence: 2, event: event('other') },
    ])
    // What arrived is on its way to the archive already.
    await store.tiers.put(unit, { claimed: 5 })
  })
  await inUnit(store, (unit) => store.ledger.endRenormalize(unit))
  assert.deepEqual(await Promise.all(['a', 'b', 'other'].map((id) => store.tiers.sequenceOf(id))), [1, 3, 2])
  assert.deepEqual(await Promise.all([0, 2, 3].map((cut) => store.ledger.countAfter(cut))), [3, 1, 0])
  // The first of the strays has the id now, the second repeats it; the third repeats what it repeated.
  assert.deepEqual(await store.tiers.staged(1, { from: 1, to: 5 }), [
    { sequence: 3, change: { duplicateOf: null } },
    { sequence: 4, change: { duplicateOf: 3 } },
  ])
  await tier(store, 'empty')
  assert.deepEqual(await inUnit(store, (unit) => store.ledger.append(unit, [event('b'), event('other')])), [
    { sequence: 3, inserted: false },
    { sequence: 2, inserted: false },
  ])
}
