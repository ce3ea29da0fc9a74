/** Queries evaluated in memory, as plainly as they can be written: what databases must return. Knows nothing of `src/query`. */

export type Value = string | number | bigint | boolean | null
export type Kind = 'string' | 'number' | 'integer' | 'boolean' | 'datetime'
export type Row = Readonly<Record<string, Value>>
export interface Frame {
  readonly columns: Readonly<Record<string, Kind>>
  readonly rows: readonly Row[]
}

/** Order of two values of one kind that are not null: text by code points, instants as text, false before true. */
export function compare(a: Value, b: Value): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  const [x, y] = [a, b].map((value) => (typeof value === 'boolean' ? Number(value) : value)) as [number, number]
  return x < y ? -1 : x > y ? 1 : 0
}

/** As `compare`, with nulls last in either direction. */
export function compareNullable(a: Value, b: Value, descending = false): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return descending ? -compare(a, b) : compare(a, b)
}

/** Whole numbers are numbers where that is exact; there is no negative zero. */
export function plain(value: Value): Value {
  if (typeof value === 'number') return value + 0
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** Text that is equal for equal values. */
export function keyOf(value: Value): string {
  const one = plain(value)
  return one === null
    ? 'null'
    : typeof one === 'string'
      ? JSON.stringify(one)
      : `${typeof one === 'bigint' ? BigInt(one) : one}`
}

/** A table as a list that does not depend on the order of its rows. */
export function shown(rows: readonly Readonly<Record<string, unknown>>[], names: readonly string[]): string[] {
  return rows.map((row) => names.map((name) => keyOf(row[name] as Value)).join(' | ')).sort()
}

const rowKey = (row: Row, names: readonly string[]): string =>
  names.map((name) => keyOf(row[name] ?? null)).join('\u0001')
export const names = (frame: Frame): string[] => Object.keys(frame.columns)

export function filter(frame: Frame, holds: (row: Row) => Value): Frame {
  return { ...frame, rows: frame.rows.filter((row) => holds(row) === true) }
}

export function project(frame: Frame, shape: Readonly<Record<string, { kind: Kind; of(row: Row): Value }>>): Frame {
  return {
    columns: Object.fromEntries(Object.entries(shape).map(([name, { kind }]) => [name, kind])),
    rows: frame.rows.map((row) =>
      Object.fromEntries(Object.entries(shape).map(([name, { of }]) => [name, plain(of(row))])),
    ),
  }
}

export function distinct(frame: Frame): Frame {
  const all = names(frame)
  return { ...frame, rows: [...new Map(frame.rows.map((row) => [rowKey(row, all), row])).values()] }
}

export function sort(frame: Frame, keys: readonly { name: string; descending: boolean }[]): Frame {
  const order = (a: Row, b: Row): number => {
    for (const { name, descending } of keys) {
      const sign = compareNullable(a[name] ?? null, b[name] ?? null, descending)
      if (sign !== 0) return sign
    }
    return 0
  }
  return { ...frame, rows: frame.rows.toSorted(order) }
}

export function union(left: Frame, right: Frame, once: boolean): Frame {
  const columns = Object.fromEntries(
    Object.entries(left.columns).map(([name, kind]) => [name, kind === right.columns[name] ? kind : 'number']),
  ) as Frame['columns']
  const both = { columns, rows: [...left.rows, ...right.rows] }
  return once ? distinct(both) : both
}

export type How = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti'

/** `output` gives the columns of the result their place: the side and the name there. */
export function join(
  left: Frame,
  right: Frame,
  how: How,
  on: (left: Row, right: Row) => Value,
  suffixes: readonly [string, string],
): Frame {
  const matches = (row: Row): Row[] => right.rows.filter((other) => on(row, other) === true)
  if (how === 'semi' || how === 'anti') {
    return { ...left, rows: left.rows.filter((row) => matches(row).length > 0 === (how === 'semi')) }
  }
  const called = (name: string, other: Frame, suffix: string): string => (name in other.columns ? name + suffix : name)
  const merged = (a: Row | null, b: Row | null): Row => ({
    ...Object.fromEntries(names(left).map((name) => [called(name, right, suffixes[0]), a?.[name] ?? null])),
    ...Object.fromEntries(names(right).map((name) => [called(name, left, suffixes[1]), b?.[name] ?? null])),
  })
  const rows = left.rows.flatMap((row) => {
    const found = matches(row).map((other) => merged(row, other))
    return found.length > 0 || how === 'inner' || how === 'right' ? found : [merged(row, null)]
  })
  if (how === 'right' || how === 'full') {
    const alone = right.rows.filter((other) => !left.rows.some((row) => on(row, other) === true))
    rows.push(...alone.map((other) => merged(null, other)))
  }
  const columns = {
    ...Object.fromEntries(Object.entries(left.columns).map(([name, kind]) => [called(name, right, suffixes[0]), kind])),
    ...Object.fromEntries(Object.entries(right.columns).map(([name, kind]) => [called(name, left, suffixes[1]), kind])),
  }
  return { columns, rows }
}

export interface Measure {
  readonly kind: Kind
  of(rows: readonly Row[]): Value
}

export function group(
  frame: Frame,
  keys: readonly string[],
  measures: Readonly<Record<string, Measure>>,
  having: (rows: readonly Row[]) => boolean,
): Frame {
  const groups =
    keys.length === 0 ? [[...frame.rows]] : [...Map.groupBy(frame.rows, (row) => rowKey(row, keys)).values()]
  const columns = {
    ...Object.fromEntries(keys.map((name) => [name, frame.columns[name] as Kind])),
    ...Object.fromEntries(Object.entries(measures).map(([name, { kind }]) => [name, kind])),
  }
  const rows = groups.filter(having).map((rows) => ({
    ...Object.fromEntries(keys.map((name) => [name, rows[0]?.[name] ?? null])),
    ...Object.fromEntries(Object.entries(measures).map(([name, { of }]) => [name, plain(of(rows))])),
  }))
  return { columns, rows }
}

/** A column computed from the other rows of its partition, in an order. */
export function windowed(
  frame: Frame,
  name: string,
  kind: Kind,
  partitionBy: readonly string[],
  order: readonly { name: string; descending: boolean }[],
  of: (rows: readonly Row[], at: number) => Value,
): Frame {
  const parts = [...Map.groupBy(frame.rows, (row) => rowKey(row, partitionBy)).values()]
  const rows = parts.flatMap((part) => {
    const sorted = sort({ ...frame, rows: part }, order).rows
    return sorted.map((row, at) => ({ ...row, [name]: plain(of(sorted, at)) }))
  })
  return { columns: { ...frame.columns, [name]: kind }, rows }
}

/** Rows of everything that was merged into the selected entities, however long the chain, beside the selection. */
export function withMerged(selected: readonly Row[], all: readonly Row[], id: string): readonly Row[] {
  const reached = new Set(selected.map((row) => row[id]))
  for (let size = -1; size !== reached.size; ) {
    size = reached.size
    for (const row of all)
      if (row.merged_into !== null && reached.has(row.merged_into as Value)) reached.add(row[id] as Value)
  }
  const losers = all.filter((row) => row.merged_into !== null && reached.has(row[id] as Value))
  return [...new Set([...selected, ...losers])]
}
