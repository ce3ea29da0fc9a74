/** Contract of ledger rows that are emptied or treated, and of events that come again (spec 05 §4.2, §5). */
import assert from 'node:assert/strict'
import type { NormalizedEvent } from '../../core/event.ts'
import type { AppendGuards, Store, TreatedRow } from '../../ports/store.ts'
import { type Contract, drain, inUnit, withStore } from './backend.ts'
import { day, event } from './fixtures.ts'

const digestOf = (eventId: string): string => `digest of ${eventId}`

/** Refuses what was erased; nothing is treated. */
const REFUSING: AppendGuards = {
  digestOf,
  treated: () => assert.fail('nothing has to be treated'),
}

const append = (store: Store, ids: readonly string[], guards?: AppendGuards) =>
  inUnit(store, (unit) =>
    store.ledger.append(
      unit,
      ids.map((id) => event(id)),
      guards,
    ),
  )
const empty = (store: Store, rows: readonly (readonly [sequence: number, digest: string | null])[]) =>
  inUnit(store, (unit) =>
    store.ledger.empty(
      unit,
      rows.map(([sequence, digest]) => ({ sequence, digest })),
    ),
  )
const added = (sequence: number) => ({ sequence, inserted: true })
const known = (sequence: number) => ({ sequence, inserted: false })
const sequencesOf = (rows: readonly { readonly sequence: number }[]): number[] => rows.map(({ sequence }) => sequence)

/** e1 … e8 at ever earlier times, from two sources, for two entities; 4 repeats 2, 6 is excluded. */
export async function fillForPrivacy(store: Store): Promise<void> {
  const events = Array.from({ length: 8 }, (_, i): NormalizedEvent => {
    const source = i % 3 === 2 ? 'app' : 'kiosk'
    const hintsJson = `{"m":{"k":"${i}"}}`
    return event(`e${i + 1}`, { timestamp: day(8 - i), source, dataJson: `{"n":${i}}`, hintsJson })
  })
  await inUnit(store, (unit) => store.ledger.append(unit, events))
  await inUnit(store, async (unit) => {
    await store.ledger.beginRenormalize(unit)
    await store.ledger.renormalize(unit, [
      { sequence: 4, event: { ...(events[3] as NormalizedEvent), eventId: 'e2' } },
      { sequence: 6, event: null },
    ])
    await store.ledger.endRenormalize(unit)
    const members = [1, 2, 3, 5, 7, 8].map((sequence) => ({
      sequence,
      entityId: sequence % 2 === 0 ? 'even' : 'odd',
      entityType: 'm',
    }))
    await store.mapping.write(unit, members)
  })
}

const TREATED: TreatedRow = {
  sequence: 3,
  data: '{"n":null,"t":"[REDACTED]"}',
  raw: '{"id" : "[REDACTED]"}',
  hints: '{"m":{"k":"token"}}',
  kinds: '{"t":"t"}',
  redaction: '{"v":1,"raw":["id"],"data":["t"],"hints":{"m":{"k":"token"}}}',
}

export function privacyLedgerContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await fillForPrivacy(store)
        await work(store)
      }),
    )

  api.describe(`erased and redacted rows on ${backend.name}`, () => {
    test('an emptied row is nowhere any more, and its sequence stays', async (store) => {
      const { ledger } = store
      assert.equal(
        await empty(store, [
          [2, null],
          [4, null],
          [7, null],
          [99, null],
        ]),
        3,
      )
      const all = await drain(ledger.scan({ after: 0, to: 8, all: true }))
      assert.deepEqual(sequencesOf(all), [1, 3, 5, 6, 8])
      assert.deepEqual(sequencesOf(await drain(ledger.scan({ after: 0, to: 8 }))), [1, 3, 5, 8])
      assert.deepEqual(sequencesOf(await drain(ledger.replay({ from: 1 }))), [8, 5, 3, 1])
      assert.deepEqual(sequencesOf(await drain(ledger.replay({ from: 1, includeDuplicates: true }))), [8, 5, 3, 1])
      assert.deepEqual(sequencesOf(await drain(ledger.rows([8, 7, 4, 2, 1, 1, 99]))), [1, 8])
      for (const rows of [
        await ledger.mappedRange(null, { after: 0, to: 8 }),
        await ledger.mappedFor(null, ['even', 'odd'], 8),
        await drain(ledger.mappedByEntity({ afterEntity: null, to: 8 })),
      ]) {
        assert.deepEqual(sequencesOf(rows), [8, 5, 3, 1])
      }
      assert.deepEqual(sequencesOf(await ledger.eventsFor('even')), [8])
      assert.deepEqual([...(await ledger.raws([1, 2, 7])).keys()], [1])
      for (const ref of [{ sequence: 2 }, { sequence: 7 }, { eventId: 'e2' }, { eventId: 'e7' }]) {
        assert.equal(await ledger.event(ref), undefined)
      }
      assert.equal(await ledger.head(), 8)
      assert.deepEqual(await append(store, ['e8', 'e9']), [known(8), added(9)])
    })

    test('counts are those of the rows that are left', async (store) => {
      const { ledger } = store
      await empty(store, [
        [2, null],
        [4, null],
        [7, null],
        [3, null],
      ])
      assert.deepEqual(
        await Promise.all([ledger.count(), ledger.count({ source: 'kiosk' }), ledger.count({ source: 'app' })]),
        [4, 3, 1],
      )
      assert.deepEqual(await Promise.all([0, 1, 5, 7, 8].map((cursor) => ledger.countAfter(cursor))), [3, 2, 1, 1, 0])
    })

    test('emptying again is nothing', async (store) => {
      assert.equal(
        await empty(store, [
          [1, null],
          [2, 'd'],
        ]),
        2,
      )
      assert.equal(
        await empty(store, [
          [1, null],
          [2, null],
          [3, null],
          [3, null],
        ]),
        1,
      )
      assert.equal(await store.ledger.count(), 5)
      assert.equal(await empty(store, []), 0)
      assert.equal(await store.ledger.count({ source: 'app' }), 1)
    })

    test('what a unit emptied and did not commit is there', async (store) => {
      const before = await drain(store.ledger.scan({ after: 0, to: 8, all: true }))
      await assert.rejects(
        inUnit(store, async (unit) => {
          await store.ledger.empty(unit, [{ sequence: 2, digest: digestOf('e2') }])
          await store.ledger.treat(unit, [TREATED])
          await store.ledger.guard(unit, { suppressing: true, treating: true })
          throw new Error('no')
        }),
        { message: 'no' },
      )
      assert.deepEqual(await drain(store.ledger.scan({ after: 0, to: 8, all: true })), before)
      assert.equal(await store.ledger.count(), 8)
      const guards = { digestOf: () => assert.fail('nothing is refused'), treated: REFUSING.treated }
      assert.deepEqual(await append(store, ['e2', 'x'], guards), [known(2), added(9)])
    })

    test('an erased event may come again as a new one', async (store) => {
      await empty(store, [
        [2, null],
        [4, null],
      ])
      assert.deepEqual(await append(store, ['e2', 'e2', 'e4'], REFUSING), [added(9), known(9), added(10)])
      assert.equal((await store.ledger.event({ eventId: 'e2' }))?.sequence, 9)
    })

    test('an erased event is refused where its digest was kept', async (store) => {
      await inUnit(store, async (unit) => {
        // A repeat has the digest of what it repeats.
        const rows = [2, 4].map((sequence) => ({ sequence, digest: digestOf('e2') }))
        assert.equal(await store.ledger.empty(unit, rows), 2)
        await store.ledger.guard(unit, { suppressing: true })
      })
      await empty(store, [[7, digestOf('e7')]])
      assert.deepEqual(await append(store, ['e2', 'e7', 'x', 'e2', 'x', 'e1'], REFUSING), [
        known(2),
        known(7),
        added(9),
        known(2),
        known(9),
        known(1),
      ])
      // Many at once take another way on some databases.
      const many = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 'e7' : `new ${i}`))
      const results = await append(store, many, REFUSING)
      assert.deepEqual(
        results.filter(({ inserted }) => !inserted),
        Array.from({ length: 10 }, () => known(7)),
      )
      assert.equal(await store.ledger.head(), 99)
      assert.equal(await store.ledger.event({ eventId: digestOf('e2') }), undefined)
      assert.deepEqual(await drain(store.ledger.rows([2, 4, 7])), [])
      assert.deepEqual(await store.ledger.raws([2]), new Map())
      // Nobody asks: nothing is refused.
      assert.deepEqual(await append(store, ['e2']), [added(100)])
    })

    test('a digest can be kept later, and is kept for good', async (store) => {
      await empty(store, [
        [2, null],
        [4, null],
      ])
      await inUnit(store, (unit) => store.ledger.guard(unit, { suppressing: true }))
      await inUnit(store, (unit) => store.ledger.guard(unit, {}))
      assert.equal(
        await empty(store, [
          [4, digestOf('e2')],
          [2, digestOf('e2')],
        ]),
        0,
      )
      assert.equal(
        await empty(store, [
          [2, null],
          [4, null],
          [4, 'another'],
        ]),
        0,
      )
      const [result] = await append(store, ['e2'], REFUSING)
      assert.equal(result?.inserted, false)
      assert.ok(result.sequence === 2 || result.sequence === 4)
      assert.equal(await store.ledger.count(), 6)
    })

    test('while rows are renormalized, erased events are refused and tombstones stay', async (store) => {
      const { ledger } = store
      await inUnit(store, (unit) => ledger.beginRenormalize(unit))
      await inUnit(store, async (unit) => {
        await ledger.renormalize(unit, [{ sequence: 1, event: event('e1') }])
        await ledger.empty(unit, [
          { sequence: 1, digest: digestOf('e1') },
          { sequence: 2, digest: digestOf('e2') },
          { sequence: 4, digest: digestOf('e2') },
          { sequence: 6, digest: null },
        ])
        await ledger.guard(unit, { suppressing: true })
      })
      // Another row keeps its id for now.
      assert.deepEqual(await append(store, ['e1', 'e2', 'e3'], REFUSING), [known(1), known(2), added(9)])
      const { changed } = await inUnit(store, (unit) =>
        ledger.renormalize(
          unit,
          [1, 2, 4, 6].map((sequence) => ({ sequence, event: sequence === 6 ? null : event(`e${sequence}`) })),
        ),
      )
      assert.equal(changed, 0)
      await inUnit(store, (unit) => ledger.updateHints(unit, [{ sequence: 2, hintsJson: '{"m":{"k":"1"}}' }]))
      await inUnit(store, (unit) => ledger.endRenormalize(unit))
      const all = await drain(ledger.scan({ after: 0, to: 9, all: true }))
      assert.deepEqual(
        all.map((row) => [row.sequence, row.duplicateOf]),
        [
          [3, null],
          [5, null],
          [7, null],
          [8, null],
        ],
      )
      assert.deepEqual(await append(store, ['e1', 'e2'], REFUSING), [known(1), known(2)])
      assert.equal(await ledger.count(), 4)
      assert.equal(await ledger.countAfter(0), 4)
    })

    test('a repeat that stays has its turn when what it repeats was erased', async (store) => {
      const { ledger } = store
      await inUnit(store, (unit) => ledger.beginRenormalize(unit))
      assert.deepEqual(await append(store, ['e1']), [added(9)])
      await empty(store, [[1, null]])
      await inUnit(store, (unit) => ledger.endRenormalize(unit))
      assert.equal((await ledger.event({ eventId: 'e1' }))?.sequence, 9)
    })

    test('a treated row keeps what it is, with another content', async (store) => {
      const { ledger } = store
      const before = await ledger.event({ sequence: 3 })
      await inUnit(store, (unit) => ledger.treat(unit, [TREATED]))
      const { sequence: _, ...content } = TREATED
      assert.deepEqual(await ledger.event({ eventId: 'e3' }), { ...before, ...content })
      const [whole] = await drain(ledger.rows([3]))
      assert.deepEqual(whole, { ...before, ...content })
      const [scanned] = await drain(ledger.scan({ after: 2, to: 3, raw: false }))
      assert.deepEqual(scanned, { ...before, ...content, raw: '' })
      const [inside] = await inUnit(store, (unit) => drain(ledger.scan({ unit, after: 2, to: 3, raw: false })))
      assert.equal(inside?.redaction, TREATED.redaction)
      const [replayed] = await drain(ledger.replay({ from: 3, to: 3 }))
      assert.deepEqual([JSON.parse(replayed?.data ?? ''), replayed?.kinds], [JSON.parse(TREATED.data), TREATED.kinds])
      assert.equal((await ledger.raws([3])).get(3), TREATED.raw)
      await inUnit(store, (unit) => ledger.treat(unit, []))
    })

    test('texts that a database keeps with effort come back as they were', async (store) => {
      const hard = {
        data: '{"n":1e+21,"t":"a\\u0000b"}',
        hints: '{"m":{"k":"\\u0000"}}',
        raw: '{ "a":[1.0,"\\u0000"] }',
      }
      await inUnit(store, (unit) => store.ledger.treat(unit, [{ ...TREATED, ...hard, kinds: null }]))
      const row = await store.ledger.event({ sequence: 3 })
      assert.deepEqual({ data: row?.data, hints: row?.hints, raw: row?.raw }, hard)
      assert.equal(row?.kinds, null)
    })

    test('tombstones are not treated, and treated rows can be emptied', async (store) => {
      await empty(store, [[3, null]])
      await inUnit(store, (unit) => store.ledger.treat(unit, [TREATED, { ...TREATED, sequence: 5 }]))
      assert.equal(await store.ledger.event({ sequence: 3 }), undefined)
      assert.equal((await store.ledger.event({ sequence: 5 }))?.redaction, TREATED.redaction)
      assert.equal(await empty(store, [[5, null]]), 1)
      assert.deepEqual(sequencesOf(await drain(store.ledger.scan({ after: 0, to: 8, all: true }))), [1, 2, 4, 6, 7, 8])
    })

    test('renormalizing leaves the note of a treated row alone, unless it makes one itself', async (store) => {
      const { ledger } = store
      await inUnit(store, (unit) => ledger.treat(unit, [TREATED]))
      await inUnit(store, (unit) => ledger.renormalize(unit, [{ sequence: 3, event: event('e3') }]))
      assert.equal((await ledger.event({ sequence: 3 }))?.redaction, TREATED.redaction)
      const redactionJson = '{"v":1,"raw":[],"data":[],"hints":{}}'
      const before = await ledger.event({ sequence: 3 })
      await inUnit(store, (unit) =>
        ledger.renormalize(unit, [{ sequence: 3, event: event('e3', { redactionJson }), ...(before && { before }) }]),
      )
      assert.equal((await ledger.event({ sequence: 3 }))?.redaction, redactionJson)
    })

    test('events are treated on arrival once that is asked for', async (store) => {
      const seen: string[][] = []
      const guards: AppendGuards = {
        digestOf: () => assert.fail('nothing is refused'),
        async treated(unit, events) {
          // Under the head lock: nothing is added meanwhile.
          assert.equal(await store.mapping.entityType('odd'), 'm')
          assert.ok(unit.tx)
          seen.push(events.map(({ eventId }) => eventId))
          return events.map((one) =>
            one.eventId === 'x' ? { ...one, dataJson: '{"t":null}', redactionJson: TREATED.redaction } : one,
          )
        },
      }
      assert.deepEqual(await append(store, ['w'], guards), [added(9)])
      await inUnit(store, (unit) => store.ledger.guard(unit, { treating: true }))
      assert.deepEqual(await append(store, ['x', 'e1', 'y'], guards), [added(10), known(1), added(11)])
      assert.deepEqual(seen, [['x', 'e1', 'y']])
      const [x, y] = await drain(store.ledger.rows([10, 11]))
      assert.deepEqual([x?.data, x?.redaction, y?.redaction], ['{"t":null}', TREATED.redaction, null])
      // Many at once take another way on some databases.
      const many = Array.from({ length: 99 }, (_, i) => `m${i}`)
      await append(store, [...many, 'x2'], guards)
      const last = event('x3', { redactionJson: TREATED.redaction })
      await inUnit(store, (unit) => store.ledger.append(unit, [...many.map((id) => event(`n${id}`)), last]))
      assert.equal((await store.ledger.event({ eventId: 'x3' }))?.redaction, TREATED.redaction)
      assert.equal((await store.ledger.event({ eventId: 'x2' }))?.redaction, null)
    })

    test('repeats and excluded rows are found', async (store) => {
      const { ledger } = store
      assert.deepEqual(await ledger.repeatsOf(null, [1, 2, 3, 2]), [4])
      assert.deepEqual(await inUnit(store, (unit) => ledger.repeatsOf(unit, [2])), [4])
      assert.deepEqual(await ledger.repeatsOf(null, [1, 4, 99]), [])
      assert.deepEqual(await ledger.repeatsOf(null, []), [])
      assert.deepEqual(await drain(ledger.excluded()), [6])
      await empty(store, [
        [4, null],
        [6, digestOf('e6')],
      ])
      assert.deepEqual(await ledger.repeatsOf(null, [1, 2, 3]), [])
      assert.deepEqual(await drain(ledger.excluded()), [])
    })

    test('many rows are handed on in parts, in order', async (store) => {
      await append(
        store,
        Array.from({ length: 2500 }, (_, i) => `many ${i}`),
      )
      const wanted = Array.from({ length: 1200 }, (_, i) => 2508 - i * 2)
      const chunks: number[][] = []
      for await (const rows of store.ledger.rows(wanted)) chunks.push(sequencesOf(rows))
      assert.deepEqual(chunks.flat(), wanted.toReversed())
      assert.ok(chunks.length > 1)
    })
  })
}
