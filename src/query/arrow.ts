/** A query's rows as an Apache Arrow table (spec 06 §5.3): made batch by batch, typed as spec 06 §1 says. */
import type * as Arrow from 'apache-arrow'
import { ConfigError } from '../errors.ts'
import { type ArrowType, arrowTypeOf, columnData, common } from './arrow-columns.ts'
import { decodeCell, decoderOf, knownColumns } from './decode.ts'
import type { Relation } from './relation.ts'
import { readChunks, shownColumns } from './run.ts'
import type { QueryContext } from './table-query.ts'

/** Rows of a record batch. */
const BATCH = 10_000

type Library = typeof Arrow

/** @throws ConfigError if the optional package `apache-arrow` is not installed */
export async function arrowTable(
  relation: Relation,
  context: QueryContext,
  options: { signal?: AbortSignal } = {},
): Promise<Arrow.Table> {
  const arrow = await library()
  const shown = shownColumns(relation)
  const batches: Batch[] = []
  let names = shown?.map((column) => column.name) ?? []
  for await (const { columns, rows } of readChunks(relation, context, { ...options, batchSize: BATCH })) {
    const known = knownColumns(shown, columns)
    names = known.map((column) => column.name)
    batches.push({
      length: rows.length,
      columns: known.map(({ name, type }, i) => {
        const decode = decoderOf(type, {})
        const cells = rows.map((row) => decodeCell(decode, row[i]))
        // What cells of unknown type have in common is known at the end.
        return type === 'unknown' ? { type: arrowTypeOf(cells), cells } : columnData(arrow, type, cells, name)
      }),
    })
  }
  return assemble(
    arrow,
    names.map((name, i): Typed => ({ name, type: shown?.[i]?.type ?? 'unknown' })),
    batches,
  )
}

interface Typed {
  readonly name: string
  readonly type: ArrowType | 'unknown'
}
type Waiting = { readonly type: ArrowType; readonly cells: readonly unknown[] }
interface Batch {
  readonly length: number
  readonly columns: readonly (Arrow.Data | Waiting)[]
}

function assemble(arrow: Library, columns: readonly Typed[], batches: readonly Batch[]): Arrow.Table {
  const types = columns.map(({ type }, i) =>
    type === 'unknown' ? common(batches.map((batch) => (batch.columns[i] as Waiting).type)) : type,
  )
  const fields = columns.map(({ name }, i) => new arrow.Field(name, arrowType(arrow, types[i] as ArrowType), true))
  const schema = new arrow.Schema(fields)
  const type = new arrow.Struct(fields)
  const made = batches.map(({ length, columns: parts }) => {
    const children = parts.map((part, i) =>
      'cells' in part ? columnData(arrow, types[i] as ArrowType, part.cells, (columns[i] as Typed).name) : part,
    )
    return new arrow.RecordBatch(schema, arrow.makeData({ type, length, nullCount: 0, children }))
  })
  return new arrow.Table(schema, made)
}

function arrowType(arrow: Library, type: ArrowType): Arrow.DataType {
  switch (type) {
    case 'string':
      return new arrow.Utf8()
    case 'number':
      return new arrow.Float64()
    case 'integer':
      return new arrow.Int64()
    case 'boolean':
      return new arrow.Bool()
    case 'datetime':
      return new arrow.TimestampMicrosecond('UTC')
    case 'null':
      return new arrow.Null()
  }
}

async function library(): Promise<Library> {
  try {
    return await import('apache-arrow')
  } catch (error) {
    throw new ConfigError('toArrow needs the package apache-arrow, which is not installed: npm install apache-arrow', {
      code: 'E_CONFIG_DRIVER',
      details: { package: 'apache-arrow' },
      cause: error,
    })
  }
}
