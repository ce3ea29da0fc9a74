/** Manners of the command line (spec 10 §4.5, §7.2): streams, exit codes, signals, locks, memory. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { processStartTime } from '../../src/adapters/host/process-identity.ts'
import { openSqliteStore } from '../../src/adapters/sqlite/store.ts'
import { type Instant, instantFromDate } from '../../src/core/instant.ts'
import { ended, Project, shows } from '../support/cli.ts'

const now = (): Instant => instantFromDate(new Date()) as Instant
const signup = (n: number): string =>
  `${JSON.stringify({ type: 'signup', timestamp: '2024-01-01T00:00:00Z', email: `user${n}@example.com` })}\n`
const signups = (count: number, from = 0): string => Array.from({ length: count }, (_, i) => signup(from + i)).join('')

describe('streams', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
    await project.run(['ingest', 'app', '-', '--process', '-q'], { input: signups(3000) })
  })
  afterAll(() => project.remove())

  it('puts data on stdout and everything else on stderr', async () => {
    const done = await project.run(['ingest', 'app', '-', '--process', '-v'], { input: signup(1) })
    expect(done.out).toMatch(/^ingested app/)
    expect(done.err).toContain('ingest batch completed')
    const quiet = await project.run(['table', 'nothing', '-q'])
    expect(quiet.out).toBe('')
    expect(quiet.err.trimEnd().split('\n')).toHaveLength(1)
  })

  it('shows one message for a mistake and a stack only with -v', async () => {
    const plain = await project.run(['query', 'select 1 from nowhere'])
    expect(plain.err).toMatch(/^error E_QUERY\S* /)
    expect(plain.err).not.toMatch(/^\s+at /m)
    const verbose = await project.run(['query', 'select 1 from nowhere', '-v'])
    expect(verbose.err).toMatch(/^\s+at /m)
  })

  it('makes one JSON document, of errors too, whatever fails', async () => {
    for (const args of [
      ['bild'],
      ['table'],
      ['dlq'],
      ['build', '--as-of', 'soon'],
      ['build', '--until-sequence', '-1'],
      ['tick', '--nonsense'],
      ['table', 'customer', '--limit', 'x'],
    ]) {
      expect(await project.json(args), args.join(' ')).toMatchObject({
        ok: false,
        data: null,
        error: { code: 'E_USAGE', class: 'UsageError' },
        code: 2,
      })
    }
  })

  it('takes global flags before and behind the command', async () => {
    const before = await project.run(['-o', 'json', '-n', 'defacto', 'build', '--dry-run'])
    const behind = await project.run(['build', '--dry-run', '-o', 'json', '--namespace', 'defacto'])
    expect(JSON.parse(before.out)).toEqual(JSON.parse(behind.out))
    expect((await project.run(['-o', 'json', 'build', '--dry-run', '-o', 'jsonl'])).out).not.toContain('"ok"')
    expect((await project.run(['build', '--version', 'nope', '--dry-run'])).code).toBe(7)
    expect((await project.run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('builds in this process unless told otherwise', async () => {
    const nowhere = ['--engine', 'temporal', '--temporal-address', '127.0.0.1:1']
    expect(await project.json(['build', ...nowhere])).toMatchObject({ code: 9, error: { class: 'UnreachableError' } })
    expect((await project.run(['build', '--dry-run', ...nowhere])).code).toBe(0)
    expect((await project.run(['build', '--dry-run', '--local'])).code).toBe(0)
    expect((await project.run(['build', '--local', '--engine', 'temporal'])).code).toBe(2)
  })

  it('has help for everything, with examples', async () => {
    const overview = await project.run(['--help'])
    expect(overview).toMatchObject({ code: 0, err: '' })
    for (const command of [
      'init',
      'check',
      'ingest',
      'build',
      'tick',
      'table',
      'history',
      'timeline',
      'query',
      'dlq',
      'run',
      'schedule',
      'backfill',
      'asset',
      'dev',
      'worker',
      'serve',
      'temporal',
      'pipes',
      'migrate',
      'doctor',
      'config',
      'completion',
    ]) {
      expect(overview.out).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    }
    const help = await project.run(['help', 'ingest'])
    expect(help.out).toMatch(/Examples:\n {2}\$ defacto ingest/)
    expect((await project.run(['dlq', 'drop', '--help'])).out).toContain('--reason')
  })

  it('uses no colour without a terminal', async () => {
    const shown = await project.run(['table', 'customer', '--limit', '3'], { env: { FORCE_COLOR: '1' } })
    expect(shown.out).not.toContain('\u001b')
    expect(shown.out).toContain('—')
  })

  it('is silent when the reader has seen enough', async () => {
    const child = project.start(['table', 'customer', '-o', 'jsonl'])
    const end = ended(child)
    child.stdout.once('data', () => child.stdout.destroy())
    const { code, err } = await end
    expect(err).toBe('')
    expect(code).toBe(0)
  })

  it('prints all rows to a pipe, and a document streams with flat memory', async () => {
    expect((await project.run(['table', 'customer'])).out.trimEnd().split('\n')).toHaveLength(3001)
    expect((await project.json(['table', 'customer'])).data).toHaveLength(3000)
  })
})

describe('stopping', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())
  const stored = async (): Promise<number> => {
    const doctor = (await project.json(['doctor'])) as unknown as {
      data: { checks: { check: string; data: { events: number } }[] }
    }
    return doctor.data.checks.find(({ check }) => check === 'database')?.data.events as number
  }

  it('Ctrl-C ends at a chunk boundary with 130; what was committed stays and the rest follows', async () => {
    const child = project.start(['ingest', 'app', '-', '-v'])
    const end = ended(child)
    const first = shows(child, 'ingest batch completed')
    child.stdin.write(signups(5200))
    await first
    child.kill('SIGINT')
    expect(await end).toMatchObject({ code: 130, err: expect.stringContaining('E_INTERRUPTED') })
    const before = await stored()
    expect(before).toBeGreaterThanOrEqual(5000)
    expect(before % 100).toBe(0)
    const again = await project.json(['ingest', 'app', '-'], { input: signups(5200) })
    expect(again.data).toMatchObject({ read: 5200, duplicates: before, ingested: 5200 - before })
  })

  it('--timeout ends with 124 even while waiting for input', async () => {
    const child = project.start(['ingest', 'app', '-', '--timeout', '1s', '-o', 'json'])
    const { code, out } = await ended(child)
    expect(code).toBe(124)
    expect(JSON.parse(out)).toMatchObject({ ok: false, error: { code: 'E_TIMEOUT' } })
    expect((await project.run(['build', '--timeout', 'soon'])).code).toBe(2)
  })

  it('a space that somebody else works on is exit 6, and doctor names the holder', async () => {
    const store = await openSqliteStore({ path: project.path('.defacto', 'defacto.db'), now })
    const holder = {
      host: hostname(),
      pid: process.pid,
      startedAt: processStartTime(process.pid) ?? '',
      purpose: 'build',
    }
    const epoch = await store.locks.acquire('state', holder, 60_000, now())
    try {
      expect(await project.json(['build', '--full'])).toMatchObject({
        ok: false,
        code: 6,
        error: { class: 'LockHeld' },
      })
      const doctor = (await project.json(['doctor'])) as unknown as {
        data: { checks: { check: string; state: string; message: string }[] }
      }
      expect(doctor.data.checks.find(({ check }) => check === 'locks')).toMatchObject({
        state: 'warn',
        message: expect.stringContaining(`build in process ${process.pid}`),
      })
    } finally {
      await store.locks.release('state', epoch)
      await store.close()
    }
    expect((await project.run(['build', '--full'])).code).toBe(0)
  })
})

describe('storage', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())

  it('migrate --check changes nothing and migrate makes the tables', async () => {
    const check = await project.json(['migrate', '--check'])
    expect(check).toMatchObject({ ok: false, code: 2, error: { code: 'E_MIGRATION' } })
    expect(existsSync(project.path('.defacto', 'defacto.db'))).toBe(false)
    expect((await project.json(['migrate'])).ok).toBe(true)
    expect((await project.json(['migrate', '--check'])).ok).toBe(true)
  })

  it('--database chooses another file; a file that is no database is an error without trace of its content', async () => {
    expect((await project.json(['ingest', 'app', 'sample/app.ndjson', '--database', 'other.db'])).data).toMatchObject({
      ingested: 4,
    })
    expect((await project.json(['ingest', 'app', 'sample/app.ndjson', '--database', 'other.db'])).data).toMatchObject({
      duplicates: 4,
    })
    writeFileSync(project.path('text.db'), 'this is no database'.repeat(100))
    const refused = await project.json(['build', '--database', 'text.db'])
    expect(refused).toMatchObject({ ok: false, error: { class: 'StorageError' } })
    expect((await project.json(['build', '--database', 'mysql://u:hush@h/d'])).error?.message).not.toContain('hush')
    expect(await project.json(['doctor', '--database', 'text.db'])).toMatchObject({ ok: false })
    expect(readFileSync(project.path('text.db'), 'utf8')).toContain('this is no database')
  })

  it('a namespace other than that of the file is a configuration error', async () => {
    await project.run(['migrate'])
    expect(await project.json(['build', '-n', 'other'])).toMatchObject({ ok: false, code: 2 })
  })

  it('a dead letter sink that cannot be written does not stop the pipeline', async () => {
    mkdirSync(project.path('blocked.jsonl'))
    const env = { DEFACTO_DEAD_LETTER__PATH: project.path('blocked.jsonl') }
    const done = await project.run(['ingest', 'app', '-', '-o', 'json'], { env, input: `${signup(77)}nonsense\n` })
    expect(JSON.parse(done.out)).toMatchObject({ ok: true, data: { ingested: 1, failed: 1 } })
    expect(done.err).toContain('dead letter delivery failed')
  })
})

describe('memory', () => {
  const project = new Project()
  beforeAll(async () => {
    await project.run(['init', '-q'])
  })
  afterAll(() => project.remove())

  it('stays flat over large files and lines of ten megabytes', { timeout: 240_000 }, async () => {
    const wide = `${JSON.stringify({ type: 'signup', timestamp: '2024-01-01T00:00:00Z', email: 'wide@example.com', pad: 'x'.repeat(10 * 1024 * 1024) })}\n`
    const broken = `{"type":"${'y'.repeat(10 * 1024 * 1024)}\n`
    project.put('wide.ndjson.gz', gzipSync(wide.repeat(6) + broken + wide.repeat(6), { level: 1 }))
    const many = Array.from({ length: 60_000 }, (_, i) =>
      i % 2 === 0 ? signup(i) : `{"type":"nothing","n":${i}}\n`,
    ).join('')
    project.put('many.ndjson', many)
    const node = ['--max-old-space-size=160']
    const wideRun = await project.run(['ingest', 'app', 'wide.ndjson.gz', '-o', 'json'], { node })
    expect(JSON.parse(wideRun.out)).toMatchObject({ data: { read: 13, ingested: 1, duplicates: 11, failed: 1 } })
    const manyRun = await project.run(['ingest', 'app', 'many.ndjson', '-o', 'json'], { node })
    expect(JSON.parse(manyRun.out)).toMatchObject({ data: { read: 60_000, ingested: 30_000, failed: 30_000 } })
  })
})
