/** Rows that a query brings along: fetched when a terminal is called, then given to the database like a table (spec 06 §9.2). */
import type { ReadOptions } from '../ports/reading.ts'
import type { Column } from './column.ts'
import type { LoadedRelation, Relation } from './relation.ts'

/** The relation with the rows of every deferred part in it; each part is fetched once, wherever it stands in the tree. */
export async function withRows(relation: Relation, options: ReadOptions): Promise<Relation> {
  if (!isDeferred(relation)) return relation
  const fetched = new Map<unknown, LoadedRelation>()
  const visit = async (part: Relation): Promise<Relation> => {
    if (part.kind === 'deferred') {
      const known = fetched.get(part.load)
      if (known !== undefined) return known
      const rows: LoadedRelation = { kind: 'loaded', rows: await part.load(options), columns: part.columns }
      fetched.set(part.load, rows)
      return rows
    }
    if (!isDeferred(part)) return part
    if ('input' in part) return { ...part, input: await visit(part.input) }
    if ('left' in part) return { ...part, left: await visit(part.left), right: await visit(part.right) }
    return part
  }
  return visit(relation)
}

/** The rows of a relation that are here already, so that no database is needed for them; else null. */
export function rowsAtHand(relation: Relation): readonly (readonly unknown[])[] | null {
  if (relation.kind === 'loaded') return relation.rows
  if (relation.kind !== 'limit') return null
  const { limit, offset } = relation
  return rowsAtHand(relation.input)?.slice(offset, offset + limit) ?? null
}

/**
 * Rows as the JSON text of an array of arrays, in the order of `columns`, for databases to unnest. Cells are null, texts,
 * numbers, true and false; whole numbers are texts of digits, because JSON readers may cut them. `text` changes texts that
 * a database cannot hold.
 */
export function cellsJson(
  rows: readonly (readonly unknown[])[],
  columns: readonly Column[],
  text: (value: string) => string = (value) => value,
): string {
  const cell = (value: unknown, i: number): unknown => {
    if (value === null || value === undefined) return null
    if (columns[i]?.type === 'integer' || typeof value === 'bigint') return String(value)
    return typeof value === 'string' ? text(value.toWellFormed()) : value
  }
  return JSON.stringify(rows.map((row) => columns.map((_, i) => cell(row[i], i))))
}

function isDeferred(relation: Relation): boolean {
  if (relation.kind === 'deferred') return true
  if ('input' in relation) return isDeferred(relation.input)
  return 'left' in relation && (isDeferred(relation.left) || isDeferred(relation.right))
}
