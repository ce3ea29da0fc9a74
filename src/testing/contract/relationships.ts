/** Contract of relationship views: two names of one set of edges (spec 06 §1, 01 §2.7). */
import assert from 'node:assert/strict'
import type { EdgeRow, HistoryLayout } from '../../core/history.ts'
import type { Store } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { day, edge, LAYOUT, prepareVersion, row, rowsOf, select, write } from './fixtures.ts'

const COLUMNS = ['source_id', 'target_id', 'relationship_type', 'valid_from', 'valid_to']

function short(rows: readonly Record<string, unknown>[]): string[] {
  const dayOf = (value: unknown): string => (value === null ? '…' : String(Number(String(value).slice(8, 10))))
  return rows.map(
    (r) =>
      `${r['source_id']} ${r['relationship_type']} ${r['target_id']} ${dayOf(r['valid_from'])}-${dayOf(r['valid_to'])}`,
  )
}

/** Whole numbers below `limit`, the same ones for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >>> 8) % limit
  }
}

export function relationshipContract({ backend, api }: Contract): void {
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () =>
      withStore(backend, async (store) => {
        await inUnit(store, (unit) => prepareVersion(store, unit))
        await work(store)
      }),
    )
  const relate = (store: Store, type: string, id: string, ...edges: EdgeRow[]): Promise<void> =>
    inUnit(store, (unit) =>
      store.history.write(unit, 'live', LAYOUT, [write(type, id, { rows: [row(day(1))], edges })]),
    )
  const named = async (store: Store, name: string): Promise<string[]> =>
    short(await rowsOf(store, 'relationship', name, COLUMNS))
  const all = async (store: Store): Promise<string[]> => {
    await store.reader.refresh()
    return short(await select(store, store.reader.relationshipsView('v1'), COLUMNS))
  }

  api.describe(`relationships on ${backend.name}`, () => {
    test('either name shows an edge, the list of all shows it as it was written', async (store) => {
      await relate(store, 'loan', 'l', { ...edge('taken_by', 'm', day(2)), properties: { deposit: 20 } })
      assert.deepEqual(await named(store, 'taken_by'), ['l taken_by m 2-…'])
      assert.deepEqual(await named(store, 'took_out'), ['m took_out l 2-…'])
      assert.deepEqual(await all(store), ['l taken_by m 2-…'])
      const [seen] = await rowsOf(store, 'relationship', 'took_out', ['source_id', 'deposit'])
      assert.deepEqual({ ...seen }, { source_id: 'm', deposit: 20 })
    })

    test('tells which ids edges lead to, ended ones included', async (store) => {
      await relate(store, 'loan', 'l', edge('taken_by', 'm', day(2)), edge('taken_by', 'n', day(2), day(3)))
      await relate(store, 'member', 'm', edge('knows', 'o', day(2)))
      const found = await inUnit(store, (unit) => store.history.targetsAmong(unit, LAYOUT, ['l', 'm', 'n', 'o', 'p']))
      assert.deepEqual([...found].sort(), ['m', 'n', 'o'])
      assert.deepEqual(await inUnit(store, (unit) => store.history.targetsAmong(unit, LAYOUT, [])), new Set())
    })

    test('an edge that both sides wrote is there once at any time', async (store) => {
      await relate(store, 'loan', 'l', edge('taken_by', 'm', day(2), day(9)))
      await relate(store, 'member', 'm', edge('took_out', 'l', day(4), day(6)))
      assert.deepEqual(await named(store, 'took_out'), ['m took_out l 2-4', 'm took_out l 4-6', 'm took_out l 6-9'])
      assert.deepEqual(await named(store, 'taken_by'), ['l taken_by m 2-9'])
      assert.deepEqual(await all(store), ['l taken_by m 2-9'])
    })

    test('intervals that only touch or overlap in part are cut exactly', async (store) => {
      await relate(store, 'loan', 'l', edge('taken_by', 'm', day(3), day(6)), edge('taken_by', 'm', day(8)))
      await relate(store, 'member', 'm', edge('took_out', 'l', day(1), day(4)), edge('took_out', 'l', day(6), day(8)))
      assert.deepEqual(await named(store, 'took_out'), [
        'm took_out l 1-4',
        'm took_out l 4-6',
        'm took_out l 6-8',
        'm took_out l 8-…',
      ])
      assert.deepEqual(await all(store), [
        'l taken_by m 3-6',
        'l taken_by m 8-…',
        'm took_out l 1-3',
        'm took_out l 6-8',
      ])
    })

    test('at any instant a name shows what any side wrote, each edge once', async (store) => {
      const names = ['owns', 'owned_by', 'held_by', 'knows']
      const layout: HistoryLayout = {
        entities: [{ type: 'member', columns: [] }],
        relationships: [
          { type: 'owns', inverses: ['owned_by', 'held_by'], columns: [] },
          { type: 'owned_by', inverses: ['owns'], columns: [] },
          { type: 'held_by', inverses: ['owns'], columns: [] },
          { type: 'knows', inverses: ['knows'], columns: [] },
        ],
      }
      const inversesOf = new Map(layout.relationships.map((r) => [r.type, r.inverses]))
      const random = generator(7)
      const written: { type: string; source: string; target: string; from: number; to: number | null }[] = []
      const writes = ['a', 'b', 'c'].map((source) => {
        const edges: EdgeRow[] = []
        for (const type of names) {
          for (const target of ['a', 'b', 'c']) {
            let from = 1 + random(4)
            while (from < 20 && random(4) > 0) {
              const to = random(4) === 0 ? null : from + 1 + random(5)
              written.push({ type, source, target, from, to })
              edges.push(edge(type, target, day(from), to === null ? null : day(to)))
              from = to === null ? 99 : to + random(3)
            }
          }
        }
        return write('member', source, { rows: [row(day(1))], edges })
      })
      await inUnit(
        store,
        async (unit) => {
          await store.history.ensure(unit, layout)
          await store.history.write(unit, 'live', layout, writes)
        },
        'v2',
      )
      await store.reader.refresh()
      const expected = (name: string, n: number): Set<string> => {
        const at = written.filter((e) => e.from <= n && (e.to === null || e.to > n))
        const own = at.filter((e) => e.type === name).map((e) => `${e.source} ${e.target}`)
        const other = at.filter((e) => inversesOf.get(name)?.includes(e.type)).map((e) => `${e.target} ${e.source}`)
        return new Set([...own, ...other])
      }
      const during = (rows: readonly Record<string, unknown>[], n: number) =>
        rows.filter((r) => {
          const end = r['valid_to']
          return String(r['valid_from']) <= day(n).toString() && (end === null || String(end) > day(n).toString())
        })
      const listed = await select(store, store.reader.relationshipsView('v2'), COLUMNS)
      for (const name of names) {
        const rows = await rowsOf(store, 'relationship', name, COLUMNS, 'v2')
        for (const r of rows) assert.ok(r['valid_to'] === null || String(r['valid_from']) < String(r['valid_to']))
        for (let n = 1; n <= 31; n++) {
          const seen = during(rows, n).map((r) => `${r['source_id']} ${r['target_id']}`)
          assert.equal(new Set(seen).size, seen.length, `${name} on day ${n}`)
          assert.deepEqual(new Set(seen), expected(name, n), `${name} on day ${n}`)
        }
      }
      for (let n = 1; n <= 31; n++) {
        const edges = during(listed, n)
        const key = (r: Record<string, unknown>): string => {
          const type = r['relationship_type']
          const ends = [String(r['source_id']), String(r['target_id'])]
          if (type === 'knows') return `knows ${ends.sort().join(' ')}`
          return `owns ${(type === 'owns' ? ends : ends.reverse()).join(' ')}`
        }
        const knows = [...expected('knows', n)].map((pair) => `knows ${pair.split(' ').sort().join(' ')}`)
        const all = new Set([...knows, ...[...expected('owns', n)].map((pair) => `owns ${pair}`)])
        assert.deepEqual(new Set(edges.map(key)), all, `all on day ${n}`)
        const twice = edges.map(key).filter((k, i, keys) => keys.indexOf(k) !== i)
        // `owned_by` and `held_by` do not name each other, so only they may show one pair twice.
        const rivals = twice.filter((k) => !k.startsWith('owns'))
        assert.deepEqual(rivals, [], `twice on day ${n}`)
      }
    })

    test('a relationship that is its own inverse goes both ways, and is listed once', async (store) => {
      await relate(store, 'member', 'a', edge('knows', 'b', day(2)), edge('knows', 'a', day(3)))
      await relate(store, 'member', 'b', edge('knows', 'a', day(5)))
      assert.deepEqual(await named(store, 'knows'), [
        'a knows a 3-…',
        'a knows b 2-…',
        'b knows a 2-5',
        'b knows a 5-…',
      ])
      assert.deepEqual(await all(store), ['a knows a 3-…', 'a knows b 2-…'])
    })
  })
}
