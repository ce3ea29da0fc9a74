/** Checks of state history: whether rows can be true at all, and whether they are what the ledger says (spec 10 §3.7). */
import { hash } from 'node:crypto'
import { findInverse } from '../../core/definition/relationships.ts'
import { and, type BoolExpr, col, lead, or } from '../../query/expression.ts'
import type { TableQuery } from '../../query/table-query.ts'
import {
  assetOf,
  concerned,
  type Evaluate,
  plural,
  quoted,
  read,
  SAMPLE,
  type Scope,
  typesOf,
  verdict,
} from './scope.ts'

/** Per entity exactly one open row, none that overlap, no gap (spec 07 §6.1); of a merged one no open row. */
export const historyValid: Evaluate<'history_valid'> = async (scope, check) => {
  let count = 0
  const ids: string[] = []
  for (const type of typesOf(scope, check.asset)) {
    const found = await concerned(scope, invalidRows(scope, type), `${type}_id`)
    count += found.count
    ids.push(...found.ids)
  }
  const message = `${plural(count, 'entity has', 'entities have')} no or two open rows, an overlap or a gap`
  return verdict(count === 0, count, message, ids)
}

function invalidRows(scope: Scope, type: string): TableQuery {
  const id = `${type}_id`
  const all = scope.root.query(
    `select ${quoted(id)}, valid_from, valid_to, merged_into from ${quoted(`${type}_history`)}`,
  )
  const following = lead('valid_from').over({ partitionBy: id, orderBy: 'valid_from' })
  const [end, next, merged] = [col('valid_to'), col('next_from'), col('merged_into')]
  const last = next.isNull()
  const problems: BoolExpr[] = [
    // A gap or an overlap, or an open row that is not the last.
    and(next.notNull(), end.isNull()),
    and(next.notNull(), end.ne(next)),
    and(last, end.notNull(), merged.isNull()),
    and(last, end.isNull(), merged.notNull()),
    end.lt(col('valid_from')),
  ]
  return all.mutate({ next_from: following }).filter(or(...problems))
}

/** Sampled entities, replayed from all tiers, against their rows. */
export const replayConsistent: Evaluate<'replay_consistent'> = async (scope, check) => {
  const types = typesOf(scope, check.asset)
  const { operations } = scope.context
  const differing: string[] = []
  let looked = 0
  for (const [index, type] of types.entries()) {
    // The whole sample is shared out; the first types get what does not divide.
    const share = Math.floor(check.sample / types.length) + (index < check.sample % types.length ? 1 : 0)
    const ids = await sampled(scope, type, share)
    for (let at = 0; at < ids.length; at += SAMPLE) {
      scope.signal.throwIfAborted()
      differing.push(...(await operations.replayDiffers(ids.slice(at, at + SAMPLE))))
      scope.alive()
    }
    looked += ids.length
  }
  const message = `${differing.length} of ${plural(looked, 'entity', 'entities')} differ from what the ledger gives`
  return verdict(differing.length === 0, differing.length, message, differing)
}

/** Entities from a place in the order of ids that the run's id decides: another sample every time, the same on a retry. */
async function sampled(scope: Scope, type: string, limit: number): Promise<string[]> {
  if (limit === 0) return []
  const id = `${type}_id`
  const digits = hash('sha256', `${scope.run.runId} ${type}`)
  const start = digits.slice(0, 8)
  const entities = scope.root.table(type).select(id).orderBy(id)
  const from = await read(scope, entities.filter(col<string>(id).gte(start)).limit(limit))
  const rest = limit - from.length
  const before = rest === 0 ? [] : await read(scope, entities.filter(col<string>(id).lt(start)).limit(rest))
  return [...from, ...before].map((row) => String(row[id]))
}

/** Current edges whose ends are both current entities. */
export const danglingEdges: Evaluate<'dangling_edges'> = async (scope, check) => {
  const { entities } = scope.definitions
  const asset = check.asset === null ? null : assetOf(check.asset)
  const ends = new Map<string, { sources: Set<string>; targets: Set<string> }>()
  const others = new Set<string>()
  for (const [source, entity] of Object.entries(entities)) {
    for (const relationship of entity.relationships ?? []) {
      const { type, target } = relationship
      const isWanted =
        asset === null ||
        (asset.kind === 'relationship' && asset.name === type) ||
        ((asset.kind === 'entity' || asset.kind === 'history') && asset.name === source)
      // Of two names of the same edges one is looked at.
      if (!isWanted || (others.has(type) && asset?.kind !== 'relationship')) continue
      const { inverse } = findInverse(scope.definitions, source, relationship)
      if (inverse !== null && inverse.type !== type) others.add(inverse.type)
      const known = ends.get(type) ?? { sources: new Set(), targets: new Set() }
      known.sources.add(source)
      known.targets.add(target)
      ends.set(type, known)
    }
  }
  let count = 0
  const ids: string[] = []
  for (const [type, { sources, targets }] of ends) {
    const edges = scope.root.relationship(type)
    for (const [column, types] of [
      ['target_id', targets],
      ['source_id', sources],
    ] as const) {
      const found = await concerned(scope, without(scope, edges, column, types), 'source_id')
      count += found.count
      ids.push(...found.ids)
    }
  }
  const message = `${plural(count, 'entity has', 'entities have')} an edge that begins or ends at no current entity`
  return verdict(count === 0, count, message, [...new Set(ids)])
}

/** Edges whose end is in none of these tables. */
function without(scope: Scope, edges: TableQuery, column: string, types: ReadonlySet<string>): TableQuery {
  let left = edges
  for (const type of types) {
    left = left.join(scope.root.table(type), { left: column, right: `${type}_id`, how: 'anti' }) as TableQuery
  }
  return left
}
