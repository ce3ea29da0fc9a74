/** What is particular to SQLite files: recognizing them, sharing them between processes, and their errors (spec 07 §1–2). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isDead, processStartTime } from '../../src/adapters/host/process-identity.ts'
import { storageError } from '../../src/adapters/sqlite/errors.ts'
import { countSkipped } from '../../src/adapters/sqlite/event-ids.ts'
import { MIGRATIONS } from '../../src/adapters/sqlite/migrations.ts'
import { APPLICATION_ID } from '../../src/adapters/sqlite/open.ts'
import { openSqliteStore, type SqliteStoreOptions } from '../../src/adapters/sqlite/store.ts'
import { ConfigError, LockHeld, StorageError } from '../../src/errors.ts'
import { tombstone } from '../../src/ports/archive.ts'
import type { Store } from '../../src/ports/store.ts'
import { drain, inUnit, NOW } from '../../src/testing/contract/backend.ts'
import { day, event, prepareVersion } from '../../src/testing/contract/fixtures.ts'
import { tier } from '../../src/testing/contract/tiering.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'defacto-sqlite-'))
  path = join(folder, 'space.db')
})
afterEach(() => rm(folder, { recursive: true }))

const open = (options: Partial<SqliteStoreOptions> = {}): Promise<Store> =>
  openSqliteStore({ path, now: () => NOW, ...options })
const failure = (options?: Partial<SqliteStoreOptions>): Promise<Error> =>
  open(options).then(
    async (store) => {
      await store.close()
      throw new Error('opened')
    },
    (error: Error) => error,
  )

describe('opening a file', () => {
  it('makes missing folders and a file that names its application', async () => {
    path = join(folder, 'a', 'b', 'space.db')
    const store = await open()
    expect(store.location).toBe(path)
    expect(store.namespace).toBe('defacto')
    expect(store.spaceId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/)
    await store.close()
    const header = await readFile(path)
    expect(header.readUInt32BE(68)).toBe(0x0defac70)
  })

  it('refuses what is no database, and leaves it alone', async () => {
    const text = 'these are my notes, please keep them\n'.repeat(200)
    await writeFile(path, text)
    const error = await failure()
    expect(error).toBeInstanceOf(StorageError)
    expect(error.message).toContain('is not a SQLite database')
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  it('refuses the database of another application', async () => {
    const other = new DatabaseSync(path)
    other.exec('create table ledger (mine text)')
    other.close()
    const error = await failure()
    expect(error).toBeInstanceOf(StorageError)
    expect(error.message).toContain('belongs to another application')
  })

  it('notices a truncated file', async () => {
    const store = await open()
    await inUnit(store, (unit) => prepareVersion(store, unit))
    await store.close()
    await truncate(path, 8192 * 3)
    const error = await failure()
    expect(error).toBeInstanceOf(StorageError)
    expect(error.message).toMatch(/is truncated: its last \d+ bytes are missing/)
  })

  it('refuses a folder, and a missing file when it is only to be read', async () => {
    await mkdir(path)
    expect(await failure()).toBeInstanceOf(ConfigError)
    path = join(folder, 'none.db')
    const error = await failure({ readOnly: true })
    expect(error).toBeInstanceOf(StorageError)
    expect(error.message).toContain('does not exist')
  })

  it('refuses a folder that cannot be made', async () => {
    await writeFile(path, '')
    for (const impossible of [join(path, 'x.db'), '/proc/defacto/x.db']) {
      path = impossible
      expect(await failure()).toBeInstanceOf(StorageError)
    }
  })

  it('refuses another namespace than the file has', async () => {
    await (await open({ namespace: 'shop' })).close()
    expect((await open()).namespace).toBe('shop')
    const error = await failure({ namespace: 'other' })
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toContain(`holds namespace 'shop', not 'other'`)
    expect(await failure({ namespace: '1 x' })).toBeInstanceOf(ConfigError)
  })

  it('reads a file without writing to it', async () => {
    const writer = await open()
    await inUnit(writer, (unit) => writer.ledger.append(unit, [event('a')]))
    const reader = await open({ readOnly: true })
    expect(await reader.ledger.head()).toBe(1)
    await expect(inUnit(reader, (unit) => reader.ledger.append(unit, [event('b')]))).rejects.toThrow(StorageError)
    await reader.close()
    await writer.close()
  })
})

/** As the package made files before there were tiers: an event, its repetition, a tombstone, and an excluded row. */
function firstLevelFile(): void {
  const db = new DatabaseSync(path)
  db.exec('pragma page_size = 8192; pragma journal_mode = wal')
  db.exec(`pragma application_id = ${APPLICATION_ID}; create table meta (key text primary key, value text not null) without rowid;
    insert into meta values ('space_id', 'a-b-c'), ('namespace', 'shop'), ('schema', '1'), ('schema_minimum', '1'),
      ('migration/1', '${NOW} ledger, identity, mappings, versions, build state, locks')`)
  db.exec(MIGRATIONS[0]?.sql ?? '')
  const at = day(1).toString()
  const insert =
    db.prepare(`insert into ledger (sequence, event_id, event_type, timestamp, source, data, resolution_hints,
    duplicate_of, excluded, raw) values (?, ?, 'joined', '${at}', 'kiosk', '{}', '{}', ?, ?, '{}')`)
  insert.run(1, 'a', null, 0)
  insert.run(2, 'a', 1, 0)
  insert.run(4, 'd', null, 1)
  db.exec(`insert into ledger (sequence) values (3); update head set last = 4;
    insert into source_counts values ('kiosk', 3)`)
  db.close()
}

const THIRD_AND_FOURTH = [
  { sequence: 3, event: event('c') },
  { sequence: 4, event: event('d') },
]

describe('migrations', () => {
  const edit = (key: string, value: string): void => {
    const db = new DatabaseSync(path)
    db.prepare('update meta set value = ? where key = ?').run(value, key)
    db.close()
  }

  it('are recorded with the space', async () => {
    await (await open()).close()
    const db = new DatabaseSync(path)
    const keys = db.prepare('select key from meta order by key').all()
    db.close()
    expect(keys.map((row) => row['key'])).toEqual([
      'migration/1',
      'migration/2',
      'migration/3',
      'migration/4',
      'migration/5',
      'migration/6',
      'namespace',
      'schema',
      'schema_minimum',
      'space_id',
    ])
  })

  it('bring a file of the first level up to date, with everything that is in it', async () => {
    firstLevelFile()
    for (const options of [{ migrations: 'check' }, { readOnly: true }] as const) {
      const error = await failure(options)
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).toContain('has tables of level 1, this package needs 6')
    }
    const store = await open()
    expect([store.namespace, store.spaceId]).toEqual(['shop', 'a-b-c'])
    expect([await store.ledger.head(), await store.ledger.count(), await store.ledger.countAfter(0)]).toEqual([4, 3, 1])
    expect(await store.tiers.state()).toBeNull()
    const append = (...ids: string[]) =>
      inUnit(store, (unit) =>
        store.ledger.append(
          unit,
          ids.map((id) => event(id)),
        ),
      )
    expect(await append('a', 'b')).toEqual([
      { sequence: 1, inserted: false },
      { sequence: 5, inserted: true },
    ])
    // Its rows, tombstones included, can go into the archive like any others.
    await tier(store, 'on')
    expect(await store.ledger.countAfter(0)).toBe(2)
    expect((await drain(store.tiers.rows({ after: 0, to: 4 })))[2]).toEqual(tombstone(3))
    await tier(store, 'empty')
    expect(await inUnit(store, (unit) => store.ledger.renormalize(unit, THIRD_AND_FOURTH))).toEqual({
      changed: 0,
      duplicateOf: new Map(),
    })
    expect(await store.ledger.countAfter(0)).toBe(3)
    expect(await append('a', 'b', 'c', 'd')).toEqual(
      [1, 5, 6, 4].map((sequence) => ({ sequence, inserted: sequence === 6 })),
    )
    await store.close()
    await (await open({ migrations: 'check' })).close()
  })

  it('a file made by a newer package is refused if it says so', async () => {
    await (await open()).close()
    edit('schema', '999')
    await (await open()).close()
    edit('schema_minimum', '999')
    const error = await failure()
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toContain('newer package')
  })

  it('are not applied unasked under check or when reading', async () => {
    await (await open({ migrations: 'check' })).close()
    edit('schema', '0.5')
    for (const options of [{ migrations: 'check' }, { readOnly: true }] as const) {
      const error = await failure(options)
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).toContain(`run 'defacto migrate'`)
    }
  })
})

describe('errors', () => {
  it('another writer beyond the timeout is a recoverable error, and nothing is lost', async () => {
    const store = await open({ lockTimeoutMs: 30 })
    const other = new DatabaseSync(path)
    other.exec('begin immediate')
    const blocked = await inUnit(store, (unit) => store.ledger.append(unit, [event('a')])).catch((error) => error)
    expect(blocked).toBeInstanceOf(StorageError)
    expect(blocked.recoverable).toBe(true)
    expect(blocked.details).toMatchObject({ operation: 'begin', driver: 'node:sqlite' })
    other.exec('rollback')
    other.close()
    await inUnit(store, (unit) => store.ledger.append(unit, [event('a')]))
    expect(await store.ledger.head()).toBe(1)
    await store.close()
  })

  it('a full disk is recoverable, a broken constraint is not, and neither shows values', () => {
    const db = new DatabaseSync(':memory:')
    db.exec('create table t (a text unique); pragma max_page_count = 3')
    const insert = db.prepare('insert into t values (?)')
    insert.run('secret')
    const errorOf = (value: string): StorageError => {
      try {
        insert.run(value)
      } catch (error) {
        return storageError(error, 'test', 'here') as StorageError
      }
      throw new Error('no error')
    }
    const full = errorOf('x'.repeat(100_000))
    expect([full.recoverable, full.message]).toEqual([true, expect.stringContaining('no space left')])
    const constraint = errorOf('secret')
    expect(constraint.recoverable).toBe(false)
    expect(constraint.message).not.toContain('secret')
    expect(constraint.details['operation']).toBe('test')
    db.close()
  })

  it('a file that is damaged is named as such', async () => {
    const store = await open()
    await inUnit(store, async (unit) => {
      await prepareVersion(store, unit)
      await store.ledger.append(
        unit,
        Array.from({ length: 500 }, (_, i) => event(`e${i}`)),
      )
    })
    await store.close()
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(0x5a, 8192))
    const error = await open()
      .then(async (damaged) => {
        try {
          return await damaged.ledger.raws([1, 200, 400]).catch((cause: Error) => cause)
        } finally {
          await damaged.close().catch(() => undefined)
        }
      })
      .catch((cause: Error) => cause)
    expect(error).toBeInstanceOf(StorageError)
    expect((error as Error).message).toContain('is damaged')
  })
})

describe('plans', () => {
  it('reads use their indexes', async () => {
    const store = await open()
    await inUnit(store, (unit) => prepareVersion(store, unit))
    await store.close()
    const db = new DatabaseSync(path)
    const plan = (sql: string): string =>
      db
        .prepare(`explain query plan ${sql}`)
        .all()
        .map((row) => row['detail'])
        .join('; ')
    const skipped = '(duplicate_of is not null or excluded = 1 or event_type is null)'
    expect(plan(`select count(*) from ledger where sequence > 1 and ${skipped}`)).toContain('ledger_skipped')
    expect(plan('select 1 from ledger where event_id = 1 and duplicate_of is null and excluded = 0')).toContain(
      'ledger_event_id',
    )
    expect(plan(`select ${countSkipped('sequence > 1')} from head`)).toMatch(/event_ids_skipped.*ledger_skipped/)
    expect(plan('select 1 from event_ids where event_id = 1 and duplicate_of is null and excluded = 0')).toContain(
      'event_ids_canonical',
    )
    expect(plan(`select id from "entity_state~v1" where next_due < '2' order by next_due, id limit 3`)).toMatch(
      /SEARCH .*"?entity_state~v1 due/,
    )
    expect(plan('select * from member_history where valid_to is null and member_id = 1')).toContain('SEARCH')
    for (const name of ['took_out', 'taken_by', 'knows']) {
      expect(plan(`select * from rel_${name}_history where source_id = 'x'`)).not.toMatch(/SCAN m\b/)
    }
    db.close()
  })
})

/** Runs a small program against the file in a process of its own and yields its output lines. */
function inProcess(body: string): {
  lines: AsyncIterator<string>
  pid: number
  end(): Promise<number | null>
  kill(): void
} {
  const url = (file: string): string => new URL(`../../src/${file}`, import.meta.url).href
  const program = `
    import { openSqliteStore } from '${url('adapters/sqlite/store.ts')}'
    import { inUnit, NOW } from '${url('testing/contract/backend.ts')}'
    import { event } from '${url('testing/contract/fixtures.ts')}'
    import { processStartTime } from '${url('adapters/host/process-identity.ts')}'
    const store = await openSqliteStore({ path: process.argv[1], now: () => NOW })
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    lines,
    pid: child.pid as number,
    end: async () => (child.exitCode ?? (await once(child, 'exit'))[0]) as number | null,
    kill: () => child.kill('SIGKILL'),
  }
}

describe('two processes on one file', () => {
  it('append together: every event once, no gaps', async () => {
    const store = await open()
    const body = `
      for (let i = 0; i < 30; i++) {
        await inUnit(store, (unit) => store.ledger.append(unit, [event('theirs ' + i), event('shared ' + i)]))
        if (i === 0) console.log('going')
      }
      await store.close()`
    const child = inProcess(body)
    await child.lines.next()
    for (let i = 0; i < 30; i++) {
      await inUnit(store, (unit) => store.ledger.append(unit, [event(`ours ${i}`), event(`shared ${i}`)]))
    }
    expect(await child.end()).toBe(0)
    expect(await store.ledger.head()).toBe(90)
    expect(await store.ledger.count()).toBe(90)
    const ids = new Set<string>()
    for await (const rows of store.ledger.scan({ after: 0, to: 90 })) for (const row of rows) ids.add(row.eventId)
    expect(ids.size).toBe(90)
    await store.close()
  })

  it('the slot of a killed process is free at once, of a living one it is not', async () => {
    const store = await open({ isDead })
    const child = inProcess(`
      const holder = { host: (await import('node:os')).hostname(), pid: process.pid, startedAt: processStartTime(process.pid), purpose: 'build' }
      console.log(await store.locks.acquire('state', holder, 3_600_000, NOW))
      await new Promise((resolve) => process.stdin.on('end', resolve).resume())`)
    expect((await child.lines.next()).value).toBe('1')
    const us = { host: 'here', pid: process.pid, startedAt: processStartTime(process.pid) ?? '', purpose: 'tick' }
    const held = await store.locks.acquire('state', us, 1000, NOW).catch((error) => error)
    expect(held).toBeInstanceOf(LockHeld)
    expect(held.message).toContain(`process ${child.pid}`)
    child.kill()
    await child.end()
    expect(await store.locks.acquire('state', us, 1000, NOW)).toBe(2)
    await store.close()
  })

  it('a killed writer leaves what it committed and nothing else', async () => {
    await (await open()).close()
    const child = inProcess(`
      await inUnit(store, (unit) => store.ledger.append(unit, [event('a')]))
      await inUnit(store, async (unit) => {
        await store.ledger.append(unit, [event('b')])
        console.log('inside')
        await new Promise((resolve) => setTimeout(resolve, 60_000))
      })`)
    expect((await child.lines.next()).value).toBe('inside')
    child.kill()
    await child.end()
    const store = await open()
    expect(await store.ledger.head()).toBe(1)
    expect(await inUnit(store, (unit) => store.ledger.append(unit, [event('c')]))).toEqual([
      { sequence: 2, inserted: true },
    ])
    await store.close()
  })
})

describe('processes', () => {
  const host = { host: '', pid: process.pid, startedAt: processStartTime(process.pid) ?? '', purpose: 'test' }

  it('are dead only if that is certain', () => {
    const here = { ...host, host: hostname() }
    expect(here.startedAt).not.toBe('')
    expect(isDead(here)).toBe(false)
    expect(isDead({ ...here, startedAt: `${here.startedAt.replace(/\d+$/, '')}1` })).toBe(true)
    expect(isDead({ ...here, host: 'elsewhere', pid: 999_999_999 })).toBe(false)
    expect(isDead({ ...here, pid: 999_999_999 })).toBe(true)
    expect(isDead({ ...here, startedAt: '', pid: 999_999_999 })).toBe(false)
  })

  it('are dead when killed, although their parent never asks for their outcome', async () => {
    // The second shell takes the place of the first, and knows nothing of its child when it tells the number.
    const script = 'sleep 60 & CHILD=$! exec sh -c "echo \\$CHILD; exec sleep 60"'
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]()
      const pid = Number((await lines.next()).value)
      const child = { ...host, host: hostname(), pid, startedAt: processStartTime(pid) ?? '' }
      expect(isDead(child)).toBe(false)
      process.kill(pid, 'SIGKILL')
      await vi.waitFor(() => expect(isDead(child)).toBe(true))
      // Still there: only its parent could make it go.
      expect(() => process.kill(pid, 0)).not.toThrow()
    } finally {
      parent.kill('SIGKILL')
    }
  })
})
