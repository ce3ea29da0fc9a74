/** Cells of a column as the buffers Arrow is made of. */
import type * as Arrow from 'apache-arrow'
import type { PropertyType } from '../core/definition/model.ts'
import { stringifyJson } from '../core/expression/json.ts'
import { instantFromDate, instantFromText } from '../core/instant.ts'
import { QueryError } from '../errors.ts'

/** `null`: a column of unknown type without any value. */
export type ArrowType = PropertyType | 'null'

/** The type that holds every cell of a column whose type nobody declared. */
export function arrowTypeOf(cells: readonly unknown[]): ArrowType {
  let type: ArrowType = 'null'
  for (const cell of cells) {
    type = wider(type, typeOfCell(cell))
    if (type === 'string') break
  }
  return type
}

export function common(types: readonly ArrowType[]): ArrowType {
  return types.reduce(wider, 'null')
}

function wider(a: ArrowType, b: ArrowType): ArrowType {
  if (a === b || b === 'null') return a
  if (a === 'null') return b
  const numeric = [a, b].every((type) => type === 'integer' || type === 'number')
  return numeric ? 'number' : 'string'
}

function typeOfCell(cell: unknown): ArrowType {
  switch (typeof cell) {
    case 'boolean':
      return 'boolean'
    case 'bigint':
      return cell === BigInt.asIntN(64, cell) ? 'integer' : 'number'
    case 'number':
      return Number.isSafeInteger(cell) ? 'integer' : 'number'
    case 'object':
      return cell === null ? 'null' : cell instanceof Date ? 'datetime' : 'string'
    default:
      return cell === undefined ? 'null' : 'string'
  }
}

/**
 * One record batch's part of the column `name`.
 * @throws QueryError for whole numbers beyond 64 bits, which sums can be
 */
export function columnData(arrow: typeof Arrow, type: ArrowType, cells: readonly unknown[], name: string): Arrow.Data {
  const { length } = cells
  const nullBitmap = new Uint8Array((length + 7) >> 3)
  let nullCount = 0
  cells.forEach((cell, i) => {
    if (isNull(cell)) nullCount++
    else nullBitmap[i >> 3] = (nullBitmap[i >> 3] as number) | (1 << (i & 7))
  })
  const part = { length, nullCount, nullBitmap }
  switch (type) {
    case 'string':
      return arrow.makeData({ type: new arrow.Utf8(), ...part, ...textBuffers(cells) })
    case 'number':
      return arrow.makeData({ type: new arrow.Float64(), ...part, data: Float64Array.from(cells, Number) })
    case 'integer':
      return arrow.makeData({
        type: new arrow.Int64(),
        ...part,
        data: BigInt64Array.from(cells, (cell) => whole(cell, name)),
      })
    case 'boolean':
      return arrow.makeData({ type: new arrow.Bool(), ...part, data: bits(cells) })
    case 'datetime':
      return arrow.makeData({
        type: new arrow.TimestampMicrosecond('UTC'),
        ...part,
        data: BigInt64Array.from(cells, microseconds),
      })
    case 'null':
      return arrow.makeData({ type: new arrow.Null(), length })
  }
}

function isNull(cell: unknown): boolean {
  return cell === null || cell === undefined
}

function whole(cell: unknown, name: string): bigint {
  if (isNull(cell)) return 0n
  const value = BigInt(cell as number | bigint)
  if (value === BigInt.asIntN(64, value)) return value
  throw new QueryError(`toArrow: column "${name}" holds a whole number beyond 64 bits; cast it to number or string`, {
    code: 'E_QUERY_STEP',
    details: { step: 'toArrow', column: name },
  })
}

function microseconds(cell: unknown): bigint {
  if (isNull(cell)) return 0n
  const instant = cell instanceof Date ? instantFromDate(cell) : instantFromText(String(cell))
  return instant === null ? 0n : BigInt(instant.ms) * 1000n + BigInt(instant.us)
}

function bits(cells: readonly unknown[]): Uint8Array {
  const data = new Uint8Array((cells.length + 7) >> 3)
  cells.forEach((cell, i) => {
    if (cell === true) data[i >> 3] = (data[i >> 3] as number) | (1 << (i & 7))
  })
  return data
}

const encoder = new TextEncoder()

/** All texts in one encoding pass; offsets count bytes. */
function textBuffers(cells: readonly unknown[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const valueOffsets = new Int32Array(cells.length + 1)
  // Halves of characters in neighbouring cells would become one.
  const texts = cells.map((cell) => textOf(cell).toWellFormed())
  let end = 0
  texts.forEach((text, i) => {
    end += Buffer.byteLength(text)
    valueOffsets[i + 1] = end
  })
  return { valueOffsets, data: encoder.encode(texts.join('')) }
}

function textOf(cell: unknown): string {
  if (typeof cell === 'string') return cell
  if (isNull(cell)) return ''
  if (cell instanceof Date) return instantFromDate(cell)?.toString() ?? ''
  return typeof cell === 'object' ? stringifyJson(cell) : String(cell)
}
