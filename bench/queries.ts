/** Queries, exports and graph beside the same SQL by hand and DuckDB's own COPY: `queries.ts <store> <history rows>`. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { count, sum } from '../src/index.ts'
import type { Queries } from '../src/queries.ts'
import type { TableQuery } from '../src/query/table-query.ts'
import { DefactoQuery } from '../src/query-handle.ts'
import { type ByHand, byHand } from './queries-hand.ts'
import type { QueriesResult } from './queries-result.ts'
import { MIDDLE, mailOf, makeSpace, openQuerySpace, QUERY_DEFINITIONS } from './queries-space.ts'
import { type Cost, type Measured, type ServerClock, Stopwatch } from './result.ts'
import { openStore, type StoreName } from './store.ts'

/** Rows of a page. */
const PAGE = 10_000
const AGAIN = 5

const [name = 'sqlite', rows = '100000'] = process.argv.slice(2)
const scratch = mkdtempSync(join(tmpdir(), 'defacto-queries-'))
try {
  process.stdout.write(JSON.stringify(await measure(name as StoreName, Number(rows))))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

async function measure(store: StoreName, events: number): Promise<QueriesResult> {
  await using place = await openStore(store, scratch)
  const database = place.place('space')
  await makeSpace(database, events)
  await using space = await openQuerySpace(database)
  await using hand = await byHand(database)
  const own = await all(space, hand, place.clock, store)
  const file = join(scratch, 'history.duckdb')
  await space.tables().history().toStore(file)
  await using analytics = await DefactoQuery.connect(`duckdb://${file}`, QUERY_DEFINITIONS)
  await using handThere = await byHand({ database: `duckdb://${file}` })
  const there = await all(analytics as unknown as Asked, handThere, () => 0, 'duckdb')
  return { store, rows: events, results: [...own, ...there], peakRss: process.resourceUsage().maxRSS * 1024 }
}

type Asked = Pick<Queries, 'table' | 'history' | 'relationship' | 'traverse' | 'path'>

async function all(space: Asked, hand: ByHand, clock: ServerClock, store: string): Promise<Measured[]> {
  const history = space.history('person') as TableQuery
  const then = history.asOf(MIDDLE)
  const measured: Measured[] = []
  for (const [work, query, target] of [
    ['all current rows', space.table('person') as TableQuery, 0.9],
    ['a filtered history', history.filter({ mrr: { gt: 200 } }).select('person_id', 'mrr', 'valid_from'), 0.9],
    ['groups', history.groupBy('plan').agg({ n: count(), mrr: sum('mrr') }), 0.9],
    ['asOf, the count', then.agg({ n: count() }), { atMostMs: 1000 }],
    ['asOf, a page', then.limit(PAGE), { atMostMs: 1000 }],
  ] as const) {
    measured.push(await beside(`${store}: ${work}`, query, hand, clock, target))
  }
  measured.push(await streamed(`${store}: the whole history, streamed`, history, hand, clock))
  measured.push(...(await exports(store, history, clock)))
  const [one, other] = (await space
    .table('person')
    .filter({ email: { in: [mailOf(0), mailOf(7)] } })
    .rows()) as Record<string, string>[]
  const ids = [one?.['person_id'] ?? '', other?.['person_id'] ?? '']
  const graph: readonly [string, () => Promise<number>][] = [
    [
      'traverse, two steps',
      async () => (await space.traverse(ids[0] as string, 'works_at', { depth: 2, directed: false }).rows()).length,
    ],
    ['path', async () => (await space.path(ids[0] as string, ids[1] as string)).length],
  ]
  for (const [work, run] of graph) {
    const costs = await repeated(run, clock)
    measured.push({
      work: `${store}: ${work}`,
      unit: 'calls',
      count: 1,
      ours: middle(costs),
      limit: null,
      limitName: '',
      target: { atMostMs: 1000 },
    })
  }
  return measured
}

/** Ours and the same SQL by hand in turns, the middle of each. */
async function beside(
  work: string,
  query: Pick<TableQuery, 'sql' | 'rows'>,
  hand: ByHand,
  clock: ServerClock,
  target: Measured['target'],
): Promise<Measured> {
  const { text, params } = query.sql()
  const ours: Cost[] = []
  const theirs: Cost[] = []
  let found = 0
  for (let i = 0; i < AGAIN; i++) {
    theirs.push(await cost(() => hand.rows(text, params), clock))
    ours.push(
      await cost(async () => {
        found = (await query.rows()).length
      }, clock),
    )
  }
  return {
    work,
    unit: 'rows',
    count: found,
    ours: middle(ours),
    limit: middle(theirs),
    limitName: 'the same SQL',
    target,
  }
}

async function streamed(work: string, query: TableQuery, hand: ByHand, clock: ServerClock): Promise<Measured> {
  const { text, params } = query.sql()
  const limit = await cost(() => hand.stream(text, params), clock)
  let found = 0
  const ours = await cost(async () => {
    for await (const _ of query.stream()) found++
  }, clock)
  return { work, unit: 'rows', count: found, ours, limit, limitName: 'the same SQL', target: 0.9 }
}

/** The same rows out of a table of DuckDB's own, by its own COPY, are the limit. */
async function exports(store: string, query: TableQuery, clock: ServerClock): Promise<Measured[]> {
  const measured: Measured[] = []
  const parquet = join(scratch, `${store}.parquet`)
  const csv = join(scratch, `${store}.csv`)
  const ours = [await cost(() => query.toParquet(parquet), clock), await cost(() => query.toCsv(csv), clock)] as const
  const instance = await DuckDBInstance.create(join(scratch, `${store}-copy.duckdb`))
  const connection = await instance.connect()
  await connection.run(`create table history as from read_parquet('${parquet}')`)
  const found = Number((await connection.runAndReadAll('select count(*) from history')).getRows()[0]?.[0])
  const copy = (format: string): Promise<Cost> =>
    cost(() =>
      connection.run(
        `copy history to '${join(scratch, `${store}-copy.${format}`)}' (format ${format}${format === 'parquet' ? ', compression zstd' : ''})`,
      ),
    )
  for (const [i, format] of ['parquet', 'csv'].entries()) {
    const limit = await copy(format)
    measured.push({
      work: `${store}: to ${format}`,
      unit: 'rows',
      count: found,
      ours: ours[i] as Cost,
      limit,
      limitName: "DuckDB's COPY",
      target: 0.7,
    })
  }
  connection.closeSync()
  instance.closeSync()
  process.stderr.write(`  ${store}: ${statSync(parquet).size} bytes of Parquet, ${statSync(csv).size} of CSV\n`)
  return measured
}

async function repeated(work: () => Promise<unknown>, clock: ServerClock): Promise<Cost[]> {
  const costs: Cost[] = []
  for (let i = 0; i < AGAIN; i++) costs.push(await cost(work, clock))
  return costs
}

async function cost(work: () => Promise<unknown>, clock?: ServerClock): Promise<Cost> {
  const watch = new Stopwatch(clock)
  await watch.run(work)
  return watch.cost
}

function middle(costs: readonly Cost[]): Cost {
  return [...costs].sort((a, b) => a.ms - b.ms)[Math.floor(costs.length / 2)] as Cost
}
