/** The tools that people have read what we write: pandas, Arrow, NetworkX, DuckDB's Python and psql (spec 06 §7). */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Defacto } from '../../src/index.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { Analysts, type Cell, type Cells, describeAnalysts, type Seen } from '../support/analysts.ts'
import { describePostgres, freshNamespace } from '../support/postgres.ts'
import { fill, READERS_DEFINITIONS } from '../support/readers-world.ts'
import { room } from '../support/room.ts'

const run = promisify(execFile)
const HISTORY = ['valid_from', 'valid_to', 'merged_into', 'last_event_time', 'state_entered_time', 'created_time']

interface Table {
  readonly types: Readonly<Record<string, string>>
  readonly rows: readonly Cells[]
}

/** What a query returns, in the words of the judges. */
async function expected(query: TableQuery): Promise<Table> {
  const types = Object.fromEntries((query.relation.columns ?? []).filter((c) => !c.hidden).map((c) => [c.name, c.type]))
  const rows = await query.rows()
  return { types, rows: rows.map((row) => mapped(row, (value, name) => cellOf(value, types[name] ?? ''))) }
}

function cellOf(value: unknown, type: string): Cell {
  if (value === null) return null
  if (type === 'integer') return { int: String(value) }
  return type === 'datetime' ? { at: String(value) } : (value as Cell)
}

function mapped<A, B>(record: Readonly<Record<string, A>>, change: (value: A, name: string) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]))
}

/** By their first cells, which are ids. */
function sorted<T extends object>(rows: readonly T[]): T[] {
  const key = (row: T): string => JSON.stringify(Object.values(row).slice(0, 3))
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function expectSame(seen: Seen, table: Table, names: Readonly<Record<string, string>>): void {
  expect(seen.types).toEqual(mapped(table.types, (type) => names[type]))
  expect(sorted(seen.rows)).toEqual(sorted(table.rows))
}

const ARROW = {
  string: 'string',
  integer: 'int64',
  number: 'double',
  boolean: 'bool',
  datetime: 'timestamp[us, tz=UTC]',
}
const PANDAS = {
  string: 'string',
  integer: 'Int64',
  number: 'Float64',
  boolean: 'boolean',
  datetime: 'datetime64[us, UTC]',
}
const DUCKDB = {
  string: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  datetime: 'TIMESTAMP WITH TIME ZONE',
}
const POSTGRES = {
  string: 'text',
  integer: 'bigint',
  number: 'double precision',
  boolean: 'boolean',
  datetime: 'timestamp with time zone',
}

interface Place {
  readonly database: string
  readonly namespace?: string
  drop(): Promise<void>
}

function readers(open: (folder: string) => Place): void {
  let folder: string
  let place: Place
  let space: Defacto
  let judge: Analysts
  const tables = new Map<string, Table>()

  beforeAll(async () => {
    judge = new Analysts()
    folder = await mkdtemp(join(room(), 'defacto-readers-'))
    place = open(folder)
    const { database, namespace } = place
    const options = { database, version: 'v1', logLevel: 'ERROR', ...(namespace && { namespace }) } as const
    space = await Defacto.fromConfig(READERS_DEFINITIONS, options)
    await fill(space, { customers: 220, orders: 280 })
    for (const [name, query] of space.tables()) tables.set(name, await expected(query))
  }, 120_000)
  afterAll(async () => {
    await space.close()
    await place.drop()
    await judge[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it('the world has what is hard to read', () => {
    const customers = tables.get('customer')?.rows ?? []
    expect(customers).toHaveLength(220)
    for (const name of ['rate', 'seats', 'big', 'active', 'since', 'note']) {
      expect(customers.some((row) => row[name] === null)).toBe(true)
    }
    expect(customers.some((row) => (row['big'] as { int?: string } | null)?.int === '9007199254740993')).toBe(true)
    expect(customers.some((row) => row['note'] === '')).toBe(true)
    expect(tables.get('rel_placed')?.rows).toHaveLength(280)
  })

  it('pandas and Arrow read Parquet: types, nulls, whole numbers beyond 2^53, every text', async () => {
    const records = await space.tables().toParquet(join(folder, 'parquet'))
    expect(records).toHaveLength(tables.size)
    for (const [name, table] of tables) {
      const seen = await judge.parquet(join(folder, 'parquet', `${name}.parquet`))
      expectSame(seen.arrow, table, ARROW)
      expectSame(seen.pandas, table, PANDAS)
      expect(seen.codec).toBe('ZSTD')
    }
  })

  it('pandas and Arrow read CSV: an empty text is none that is missing', async () => {
    await space.tables().toCsv(join(folder, 'csv'))
    for (const [name, table] of tables) {
      const seen = await judge.csv(join(folder, 'csv', `${name}.csv`), table.types)
      expectSame(seen.arrow, table, ARROW)
      // To pandas both are missing.
      const blind = table.rows.map((row) => mapped(row, (value) => (value === '' ? null : value)))
      expectSame(seen.pandas, { ...table, rows: blind }, PANDAS)
    }
    const { duckdb } = await judge.csv(join(folder, 'csv', 'customer.csv'), tables.get('customer')!.types)
    expect(duckdb).toMatchObject({ note: 'VARCHAR', big: 'BIGINT', rate: 'DOUBLE', active: 'BOOLEAN' })
  })

  it('the Python of DuckDB opens our file, with typed columns', async () => {
    const file = join(folder, 'tables.duckdb')
    await space.tables().toDuckdb(file)
    const seen = await judge.database(file)
    expect(Object.keys(seen).sort()).toEqual([...tables.keys()].map((name) => `main.${name}`).sort())
    for (const [name, table] of tables) expectSame(seen[`main.${name}`]!, table, DUCKDB)
  })

  it('the Python of DuckDB opens a file of histories', async () => {
    const file = join(folder, 'store.duckdb')
    await space.tables().toStore(file)
    const seen = await judge.database(file)
    const [schema] = Object.keys(seen)
      .filter((name) => name.endsWith('.customer_history'))
      .map((name) => name.split('.')[0])
    const history = await expected(space.history('customer') as unknown as TableQuery)
    const found = seen[`${schema}.customer_history`]!
    expect(found.types).toMatchObject(mapped(history.types, (type) => DUCKDB[type as keyof typeof DUCKDB]))
    const shown = found.rows.map((row) =>
      Object.fromEntries(Object.keys(history.types).map((name) => [name, row[name]])),
    )
    expect(new Set(shown.map((row) => JSON.stringify(row)))).toEqual(
      new Set(history.rows.map((row) => JSON.stringify(row))),
    )
    expect(Object.keys(seen)).toContain(`${schema}.relationships`)
  })

  describe('NetworkX', () => {
    const graphFile = (): string => join(folder, 'graph.json')

    it('loads our graph: nodes, edges and attributes are those of the tables, parallel edges stay apart', async () => {
      const record = await space.tables().toNetworkx(graphFile())
      const seen = await judge.graph(graphFile())
      expect(seen).toMatchObject({ directed: true, multigraph: true })
      const nodes: Record<string, Cells> = {}
      for (const type of ['customer', 'order']) {
        for (const { [`${type}_id`]: id, ...row } of tables.get(type)?.rows ?? []) {
          const own = Object.entries(row).filter(([name, value]) => value !== null && !HISTORY.includes(name))
          nodes[String(id)] = {
            entity_type: type,
            ...Object.fromEntries(own.map(([column, value]) => asAttribute([column === 'id' ? '_id' : column, value]))),
          }
        }
      }
      expect(seen.nodes).toEqual(nodes)
      const written = await space.relationships().rows()
      const kept = written.filter((row) => String(row['source_id']) in nodes && String(row['target_id']) in nodes)
      expect(kept.length).toBeLessThan(written.length)
      const ends = (a: unknown, b: unknown, type: unknown): string => JSON.stringify([a, b, type])
      expect(seen.edges.map(([a, b, data]) => ends(a, b, data['relationship_type'])).sort()).toEqual(
        kept.map((row) => ends(row['source_id'], row['target_id'], row['relationship_type'])).sort(),
      )
      expect(new Set(seen.edges.map(([a, b]) => ends(a, b, null))).size).toBeLessThan(seen.edges.length)
      expect(record).toMatchObject({
        format: 'networkx',
        rows: Object.keys(nodes).length + kept.length,
        recorded: true,
      })
      for (const [order, customer, data] of seen.edges.filter(
        ([, , found]) => found['relationship_type'] === 'placed_by',
      )) {
        const row = tables
          .get('rel_placed')
          ?.rows.find((one) => one['source_id'] === customer && one['target_id'] === order)
        const own = Object.entries(row ?? {})
          .slice(3)
          .filter(([name, value]) => value !== null && !HISTORY.includes(name))
          .map(([name, value]) => asAttribute([['key', 'source'].includes(name) ? `_${name}` : name, value]))
        expect(data).toEqual({ relationship_type: 'placed_by', ...Object.fromEntries(own) })
      }
    })

    it('loads the form of older versions, and edges that lead out of the collection if asked to', async () => {
      const file = join(folder, 'links.json')
      await space.tables('order').toNetworkx(file, { edges: 'links', dangling: 'keep' })
      const seen = await judge.graph(file, 'links')
      expect(seen.edges.length).toBe(await space.relationships().count())
      expect(Object.values(seen.nodes).filter((data) => data['entity_type'] === 'order')).toHaveLength(280)
      await space.tables('order').toNetworkx(file)
      expect((await judge.graph(file)).edges).toEqual([])
    })

    it('agrees with our analytics', async () => {
      await space.tables().toNetworkx(graphFile(), { dangling: 'keep' })
      const scores = await judge.scores(graphFile())
      for (const algorithm of ['pagerank', 'betweenness', 'degree'] as const) {
        const ours = await space.graph.centrality({ algorithm }).rows()
        expect(ours).toHaveLength(Object.keys(scores[algorithm]).length)
        for (const { entity_id, score } of ours) expect(score).toBeCloseTo(scores[algorithm][entity_id]!, 9)
      }
      const components = groupsOf(await space.graph.connectedComponents().rows(), 'component_id')
      expect(components).toEqual(
        [...scores.components].map((part) => [...part]).sort((a, b) => (a[0]! < b[0]! ? -1 : 1)),
      )
      const communities = groupsOf(await space.graph.communities({ seed: 3 }).rows(), 'community_id')
      const { ours, theirs } = await judge.modularity(graphFile(), communities)
      expect(ours).toBeGreaterThan(theirs - 0.03)
    })

    it('gets the same graph as graphology in this process', async () => {
      await space.tables().toNetworkx(graphFile())
      const seen = await judge.graph(graphFile())
      const graph = await space.tables().toNetworkx()
      expect([graph.type, graph.multi]).toEqual(['directed', true])
      expect(graph.order).toBe(Object.keys(seen.nodes).length)
      expect(graph.size).toBe(seen.edges.length)
      const one = seen.edges[0]!
      expect(graph.hasEdge(one[0], one[1])).toBe(true)
      expect(graph.getNodeAttribute(one[0], 'entity_type')).toBe(seen.nodes[one[0]]?.['entity_type'])
    })
  })
}

/** JSON has one kind of number: whole ones are whole for Python too, and those that JavaScript cannot hold are texts. */
function asAttribute([name, value]: readonly [string, Cell | undefined]): [string, Cell] {
  if (typeof value === 'number') return [name, Number.isSafeInteger(value) ? { int: String(value) } : value]
  if (value === null || value === undefined || typeof value !== 'object') return [name, value ?? null]
  if ('at' in value) return [name, value.at]
  return [name, Number.isSafeInteger(Number(value.int)) ? value : value.int]
}

/** Ids by group, in the order of the groups. */
function groupsOf<N extends string>(
  rows: readonly ({ readonly entity_id: string } & Readonly<Record<N, number>>)[],
  name: N,
): string[][] {
  const groups: string[][] = []
  for (const row of rows) {
    groups[row[name]] ??= []
    groups[row[name]]?.push(row.entity_id)
  }
  return groups
}

describeAnalysts('exports of a space on SQLite', () => {
  readers((folder) => ({ database: join(folder, 'space.db'), drop: async () => undefined }))
})

describePostgres('a space on Postgres', () => {
  describeAnalysts('exports', () => {
    readers(() => {
      const { url, namespace, drop } = freshNamespace()
      return { database: url, namespace, drop }
    })
  })

  it('has tables with the types that psql expects', async () => {
    const { url, namespace, drop } = freshNamespace()
    const space = await Defacto.fromConfig(READERS_DEFINITIONS, {
      database: url,
      namespace,
      version: 'v1',
      logLevel: 'ERROR',
    })
    try {
      await fill(space, { customers: 25, orders: 10 })
      const schema = `${namespace}_v1`
      const described = await ask(
        url,
        `select column_name || '|' || data_type from information_schema.columns
         where table_schema = '${schema}' and table_name = 'customer_history' order by ordinal_position`,
      )
      const query = space.history('customer')
      const types = (query.relation.columns ?? []).filter((column) => !column.hidden)
      expect(described.filter((line) => !line.startsWith('_'))).toEqual(
        types.map(({ name, type }) => `${name}|${POSTGRES[type as keyof typeof POSTGRES]}`),
      )
      const [sum] = await ask(
        url,
        `select sum(big::numeric) || '|' || bool_or(active) || '|' || max(since) at time zone 'UTC'
         from "${schema}".customer_history where valid_to is null`,
      )
      expect(sum).toMatch(/^-?\d+\|true\|9999-12-31 23:59:59.999999$/)
    } finally {
      await space.close()
      await drop()
    }
  })
})

/** Lines that psql prints, or the driver where it is not installed. */
async function ask(url: string, sql: string): Promise<string[]> {
  try {
    const { stdout } = await run('psql', [url, '--no-psqlrc', '--tuples-only', '--no-align', '--command', sql])
    return stdout.split('\n').filter((line) => line !== '')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const { rows } = await client.query<string[]>({ text: sql, rowMode: 'array' })
      return rows.map(([line]) => String(line))
    } finally {
      await client.end()
    }
  }
}
