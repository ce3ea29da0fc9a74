/** Columns of a query and how their names are looked up (spec 06 §1, §5.4). */
import type { PropertyType } from '../core/definition/model.ts'
import { closest, didYouMean } from '../core/spelling.ts'
import { QueryError } from '../errors.ts'

/** `unknown`: the database decides (raw SQL, the `sql` tag); such a value is passed through as the driver gives it. */
export type ColumnType = PropertyType | 'unknown'

export interface Column {
  readonly name: string
  readonly type: ColumnType
  /** Not returned unless selected by name. */
  readonly hidden?: true
}

/** Columns in output order; null: not known before the query runs (unvalidated raw SQL). */
export type Columns = readonly Column[] | null

/** The column called `name`; `QueryError` with the closest spelling if there is none. `where` names the step. */
export function findColumn(columns: Columns, name: string, where: string): Column {
  if (columns === null) return { name, type: 'unknown' }
  const found = columns.find((column) => column.name === name)
  if (found !== undefined) return found
  throw unknownColumn(columns, name, where)
}

export function unknownColumn(columns: readonly Column[], name: string, where: string): QueryError {
  const names = columns.filter((column) => !column.hidden).map((column) => column.name)
  const guess = closest(name, names)
  return new QueryError(`${where}: no column "${name}"${didYouMean(name, names)}. Columns: ${names.join(', ')}`, {
    code: 'E_QUERY_UNKNOWN_COLUMN',
    details: { column: name, suggestion: guess, columns: names },
  })
}

/** The columns a caller sees; throws if they are not known. */
export function visible(columns: Columns, where: string): Column[] {
  if (columns === null) {
    throw new QueryError(`${where}: the columns of an unvalidated query are not known; name them with select() first`, {
      code: 'E_QUERY_OPEN_COLUMNS',
    })
  }
  return columns.filter((column) => !column.hidden)
}

/** Refuses two output columns of one name. */
export function checkUnique(names: readonly string[], where: string): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) {
      throw new QueryError(`${where}: two columns are called "${name}"`, { code: 'E_QUERY_DUPLICATE_COLUMN' })
    }
    seen.add(name)
  }
}
