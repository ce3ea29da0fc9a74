/** Contract of hints, merges and the change feed (spec 04 §3). */
import assert from 'node:assert/strict'
import { IdentityError } from '../../errors.ts'
import type { HintRow, Store } from '../../ports/store.ts'
import { type Contract, drain, inUnit, unitOf, withStore } from './backend.ts'
import { at, event } from './fixtures.ts'

const hint = (value: string, entityId: string, hintType = 'email', entityType = 'member'): HintRow => ({
  entityType,
  hintType,
  value,
  entityId,
})
const insert = (store: Store, rows: readonly HintRow[]): Promise<void> =>
  inUnit(store, (unit) => store.identity.insert(unit, rows))

export function identityContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`identity on ${backend.name}`, () => {
    test('finds hints by type, field and value together', async (store) => {
      await insert(store, [hint('a', '1'), hint('a', '2', 'phone'), hint('a', '3', 'email', 'loan'), hint('', '4')])
      const keys = [hint('a', ''), hint('a', '', 'phone'), hint('a', '', 'email', 'loan'), hint('b', ''), hint('A', '')]
      assert.deepEqual(await store.identity.lookup(null, keys), ['1', '2', '3', undefined, undefined])
      assert.deepEqual(await store.identity.lookup(null, [hint('', '')]), ['4'])
      assert.deepEqual(await store.identity.lookup(null, []), [])
    })

    test('a hint that exists keeps its id', async (store) => {
      await insert(store, [hint('a', '1')])
      await insert(store, [hint('a', '2'), hint('b', '2')])
      assert.deepEqual(await store.identity.lookup(null, [hint('a', ''), hint('b', '')]), ['1', '2'])
    })

    test('a unit of work sees its own hints, others do not before the commit', async (store) => {
      await assert.rejects(
        inUnit(store, async (unit) => {
          await store.identity.insert(unit, [hint('a', '1')])
          assert.deepEqual(await store.identity.lookup(unit, [hint('a', '')]), ['1'])
          throw new Error('no')
        }),
        { message: 'no' },
      )
      assert.deepEqual(await store.identity.lookup(null, [hint('a', '')]), [undefined])
    })

    test('lists hints of an entity, entities of a value, and everything', async (store) => {
      await store.transaction((tx) =>
        store.identity.insert(unitOf(tx, 'v1', at('2024-01-02T00:00:00Z')), [hint('x', '1'), hint('a', '1')]),
      )
      await store.transaction((tx) =>
        store.identity.insert(unitOf(tx, 'v1', at('2024-01-01T00:00:00Z')), [
          hint('x', '2', 'phone'),
          hint('x', '3', 'no', 'loan'),
        ]),
      )
      assert.deepEqual(await store.identity.hintsFor('1'), { email: ['a', 'x'] })
      assert.deepEqual(await store.identity.hintsFor('9'), {})
      const oldestFirst = [hint('x', '3', 'no', 'loan'), hint('x', '2', 'phone'), hint('x', '1')]
      assert.deepEqual(await store.identity.lookupAll('x'), oldestFirst)
      assert.deepEqual(await store.identity.lookupAll('x', { entityType: 'member' }), oldestFirst.slice(1))
      assert.deepEqual(await store.identity.lookupAll('x', { hintType: 'phone' }), [oldestFirst[1]])
      for (const chunk of [1, 3, 100]) {
        assert.deepEqual(await drain(store.identity.all(chunk)), [
          hint('x', '3', 'no', 'loan'),
          hint('a', '1'),
          hint('x', '1'),
          hint('x', '2', 'phone'),
        ])
      }
    })

    test('hints of any text stay apart', async (store) => {
      const values = [
        '\ud800',
        '\udc00',
        '\ufffd',
        'a\u0000',
        'a',
        '\uffff',
        '\uffff"\\ud800"',
        ' a',
        'é',
        'e\u0301',
        "'",
      ]
      await insert(
        store,
        values.map((value, i) => hint(value, `id ${i}`)),
      )
      assert.deepEqual(
        await store.identity.lookup(
          null,
          values.map((value) => hint(value, '')),
        ),
        values.map((_, i) => `id ${i}`),
      )
      for (const chunk of [1, 4, 100]) {
        const all = await drain(store.identity.all(chunk))
        assert.deepEqual(new Set(all.map((row) => row.value)), new Set(values))
      }
      assert.deepEqual(await store.identity.hintsFor('id 0'), { email: ['\ud800'] })
      assert.equal((await store.identity.lookupAll('\ud800')).length, 1)
    })

    test('a merge moves hints and mappings, is logged once, and repeats without effect', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('e1'), event('e2'), event('e3')])
        await store.identity.insert(unit, [hint('a', 'old'), hint('b', 'new')])
        await store.mapping.write(
          unit,
          [
            [1, 'old'],
            [2, 'old'],
            [2, 'new'],
            [3, 'new'],
          ].map(([sequence, entityId]) => ({
            sequence: sequence as number,
            entityId: entityId as string,
            entityType: 'member',
          })),
        )
      })
      const merge = () => inUnit(store, (unit) => store.identity.merge(unit, 'member', 'old', 'new', 'shared card'))
      assert.equal(await merge(), 2)
      assert.equal(await merge(), 0)
      assert.deepEqual(await store.identity.hintsFor('new'), { email: ['a', 'b'] })
      assert.deepEqual(await store.identity.hintsFor('old'), {})
      assert.deepEqual(
        (await store.ledger.eventsFor('new')).map((e) => e.sequence),
        [1, 2, 3],
      )
      assert.deepEqual(await store.ledger.eventsFor('old'), [])
      const [logged, ...more] = await store.identity.mergesInto('new')
      assert.deepEqual([logged?.from, logged?.into, logged?.reason, more.length], ['old', 'new', 'shared card', 0])
      assert.deepEqual(await store.identity.changes(null, 0), [
        { changeSeq: 1, kind: 'merge', entityId: 'old', intoEntityId: 'new' },
      ])
      assert.deepEqual(await store.identity.changes(null, 1), [])
    })

    test('an entity is not merged into itself', async (store) => {
      await assert.rejects(
        inUnit(store, (unit) => store.identity.merge(unit, 'member', 'a', 'a', 'test')),
        IdentityError,
      )
    })

    test('chains of merges end at one survivor', async (store) => {
      await insert(store, [hint('a', '1'), hint('b', '2'), hint('c', '3')])
      await inUnit(store, (unit) => store.identity.merge(unit, 'member', '3', '2', 'test'))
      await inUnit(store, (unit) => store.identity.merge(unit, 'member', '2', '1', 'test'))
      for (const id of ['1', '2', '3', 'unknown']) {
        assert.equal(await store.identity.survivorOf(id), id === 'unknown' ? id : '1')
      }
      assert.deepEqual(
        (await store.identity.mergesInto('1')).map((m) => m.from),
        ['2'],
      )
    })

    test('a reset replaces hints, drops mappings and is announced once', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('e1')])
        await store.identity.insert(unit, [hint('a', '1'), hint('b', '2'), hint('c', '4')])
        await store.mapping.write(unit, [{ sequence: 1, entityId: '1', entityType: 'member' }])
        await store.identity.merge(unit, 'member', '4', '1', 'before')
      })
      function* next(): Iterable<HintRow> {
        yield hint('a', '1')
        yield hint('b', '1')
        yield hint('c', '4')
      }
      await inUnit(store, (unit) =>
        store.identity.reset(unit, next(), [{ entityType: 'member', from: '2', into: '1' }]),
      )
      assert.deepEqual(await drain(store.identity.all()), [...next()])
      assert.deepEqual(await store.identity.hintsFor('1'), { email: ['a', 'b'] })
      assert.deepEqual(await store.mapping.existing(null, ['1']), new Set())
      assert.equal(await store.identity.survivorOf('2'), '1')
      // An id that has hints again is alive.
      assert.equal(await store.identity.survivorOf('4'), '4')
      const changes = await store.identity.changes(null, 1)
      assert.deepEqual(
        changes.map((change) => change.kind),
        ['reset'],
      )
    })

    test('a family is the survivor and whoever was merged into it, at whatever distance', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('e1'), event('e2')])
        await store.identity.insert(unit, [
          hint('a', '1'),
          hint('b', '2'),
          hint('c', '3'),
          hint('d', '4'),
          hint('e', '9'),
        ])
        await store.mapping.write(unit, [{ sequence: 1, entityId: '1', entityType: 'member' }])
        await store.mapping.write(unit, [{ sequence: 2, entityId: '7', entityType: 'loan' }])
        for (const [from, into] of [
          ['3', '2'],
          ['2', '1'],
          ['4', '1'],
        ] as const) {
          await store.identity.merge(unit, 'member', from, into, 'test')
        }
      })
      const whole = ['1', '2', '3', '4'].map((id) => ({ id, type: 'member' }))
      for (const id of ['1', '2', '3', '4']) assert.deepEqual(await store.identity.family(null, id), whole)
      assert.deepEqual(await inUnit(store, (unit) => store.identity.family(unit, '3')), whole)
      // One that relationships alone reserved, and one that has events but no hints.
      assert.deepEqual(await store.identity.family(null, '9'), [{ id: '9', type: 'member' }])
      assert.deepEqual(await store.identity.family(null, '7'), [{ id: '7', type: 'loan' }])
      assert.deepEqual(await store.identity.family(null, 'nobody'), [])
    })

    test('erasing takes hints, mappings and merges, and leaves one change for each id', async (store) => {
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('e1'), event('e2')])
        await store.identity.insert(unit, [hint('a', '1'), hint('b', '2'), hint('c', '3')])
        await store.mapping.write(unit, [
          { sequence: 1, entityId: '1', entityType: 'member' },
          { sequence: 1, entityId: '3', entityType: 'member' },
          { sequence: 2, entityId: '2', entityType: 'member' },
        ])
        await store.identity.merge(unit, 'member', '2', '1', 'test')
      })
      const done = await inUnit(store, (unit) => store.identity.erase(unit, ['1', '2', '1']))
      assert.deepEqual(done, { hints: 2, mappings: 2, mergeLog: 1 })
      assert.deepEqual(await drain(store.identity.all()), [hint('c', '3')])
      assert.deepEqual(await store.mapping.existing(null, ['1', '2', '3']), new Set(['3']))
      assert.deepEqual(await store.identity.mergesInto('1'), [])
      assert.deepEqual(await store.identity.family(null, '2'), [])
      assert.deepEqual(
        (await store.identity.changes(null, 1)).map(({ kind, entityId }) => [kind, entityId]),
        [
          ['erase', '1'],
          ['erase', '2'],
        ],
      )
      assert.deepEqual(await inUnit(store, (unit) => store.identity.erase(unit, [])), {
        hints: 0,
        mappings: 0,
        mergeLog: 0,
      })
      assert.equal((await store.identity.changes(null, 0)).length, 3)
    })

    test('tokens stand for values, are found, and survive a reset', async (store) => {
      const token = 'f'.repeat(64)
      const other = 'e'.repeat(64)
      await insert(store, [hint('a', '1'), hint('b', '1', 'phone'), hint('c', '2'), hint('d', '3')])
      assert.equal(await store.identity.hasTokens(null), false)
      const redact = (sticky: boolean) =>
        inUnit(store, (unit) => store.identity.redact(unit, [{ ...hint('a', '1'), token }], sticky))
      assert.equal(await redact(false), 1)
      assert.equal(await redact(false), 0)
      assert.equal(
        await inUnit(store, (unit) => store.identity.redact(unit, [{ ...hint('c', '2'), token: other }], true)),
        1,
      )
      assert.equal(await store.identity.hasTokens(null), true)
      const tokens = (options?: { sticky?: boolean }) => store.identity.tokens(null, ['a', token, other], options)
      const [plain, sticky] = [hint(token, '1'), hint(other, '2')]
      assert.deepEqual(new Set(await tokens()), new Set([plain, sticky]))
      assert.deepEqual(await tokens({ sticky: true }), [sticky])
      assert.deepEqual(await store.identity.tokens(null, []), [])
      assert.deepEqual(await store.identity.hintsOf(null, ['1', '3', 'nobody']), [
        { ...hint('d', '3'), redacted: false },
        { ...plain, redacted: true },
        { ...hint('b', '1', 'phone'), redacted: false },
      ])
      assert.deepEqual(await store.identity.lookup(null, [hint('a', ''), hint(token, '')]), [undefined, '1'])
      // The value again, beside its token: it is the same hint.
      await insert(store, [hint('a', '1')])
      assert.equal(await redact(true), 1)
      assert.equal(await redact(true), 0)
      assert.deepEqual(new Set(await tokens({ sticky: true })), new Set([plain, sticky]))

      const next = [hint('d', '3'), hint(other, '2'), hint(token, '1', 'mail'), hint('b', '1', 'phone')]
      await inUnit(store, (unit) => store.identity.reset(unit, next, []))
      // A token is one under whatever name the field has now.
      assert.deepEqual(new Set(await tokens({ sticky: true })), new Set([sticky, hint(token, '1', 'mail')]))
      assert.deepEqual(
        (await store.identity.hintsOf(null, ['1', '2', '3'])).map(({ value, redacted }) => [value, redacted]),
        [
          ['d', false],
          [other, true],
          [token, true],
          ['b', false],
        ],
      )
    })
  })
}
