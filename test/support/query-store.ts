/** A read-only store for query tests: tables of the shape of spec 06 §1, made by hand in memory. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { DefinitionsObject, EntityDef } from '../../src/core/definition/model.ts'
import type { HistoryLayout } from '../../src/core/history.ts'
import { historyLayout } from '../../src/core/program/layout.ts'
import type { QueryReader } from '../../src/ports/reading.ts'
import { createQueryRoot, type QueryRoot } from '../../src/query/root.ts'

const customer: EntityDef = {
  starts: 'lead',
  identity: { email: {} },
  properties: {
    plan: { type: 'string' },
    mrr: { type: 'number' },
    seats: { type: 'integer' },
    active: { type: 'boolean' },
    signup: { type: 'datetime' },
  },
  states: { lead: {}, paying: {} },
  relationships: [
    {
      type: 'placed_order',
      target: 'order',
      cardinality: 'has_many',
      properties: { channel: { type: 'string' } },
      inverse: 'ordered_by',
    },
  ],
}
const order: EntityDef = {
  starts: 'open',
  identity: { number: {} },
  properties: { total: { type: 'number' }, plan: { type: 'string' } },
  states: { open: {} },
  relationships: [{ type: 'ordered_by', target: 'customer', cardinality: 'belongs_to', inverse: 'placed_order' }],
}
export const DEFINITIONS: DefinitionsObject = {
  entities: { customer, order },
  sources: {},
  schemas: {},
  pipelines: {},
}

const STORED = { string: 'text', number: 'real', integer: 'integer', boolean: 'integer', datetime: 'text' } as const
export type Cells = Readonly<Record<string, SQLInputValue | boolean>>

export interface QueryStore {
  readonly db: DatabaseSync
  readonly root: QueryRoot
  readonly reader: QueryReader
  /** Inserts rows; columns that are not named are null. */
  insert(table: string, ...rows: readonly Cells[]): void
}

/** `suffix` imitates the tables of a version that is not active. */
export function openQueryStore(definitions: DefinitionsObject = DEFINITIONS, suffix = ''): QueryStore {
  const layout = historyLayout(definitions)
  const db = new DatabaseSync(':memory:')
  createTables(db, layout, suffix)
  db.exec('create table ledger (sequence integer, raw text)')
  const reader = readerOf(db, suffix)
  return {
    db,
    reader,
    root: createQueryRoot(reader, { definitions, layout }, 'v1'),
    insert(table, ...rows) {
      for (const row of rows) {
        const names = Object.keys(row)
        const values = Object.values(row).map((value) => (typeof value === 'boolean' ? Number(value) : value))
        const places = names.map(() => '?').join(', ')
        db.prepare(`insert into "${table}${suffix}" (${names.join(', ')}) values (${places})`).run(...values)
      }
    },
  }
}

function createTables(db: DatabaseSync, layout: HistoryLayout, suffix: string): void {
  for (const { type, columns } of layout.entities) {
    const properties = columns.map((column) => `${column.name} ${STORED[column.type]},`).join(' ')
    db.exec(`create table "${type}_history${suffix}" (${type}_id text, ${type}_state text, ${properties}
      valid_from text, valid_to text, merged_into text, last_event_time text, state_entered_time text,
      created_time text, _generation integer, _revision integer, _sequence integer)`)
  }
  const stored: string[] = []
  for (const { type, columns, inverses } of layout.relationships) {
    const properties = columns.map((column) => `${column.name} ${STORED[column.type]},`).join(' ')
    const inverse = inverses.find((name) => stored.includes(name))
    if (inverse === undefined) {
      stored.push(type)
      db.exec(`create table "rel_${type}_history${suffix}" (source_id text, target_id text, relationship_type text,
        ${properties} valid_from text, valid_to text, _generation integer, _revision integer, _sequence integer)`)
    } else {
      db.exec(`create view "rel_${type}_history${suffix}" as select target_id as source_id, source_id as target_id,
        '${type}' as relationship_type, ${columns.map((column) => `${column.name},`).join(' ')}
        valid_from, valid_to, _generation, _revision, _sequence from "rel_${inverse}_history${suffix}"`)
    }
  }
  const edges = stored.map(
    (type) =>
      `select source_id, target_id, relationship_type, valid_from, valid_to from "rel_${type}_history${suffix}"`,
  )
  if (edges.length > 0) db.exec(`create view "relationships${suffix}" as ${edges.join(' union all ')}`)
}

function readerOf(db: DatabaseSync, suffix: string): QueryReader {
  const run = (sql: string, params: readonly unknown[]): { columns: string[]; rows: unknown[][] } => {
    const statement = db.prepare(sql)
    statement.setReadBigInts(true)
    const columns = statement.columns().map((column) => column.name)
    statement.setReturnArrays(true)
    return { columns, rows: statement.all(...(params as SQLInputValue[])) as unknown as unknown[][] }
  }
  return {
    dialect: 'sqlite',
    handle: db,
    relation: (_, kind, name) => `"${kind === 'history' ? name : `rel_${name}`}_history${suffix}"`,
    relationshipsView: () => `"relationships${suffix}"`,
    refresh: () => Promise.resolve(),
    all: (sql, params) => Promise.resolve(run(sql, params)),
    async *stream(sql, params, options) {
      const { columns, rows } = run(sql, params)
      const size = options?.batchSize ?? 1000
      for (let at = 0; at < rows.length; at += size) yield { columns, rows: rows.slice(at, at + size) }
    },
    together: (statements, work) => work(statements.map(({ text, params }) => once(run(text, params)))),
  }
}

async function* once(result: { columns: string[]; rows: unknown[][] }): AsyncGenerator<typeof result> {
  if (result.rows.length > 0) yield result
}

/** A current row of an entity; times are filled in. */
export function entityRow(type: string, id: string, state: string, cells: Cells = {}): Cells {
  const at = '2024-01-01T00:00:00+00:00'
  return {
    [`${type}_id`]: id,
    [`${type}_state`]: state,
    valid_from: at,
    last_event_time: at,
    state_entered_time: at,
    created_time: at,
    _generation: 1,
    _revision: 1,
    ...cells,
  }
}
