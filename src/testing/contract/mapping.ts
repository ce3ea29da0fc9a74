/** Contract of mappings and of the reads that go through them (spec 04 §2.2, §2.4). */
import assert from 'node:assert/strict'
import type { EntityMapping, MappedRow, Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { day, event } from './fixtures.ts'

const mapping = (sequence: number, entityId: string): EntityMapping => ({ sequence, entityId, entityType: 'member' })
const keys = (rows: readonly MappedRow[]): string[] => rows.map((row) => `${row.entityId} ${row.eventId}`)

/** Five events, later sequences earlier in time, mapped to three entities. */
async function fill(store: Store): Promise<void> {
  await inUnit(store, async (unit) => {
    await store.ledger.append(
      unit,
      [5, 4, 3, 3, 1].map((n, i) => event(`e${i + 1}`, { timestamp: day(n) })),
    )
    await store.mapping.write(unit, [
      mapping(1, 'b'),
      mapping(2, 'a'),
      mapping(3, 'b'),
      mapping(4, 'b'),
      mapping(5, 'c'),
    ])
    await store.mapping.write(unit, [mapping(1, 'b'), { sequence: 1, entityId: 'loan', entityType: 'loan' }])
  })
}

export function mappingContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`mappings on ${backend.name}`, () => {
    test('a range comes by entity, time and sequence', async (store) => {
      await fill(store)
      const all = ['a e2', 'b e3', 'b e4', 'b e1', 'c e5', 'loan e1']
      assert.deepEqual(keys(await store.ledger.mappedRange(null, { after: 0, to: 5 })), all)
      assert.deepEqual(keys(await store.ledger.mappedRange(null, { after: 1, to: 3 })), ['a e2', 'b e3'])
      assert.deepEqual(await store.ledger.mappedRange(null, { after: 5, to: 9 }), [])
      const [first] = await store.ledger.mappedRange(null, { after: 4, to: 5 })
      assert.deepEqual(first, {
        sequence: 5,
        eventId: 'e5',
        eventType: 'joined',
        timestamp: day(1).toString(),
        source: 'kiosk',
        data: '{}',
        kinds: null,
        entityId: 'c',
        entityType: 'member',
      })
    })

    test('a unit of work sees its own mappings', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('a')])
        await store.mapping.write(unit, [mapping(1, 'm')])
        assert.deepEqual(keys(await store.ledger.mappedRange(unit, { after: 0, to: 1 })), ['m a'])
        assert.deepEqual(keys(await store.ledger.mappedFor(unit, ['m'], 1)), ['m a'])
        assert.deepEqual(await store.mapping.existing(unit, ['m']), new Set(['m']))
      })
    })

    test('all events of chosen entities up to a sequence', async (store) => {
      await fill(store)
      assert.deepEqual(keys(await store.ledger.mappedFor(null, ['c', 'b', 'b', 'nobody'], 3)), ['b e3', 'b e1'])
      assert.deepEqual(await store.ledger.mappedFor(null, [], 5), [])
      const many = Array.from({ length: 50_000 }, (_, i) => `id ${i}`)
      assert.deepEqual(keys(await store.ledger.mappedFor(null, [...many, 'a'], 5)), ['a e2'])
    })

    test('everything by entity, in chunks of any size, from any entity on', async (store) => {
      await fill(store)
      for (const chunk of [1, 2, 3, 4, 100]) {
        const all = await drain(store.ledger.mappedByEntity({ afterEntity: null, to: 5, chunk }))
        assert.deepEqual(keys(all), ['a e2', 'b e3', 'b e4', 'b e1', 'c e5', 'loan e1'], `chunk ${chunk}`)
        const rest = await drain(store.ledger.mappedByEntity({ afterEntity: 'b', to: 4, chunk }))
        assert.deepEqual(keys(rest), ['loan e1'], `chunk ${chunk}`)
        const later = await drain(store.ledger.mappedByEntity({ afterEntity: null, after: 2, to: 4, chunk }))
        assert.deepEqual(keys(later), ['b e3', 'b e4'], `chunk ${chunk}`)
      }
    })

    test('a chunk is not much larger than asked for, also within one entity', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(
          unit,
          Array.from({ length: 50 }, (_, i) => event(`e${i}`)),
        )
        await store.mapping.write(
          unit,
          Array.from({ length: 50 }, (_, i) => mapping(i + 1, i < 40 ? 'large' : `small ${i}`)),
        )
      })
      let seen = 0
      for await (const rows of store.ledger.mappedByEntity({ afterEntity: null, to: 50, chunk: 8 })) {
        assert.ok(rows.length <= 16, `${rows.length} rows in a chunk of 8`)
        seen += rows.length
        await inUnit(store, (unit) => store.ledger.append(unit, [event(`more ${seen}`)]))
      }
      assert.equal(seen, 50)
    })

    test('knows which ids own mappings, and their type', async (store) => {
      await fill(store)
      const ids = Array.from({ length: 50_000 }, (_, i) => `id ${i}`)
      assert.deepEqual(await store.mapping.existing(null, [...ids, 'a', 'loan']), new Set(['a', 'loan']))
      assert.deepEqual(await store.mapping.existing(null, []), new Set())
      assert.equal(await store.mapping.entityType('loan'), 'loan')
      assert.equal(await store.mapping.entityType('nobody'), undefined)
    })

    test('events of an entity in order of time', async (store) => {
      await fill(store)
      assert.deepEqual(
        (await store.ledger.eventsFor('b')).map((e) => [e.sequence, e.eventId, e.eventType, e.timestamp]),
        [
          [3, 'e3', 'joined', day(3).toString()],
          [4, 'e4', 'joined', day(3).toString()],
          [1, 'e1', 'joined', day(5).toString()],
        ],
      )
      assert.deepEqual(await store.ledger.eventsFor('nobody'), [])
    })

    test('keeps how far mapping and resets are', async (store) => {
      const fresh = { sourceHash: '', identityHash: '', mappedUpto: 0, buildEpoch: 0, phase: 'idle', phaseCursor: 0 }
      assert.deepEqual(await store.mapping.state(), fresh)
      const next = {
        sourceHash: 's',
        identityHash: 'i',
        mappedUpto: 7,
        buildEpoch: 2,
        phase: 'map',
        phaseCursor: 3,
      } as const
      await inUnit(store, async (unit) => {
        await store.mapping.setState(unit, next)
        assert.deepEqual(await store.mapping.state(unit), next)
      })
      assert.deepEqual(await store.mapping.state(), next)
    })
  })
}
