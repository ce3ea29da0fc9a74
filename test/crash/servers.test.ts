/** Servers that restart, crash, drop connections, take no more of them, or have no space left. */
import '../support/small-units.ts'
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PostgresServer } from '../../infra/starters/postgres.ts'
import { type BuildProgress, Defacto, StorageError } from '../../src/index.ts'
import { describePostgres, execute, withServer } from '../support/postgres.ts'
import { type Session, Watcher } from '../support/postgres-sessions.ts'
import { type CrashPlace, expectSoundPostgres, POSTGRES } from './places.ts'
import { live, start } from './processes.ts'
import { EDITIONS, END, type Expected, expectedOf, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'
import type { WorkStep } from './worker.ts'

const [definitions] = EDITIONS as unknown as [never]
const COUNT = 240

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 6)
  expected = expectedOf(shop.records, definitions, definitions)
})
afterAll(() => shop.remove())

const open = (database: string): Promise<Defacto> =>
  Defacto.fromConfig(definitions, {
    database,
    clock: () => new Date(NOW),
    catchUp: false,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  }) as unknown as Promise<Defacto>

const ingest = (engine: Defacto, from = 0, to = COUNT): Promise<unknown> =>
  engine.ingest('kiosk', shop.records.slice(from, to), { throwIfAllFail: false })

const whole = (url: string): CrashPlace => ({
  database: url,
  expectSound: () => expectSoundPostgres(url),
  remove: async () => {},
})

async function expectRecoverable(work: Promise<unknown>, message: RegExp): Promise<StorageError> {
  const error = (await work.then(
    () => expect.fail('it succeeded'),
    (failed: unknown) => failed,
  )) as StorageError
  expect(error).toBeInstanceOf(StorageError)
  expect(error.recoverable, error.message).toBe(true)
  expect(error.message).toMatch(message)
  return error
}

/** Calls `strike` once, when the build has come to the phase; the build goes on meanwhile. */
function during(phase: BuildProgress['phase'], strike: () => Promise<unknown>) {
  let struck: Promise<unknown> | null = null
  return {
    onProgress: (progress: BuildProgress): void => {
      if (progress.phase === phase) struck ??= strike()
    },
    /** Resolves when the blow has been dealt. */
    dealt: async (): Promise<void> => {
      expect(struck, `the build never came to '${phase}'`).not.toBeNull()
      await struck
    },
  }
}

/** The server is down when this returns, before the build can send it anything more. */
function dealtTo(server: PostgresServer, blow: 'restart' | 'crash'): Promise<void> {
  const { pid } = server
  const done = server[blow]()
  const clock = new Int32Array(new SharedArrayBuffer(4))
  while (isRunning(pid)) Atomics.wait(clock, 0, 0, 5)
  return done
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describePostgres('a server', () => {
  test('that restarts or crashes in the middle of builds: the same engine goes on when it is back', {
    timeout: 120_000,
  }, async () => {
    await withServer({}, async (server) => {
      const engine = await open(server.url)
      const blows: [BuildProgress['phase'], 'restart' | 'crash', object][] = [
        ['map', 'restart', {}],
        ['map', 'crash', {}],
        ['rebuild', 'crash', { full: true }],
        ['interpret', 'restart', {}],
        ['interpret', 'crash', {}],
        ['rebuild', 'restart', { full: true }],
        ['renormalize', 'crash', { fromRaw: true }],
      ]
      const each = Math.ceil(COUNT / blows.length)
      for (const [i, [phase, blow, options]] of blows.entries()) {
        await ingest(engine, i * each, (i + 1) * each)
        const { onProgress, dealt } = during(phase, () => dealtTo(server, blow))
        await expectRecoverable(engine.build({ ...options, onProgress }), /connection to .* failed|cannot answer now/)
        await dealt()
        if (blow === 'crash') {
          await expectRecoverable(ingest(engine), /the connection to postgresql:.* failed; check that the server/)
          await server.restart()
        }
        await engine.build()
      }
      await engine.tick({ asOf: END })
      await engine.close()
      await expectIntact(whole(server.url), definitions, expected)
      await expectSoundIndexes(server.url)
    })
  })

  test.each(['chunk.written:2', 'shadow.written:2', 'swap.written:1'])(
    'that crashes while a process is at %s: the process says so, a new one goes on',
    { timeout: 60_000 },
    async (failpoint) => {
      await withServer({}, async (server) => {
        const steps: WorkStep[] = [
          { do: 'open', definitions, options: { catchUp: false } },
          { do: 'ingest', source: 'kiosk', from: 0, to: 120, process: true },
          { do: 'ingest', source: 'kiosk', from: 120, to: COUNT, process: true },
          { do: 'build', full: true },
          { do: 'tick', asOf: END },
        ]
        const job = { database: server.url, recordsFile: shop.recordsFile, now: NOW, steps }
        const running = start(shop.folder, job, { failpoint, pause: true, chunk: 40 })
        await using watcher = await Watcher.of(server.url)
        await watcher.until('it stops', () => running.stopped)
        await server.crash()
        await server.restart()
        running.kill('SIGCONT')
        expect((await running.life).error).toMatch(/^StorageError: .*connection to .* failed/)
        expect(await live(shop.folder, job, { chunk: 40 })).toMatchObject({ error: null, done: steps.length })
        await expectIntact(whole(server.url), definitions, expected)
      })
    },
  )

  test('that ends single connections: told as recoverable, and the same engine goes on', {
    timeout: 60_000,
  }, async () => {
    const space = await POSTGRES.place(shop.folder, 'connections')
    await using watcher = await Watcher.of(space.database)
    const engine = await open(space.database)
    await ingest(engine, 0, 100)
    await engine.build()
    await ingest(engine)
    const writes = ({ inTransaction, state }: Session): boolean => inTransaction || state === 'idle in transaction'
    for (const phase of ['map', 'interpret'] as const) {
      const { onProgress, dealt } = during(phase, async () => {
        await watcher.until('it is inside a transaction', (all) => all.some(writes))
        await watcher.terminate()
      })
      await expectRecoverable(engine.build({ onProgress }), /connection to .* failed|cannot answer now/)
      await dealt()
      await watcher.atRest()
    }
    await engine.build()
    await engine.tick({ asOf: END })

    const stream = engine.history('member').stream({ batchSize: 5 })
    expect((await stream.next()).done).toBe(false)
    await watcher.terminate()
    const rest = async (): Promise<void> => {
      for await (const _ of stream);
    }
    await expectRecoverable(rest(), /connection to .* failed|cannot answer now/)
    await watcher.atRest()
    expect(await engine.history('member').count()).toBeGreaterThan(5)
    await engine.close()
    await watcher.deserted()
    await expectIntact(space, definitions, expected)
    await space.remove()
  })

  test('that takes no more connections: a clear error; it works again when there is room', {
    timeout: 60_000,
  }, async () => {
    await withServer({ settings: { max_connections: 6, max_wal_senders: 0 } }, async (server) => {
      const engine = await open(server.url)
      await ingest(engine, 0, 100)
      const crowd: Watcher[] = []
      const fill = async (): Promise<void> => {
        for (;;) {
          const one = await Watcher.of(server.url).catch(() => null)
          if (one === null) return
          crowd.push(one)
        }
      }
      await fill()
      await crowd[0]?.terminate()
      await crowd[0]?.deserted()
      await fill()
      for (const work of [() => open(server.url), () => ingest(engine), () => engine.build()]) {
        await expectRecoverable(work(), /accepts no more connections; close some or raise max_connections/)
      }
      for (const one of crowd) await one[Symbol.asyncDispose]()
      await ingest(engine)
      await engine.build()
      await engine.tick({ asOf: END })
      await engine.close()
      await expectIntact(whole(server.url), definitions, expected)
    })
  })

  test('without space: a clear error wherever rows are written; with room again the work goes on', {
    timeout: 60_000,
  }, async () => {
    const space = await POSTGRES.place(shop.folder, 'full')
    const engine = await open(space.database)
    await ingest(engine, 0, 100)
    await engine.build()
    await execute(space.database, FULL_NOW_AND_THEN)
    const tables = ['ledger', 'event_entities', 'identity'].map((table) => `defacto.${table}`)
    tables.push(`defacto_${engine.activeVersion}.entity_state`)
    for (const [i, table] of tables.entries()) {
      let failed = 0
      await execute(
        space.database,
        `create trigger full_disk before insert on ${table} for each row execute function full_disk();
        alter sequence inserted restart`,
      )
      for (;;) {
        try {
          await ingest(engine, 0, 100 + 35 * (i + 1))
          await engine.build()
          break
        } catch (error) {
          await expectRecoverable(Promise.reject(error), /no space left on the server of .*; free some and try again/)
          failed += 1
        }
      }
      expect(failed, table).toBeGreaterThan(0)
      await execute(space.database, `drop trigger full_disk on ${table}`)
    }
    await engine.tick({ asOf: END })
    await engine.close()
    await expectIntact(space, definitions, expected)
    await space.remove()
  })

  test('on a file system that is really full', { timeout: 60_000 }, async () => {
    await withServer({}, async (server) => {
      const folder = join(server.dataFolder, 'small')
      if (!mounted(folder, '13m', server)) {
        return void console.warn('left out: a full disk, because no file system of a limited size can be made here')
      }
      try {
        await execute(server.url, `create tablespace small location '${folder}'`)
        await execute(server.url, 'create database shop tablespace small')
        const url = new URL(server.url)
        url.pathname = 'shop'
        const engine = await open(url.href)
        await execute(url.href, FILL)
        await expectRecoverable(ingest(engine), /no space left on the server of .*; free some and try again/)
        execFileSync('mount', ['-o', 'remount,size=100m', folder])
        await ingest(engine)
        await engine.build()
        await engine.tick({ asOf: END })
        await engine.close()
        await expectIntact(whole(url.href), definitions, expected)
      } finally {
        execFileSync('umount', ['-l', folder])
      }
    })
  })
})

/** The server's error of a full disk at some rows of a table, whether or not they stay. */
const FULL_NOW_AND_THEN = `
create sequence inserted;
create function full_disk() returns trigger language plpgsql as $$ begin
  if nextval('inserted') in (2, 9, 30) then
    raise 'could not extend file "base/1/2": No space left on device' using errcode = '53100';
  end if;
  return new;
end $$`

/** Leaves no page on the disk. */
const FILL = `
create table public.filler (text text);
do $$ begin
  loop
    begin
      insert into public.filler select repeat('x', 1000) from generate_series(1, 8);
    exception when disk_full then return;
    end;
  end loop;
end $$`

/** Every index has every row, where the server can tell. */
async function expectSoundIndexes(url: string): Promise<void> {
  await using watcher = await Watcher.of(url)
  const available = await watcher.rows("select 1 from pg_available_extensions where name = 'amcheck'")
  if (available.length === 0) return
  await watcher.rows('create extension amcheck')
  await watcher.rows(`select bt_index_check(c.oid, true) from pg_class c join pg_index i on i.indexrelid = c.oid
    join pg_am a on a.oid = c.relam and a.amname = 'btree' where c.relpersistence = 'p' and i.indisvalid`)
}

/** True if a memory file system of this size now lies at `folder`, and belongs to the server's user. */
function mounted(folder: string, size: string, server: PostgresServer): boolean {
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return false
  }
  const { uid, gid } = statSync(server.dataFolder)
  chownSync(folder, uid, gid)
  return true
}
