/** Contract of emptied and treated rows in a ledger on its way to two tiers (spec 05 §4.2 no. 8, 11), database side. */
import assert from 'node:assert/strict'
import { emptied } from '../../ports/archive.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { event } from './fixtures.ts'
import { fillForPrivacy } from './privacy-ledger.ts'
import { STAGES, type Stage, tier } from './tiering.ts'

const GUARDS = { digestOf: (id: string) => `digest of ${id}`, treated: () => assert.fail('nothing has to be treated') }
/** Of both halves; a row and what repeats it, an excluded one. */
const EMPTIED = [2, 4, 6, 7].map((sequence) => ({
  sequence,
  digest: sequence === 6 ? null : GUARDS.digestOf(`e${sequence === 4 ? 2 : sequence}`),
}))

/** What a ledger counts and knows, whichever table says so. */
async function known({ ledger, tiers }: Store): Promise<unknown> {
  const cuts = [0, 1, 2, 3, 4, 5, 6, 7, 8]
  return {
    counts: await Promise.all([ledger.count(), ledger.count({ source: 'app' }), ledger.count({ source: 'kiosk' })]),
    after: await Promise.all(cuts.map((cut) => ledger.countAfter(cut))),
    mapped: await Promise.all(cuts.map((cut) => ledger.countMapped(cut))),
    unmapped: await Promise.all(cuts.map((cut) => ledger.countUnmapped(0, cut))),
    repeats: await ledger.repeatsOf(null, cuts),
    excluded: await drain(ledger.excluded()),
    ids: await Promise.all(
      ['e1', 'e2', 'e4', 'e7', 'e8', 'digest of e2', 'digest of e7'].map((id) => tiers.sequenceOf(id)),
    ),
  }
}

export function tierPrivacyContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await fillForPrivacy(store)
        await work(store)
      }),
    )

  api.describe(`erased and redacted rows of tiers on ${backend.name}`, () => {
    for (const stage of STAGES) {
      api.it(`are known as in a ledger with one tier: ${stage}`, () =>
        withStore(backend, (tiered) => withStore(backend, (plain) => asTwin(tiered, plain, stage))),
      )
    }

    test('what is emptied before ids are filled in stays empty', async (store) => {
      await tier(store, 'filling')
      await inUnit(store, (unit) => store.ledger.empty(unit, EMPTIED))
      const before = await known(store)
      await tier(store, 'on')
      assert.deepEqual(await known(store), before)
      await tier(store, 'empty')
      assert.deepEqual(await known(store), before)
    })

    test('rows that are archived, or on their way, are emptied there too; what waited for them is forgotten', async (store) => {
      await tier(store, 'on')
      await inUnit(store, async (unit) => {
        await store.tiers.put(unit, { claimed: 6, flushed: 5, job: 7 })
        await store.tiers.prune(unit, 3)
        await store.tiers.stage(unit, 7, [
          { sequence: 2, change: { hints: '{"m":{"k":"secret"}}' } },
          { sequence: 5, change: { hints: '{}' } },
        ])
      })
      assert.equal(await inUnit(store, (unit) => store.ledger.empty(unit, EMPTIED)), 4)
      const of = (sequence: number, digest: string | null) => ({ sequence, change: emptied(digest) })
      assert.deepEqual(await store.tiers.staged(7, { from: 1, to: 8 }), [
        of(2, 'digest of e2'),
        of(4, null),
        { sequence: 5, change: { hints: '{}' } },
        of(6, null),
      ])
      // Once more: nothing is new.
      assert.equal(await inUnit(store, (unit) => store.ledger.empty(unit, EMPTIED)), 0)
      assert.equal(await store.tiers.countStaged(), 4)
    })

    test('what is staged for an emptied row later does not fill it again', async (store) => {
      await tier(store, 'empty')
      await inUnit(store, async (unit) => {
        await store.ledger.empty(unit, [{ sequence: 2, digest: 'digest of e2' }])
        await store.tiers.stage(unit, 1, [{ sequence: 2, change: { hints: '{}', eventType: 'joined', data: '{}' } }])
        await store.tiers.stage(unit, 1, [{ sequence: 3, change: { hints: '{}' } }])
        await store.ledger.empty(unit, [{ sequence: 3, digest: null }])
      })
      assert.deepEqual(await store.tiers.staged(1, { from: 1, to: 8 }), [
        { sequence: 2, change: emptied('digest of e2') },
        { sequence: 3, change: emptied(null) },
      ])
    })

    test('tombstones with their digests are what the archive gets', async (store) => {
      await inUnit(store, (unit) => store.ledger.empty(unit, EMPTIED))
      const rows = await drain(store.tiers.rows({ after: 0, to: 8 }))
      const tombstones = rows.filter(({ eventType }) => eventType === null)
      assert.deepEqual(
        tombstones.map(({ sequence, ...columns }) => [sequence, columns]),
        [
          [2, emptied('digest of e2')],
          [4, emptied(null)],
          [6, emptied(null)],
          [7, emptied('digest of e7')],
        ],
      )
    })

    test('a ledger takes over tombstones, and refuses what they stand for', async (store) => {
      await tier(store, 'empty')
      await inUnit(store, async (unit) => {
        const tombstone = { source: null, duplicateOf: null, excluded: false }
        await store.tiers.adopt(unit, [
          { sequence: 9, eventId: 'digest of x', ...tombstone },
          { sequence: 10, eventId: null, ...tombstone },
          { sequence: 11, eventId: null, ...tombstone },
        ])
        await store.ledger.guard(unit, { suppressing: true })
      })
      const append = inUnit(store, (unit) => store.ledger.append(unit, [event('x'), event('y')], GUARDS))
      assert.deepEqual(await append, [
        { sequence: 9, inserted: false },
        { sequence: 12, inserted: true },
      ])
      assert.deepEqual([await store.ledger.count(), await store.ledger.countAfter(8)], [9, 1])
    })
  })
}

async function asTwin(tiered: Store, plain: Store, stage: Stage): Promise<void> {
  for (const store of [tiered, plain]) await fillForPrivacy(store)
  await tier(tiered, stage)
  const same = async (): Promise<void> => assert.deepEqual(await known(tiered), await known(plain))
  await same()
  const both = async (work: (store: Store) => Promise<unknown>): Promise<void> => {
    assert.deepEqual(await work(tiered), await work(plain))
    await same()
  }
  await both((store) => inUnit(store, (unit) => store.ledger.empty(unit, EMPTIED.slice(0, 2))))
  await both((store) => inUnit(store, (unit) => store.ledger.empty(unit, EMPTIED)))
  await both((store) => inUnit(store, (unit) => store.ledger.guard(unit, { suppressing: true })))
  const given = ['e2', 'e4', 'e7', 'e8', 'new', 'e2'].map((id) => event(id))
  await both((store) => inUnit(store, (unit) => store.ledger.append(unit, given, GUARDS)))
  await both((store) =>
    inUnit(store, async (unit) => {
      await store.ledger.beginRenormalize(unit)
      const rows = [1, 2, 3, 4].map((sequence) => ({ sequence, event: event(`e${sequence}`) }))
      const { duplicateOf } = await store.ledger.renormalize(unit, rows)
      return duplicateOf
    }),
  )
  await both((store) => inUnit(store, (unit) => store.ledger.append(unit, given, GUARDS)))
  await both((store) => inUnit(store, (unit) => store.ledger.endRenormalize(unit)))
  if (stage !== 'filling') return
  while (!(await inUnit(tiered, (unit) => tiered.tiers.fill(unit, 1)))) await same()
  await same()
}
