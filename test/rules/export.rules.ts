/** Rules of exports, of files of histories and of the graph (spec 06 §7, §9, §10). */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuckdb } from '../../src/adapters/duckdb/instance.ts'
import { checkStatement } from '../../src/adapters/duckdb/read-guard.ts'
import { writeWhole } from '../../src/adapters/files/whole-file.ts'
import { quoted } from '../../src/adapters/neo4j/names.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { csvLine } from '../../src/core/csv-text.ts'
import type { ExportAccess } from '../../src/query/export/access.ts'
import { maskedAddress } from '../../src/query/export/place.ts'
import { recorded } from '../../src/query/export/record.ts'
import { GraphMemory, type GraphSource } from '../../src/query/graph/memory.ts'
import { levels, type Step, type Steps, shortestPath } from '../../src/query/graph/search.ts'
import { withRows } from '../../src/query/loaded.ts'
import type { DeferredRelation } from '../../src/query/relation.ts'
import { day, LAYOUT, prepareVersion, row, write } from '../../src/testing/contract/fixtures.ts'
import type { Rule } from './rule.ts'

const EDGES: readonly Step[] = [
  ['a', 'c'],
  ['a', 'b'],
  ['b', 'd'],
  ['c', 'd'],
  ['d', 'a'],
]
const along = (edges: readonly Step[]): Steps => {
  return async (ids) => edges.filter(([from]) => ids.includes(from))
}
const bothWays: Steps = along(
  EDGES.slice(0, 4).flatMap(([from, to]): Step[] => [
    [from, to],
    [to, from],
  ]),
)

/** A list of exports that tells what happened in which order. */
function recording(order: string[]): ExportAccess {
  const log = {
    begin: async () => void order.push('row'),
    finish: async () => void order.push('complete'),
    drop: async () => void order.push('gone'),
    list: async () => [],
  }
  return { log, version: 'v1', now: () => day(1) } as unknown as ExportAccess
}
const WHAT = { path: '/out/x.csv', format: 'csv', entityTypes: [] } as const

async function assertRefused(sql: string): Promise<void> {
  const connection = await openDuckdb(':memory:')
  const none = new Set<string>()
  const guard = { schemas: new Set(['space_v1']), bare: none, functions: none, catalogue: none }
  try {
    await assert.rejects(checkStatement(connection, sql, guard), { name: 'QueryError' })
  } finally {
    connection.closeSync()
  }
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'export-rules-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const rules: Rule[] = [
  {
    id: 'export.row-before-file',
    spec: '05 §4.5',
    off: { file: 'src/query/export/record.ts', find: 'await log?.begin(row)', replace: '' },
    async check() {
      const order: string[] = []
      await recorded(recording(order), WHAT, async () => {
        order.push('file')
        return { rows: 0, bytes: 0 }
      })
      assert.deepEqual(order, ['row', 'file', 'complete'])
    },
  },
  {
    id: 'export.row-of-nothing',
    spec: '05 §4.5',
    off: { file: 'src/query/export/record.ts', find: 'if (!inParts && !isUndecided(error))', replace: 'if (false)' },
    async check() {
      const order: string[] = []
      await assert.rejects(
        recorded(recording(order), WHAT, () => Promise.reject(new Error('full'))),
        /full/,
      )
      assert.deepEqual(order, ['row', 'gone'])
    },
  },
  {
    id: 'export.row-of-a-part',
    spec: '05 §4.5',
    off: { file: 'src/query/export/record.ts', find: 'if (!inParts && ', replace: 'if (' },
    async check() {
      const order: string[] = []
      const failing = recorded(recording(order), { ...WHAT, inParts: true }, () => Promise.reject(new Error('cut')))
      await assert.rejects(failing, /cut/)
      assert.deepEqual(order, ['row'])
    },
  },
  {
    id: 'export.whole-files',
    spec: '06 §7',
    off: {
      file: 'src/adapters/files/whole-file.ts',
      find: 'const result = await write(temporary)',
      replace: 'const result = await write(place.file)',
    },
    check: () =>
      inFolder(async (folder) => {
        const file = join(folder, 'x.csv')
        writeFileSync(file, 'old')
        await writeWhole(file, { name: 'me', isGone: () => false }, async (place) => {
          writeFileSync(place, 'new')
          assert.equal(readFileSync(file, 'utf8'), 'old')
        })
        assert.equal(readFileSync(file, 'utf8'), 'new')
      }),
  },
  {
    id: 'export.csv-empty-text',
    spec: '06 §7',
    off: { file: 'src/core/csv-text.ts', find: "text !== '' && ", replace: '' },
    check() {
      assert.equal(csvLine(['', null, 'a']), '"",,a\r\n')
    },
  },
  {
    id: 'export.masked-address',
    spec: '06 §9.3',
    off: { file: 'src/query/export/place.ts', find: ".replace(/[:@].*$/s, '')", replace: '' },
    check() {
      assert.equal(maskedAddress('bolt://ana:se@cret@host:7687/db?x=1'), 'bolt://ana@host:7687/db')
    },
  },
  {
    id: 'export.one-snapshot',
    spec: '06 §7',
    off: { file: 'src/adapters/sqlite/reader.ts', find: "connection.run('begin')", replace: '' },
    check: () =>
      inFolder(async (folder) => {
        const store = await openSqliteStore({ path: join(folder, 'space.db'), now: () => day(20) })
        try {
          const add = (id: string): Promise<void> =>
            store.transaction(async (tx) => {
              const unit = { tx, epoch: 1, version: 'v1', now: day(20) }
              if (id === 'a') await prepareVersion(store, unit)
              await store.history.write(unit, 'live', LAYOUT, [write('member', id, { rows: [row(day(1))] })])
            })
          await add('a')
          await store.reader.refresh()
          const text = `select member_id from ${store.reader.relation('v1', 'history', 'member')}`
          const counts: number[] = []
          await store.reader.together(
            [
              { text, params: [] },
              { text, params: [] },
            ],
            async (streams) => {
              for (const stream of streams) {
                let count = 0
                for await (const { rows } of stream) count += rows.length
                counts.push(count)
                if (counts.length === 1) await add('b')
              }
            },
          )
          assert.deepEqual(counts, [1, 1])
        } finally {
          await store.close()
        }
      }),
  },
  {
    id: 'export.neo4j-names',
    spec: '06 §7.1',
    off: { file: 'src/adapters/neo4j/names.ts', find: ".replaceAll('`', '``')", replace: '' },
    check() {
      assert.equal(quoted('a`) DETACH DELETE n //'), '`a``) DETACH DELETE n //`')
    },
  },
  {
    id: 'duckdb.reads-histories-only',
    spec: '06 §6 rule 1',
    off: {
      file: 'src/adapters/duckdb/names.ts',
      find: 'return table === RELATIONSHIPS_VIEW || /(?:_history|~edges)$/.test(table)',
      replace: 'return true',
    },
    check: () => assertRefused('select * from space_v1.secrets'),
  },
  {
    id: 'duckdb.functions',
    spec: '06 §6 rule 1',
    off: {
      file: 'src/adapters/duckdb/read-guard.ts',
      find: 'rules.functions.has(name))) throw',
      replace: 'true)) throw',
    },
    check: () => assertRefused("select getenv('HOME')"),
  },
  {
    id: 'graph.smallest-depth',
    spec: '06 §9.2',
    off: { file: 'src/query/graph/search.ts', find: 'if (seen.has(id)) continue', replace: '' },
    async check() {
      assert.deepEqual(await levels('a', 5, along(EDGES)), [['a'], ['b', 'c'], ['d']])
    },
  },
  {
    id: 'graph.path-tie-break',
    spec: '06 §9.2',
    off: { file: 'src/query/graph/search.ts', find: 'if (ranked) next.sort(', replace: 'if (false) next.sort(' },
    async check() {
      assert.deepEqual(await shortestPath('a', 'd', 5, bothWays), ['a', 'b', 'd'])
    },
  },
  {
    id: 'graph.path-max-depth',
    spec: '06 §9.2',
    off: { file: 'src/query/graph/search.ts', find: 'if (length === maxDepth) return []', replace: '' },
    async check() {
      assert.deepEqual(await shortestPath('a', 'd', 1, bothWays), [])
    },
  },
  {
    id: 'graph.memory-follows-builds',
    spec: '06 §9.4',
    off: { file: 'src/query/graph/memory.ts', find: 'cursor === kept.cursor &&', replace: '' },
    async check() {
      let cursor = '1'
      let loads = 0
      const source = { program: {}, version: 'v1', cursor: async () => cursor } as unknown as GraphSource
      const memory = new GraphMemory(
        () => source,
        async () => ++loads,
      )
      assert.deepEqual([await memory.graph(), await memory.graph()], [1, 1])
      cursor = '2'
      assert.equal(await memory.graph(), 2)
    },
  },
  {
    id: 'query.deferred-once',
    spec: '06 §9.2',
    off: { file: 'src/query/loaded.ts', find: 'fetched.set(part.load, rows)', replace: '' },
    async check() {
      let loads = 0
      const load = async () => [[++loads]]
      const part: DeferredRelation = { kind: 'deferred', columns: [{ name: 'n', type: 'integer' }], load }
      await withRows({ kind: 'union', left: part, right: part, columns: part.columns, all: true } as never, {})
      assert.equal(loads, 1)
    },
  },
]
