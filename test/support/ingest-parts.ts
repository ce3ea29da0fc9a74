/** The same records as files of every format, with what cannot be read among them. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'

export type Packing = '' | '.gz' | '.zst'
export const PACKINGS: readonly Packing[] = ['', '.gz', '.zst']

export function packed(text: string | Buffer, packing: Packing): Buffer {
  const bytes = Buffer.from(text as string)
  return packing === '.gz' ? gzipSync(bytes) : packing === '.zst' ? zstdCompressSync(bytes) : bytes
}

type Sale = Readonly<Record<string, unknown>>

/** One record a line; every seventh line is something else, and some are blank. */
export function ndjson(records: readonly Sale[]): Buffer {
  const bad = [
    Buffer.from('{"kind":\n'),
    Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
    Buffer.from('[1]\n\r\n'),
    Buffer.from('{}\r\n'),
  ]
  return Buffer.concat(
    records.flatMap((record, i) => [
      ...(i % 7 === 3 ? [bad[Math.floor(i / 7) % bad.length] as Buffer] : []),
      Buffer.from(`${JSON.stringify(record)}${i === records.length - 1 ? '' : i % 2 === 0 ? '\n' : '\r\n'}`),
    ]),
  )
}

/** One array, laid out over lines, with elements that are no records. */
export function jsonArray(records: readonly Sale[]): string {
  const elements = records.flatMap((record, i) => [
    ...(i % 7 === 3 ? (['{"kind" 1}', '"],[{"'][i % 2 === 0 ? 0 : 1] ?? '') : []),
    JSON.stringify(record, null, i % 3),
  ])
  return `[\n${elements.join(' ,\n ')}\n]\n`
}

/** The array at `result.items` of a document with more in it. */
export function jsonDocument(records: readonly Sale[]): string {
  return `{"items": [{"no": 1}], "result": {"note": "items\\": [", "list": {"items": []}, "items": ${jsonArray(records)}, "more": [1, "]}"]}, "end": {}}\n`
}

/** Quoted and plain fields, breaks inside quotes, records that do not fit. */
export function csv(records: readonly Sale[], delimiter = ','): string {
  const names = ['kind', 'at', 'no', 'amount', 'note']
  const rows = records.flatMap((record, i) => {
    const fields = names.map((name) => {
      const text = String(record[name])
      return i % 3 === 0 || /["\n\r]/.test(text) || text.includes(delimiter) ? `"${text.replaceAll('"', '""')}"` : text
    })
    const bad = [`sold${delimiter}"x"y`, 'sold', `a"b${delimiter}${delimiter}${delimiter}${delimiter}`]
    return [...(i % 7 === 3 ? [bad[i % 3] as string] : []), fields.join(delimiter)]
  })
  return [names.join(delimiter), ...rows].join('\r\n')
}

/** Written by another program; several row groups. */
export async function parquet(records: readonly Sale[], path: string, rowGroup = 2048): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const list = records.map(
    (r) =>
      `('${r['kind']}', timestamp '${String(r['at']).slice(0, 19)}', '${r['no']}', ${r['amount']}, '${String(r['note']).replaceAll("'", "''")}')`,
  )
  await connection.run(`create table t(kind varchar, "at" timestamp, no varchar, amount bigint, note varchar)`)
  await connection.run(`insert into t values ${list.join(', ')}`)
  await connection.run(`copy t to '${path}' (format parquet, row_group_size ${rowGroup})`)
  connection.closeSync()
  instance.closeSync()
}
