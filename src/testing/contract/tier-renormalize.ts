/** Contract of renormalizing a ledger whose rows are partly or all in the archive (spec 07 §4.1), database side. */
import assert from 'node:assert/strict'
import { emptied } from '../../ports/archive.ts'
import type { RenormalizeResult, Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { event } from './fixtures.ts'
import { STAGES, type Stage, tier } from './tiering.ts'

const append = (store: Store, ids: readonly string[]) =>
  inUnit(store, (unit) =>
    store.ledger.append(
      unit,
      ids.map((id) => event(id)),
    ),
  )

/** Gives the rows from `first` on these ids; null: the row does not normalize. */
const renormalize = (store: Store, ids: readonly (string | null)[], first = 1): Promise<RenormalizeResult> => {
  const rows = ids.map((id, i) => ({ sequence: first + i, event: id === null ? null : event(id) }))
  return inUnit(store, (unit) => store.ledger.renormalize(unit, rows))
}

export function tierRenormalizeContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`renormalization of tiers on ${backend.name}`, () => {
    for (const stage of STAGES) {
      for (const chunk of [1, 3, 10]) {
        api.it(`marks are those of a ledger with one tier: ${stage}, chunk ${chunk}`, () =>
          withStore(backend, (tiered) => withStore(backend, (plain) => asTwin(tiered, plain, stage, chunk))),
        )
      }
      test(`an event that arrives meanwhile gets its turn: ${stage}`, (store) => arrival(store, stage))
    }

    test('counts the rows of the database that it writes', async (store) => {
      await append(store, ['a', 'b', 'c', 'd'])
      const changed = async (...ids: (string | null)[]): Promise<number> => (await renormalize(store, ids)).changed
      assert.equal(await changed('a', 'b', 'c', 'd'), 0)
      assert.equal(await changed('a', 'a', null, 'd'), 2)
      assert.equal(await changed('a', 'a', null, 'd'), 0)
      await tier(store, 'pruned')
      assert.equal(await changed('a', 'a', null, 'd'), 0)
      assert.equal(await changed('x', 'y', 'c', null), 2)
      assert.equal(await changed('y', 'x', 'c', null), 0)
    })

    test('a change of an archived row that nobody asked for is staged', async (store) => {
      await append(store, ['a', 'b', 'c', 'd', 'e'])
      await tier(store, 'on')
      await inUnit(store, async (unit) => {
        await store.tiers.put(unit, { claimed: 4, flushed: 3, job: 7 })
        await store.tiers.prune(unit, 2)
        await store.ledger.beginRenormalize(unit)
      })
      // Takes their ids from rows whose turn comes later: one archived, one of both tiers, one on its way, one hot.
      for (const id of ['b', 'c', 'd', 'e']) await renormalize(store, [id])
      assert.deepEqual(
        await store.tiers.staged(7, { from: 1, to: 10 }),
        [2, 3, 4].map((sequence) => ({ sequence, change: { duplicateOf: 1 } })),
      )
    })
  })
}

async function rows({ ledger }: Store): Promise<[number, string, number | null, boolean][]> {
  const all = await drain(ledger.scan({ after: 0, to: await ledger.head(), all: true }))
  return all.map((row) => [row.sequence, row.eventId, row.duplicateOf, row.excluded])
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
  for (const store of [tiered, plain]) await append(store, ids.slice(0, 10))
  await tier(tiered, stage)
  const rounds: (string | null)[][] = [
    ['b', 'a', 'd', 'd', null, 'f', 'b', 'x', 'j', 'i'],
    ['j', 'i', 'h', 'g', 'f', 'e', 'd', 'c', 'b', 'a'],
    [null, 'a', null, 'a', 'a', 'x', 'x', 'x', null, 'y'],
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'],
    ['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a'],
  ]
  for (const round of rounds) {
    for (const store of [tiered, plain]) await inUnit(store, (unit) => store.ledger.beginRenormalize(unit))
    for (let i = 0; i < round.length; i += chunk) {
      const part = round.slice(i, i + chunk)
      const ours = await renormalize(tiered, part, i + 1)
      assert.deepEqual(ours.duplicateOf, (await renormalize(plain, part, i + 1)).duplicateOf)
      assert.deepEqual(await marks(tiered, ids), await marks(plain, ids))
    }
    for (const store of [tiered, plain]) await inUnit(store, (unit) => store.ledger.endRenormalize(unit))
    assert.deepEqual(await marks(tiered, ids), await marks(plain, ids))
    if (stage === 'filling') await inUnit(tiered, (unit) => tiered.tiers.fill(unit, 1))
    const pruned = (await tiered.tiers.state())?.pruned ?? 0
    assert.deepEqual(await rows(tiered), (await rows(plain)).slice(pruned))
  }
  assert.deepEqual(await append(tiered, ['c', 'a', 'z']), await append(plain, ['c', 'a', 'z']))
}

async function arrival(store: Store, stage: Stage): Promise<void> {
  await append(store, ['a', 'b'])
  await tier(store, stage)
  await inUnit(store, (unit) => store.ledger.beginRenormalize(unit))
  assert.deepEqual(
    await append(store, ['b', 'b', 'a']),
    [3, 4, 5].map((sequence) => ({ sequence, inserted: true })),
  )
  assert.equal(await store.ledger.countAfter(0), 2)
  await renormalize(store, ['a', 'other'])
  await inUnit(store, async (unit) => {
    // What arrived is on its way to the archive already.
    await store.tiers.put(unit, { claimed: 5 })
    await store.ledger.endRenormalize(unit)
  })
  assert.deepEqual(await Promise.all(['a', 'b', 'other'].map((id) => store.tiers.sequenceOf(id))), [1, 3, 2])
  assert.deepEqual(await Promise.all([0, 2, 3].map((cut) => store.ledger.countAfter(cut))), [3, 1, 0])
  // The first of the strays has the id now; the second repeats it, and the third what it repeated: they do not stay.
  assert.deepEqual(await store.tiers.staged(1, { from: 1, to: 5 }), [
    { sequence: 3, change: { duplicateOf: null } },
    { sequence: 4, change: emptied(null) },
    { sequence: 5, change: emptied(null) },
  ])
  await tier(store, 'empty')
  assert.deepEqual(await append(store, ['b', 'other']), [
    { sequence: 3, inserted: false },
    { sequence: 2, inserted: false },
  ])
}
