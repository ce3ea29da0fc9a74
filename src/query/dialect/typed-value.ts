/** Bound values where every value has a type that the database must be told. */
import type { PropertyType } from '../../core/definition/model.ts'
import type { ColumnType } from '../column.ts'
import { bound, type Fragment, text } from '../fragment.ts'
import type { Scalar } from '../term.ts'

/** `names`: what the database calls the types. In hand-written SQL a text may stand for anything; the database finds out. */
export function typedValue(names: Readonly<Record<PropertyType, string>>, value: Scalar, type: ColumnType): Fragment {
  if (value === null) return type === 'unknown' ? ['null'] : [`null::${names[type]}`]
  switch (typeof value) {
    case 'boolean':
      return text`${bound(value)}::${names.boolean}`
    case 'bigint':
      return text`${bound(value)}::${names.integer}`
    case 'number':
      if (type === 'number' || !Number.isSafeInteger(value)) return text`${bound(value)}::${names.number}`
      return text`${bound(BigInt(value))}::${type === 'unknown' && value === (value | 0) ? 'integer' : names.integer}`
    default:
      return type === 'unknown' ? bound(value) : text`${bound(value)}::${names[type]}`
  }
}
