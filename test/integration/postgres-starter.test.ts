/** The Postgres that tests and people start: it answers, keeps what was committed, and never outlives its owner. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { isRoot, StarterError } from '../../infra/starters/host.ts'
import { findPostgres, startPostgres } from '../../infra/starters/postgres.ts'
import {
  describePostgres,
  execute,
  freshDatabase,
  freshNamespace,
  postgresUrl,
  withServer,
} from '../support/postgres.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'infra', 'starters', 'main.ts')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'defacto-starter-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

async function rows(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}

const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => {
      throw new Error('succeeded')
    },
    (error: Error) => error,
  )

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20)
}

describePostgres('a server of one’s own', () => {
  it('answers on loopback with a password, takes settings, and takes its folder along', async () => {
    const place = await withServer({ settings: { max_connections: 7 } }, async (server) => {
      expect(await rows(server.url, 'show max_connections')).toEqual([['7']])
      expect(await rows(server.url, 'show listen_addresses')).toEqual([['127.0.0.1']])
      expect(await rows(server.url, 'show unix_socket_directories')).toEqual([['']])
      expect(await rows(server.url, 'show server_encoding')).toEqual([['UTF8']])
      expect(server.version).toBe(
        (await rows(server.url, "select split_part(current_setting('server_version'), ' ', 1)")).flat()[0],
      )
      const stranger = new URL(server.url)
      stranger.password = 'guess'
      expect((await failureOf(rows(stranger.href, 'select 1'))).message).toContain('password authentication failed')
      expect(statSync(server.dataFolder).mode & 0o777).toBe(0o700)
      expect(isRunning(server.pid)).toBe(true)
      return { pid: server.pid, dataFolder: server.dataFolder }
    })
    expect(isRunning(place.pid)).toBe(false)
    expect(existsSync(place.dataFolder)).toBe(false)
  })

  it('stands beside another', async () => {
    await using first = await startPostgres()
    await using second = await startPostgres()
    expect(second.port).not.toBe(first.port)
    await execute(first.url, 'create table mine (id int)')
    expect(await rows(second.url, "select to_regclass('mine')")).toEqual([[null]])
  })

  it('goes on with the data of one before, whose password it keeps', async () => {
    const first = await startPostgres({ data: folder })
    await execute(first.url, 'create table kept as select 42 as answer')
    await first.stop()
    expect(isRunning(first.pid)).toBe(false)

    await using second = await startPostgres({ data: folder, port: first.port })
    expect(second.url).toBe(first.url)
    expect(await rows(second.url, 'select answer from kept')).toEqual([[42]])

    const third = await failureOf(startPostgres({ data: folder }))
    expect(third).toBeInstanceOf(StarterError)
    expect(third.message).toContain('postmaster.pid')
    expect(await rows(second.url, 'select answer from kept')).toEqual([[42]])
  })

  it.each([true, false])('keeps what was committed when it crashes and starts again (durable: %s)', async (durable) => {
    await withServer({ durable }, async (server) => {
      await execute(server.url, 'create table kept (id int)')
      const open = new pg.Client({ connectionString: server.url })
      open.on('error', () => {})
      await open.connect()
      for (let id = 0; id < 50; id++) await open.query('insert into kept values ($1)', [id])
      await open.query('begin')
      await open.query('insert into kept values (-1)')
      await server.crash()
      expect(isRunning(server.pid)).toBe(false)

      const { url } = server
      await server.restart()
      expect(server.url).toBe(url)
      expect(await rows(url, 'select count(*)::int, min(id) from kept')).toEqual([[50, 0]])
      expect(await readFile(join(server.dataFolder, 'log'), 'utf8')).toContain('automatic recovery in progress')
      await open.end()
    })
  })

  it('restarts in order, and after its first process alone was killed', async () => {
    await withServer({}, async (server) => {
      const first = server.pid
      await server.restart()
      expect(server.pid).not.toBe(first)
      process.kill(server.pid, 'SIGKILL')
      await server.restart()
      expect(await rows(server.url, 'select 1')).toEqual([[1]])
    })
  })

  it('says why it does not start, with its log', async () => {
    const error = await failureOf(startPostgres({ settings: { max_connections: 'many' } }))
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toContain('invalid value for parameter "max_connections": "many"')
  })

  it.runIf(isRoot())('runs as a user without privileges, and refuses a folder that user cannot reach', async () => {
    await withServer({}, async (server) => {
      expect(statSync(server.dataFolder).uid).not.toBe(0)
      expect(await rows(server.url, "select current_setting('is_superuser')")).toEqual([['on']])
      expect(statSync(`/proc/${server.pid}`).uid).toBe(statSync(server.dataFolder).uid)
    })
    const error = await failureOf(startPostgres({ data: join(folder, 'inside') }))
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toMatch(/runs as '\w+', who cannot reach .*inside: choose a folder open to all/)
  })
})

describePostgres('a server whose owner is killed', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('is gone with its folder after %s', async (signal) => {
    const owner = spawn(process.execPath, [MAIN, 'postgres'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, DEFACTO_POSTGRES_URL: '', TMPDIR: tmpdir() },
    })
    const [url] = (await once(createInterface(owner.stdout), 'line')) as [string]
    const found = await rows(url, "select pg_backend_pid(), current_setting('data_directory')")
    const [, cluster] = found[0] as [number, string]
    const pid = Number((await rows(url, "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)")).flat()[0])
    const exited = once(owner, 'exit')
    owner.kill(signal)
    expect(await exited).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null])
    await until(() => !isRunning(pid) && !existsSync(join(cluster, '..')))
  })
})

describePostgres('the program', () => {
  const program = (
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number; out: string; err: string }> => {
    const child = spawn(process.execPath, [MAIN, 'postgres', ...args], { env: { ...process.env, ...env } })
    let out = ''
    let err = ''
    child.stdout.on('data', (text) => {
      out += text
    })
    child.stderr.on('data', (text) => {
      err += text
    })
    return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, out, err })))
  }

  it('runs a command with DATABASE_URL and ends with its exit code', async () => {
    const { code, out } = await program(['--', 'sh', '-c', 'echo "$DATABASE_URL"; exit 3'])
    expect(out).toMatch(/^postgresql:\/\/\S+\n$/)
    expect(code).toBe(3)
  })

  it('uses the server that DEFACTO_POSTGRES_URL names, and leaves it running', async () => {
    const { code, out } = await program(['--', 'sh', '-c', 'echo "$DATABASE_URL"'], {
      DEFACTO_POSTGRES_URL: postgresUrl(),
    })
    expect({ code, out }).toEqual({ code: 0, out: `${postgresUrl()}\n` })
    expect(await rows(postgresUrl(), 'select 1')).toEqual([[1]])
  })

  it.each([
    [['--', 'no-such-command-here'], 1, "There is no command 'no-such-command-here'."],
    [['--port', 'five'], 2, '--port takes a whole number'],
    [['--set', 'fsync'], 2, "--set takes NAME=VALUE, not 'fsync'"],
    [['--sett', 'fsync=on'], 2, "Unknown option '--sett'"],
  ])('%j is answered with %i and a reason', async (args, code, reason) => {
    const ended = await program(args)
    expect(ended.err).toContain(reason)
    expect(ended.code).toBe(code)
  })
})

describePostgres('what cannot be used is named', () => {
  it('a server that does not answer, without its password', async () => {
    vi.stubEnv('DEFACTO_POSTGRES_URL', 'postgresql://someone:hidden@127.0.0.1:1/none')
    const error = await failureOf(findPostgres())
    expect(error).toBeInstanceOf(StarterError)
    expect(error.message).toContain('The server of DEFACTO_POSTGRES_URL (127.0.0.1:1) does not answer: ')
    expect(error.message).toContain('Correct the address, or unset it to have a server started.')
    expect(error.message).not.toContain('hidden')
  })

  it('a text that is no address', async () => {
    vi.stubEnv('DEFACTO_POSTGRES_URL', 'my server')
    expect((await failureOf(findPostgres())).message).toContain('DEFACTO_POSTGRES_URL does not answer')
  })

  it('a folder without programs', async () => {
    vi.stubEnv('DEFACTO_POSTGRES_BIN', folder)
    const error = await failureOf(startPostgres())
    expect(error.message).toBe(
      `DEFACTO_POSTGRES_BIN=${folder} has no programs 'initdb' and 'postgres' that all may run.`,
    )
  })

  it('a version that nobody has', async () => {
    const error = await failureOf(startPostgres({ version: 9 }))
    expect(error.message).toContain('There is no Postgres 9 here, and none could be installed.')
    expect(error.message).toContain('packages carry versions 13, 14, 15, 16, 17, 18')
    expect(error.message).toContain('apt-get install postgresql')
  })
})

describePostgres('the shared server', () => {
  it('gives databases that know nothing of each other', async () => {
    const first = await freshDatabase()
    const second = await freshDatabase()
    await execute(first.url, 'create table mine (id int)')
    expect(await rows(second.url, "select to_regclass('mine')")).toEqual([[null]])
    const open = new pg.Client({ connectionString: first.url })
    open.on('error', () => {})
    await open.connect()
    await first.drop()
    await second.drop()
    expect((await failureOf(rows(first.url, 'select 1'))).message).toContain('does not exist')
  })

  it('gives namespaces, and drops theirs alone', async () => {
    const mine = freshNamespace()
    const other = freshNamespace()
    for (const schema of [mine.namespace, `${mine.namespace}_v1`, `${other.namespace}_v1`]) {
      await execute(mine.url, `create schema ${schema}; create table ${schema}.t (id int)`)
    }
    const left = `select nspname::text from pg_namespace where nspname ~ '${mine.namespace}|${other.namespace}'`
    await mine.drop()
    expect(await rows(mine.url, left)).toEqual([[`${other.namespace}_v1`]])
    await other.drop()
    expect(await rows(mine.url, left)).toEqual([])
  })
})
