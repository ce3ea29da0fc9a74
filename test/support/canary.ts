/** Looks for planted values in everything a space has written: files, whatever is packed in them, buckets, databases. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { GetObjectCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3'
import pg from 'pg'
import { duck } from './duck.ts'

/** Where which of the values was found, without saying more of the place than its name. */
export interface Sighting {
  readonly place: string
  readonly value: string
}

/** In raw bytes, as UTF-8 and as UTF-16 (DuckDB and SQLite may keep texts in either). */
function among(bytes: Buffer, values: readonly string[], place: string): Sighting[] {
  return values.flatMap((value) =>
    bytes.includes(value) || bytes.includes(Buffer.from(value, 'utf16le')) ? [{ place, value }] : [],
  )
}

/** Every file below these folders: its bytes, and the rows of Parquet and gzip that no search of bytes would see. */
export async function inFolders(folders: readonly string[], values: readonly string[]): Promise<Sighting[]> {
  const found: Sighting[] = []
  for (const folder of folders) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, name)
      if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue
      found.push(...(await inFile(path, readFileSync(path), values)))
    }
  }
  return found
}

async function inFile(path: string, bytes: Buffer, values: readonly string[]): Promise<Sighting[]> {
  const found = among(bytes, values, path)
  if (path.endsWith('.parquet')) {
    const rows = await duck(`select * from read_parquet('${path}')`)
    const text = JSON.stringify(rows, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    found.push(...among(Buffer.from(text), values, `${path} (rows)`))
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) found.push(...among(gunzipSync(bytes), values, `${path} (unpacked)`))
  return found
}

/** Every version of every object. */
export async function inBucket(
  client: S3Client,
  bucket: string,
  scratch: (name: string, bytes: Buffer) => string,
  values: readonly string[],
): Promise<{ readonly found: Sighting[]; readonly objects: number; readonly older: number }> {
  const found: Sighting[] = []
  const page = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }))
  if (page.IsTruncated) throw new Error('more objects than one page has')
  const versions = page.Versions ?? []
  for (const { Key = '', VersionId } of versions) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key, VersionId }))
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? [])
    const path = scratch(Key.replaceAll('/', '_'), bytes)
    found.push(...(await inFile(path, bytes, values)).map(({ value }) => ({ place: `s3://${Key}`, value })))
  }
  return { found, objects: versions.length, older: versions.filter(({ IsLatest }) => IsLatest !== true).length }
}

/** Every column of every table of every schema as text, which is what a dump of the database has. */
export async function inPostgres(url: string, values: readonly string[]): Promise<Sighting[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const found: Sighting[] = []
  try {
    const { rows } = await client.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')`,
    )
    for (const { name } of rows) {
      const all = await client.query<{ row: string }>(`select t::text as row from ${name} t`)
      for (const { row } of all.rows) found.push(...among(Buffer.from(row), values, name))
    }
    // What the planner remembers of values is in the catalogue.
    const { rows: remembered } = await client.query<{ row: string }>('select s::text as row from pg_stats s')
    for (const { row } of remembered) found.push(...among(Buffer.from(row), values, 'pg_stats'))
  } finally {
    await client.end()
  }
  return found
}
