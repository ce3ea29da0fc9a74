/** How the server means to run the statements of the Postgres store. */
import assert from 'node:assert/strict'
import type { Param } from '../../src/adapters/postgres/connection.ts'
import { Database } from '../../src/adapters/postgres/database.ts'
import { PostgresIdentity } from '../../src/adapters/postgres/identity.ts'
import { PostgresLedger } from '../../src/adapters/postgres/ledger.ts'
import { PostgresMapping } from '../../src/adapters/postgres/mapping.ts'
import { Names } from '../../src/adapters/postgres/names.ts'
import { PostgresTiers } from '../../src/adapters/postgres/tiers.ts'
import type { Shard } from '../../src/core/shard.ts'
import type { Unit } from '../../src/ports/store.ts'
import { NOW, unitOf } from '../../src/testing/contract/backend.ts'
import { type FreshNamespace, freshNamespace } from './postgres.ts'

export const STATISTICS = ['without statistics', 'with fresh statistics'] as const

export interface Statement {
  readonly sql: string
  readonly params: readonly Param[]
}

/** Notes the statements that go through it. */
export class Watched extends Database {
  readonly statements: Statement[] = []

  override query(...[tx, operation, sql, params = []]: Parameters<Database['query']>) {
    this.statements.push({ sql, params })
    return super.query(tx, operation, sql, params)
  }

  override execute(...[tx, operation, sql, params = []]: Parameters<Database['execute']>) {
    this.statements.push({ sql, params })
    return super.execute(tx, operation, sql, params)
  }

  override stream(...[operation, sql, params, chunk]: Parameters<Database['stream']>) {
    this.statements.push({ sql, params })
    return super.stream(operation, sql, params, chunk)
  }
}

export interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly Plans?: readonly PlanNode[]
}

export function* nodesOf(plan: PlanNode): Iterable<PlanNode> {
  yield plan
  for (const child of plan.Plans ?? []) yield* nodesOf(child)
}

interface Ports {
  readonly ledger: PostgresLedger
  readonly tiers: PostgresTiers
  readonly identity: PostgresIdentity
  readonly mapping: PostgresMapping
}

export interface Case {
  readonly name: string
  /** What its statements use. */
  readonly indexes: readonly string[]
  readonly avoids?: string
  readonly shard?: Shard
  run(ports: Ports, unit: Unit): Promise<unknown>
}

export interface WatchedPlace {
  readonly database: Watched
  readonly names: Names
  /** Tables that no statement may read as a whole. */
  readonly large: readonly string[]
  dispose(): Promise<void>
}

/** A namespace with large tables that `fill` has filled, of which the server knows as much as `statistics` says. */
export async function watchedPlace(
  statistics: (typeof STATISTICS)[number],
  large: readonly string[],
  fill: (place: FreshNamespace) => Promise<void>,
): Promise<WatchedPlace> {
  const place = freshNamespace()
  const names = new Names(place.namespace)
  await fill(place)
  const database = new Watched({ url: place.url, max: 3 })
  const statement = statistics === 'without statistics' ? withoutAnalyze : (name: string) => `analyze ${name}`
  for (const table of large) await database.query(null, 'test', statement(names.infra(table)))
  const dispose = async (): Promise<void> => {
    await database.close()
    await place.drop()
  }
  return { database, names, large, dispose }
}

/** A table that was never analyzed, and will not be soon. */
function withoutAnalyze(name: string): string {
  return `alter table ${name} set (autovacuum_enabled = off)`
}

export function isWhole(node: PlanNode): boolean {
  return node['Node Type'].endsWith('Seq Scan')
}

/** Runs the case in a transaction that is rolled back, and looks at the plans of its statements. */
export async function check(
  { database, names, large }: WatchedPlace,
  { indexes, avoids, shard, run }: Case,
): Promise<void> {
  const space = { database, names, shard: shard ?? null }
  const ports = {
    ledger: new PostgresLedger(space),
    tiers: new PostgresTiers(space),
    identity: new PostgresIdentity(space, () => NOW),
    mapping: new PostgresMapping(space),
  }
  const rollback = new Error('only looking')
  database.statements.length = 0
  const ran = database.transaction(async (tx) => {
    await run(ports, unitOf(tx))
    throw rollback
  })
  await assert.rejects(ran, rollback)
  const used = new Set<string | undefined>()
  for (const statement of [...database.statements]) {
    for (const node of await planOf(database, statement)) {
      used.add(node['Index Name'])
      const isLarge = large.includes(node['Relation Name'] ?? '')
      assert.ok(!isLarge || !isWhole(node), `reads all of ${node['Relation Name']}: ${statement.sql}`)
    }
  }
  for (const index of indexes) assert.ok(used.has(index), `${index} is not used, but ${[...used].join(', ')}`)
  assert.ok(avoids === undefined || !used.has(avoids), `${avoids} is used`)
}

export async function planOf(database: Database, { sql, params }: Statement): Promise<PlanNode[]> {
  const [row] = await database.query(null, 'explain', `explain (format json) ${sql}`, params)
  const [{ Plan: plan }] = JSON.parse(row?.[0] as string) as [{ Plan: PlanNode }]
  return [...nodesOf(plan)]
}
