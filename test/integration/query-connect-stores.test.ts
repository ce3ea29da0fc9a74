/** Stand-alone handles on each kind of store: what is its own about it (spec 06 §10). */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConfigError, type Defacto, DefactoQuery, StorageError } from '../../src/index.ts'
import { describePostgres, execute, freshDatabase } from '../support/postgres.ts'
import { room } from '../support/room.ts'
import { openSubscriptions, RECORDS, record, SUBSCRIPTIONS, WITH_REGION } from '../support/subscriptions.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

/** Runs a program of its own with the sources at hand; gives what it writes. */
async function program(text: string): Promise<string> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', text], { cwd: ROOT, timeout: 60_000 })
  return stdout.trim()
}
const source = (name: string): string => JSON.stringify(join(ROOT, 'src', name))

describe('a handle on a SQLite file', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = mkdtempSync(join(room(), 'connect-'))
    file = join(folder, 'd.db')
    const engine = await openSubscriptions({ database: file, namespace: 'shop' })
    await engine.ingest('crm', RECORDS, { process: true })
    await engine.close()
  })
  afterEach(() => {
    chmodSync(folder, 0o755)
    rmSync(folder, { recursive: true, force: true })
  })
  const refused = async (url: string, options?: { namespace: string }): Promise<Error> =>
    (await DefactoQuery.connect(url, SUBSCRIPTIONS, undefined, options).catch((error: unknown) => error)) as Error

  test('makes nothing and changes nothing', async () => {
    const before = readFileSync(file)
    const handle = await DefactoQuery.connect(`sqlite:///${file}`, SUBSCRIPTIONS)
    expect(await handle.table('customer').count()).toBe(2)
    expect(() => (handle.connection as DatabaseSync).exec('create table x (a)')).toThrow()
    await handle.close()
    expect(readFileSync(file).equals(before)).toBe(true)
    const nowhere = join(folder, 'none', 'd.db')
    expect(await refused(nowhere)).toBeInstanceOf(StorageError)
    expect((await refused(nowhere)).message).toBe(`${nowhere} does not exist`)
    expect(existsSync(join(folder, 'none'))).toBe(false)
  })

  test('refuses what is no history store, and says what to do', async () => {
    const text = join(folder, 'notes.txt')
    writeFileSync(text, 'nothing that a database would be, but long enough to be looked at\n'.repeat(20))
    expect(await refused(text)).toBeInstanceOf(StorageError)
    expect((await refused(text)).message).toMatch(/is not a SQLite database; choose another file/)
    const empty = join(folder, 'empty.db')
    writeFileSync(empty, '')
    expect((await refused(empty)).message).toMatch(/holds no state history; name the file that an engine has written/)
    expect(readdirSync(folder).filter((name) => name.startsWith('empty'))).toEqual(['empty.db'])
    const foreign = join(folder, 'foreign.db')
    await program(
      `import { DatabaseSync } from 'node:sqlite'; new DatabaseSync(${JSON.stringify(foreign)}).exec('create table t (a)')`,
    )
    expect((await refused(foreign)).message).toMatch(/belongs to another application; choose another file/)
    expect((await refused(folder)).message).toMatch(/is a folder/)
    expect((await refused(file, { namespace: 'other' })).message).toMatch(/holds namespace 'shop', not 'other'/)
    expect((await refused(file, { namespace: 'no name' })).message).toMatch(/must match/)
    expect((await refused(file, { name_space: 'x' } as never)).message).toMatch(/unknown option 'name_space'/)
  })

  test('reads tables of other levels as they are, unless they say that it cannot', async () => {
    const database = new DatabaseSync(file)
    const level = (key: string, value: string): unknown =>
      database.prepare('insert or replace into meta (key, value) values (?, ?)').run(key, value)
    level('schema', '2')
    {
      await using handle = await DefactoQuery.connect(file, SUBSCRIPTIONS)
      expect(await handle.table('customer').count()).toBe(2)
    }
    expect(database.prepare("select value from meta where key = 'schema'").get()).toEqual({ value: '2' })
    level('schema_minimum', '999')
    database.close()
    expect(await refused(file)).toMatchObject({
      code: 'E_MIGRATION',
      message: expect.stringContaining('upgrade defacto'),
    })
  })

  test('takes every form of an address, and no other', async () => {
    for (const url of [file, `sqlite:///${file}`, `sqlite://${file}`]) {
      await using handle = await DefactoQuery.connect(url, SUBSCRIPTIONS, undefined, { namespace: 'shop' })
      expect(await handle.table('order').count()).toBe(1)
    }
    for (const url of [':memory:', 'sqlite:///', 'sqlite:///:memory:', 'duckdb:///:memory:']) {
      expect((await refused(url)).message).toMatch(/in memory is seen by nobody/)
    }
    const secret = await refused('mysql://root:hunter2@host/db')
    expect(secret).toBeInstanceOf(ConfigError)
    expect(secret.message).toMatch(/scheme 'mysql:\/\/'.*postgresql:.*duckdb:/)
    expect((await refused('postgre://ana:hunter2@host/db')).message).toMatch(/did you mean 'postgres'\?/)
    for (const url of ['postgresql:host:hunter2', 'sqlite://host:hunter2/x', '']) {
      const error = await refused(url)
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).not.toContain('hunter2')
    }
    expect(secret.message).not.toContain('hunter2')
  })

  test('reads while another process writes', async () => {
    await using handle = await DefactoQuery.connect(file, SUBSCRIPTIONS)
    const writing = program(`
      import { openSubscriptions, record } from ${JSON.stringify(join(ROOT, 'test/support/subscriptions.ts'))}
      const engine = await openSubscriptions({ database: ${JSON.stringify(file)} })
      for (let i = 0; i < 40; i++) {
        await engine.ingest('crm', [record('signed', 'p' + i + '@x', 4)], { process: true })
      }
      await engine.close()
    `)
    let ended = false
    const done = writing.finally(() => {
      ended = true
    })
    const counts: number[] = []
    while (!ended) {
      counts.push(await handle.table('customer').count())
      // Two queries of one moment: no writer comes between rows of one statement.
      const [both] = await handle
        .query(
          'select (select count(*) from customer_history) as a, (select count(distinct customer_id) from customer_history) as b',
        )
        .rows()
      expect(Number(both?.a)).toBeGreaterThanOrEqual(Number(both?.b))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await done
    expect(await handle.table('customer').count()).toBe(42)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
  })

  test('reads a file and a folder that it may not write', async () => {
    const wal = join(folder, 'd.db-wal')
    expect(existsSync(wal)).toBe(false)
    mkdirSync(join(folder, 'warm'))
    copyFileSync(file, join(folder, 'warm', 'd.db'))
    // Without rights of its own: the superuser may write everywhere.
    const asNobody = (then: string): string => `
      import { DefactoQuery } from ${source('query-entry.ts')}
      import { SUBSCRIPTIONS } from ${JSON.stringify(join(ROOT, 'test/support/subscriptions.ts'))}
      // What is loaded later may not be readable for nobody.
      const other = await DefactoQuery.connect(${JSON.stringify(join(folder, 'warm', 'd.db'))}, SUBSCRIPTIONS)
      for await (const _ of other.table('customer').stream());
      await other.close()
      const { chmodSync, writeFileSync } = await import('node:fs')
      chmodSync(${JSON.stringify(file)}, 0o444)
      chmodSync(${JSON.stringify(folder)}, 0o555)
      if (process.getuid() === 0) { process.setegid(65534); process.seteuid(65534) }
      const handle = await DefactoQuery.connect(${JSON.stringify(file)}, SUBSCRIPTIONS)
      ${then}
    `
    expect(
      await program(
        asNobody(`
          const rows = []
          for await (const row of handle.table('customer').stream()) rows.push(row)
          console.log(rows.length, await handle.table('order').count(), (await handle.tables().toRows()).customer.length)
          await handle.close()`),
      ),
    ).toBe('2 1 2')
    chmodSync(folder, 0o755)
    chmodSync(file, 0o644)
    expect(existsSync(wal)).toBe(false)
    // As soon as somebody writes, what lies in the file alone is not the whole any more.
    const told = await program(
      asNobody(`
        if (process.getuid() !== 65534 && process.geteuid() === 65534) process.seteuid(0)
        chmodSync(${JSON.stringify(folder)}, 0o755)
        writeFileSync(${JSON.stringify(wal)}, '')
        const error = await handle.table('customer').rows().catch((thrown) => thrown)
        console.log(error.name, error.recoverable, error.message)`),
    )
    expect(told).toBe(`StorageError true ${file} is being written now; open it again`)
  })
})

describePostgres('a handle on Postgres', () => {
  test('needs no more rights than to read the tables of its version', async () => {
    const { url, drop } = await freshDatabase()
    const name = new URL(url).pathname.slice(1)
    const user = `reader_${name}`
    const secret = 'hunter2'
    try {
      const engine = await openSubscriptions({ database: url, version: 'v1', namespace: 'shop' })
      await engine.ingest('crm', RECORDS, { process: true })
      await execute(url, `create role ${user} login password '${secret}'`)
      const address = new URL(url)
      address.username = user
      address.password = secret
      const connect = () => DefactoQuery.connect(address.href, SUBSCRIPTIONS, undefined, { namespace: 'shop' })
      const refused = (await connect().catch((error: unknown) => error)) as Error
      expect(refused).toBeInstanceOf(ConfigError)
      expect(refused.message).toMatch(/may not read namespace 'shop'.*grant usage on schema shop /)
      expect(JSON.stringify(refused)).not.toContain(secret)
      await execute(
        url,
        `grant usage on schema shop, shop_v1 to ${user};
         grant select on shop.meta, shop.definition_versions, shop.history_layouts to ${user};
         grant select on all tables in schema shop_v1 to ${user}`,
      )
      await using handle = await connect()
      expect(await handle.table('customer').count()).toBe(2)
      expect(await handle.query('select number from (select count(*) as number from relationships) n').rows()).toEqual([
        { number: 1 },
      ])
      expect((await handle.tables().toRows()).rel_placed_order).toHaveLength(1)
      const seen: unknown[] = []
      for await (const row of handle.relationship('ordered_by').stream()) seen.push(row.relationship_type)
      expect(seen).toEqual(['ordered_by'])
      await expect(handle.query('select raw from shop.ledger', [], { validate: false }).rows()).rejects.toThrow(
        /permission denied for table ledger/,
      )
      // After a full build the tables are others; who may read them stays.
      await engine.build({ full: true })
      expect(await handle.table('customer').count()).toBe(2)
      await engine.close()
    } finally {
      await execute(url, `drop owned by ${user}; drop role ${user}`).catch(() => undefined)
      await drop()
    }
  })

  test('cannot write, whatever its user may', async () => {
    const { url, drop } = await freshDatabase()
    try {
      const none = await DefactoQuery.connect(url, SUBSCRIPTIONS).catch((error: unknown) => error)
      expect(none).toBeInstanceOf(ConfigError)
      expect((none as Error).message).toMatch(/holds no state history in namespace 'defacto'; check the database/)
      const engine = await openSubscriptions({ database: url })
      await engine.ingest('crm', RECORDS, { process: true })
      await using handle = await DefactoQuery.connect(url, SUBSCRIPTIONS)
      const pool = handle.connection as pg.Pool
      await expect(pool.query('create table x (a int)')).rejects.toThrow(/read-only transaction/)
      await engine.close()
      const taken = await DefactoQuery.connect(url, SUBSCRIPTIONS, undefined, { namespace: 'public' }).catch(
        (error: unknown) => error,
      )
      expect(taken).toBeInstanceOf(ConfigError)
    } finally {
      await drop()
    }
  })

  test('tells no secret of the address', async () => {
    const { url, drop } = await freshDatabase()
    try {
      const wrong = new URL(url)
      wrong.password = 'hunter2'
      wrong.pathname = 'no_such_database'
      const closed = new URL(wrong)
      closed.port = '1'
      const odd = ['hunter2/x', 'x/hunter2', 'x?hunter2', 'hunter2#x', 'x@hunter2'].map(
        (password) => `postgres://ana:${password}@127.0.0.1:1/db`,
      )
      for (const address of [wrong.href, closed.href, ...odd]) {
        const error = (await DefactoQuery.connect(address, SUBSCRIPTIONS).catch((thrown: unknown) => thrown)) as Error
        expect(error).toBeInstanceOf(StorageError)
        expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain('hunter2')
      }
    } finally {
      await drop()
    }
  })
})

describe('a handle on a DuckDB file', () => {
  let folder: string
  let file: string
  let engine: Defacto<typeof SUBSCRIPTIONS>
  beforeEach(async () => {
    folder = mkdtempSync(join(room(), 'connect-'))
    file = join(folder, 'history.duckdb')
    engine = await openSubscriptions({ database: join(folder, 'd.db'), version: 'v1' })
    await engine.ingest('crm', RECORDS, { process: true })
    await engine.tables().toStore(file)
  })
  afterEach(async () => {
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('gives what the engine gave when it was written', async () => {
    for (const url of [`duckdb:///${file}`, `duckdb://${file}`, file]) {
      await using handle = await DefactoQuery.connect(url, SUBSCRIPTIONS)
      expect(handle.activeVersion).toBe('v1')
      expect(await handle.table('customer').orderBy('email').rows()).toEqual(
        await engine.table('customer').orderBy('email').rows(),
      )
      expect(await handle.history('customer').asOf('2024-01-01').count()).toBe(2)
      expect(await handle.relationship('ordered_by').count()).toBe(1)
      expect(await handle.query('select total from order_history').rows()).toEqual([{ total: 12.5 }])
      expect(await handle.version('v1').table('customer').count()).toBe(2)
    }
    await engine.ingest('crm', [record('signed', 'cy@x', 4)], { process: true })
    await using handle = await DefactoQuery.connect(`duckdb:///${file}`, SUBSCRIPTIONS)
    expect(await handle.table('customer').count()).toBe(2)
    await engine.tables().toStore(file)
    expect(await handle.table('customer').count()).toBe(3)
  })

  test('refuses what does not fit, and what is none', async () => {
    const connect = (url: string): Promise<Error> =>
      DefactoQuery.connect(url, SUBSCRIPTIONS).catch((error: unknown) => error) as Promise<Error>
    expect(await connect(`duckdb:///${join(folder, 'none.duckdb')}`)).toBeInstanceOf(StorageError)
    expect(await connect(`duckdb:///${join(folder, 'd.db')}`)).toBeInstanceOf(Error)
    expect(readdirSync(folder)).not.toContain('none.duckdb')
    await using handle = await DefactoQuery.connect(`duckdb:///${file}`, WITH_REGION)
    await expect(handle.table('customer').rows()).rejects.toMatchObject({ code: 'E_QUERY_MISFIT' })
    await handle.close()
    await expect(handle.versions()).rejects.toMatchObject({ code: 'E_QUERY_CLOSED' })
  })

  test('exports to files, as every handle', async () => {
    await using handle = await DefactoQuery.connect(`duckdb:///${file}`, SUBSCRIPTIONS)
    await handle.table('customer').select('email').orderBy('email').toCsv(join(folder, 'c.csv'))
    expect(readFileSync(join(folder, 'c.csv'), 'utf8').split(/\r?\n/)).toEqual(['email', 'ana@x', 'bo@x', ''])
    // Rows are not carried through this program where the store writes them itself.
    const emails = handle.table('customer').select('email')
    const written = await emails.context.reader.together([emails.sql()], async ([stream]) =>
      stream?.parquet?.(join(folder, 'c.parquet'), [{ name: 'email', type: 'string' }]),
    )
    expect(written).toBe(2)
  })
})

describe('the entry of the package for queries', () => {
  test('loads neither engine nor drivers', async () => {
    const loaded = await program(`
      import { registerHooks } from 'node:module'
      const seen = []
      registerHooks({ load(url, context, next) { seen.push(url); return next(url, context) } })
      await import(${source('query-entry.ts')})
      console.log(seen.filter((url) => !url.startsWith('node:')).join('\\n'))
    `)
    const files = loaded.split('\n')
    expect(files.length).toBeGreaterThan(20)
    expect(
      files.filter((file) => /node_modules|\/src\/(engine|adapters|orchestration|temporal|decisions)\//.test(file)),
    ).toEqual([])
  })
})
