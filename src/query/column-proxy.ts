/** The `r` of `r => r.mrr.gt(100)`. */
import { type Columns, unknownColumn } from './column.ts'
import { Expr, type Side } from './expression.ts'

/** Columns as properties; a name that does not exist is a `QueryError` at once. */
export function columnProxy(columns: Columns, where: string, side?: Side): object {
  return new Proxy(Object.create(null) as object, {
    get(_, name) {
      if (typeof name === 'symbol') return undefined
      if (columns !== null && !columns.some((column) => column.name === name)) throw unknownColumn(columns, name, where)
      return new Expr({ op: 'column', name, ...(side && { side }) })
    },
    has: (_, name) => typeof name === 'string' && (columns?.some((column) => column.name === name) ?? true),
    ownKeys: () => columns?.map((column) => column.name) ?? [],
  })
}
