/** What a check works with, and what it finds. */
import type { DefinitionsObject } from '../../core/definition/model.ts'
import { type Asset, parseAsset } from '../../core/pipeline/assets.ts'
import { ConfigError } from '../../errors.ts'
import type { RunRow } from '../../ports/runs.ts'
import { countDistinct, type Expr } from '../../query/expression.ts'
import type { QueryRoot } from '../../query/root.ts'
import { TableQuery } from '../../query/table-query.ts'
import type { Orchestration } from '../contract.ts'
import type { CheckDef, Pipeline } from '../model.ts'

export interface Scope {
  readonly context: Orchestration
  readonly run: RunRow
  /** Whose check it is; null: one in code. */
  readonly pipeline: Pipeline | null
  readonly definitions: DefinitionsObject
  readonly version: string
  readonly root: QueryRoot
  /** Aborts when the run is cancelled or the check's time is over. */
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** To be called now and then by what takes long. */
  alive(): void
}

export interface Verdict {
  readonly passed: boolean
  readonly value: number | null
  readonly sampleIds: readonly string[]
  /** Numbers and names only. */
  readonly message: string | null
}
/** The definition that has this kind among its own. */
type Having<K, C = CheckDef> = C extends CheckDef ? (K extends C['kind'] ? C : never) : never
export type Evaluate<K extends CheckDef['kind']> = (scope: Scope, check: Having<K>) => Promise<Verdict>

/** So many entity ids are kept of a failed check. */
export const SAMPLE = 20

/** Passed if the number is within its bound. */
export function verdict(
  passed: boolean,
  value: number | null,
  message: string,
  sampleIds: readonly string[] = [],
): Verdict {
  return { passed, value, sampleIds: sampleIds.slice(0, SAMPLE), message: passed ? null : message }
}

/** Rows of a query, read with the check's time and until it is stopped. */
export async function read<R>(scope: Scope, query: TableQuery<R>): Promise<R[]> {
  const { signal, timeoutMs } = scope
  const limited = new TableQuery<R>(query.relation, { ...query.context, timeoutMs })
  const rows: R[] = []
  for await (const row of limited.stream({ signal })) rows.push(row)
  scope.alive()
  return rows
}

export async function single(scope: Scope, query: TableQuery, measure: Expr<number>): Promise<number> {
  const [row] = await read(scope, query.agg({ found: measure }))
  return Number(row?.found ?? 0)
}

/** How many entities the rows concern, and some of them. `id`: the column of their ids. */
export async function concerned(
  scope: Scope,
  query: TableQuery,
  id: string,
): Promise<{ count: number; ids: string[] }> {
  const count = await single(scope, query, countDistinct(id))
  if (count === 0) return { count, ids: [] }
  const rows = await read(scope, query.select(id).distinct().orderBy(id).limit(SAMPLE))
  return { count, ids: rows.map((row) => String(row[id])) }
}

/** Rows that a check is about: current ones, with the column of their entity ids. */
export function currentRows(scope: Scope, asset: string | null): { query: TableQuery; id: string } {
  const parsed = assetOf(asset)
  switch (parsed.kind) {
    case 'entity':
    case 'history':
      return { query: scope.root.table(parsed.name), id: `${parsed.name}_id` }
    case 'relationship':
      return { query: scope.root.relationship(parsed.name), id: 'source_id' }
    default:
      throw new ConfigError(`asset '${asset}' has no rows with columns; use entity/<type> or relationship/<type>`)
  }
}

export function assetOf(asset: string | null): Asset {
  const parsed = asset === null ? null : parseAsset(asset)
  if (parsed === null)
    throw new ConfigError(`'${asset ?? ''}' is no asset; such as entity/<type>, source/<name>, ledger`)
  return parsed
}

/** Entity types that a check looks at: the asset's, or all. */
export function typesOf(scope: Scope, asset: string | null): readonly string[] {
  if (asset === null) return Object.keys(scope.definitions.entities)
  const parsed = assetOf(asset)
  return parsed.kind === 'entity' || parsed.kind === 'history' ? [parsed.name] : Object.keys(scope.definitions.entities)
}

/** What a result is said to be about where the check names no asset. */
export function assetName({ asset, kind }: Pick<CheckDef, 'asset' | 'kind'>): string {
  if (asset !== null) return asset
  if (kind === 'erasures_closed') return 'identity'
  return kind === 'cold_complete' ? 'cold' : kind === 'dead_letter_rate' ? 'dead_letters' : 'ledger'
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
export const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`
