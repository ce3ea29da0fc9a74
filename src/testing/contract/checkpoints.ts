/** Contract of entity checkpoints (spec 04 §4.10). */
import assert from 'node:assert/strict'
import type { Checkpoint, Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { at, day, prepareVersion } from './fixtures.ts'

const checkpoint = (id: string, options: Partial<Checkpoint> = {}): Checkpoint => ({
  id,
  type: 'member',
  body: `{"state":"${id}"}`,
  generation: 0,
  revision: 1,
  appliedUpto: 5,
  nextDue: null,
  ...options,
})

export function checkpointContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await inUnit(store, (unit) => prepareVersion(store, unit))
        await work(store)
      }),
    )
  const save = (store: Store, ...checkpoints: Checkpoint[]): Promise<void> =>
    inUnit(store, (unit) => store.checkpoints.save(unit, 'live', checkpoints))

  api.describe(`checkpoints on ${backend.name}`, () => {
    test('come back as saved, the last one counts, unknown ids are missing', async (store) => {
      const first = checkpoint('a', { nextDue: day(3).toString(), generation: 2, revision: 7, body: '{"a":"ä"}' })
      await save(store, first, checkpoint('b'))
      const again = checkpoint('b', { type: 'loan', appliedUpto: 9 })
      await save(store, again)
      const many = Array.from({ length: 50_000 }, (_, i) => `id ${i}`)
      assert.deepEqual(
        await store.checkpoints.load(null, 'v1', ['b', ...many, 'a']),
        new Map([
          ['b', again],
          ['a', first],
        ]),
      )
      assert.deepEqual(await store.checkpoints.load(null, 'v1', []), new Map())
    })

    test('removal and counts', async (store) => {
      await save(store, checkpoint('a'), checkpoint('b'), checkpoint('c', { type: 'loan' }))
      await inUnit(store, (unit) => store.checkpoints.remove(unit, ['a', 'nobody']))
      assert.deepEqual([...(await store.checkpoints.load(null, 'v1', ['a', 'b'])).keys()], ['b'])
      assert.deepEqual(await store.checkpoints.count('v1'), [
        { entityType: 'loan', entities: 1 },
        { entityType: 'member', entities: 1 },
      ])
    })

    test('due ids come earliest first, strictly before the instant, up to the limit', async (store) => {
      const due = (id: string, text: string | null): Checkpoint =>
        checkpoint(id, { nextDue: text === null ? null : at(text).toString() })
      await save(
        store,
        due('c', '2024-01-03T00:00:00Z'),
        due('never', null),
        due('b', '2024-01-02T00:00:00.000001Z'),
        due('a', '2024-01-02T00:00:00Z'),
        due('z', '2024-01-02T00:00:00Z'),
      )
      const ids = (before: string, limit = 10): Promise<string[]> =>
        store.checkpoints.due(null, 'v1', at(before), limit)
      assert.deepEqual(await ids('2024-01-02T00:00:00Z'), [])
      assert.deepEqual(await ids('2024-01-02T00:00:00.000001Z'), ['a', 'z'])
      assert.deepEqual(await ids('2025-01-01T00:00:00Z'), ['a', 'z', 'b', 'c'])
      assert.deepEqual(await ids('2025-01-01T00:00:00Z', 2), ['a', 'z'])
      await inUnit(store, async (unit) => {
        await store.checkpoints.save(unit, 'live', [due('a', null)])
        assert.deepEqual(await store.checkpoints.due(unit, 'v1', at('2025-01-01T00:00:00Z'), 9), ['z', 'b', 'c'])
      })
    })

    test('a version without tables has none', async (store) => {
      assert.deepEqual(await store.checkpoints.load(null, 'other', ['a']), new Map())
      assert.deepEqual(await store.checkpoints.due(null, 'other', day(1), 5), [])
      assert.deepEqual(await store.checkpoints.count('other'), [])
    })
  })
}
