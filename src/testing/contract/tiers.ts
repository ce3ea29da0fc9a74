/** Contract of the hot side of a tiered ledger (`src/ports/tiers.ts`; spec 07 §4.1). */
import assert from 'node:assert/strict'
import type { NormalizedEvent } from '../../core/event.ts'
import { StorageError } from '../../errors.ts'
import type { ArchiveRow } from '../../ports/archive.ts'
import type { Store, Unit } from '../../ports/store.ts'
import type { EventIdRow, Member, StagedChange, TierState } from '../../ports/tiers.ts'
import { type Backend, type Contract, drain, inUnit, withStore } from './backend.ts'
import { at, day, event } from './fixtures.ts'
import { STAGES, type Stage, tier } from './tiering.ts'

const append = (store: Store, ids: readonly string[]) =>
  inUnit(store, (unit) =>
    store.ledger.append(
      unit,
      ids.map((id) => event(id)),
    ),
  )
const state = async (store: Store): Promise<TierState> => {
  const current = await store.tiers.state()
  assert.ok(current, 'the ledger has one tier')
  return current
}
const put = (store: Store, next: Partial<Omit<TierState, 'filled'>>) =>
  inUnit(store, async (unit) => {
    await store.tiers.lock(unit)
    await store.tiers.put(unit, next)
  })
const prune = (store: Store, to: number) => inUnit(store, (unit) => store.tiers.prune(unit, to))
const sequences = (rows: readonly { sequence: number }[]): number[] => rows.map((row) => row.sequence)
const known = (sequence: number) => ({ sequence, inserted: false })
const added = (sequence: number) => ({ sequence, inserted: true })

const BEGUN: TierState = {
  pruned: 0,
  flushed: 0,
  claimed: 0,
  tableId: null,
  tableVersion: null,
  // An archive that was never changed has recorded number 0.
  job: 1,
  filled: 0,
}

/** Ten events of days 10 to 1; the second source has every third. The id of 4 was that of 2, 6 does not normalize. */
async function fill(store: Store): Promise<void> {
  const events = Array.from({ length: 10 }, (_, i): NormalizedEvent => {
    const source = i % 3 === 2 ? 'app' : 'kiosk'
    return event(`e${i + 1}`, { timestamp: day(10 - i), source, dataJson: `{"n":${i}}`, hintsJson: '{"m":{"k":"v"}}' })
  })
  await inUnit(store, (unit) => store.ledger.append(unit, events))
  await inUnit(store, async (unit) => {
    await store.ledger.beginRenormalize(unit)
    await store.ledger.renormalize(unit, [
      { sequence: 4, event: { ...(events[3] as NormalizedEvent), eventId: 'e2' } },
      { sequence: 6, event: null },
    ])
    await store.ledger.endRenormalize(unit)
    await store.mapping.write(unit, MEMBERS)
  })
}

const member = (sequence: number, entityId: string): Member => ({ sequence, entityId, entityType: 'member' })
/** By sequence; an event of two entities, and events of none. */
const MEMBERS = [member(1, 'b'), member(2, 'a'), member(2, 'c'), member(3, 'b'), member(7, 'b'), member(8, 'c')]
const bySequence = (rows: readonly Member[]): string[] =>
  rows.map(({ sequence, entityId, entityType }) => `${sequence} ${entityId} ${entityType}`).sort()

/** Everything the ledger counts, cut at every sequence. */
async function counts({ ledger }: Store): Promise<unknown> {
  const cuts = Array.from({ length: (await ledger.head()) + 2 }, (_, i) => i)
  return {
    head: await ledger.head(),
    all: await ledger.count(),
    sources: await Promise.all(['app', 'kiosk', 'nobody'].map((source) => ledger.count({ source }))),
    after: await Promise.all(cuts.map((cut) => ledger.countAfter(cut))),
    mapped: await Promise.all(cuts.map((cut) => ledger.countMapped(cut))),
    unmapped: await Promise.all(cuts.flatMap((cut) => [ledger.countUnmapped(0, cut), ledger.countUnmapped(cut, 9)])),
  }
}

/** Runs `work` with two spaces of the same content; the first is tiered as far as `stage`. */
async function withTwins(
  backend: Backend,
  stage: Stage,
  work: (tiered: Store, plain: Store) => Promise<void>,
): Promise<void> {
  await withStore(backend, (plain) =>
    withStore(backend, async (tiered) => {
      for (const store of [tiered, plain]) await fill(store)
      await tier(tiered, stage)
      await work(tiered, plain)
    }),
  )
}

export function tierContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))

  api.describe(`tiers on ${backend.name}`, () => {
    test('a ledger has one tier until it is begun', async (store) => {
      await fill(store)
      assert.equal(await store.tiers.state(), null)
      await inUnit(store, async (unit) => {
        assert.equal(await store.tiers.state(unit), null)
        assert.equal(await store.tiers.lock(unit), null)
      })
      assert.equal(await store.tiers.sequenceOf('e7'), 7)
      assert.equal(await store.tiers.countStaged(), 0)
      assert.equal((await drain(store.tiers.rows({ after: 0, to: 10 }))).length, 10)
      assert.equal(store.archive, null)
    })

    test('begins once, is filled step by step, and is complete', async (store) => {
      await append(store, ['a', 'b', 'c', 'd', 'e'])
      const begin = () => inUnit(store, (unit) => store.tiers.begin(unit))
      const step = () => inUnit(store, (unit) => store.tiers.fill(unit, 2))
      await begin()
      assert.deepEqual(await state(store), BEGUN)
      await append(store, ['f', 'b'])
      assert.equal(await step(), false)
      await begin()
      assert.deepEqual(await state(store), { ...BEGUN, filled: 2 })
      await append(store, ['g', 'c'])
      assert.equal(await step(), false)
      assert.equal((await state(store)).filled, 4)
      assert.equal(await step(), true)
      assert.deepEqual(await state(store), { ...BEGUN, filled: null })
      assert.equal(await step(), true)
      await begin()
      assert.deepEqual(await state(store), { ...BEGUN, filled: null })
      const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
      assert.deepEqual(
        await append(store, [...all, 'h', 'h']),
        [1, 2, 3, 4, 5, 6, 7].map(known).concat(added(8), known(8)),
      )
    })

    test('an empty ledger is filled at once', async (store) => {
      await inUnit(store, (unit) => store.tiers.begin(unit))
      assert.equal(await inUnit(store, (unit) => store.tiers.fill(unit, 1)), true)
      assert.deepEqual(await append(store, ['a', 'a']), [added(1), known(1)])
    })

    test('appends that go on meanwhile are all known afterwards', async (store) => {
      const ids = Array.from({ length: 40 }, (_, i) => `e${i}`)
      await append(store, ids.slice(0, 10))
      await Promise.all([
        ...ids.slice(10, 20).map((id) => append(store, [id])),
        inUnit(store, (unit) => store.tiers.begin(unit)),
        ...ids.slice(20, 30).map((id) => append(store, [id])),
        ...Array.from({ length: 10 }, () => inUnit(store, (unit) => store.tiers.fill(unit, 3))),
        ...ids.slice(30, 40).map((id) => append(store, [id])),
      ])
      await tier(store, 'on')
      await put(store, { claimed: 40, flushed: 40 })
      assert.equal(await prune(store, 40), 40)
      const again = await append(store, ids)
      assert.ok(again.every((result) => !result.inserted))
      assert.deepEqual(
        sequences(again).sort((a, b) => a - b),
        Array.from({ length: 40 }, (_, i) => i + 1),
      )
      assert.deepEqual(await append(store, ['new']), [added(41)])
    })

    for (const stage of STAGES) {
      api.it(`counts and ids are those of a ledger with one tier: ${stage}`, () =>
        withTwins(backend, stage, async (tiered, plain) => {
          const ids = ['e1', 'e2', 'e4', 'e6', 'e7', 'e10', 'e12', 'nobody']
          const same = async (): Promise<void> => {
            assert.deepEqual(await counts(tiered), await counts(plain))
            for (const id of ids) assert.equal(await tiered.tiers.sequenceOf(id), await plain.tiers.sequenceOf(id), id)
          }
          await same()
          // `e4` and `e6` are nobody's ids any more.
          const given = ['e1', 'e4', 'e6', 'e2', 'e10', 'e11', 'e12', 'e12']
          assert.deepEqual(await append(tiered, given), await append(plain, given))
          await same()
        }),
      )
    }

    test('the state changes key by key and outlives the unit', async (store) => {
      await append(store, ['a', 'b', 'c'])
      await tier(store, 'on')
      await inUnit(store, async (unit) => {
        assert.deepEqual(await store.tiers.lock(unit), { ...BEGUN, filled: null })
        await store.tiers.put(unit, { claimed: 3, job: 2 })
        assert.equal((await store.tiers.state(unit))?.claimed, 3)
      })
      await put(store, { flushed: 2, tableId: 'table', tableVersion: 0 })
      const expected = { ...BEGUN, claimed: 3, flushed: 2, job: 2, tableId: 'table', tableVersion: 0, filled: null }
      assert.deepEqual(await state(store), expected)
      await put(store, { tableId: null, tableVersion: null })
      assert.deepEqual(await state(store), { ...expected, tableId: null, tableVersion: null })
    })

    if (backend.shared) {
      api.it('the state and what it says survive reopening', () => reopened(backend))
      api.it('who holds the lock is alone with the state', () => alone(backend))
    }

    test('what a unit did is gone when it is rolled back', async (store) => {
      const rolledBack = (work: (unit: Unit) => Promise<unknown>) =>
        assert.rejects(
          inUnit(store, async (unit) => {
            await work(unit)
            throw new Error('no')
          }),
          { message: 'no' },
        )
      await fill(store)
      await rolledBack((unit) => store.tiers.begin(unit))
      assert.equal(await store.tiers.state(), null)
      await inUnit(store, (unit) => store.tiers.begin(unit))
      await rolledBack((unit) => store.tiers.fill(unit, 100))
      assert.equal((await state(store)).filled, 0)
      await tier(store, 'on')
      const before = await counts(store)
      await rolledBack((unit) => store.ledger.append(unit, [event('new')]))
      await rolledBack((unit) => store.tiers.adopt(unit, [ids(11, 'new')]))
      await rolledBack((unit) => store.tiers.stage(unit, 1, [{ sequence: 1, change: { excluded: true } }]))
      await put(store, { claimed: 10, flushed: 10 })
      await rolledBack((unit) => store.tiers.prune(unit, 10))
      assert.equal((await state(store)).pruned, 0)
      assert.deepEqual(await counts(store), before)
      assert.equal(await store.tiers.countStaged(), 0)
      assert.equal((await drain(store.ledger.scan({ after: 0, to: 10, all: true }))).length, 10)
      assert.deepEqual(await append(store, ['new']), [added(11)])
    })

    test('prunes what is flushed, and nothing else goes with it', async (store) => {
      await fill(store)
      await assert.rejects(prune(store, 1), StorageError)
      await tier(store, 'filling')
      await put(store, { claimed: 5, flushed: 5 })
      await assert.rejects(prune(store, 1), StorageError)
      await tier(store, 'on')
      await assert.rejects(prune(store, 6), StorageError)
      assert.equal(await prune(store, 0), 0)
      assert.equal(await prune(store, 3), 3)
      assert.equal((await state(store)).pruned, 3)
      assert.equal(await prune(store, 5), 2)
      assert.equal(await prune(store, 2), 0)
      assert.equal((await state(store)).pruned, 5)
      assert.deepEqual(sequences(await drain(store.ledger.scan({ after: 0, to: 10, all: true }))), [6, 7, 8, 9, 10])
      assert.deepEqual(bySequence(await store.tiers.membersIn(null, { after: 0, to: 10 })), bySequence(MEMBERS))
      assert.deepEqual(await store.mapping.existing(null, ['a', 'b', 'c']), new Set(['a', 'b', 'c']))
    })

    test('an emptied ledger goes on where it was', async (store) => {
      await append(store, ['a', 'b'])
      await tier(store, 'on')
      await put(store, { claimed: 2, flushed: 2 })
      assert.equal(await prune(store, 2), 2)
      assert.equal(await store.ledger.head(), 2)
      assert.deepEqual(await append(store, ['b', 'c', 'a']), [known(2), added(3), known(1)])
      assert.equal(await store.ledger.countAfter(0), 3)
    })

    test('reads of the ledger give the rows that are there', async (store) => {
      await fill(store)
      await tier(store, 'on')
      await put(store, { claimed: 7, flushed: 7 })
      await prune(store, 2)
      const { ledger } = store
      const mapped = (rows: readonly { sequence: number; entityId: string }[]): string[] =>
        rows.map((row) => `${row.entityId} ${row.sequence}`)
      assert.deepEqual(sequences(await drain(ledger.scan({ after: 0, to: 9 }))), [3, 5, 7, 8, 9])
      assert.deepEqual(sequences(await drain(ledger.replay({ from: 1 }))), [10, 9, 8, 7, 5, 3])
      assert.deepEqual(mapped(await ledger.mappedRange(null, { after: 0, to: 10 })), ['b 7', 'b 3', 'c 8'])
      assert.deepEqual(mapped(await ledger.mappedFor(null, ['a', 'b'], 10)), ['b 7', 'b 3'])
      for (const chunk of [1, 2, 100]) {
        const all = await drain(ledger.mappedByEntity({ afterEntity: null, to: 10, chunk }))
        assert.deepEqual(mapped(all), ['b 7', 'b 3', 'c 8'])
        const later = await drain(ledger.mappedByEntity({ afterEntity: null, after: 3, to: 7, chunk }))
        assert.deepEqual(mapped(later), ['b 7'])
        const behind = await drain(ledger.mappedByEntity({ afterEntity: 'b', after: 3, to: 10, chunk }))
        assert.deepEqual(mapped(behind), ['c 8'])
      }
      assert.deepEqual(sequences(await ledger.eventsFor('b')), [7, 3])
      assert.equal(await ledger.event({ sequence: 1 }), undefined)
      assert.equal(await ledger.event({ eventId: 'e1' }), undefined)
      assert.equal((await ledger.event({ eventId: 'e3' }))?.sequence, 3)
      assert.deepEqual([...(await ledger.raws([1, 2, 3])).keys()], [3])
      await ledger.settle()
    })

    test('a part of the mapped rows can be read by entity in any ledger', async (store) => {
      await fill(store)
      for (const chunk of [1, 2, 100]) {
        const rows = await drain(store.ledger.mappedByEntity({ afterEntity: null, after: 1, to: 7, chunk }))
        assert.deepEqual(
          rows.map((row) => `${row.entityId} ${row.sequence}`),
          ['a 2', 'b 7', 'b 3', 'c 2'],
        )
      }
    })

    test('rows come as the archive keeps them', async (store) => {
      await fill(store)
      const last = event('last', {
        timestamp: at('2024-02-29T23:59:59.000001Z'),
        dataJson: '{"n":9007199254740993,"t":"ä\u{1f600}"}',
        kindsJson: '{"n":"f"}',
        rawJson: '{"a" : [1.0, "x"]}',
      })
      await inUnit(store, (unit) => store.ledger.append(unit, [last]))
      const expected = (await drain(store.ledger.scan({ after: 0, to: 11, all: true }))).map(
        (row): ArchiveRow => ({ ...row, redaction: null }),
      )
      assert.equal(expected.length, 11)
      assert.deepEqual([expected[3]?.duplicateOf, expected[5]?.excluded], [2, true])
      for (const chunk of [1, 4, 100]) {
        const parts: ArchiveRow[][] = []
        for await (const part of store.tiers.rows({ after: 0, to: 99, chunk })) parts.push(part)
        assert.deepEqual(parts.flat(), expected)
        assert.ok(parts.every((part) => part.length > 0 && part.length <= chunk))
      }
      assert.deepEqual(sequences(await drain(store.tiers.rows({ after: 3, to: 5 }))), [4, 5])
      assert.deepEqual(await drain(store.tiers.rows({ after: 11, to: 99 })), [])
    })

    test('finds the first row of a span of time', async (store) => {
      await fill(store)
      const first = (after: number, since: number, until: number) =>
        store.tiers.firstSequence({ after, since: day(since).toString(), until: day(until).toString() })
      assert.equal(await first(0, 1, 31), 1)
      assert.equal(await first(0, 3, 5), 6)
      assert.equal(await first(6, 3, 5), 7)
      assert.equal(await first(8, 3, 5), null)
      assert.equal(await first(0, 11, 31), null)
      // Bounds are whole instants, whatever their fractions.
      const until = at('2024-01-04T23:59:59.999999Z').toString()
      assert.equal(await store.tiers.firstSequence({ after: 0, since: day(1).toString(), until }), 7)
    })

    test('takes over rows that only the archive has', async (store) => {
      await append(store, ['a'])
      await tier(store, 'on')
      const adopt = (rows: readonly EventIdRow[]) => inUnit(store, (unit) => store.tiers.adopt(unit, rows))
      await adopt([])
      await adopt([ids(2, 'b'), ids(3, 'b', { duplicateOf: 2 }), ids(4, null, { source: null })])
      await adopt([ids(5, 'c', { excluded: true }), ids(6, 'd', { source: 'app' })])
      const { ledger } = store
      assert.equal(await ledger.head(), 6)
      assert.deepEqual([await ledger.count(), await ledger.count({ source: 'app' })], [5, 1])
      assert.deepEqual(await Promise.all([0, 1, 2, 4, 5].map((cut) => ledger.countAfter(cut))), [3, 2, 1, 1, 1])
      assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((id) => store.tiers.sequenceOf(id))), [
        1,
        2,
        undefined,
        6,
      ])
      assert.deepEqual(await append(store, ['d', 'b', 'c', 'e']), [known(6), known(2), added(7), added(8)])
      assert.equal((await ledger.event({ eventId: 'c' }))?.sequence, 7)
    })

    test('what is taken over leaves no gap and needs all event ids', async (store) => {
      const adopt = (...rows: EventIdRow[]) => inUnit(store, (unit) => store.tiers.adopt(unit, rows))
      await assert.rejects(adopt(ids(1, 'a')), StorageError)
      await append(store, ['a', 'b'])
      await inUnit(store, (unit) => store.tiers.begin(unit))
      await assert.rejects(adopt(ids(3, 'c')), StorageError)
      await tier(store, 'on')
      await assert.rejects(adopt(ids(2, 'c')), StorageError)
      await assert.rejects(adopt(ids(4, 'c')), StorageError)
      await assert.rejects(adopt(ids(3, 'c'), ids(5, 'd')), StorageError)
      assert.equal(await store.ledger.head(), 2)
      await adopt(ids(3, 'c'), ids(4, 'd'))
      assert.equal(await store.ledger.head(), 4)
    })

    test('gives the mappings by sequence, of a range, and of entities', async (store) => {
      await fill(store)
      const { tiers } = store
      for (const chunk of [1, 2, 100]) {
        const parts: Member[][] = []
        for await (const part of tiers.members({ to: 7, afterEntity: null, chunk })) parts.push(part)
        assert.deepEqual(sequences(parts.flat()), [1, 2, 2, 3, 7])
        assert.deepEqual(bySequence(parts.flat()), bySequence(MEMBERS.slice(0, 5)))
        assert.ok(parts.every((part) => part.length > 0 && part.length <= chunk))
        const rest = await drain(tiers.members({ to: 99, afterEntity: 'b', chunk }))
        assert.deepEqual(rest, [member(2, 'c'), member(8, 'c')])
      }
      await inUnit(store, async (unit) => {
        await store.mapping.write(unit, [member(9, 'd')])
        const range = { after: 2, to: 9 }
        assert.deepEqual(sequences(await tiers.membersIn(unit, range)), [3, 7, 8, 9])
        assert.deepEqual(await tiers.membersOf(unit, ['d'], 9), [member(9, 'd')])
      })
      const many = Array.from({ length: 50_000 }, (_, i) => `id ${i}`)
      const found = await tiers.membersOf(null, [...many, 'b', 'a', 'b'], 3)
      assert.deepEqual(bySequence(found), ['1 b member', '2 a member', '3 b member'])
      assert.deepEqual(await tiers.membersOf(null, [], 9), [])
    })

    test('keeps changes until they are carried over', async (store) => {
      await fill(store)
      await tier(store, 'on')
      const { tiers } = store
      const stage = (job: number, ...changes: StagedChange[]) =>
        inUnit(store, (unit) => tiers.stage(unit, job, changes))
      const staged = (job: number) => tiers.staged(job, { from: 1, to: 5 })
      await stage(1)
      await stage(
        1,
        { sequence: 5, change: { hints: '{}' } },
        { sequence: 2, change: { data: '{"a":1}', kinds: null } },
      )
      await stage(1, { sequence: 5, change: { duplicateOf: 3, excluded: true } })
      await stage(2, { sequence: 5, change: { duplicateOf: null, hints: '{"m":{"k":"ä\u{1f600}"}}' } })
      await stage(2, { sequence: 9, change: { raw: '"x"' } })
      assert.equal(await tiers.countStaged(), 5)
      await inUnit(store, async (unit) => assert.equal(await tiers.countStaged(unit), 5))
      assert.deepEqual(await tiers.stagedSequences(1), [2, 5])
      assert.deepEqual(await tiers.stagedSequences(2), [2, 5, 9])
      const two = { sequence: 2, change: { data: '{"a":1}', kinds: null } }
      assert.deepEqual(await staged(1), [two, { sequence: 5, change: { hints: '{}', duplicateOf: 3, excluded: true } }])
      assert.deepEqual(await staged(2), [
        two,
        { sequence: 5, change: { hints: '{"m":{"k":"ä\u{1f600}"}}', duplicateOf: null, excluded: true } },
      ])
      assert.deepEqual(await tiers.staged(2, { from: 3, to: 4 }), [])
      await inUnit(store, (unit) => tiers.dropStaged(unit, 1))
      assert.equal(await tiers.countStaged(), 2)
      assert.deepEqual(await tiers.stagedSequences(2), [5, 9])
      await inUnit(store, (unit) => tiers.dropStaged(unit, 2))
      assert.deepEqual(await tiers.stagedSequences(9), [])
    })
  })
}

function ids(sequence: number, eventId: string | null, options: Partial<EventIdRow> = {}): EventIdRow {
  return { sequence, eventId, source: 'kiosk', duplicateOf: null, excluded: false, ...options }
}

async function reopened(backend: Backend): Promise<void> {
  const space = await backend.space()
  try {
    const first = await space.open()
    await fill(first)
    await tier(first, 'pruned')
    const expected = [await state(first), await counts(first)]
    await first.close()
    const second = await space.open()
    assert.deepEqual([await state(second), await counts(second)], expected)
    assert.deepEqual(await append(second, ['e1', 'e11']), [known(1), added(11)])
    await second.close()
  } finally {
    await space.dispose()
  }
}

/** Two stores of one space: the second gets the lock when the first one's unit has ended, and sees what it did. */
async function alone(backend: Backend): Promise<void> {
  const space = await backend.space()
  try {
    const [one, two] = [await space.open(), await space.open()]
    await append(one, ['a', 'b'])
    await tier(one, 'on')
    const { promise: locked, resolve: hasLocked } = Promise.withResolvers<void>()
    const { promise: asked, resolve: hasAsked } = Promise.withResolvers<void>()
    const first = inUnit(one, async (unit) => {
      await one.tiers.lock(unit)
      hasLocked()
      await asked
      await one.tiers.put(unit, { claimed: 2 })
    })
    await locked
    const second = inUnit(two, (unit) => two.tiers.lock(unit))
    hasAsked()
    assert.equal((await second)?.claimed, 2)
    await first
    await Promise.all([one.close(), two.close()])
  } finally {
    await space.dispose()
  }
}
