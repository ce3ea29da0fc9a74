/**
 * The bare work on the same Postgres: tables like those of a finished space, with the same indexes, filled with the same
 * rows by COPY; and its rows read by one cursor.
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { finished, pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import { type Cost, type ServerClock, Stopwatch } from './result.ts'
import type { Floor } from './store.ts'
import { isOutput } from './tables.ts'

/** Values as the server sends them: whoever reads bare rows parses what it needs. */
const TEXT = { getTypeParser: () => (text: string) => text } as unknown as typeof pg.types
const PAGE = 5000

export class PostgresFloor implements Floor {
  readonly inserts = 'COPY, same indexes'
  readonly #client: pg.Client
  readonly #space: string
  readonly #file: string
  readonly #clock: ServerClock

  private constructor(client: pg.Client, space: string, file: string, clock: ServerClock) {
    this.#client = client
    this.#space = space
    this.#file = file
    this.#clock = clock
  }

  static async open(url: string, space: string, scratch: string, clock: ServerClock): Promise<PostgresFloor> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return new PostgresFloor(client, space, join(scratch, 'floor.copy'), clock)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
    rmSync(this.#file, { force: true })
  }

  async appendLedger(batch: number): Promise<Cost> {
    const watch = new Stopwatch(this.#clock)
    await this.#refill(`"${this.#space}".ledger`, 'order by sequence', batch, watch)
    return watch.cost
  }

  async writeOutput(batch: number): Promise<Cost> {
    const watch = new Stopwatch(this.#clock)
    for (const table of await this.#outputTables()) await this.#refill(table, '', batch, watch)
    return watch.cost
  }

  scanMapped(): Promise<Cost> {
    return this.#scan(
      `select l.sequence, l.event_id, l.event_type, l.timestamp, l.source, l.data, l.kinds, e.entity_id, e.entity_type
        from "${this.#space}".event_entities e join "${this.#space}".ledger l using (sequence)
        order by e.entity_id, l.timestamp, l.sequence`,
    )
  }

  scanRaw(): Promise<Cost> {
    return this.#scan(`select sequence, raw from "${this.#space}".ledger order by sequence`, (row) => {
      JSON.parse(row[1] as string)
    })
  }

  scanData(): Promise<Cost> {
    const sql = `select sequence, data, resolution_hints from "${this.#space}".ledger order by sequence`
    return this.#scan(sql, (row) => {
      JSON.parse(row[1] as string)
      JSON.parse(row[2] as string)
    })
  }

  async query(sql: string, params: readonly unknown[]): Promise<Cost> {
    const watch = new Stopwatch(this.#clock)
    await watch.run(() => this.#client.query({ text: sql, values: [...params], rowMode: 'array', types: TEXT }))
    return watch.cost
  }

  async #outputTables(): Promise<string[]> {
    const { rows } = await this.#client.query<{ schema: string; name: string }>(
      `select nspname as schema, relname as name from pg_class c join pg_namespace n on n.oid = relnamespace
        where relkind = 'r' and (nspname = $1 or starts_with(nspname, $1 || '_')) and nspname not like '%~%'`,
      [this.#space],
    )
    return rows.filter(({ name }) => isOutput(name)).map(({ schema, name }) => `"${schema}"."${name}"`)
  }

  async *ledgerRows(columns: readonly string[]): AsyncGenerator<unknown[][]> {
    const list = columns.map((name) => `"${name}"`).join(', ')
    yield* this.#pages(`select ${list} from "${this.#space}".ledger order by sequence`)
  }

  async tableBytes(table: string): Promise<number> {
    const sql = `select pg_total_relation_size('"${this.#space}"."${table}"') as bytes`
    return Number((await this.#client.query<{ bytes: string }>(sql)).rows[0]?.bytes)
  }

  async #scan(sql: string, use: (row: readonly unknown[]) => void = () => undefined): Promise<Cost> {
    const watch = new Stopwatch(this.#clock)
    await watch.run(async () => {
      for await (const rows of this.#pages(sql)) for (const row of rows) use(row)
    })
    return watch.cost
  }

  async *#pages(sql: string): AsyncGenerator<unknown[][]> {
    const cursor = this.#client.query(new Cursor<unknown[]>(sql, [], { rowMode: 'array', types: TEXT }))
    let next = cursor.read(PAGE)
    for (;;) {
      const rows = await next
      if (rows.length === 0) break
      // As ours: the server works on the next page meanwhile.
      next = cursor.read(PAGE)
      yield rows
    }
    await cursor.close()
  }

  async #refill(table: string, order: string, batch: number, watch: Stopwatch): Promise<void> {
    const client = this.#client
    await pipeline(
      client.query(copyTo(`copy (select * from ${table} ${order}) to stdout`)),
      createWriteStream(this.#file),
    )
    await client.query(`drop table if exists floor; create table floor (like ${table} including all)`)
    for await (const block of blocks(this.#file, batch)) {
      await watch.run(async () => {
        await client.query('begin')
        const stream = client.query(copyFrom('copy floor from stdin'))
        stream.end(block)
        await finished(stream)
        await client.query('commit')
      })
    }
    await client.query('drop table floor')
  }
}

/** Blocks of whole lines. */
async function* blocks(path: string, lines: number): AsyncGenerator<Buffer> {
  let block: string[] = []
  const input = createReadStream(path, { highWaterMark: 1 << 20 })
  await once(input, 'open')
  // COPY text has no line ends but those between rows.
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    block.push(line, '\n')
    if (block.length < 2 * lines) continue
    yield Buffer.from(block.join(''))
    block = []
  }
  if (block.length > 0) yield Buffer.from(block.join(''))
}
