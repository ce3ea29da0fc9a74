/** The sample project: its definitions, its generated records, and `npm start` as a user types it. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readManifest } from '../../src/cli/sample/manifest.ts'
import { Defacto, Definitions } from '../../src/index.ts'
import type { Defs } from '../oracle/definitions.ts'
import { type Delivery, oracle } from '../oracle/oracle.ts'
import { readWorld, sorted } from '../support/world.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SAMPLE = join(ROOT, 'infra', 'sample')

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'defacto-sample-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('definitions', () => {
  test('are valid, and warn only of ends and of properties that are for reports', async () => {
    const { errors, issues } = (await Definitions.fromDirectory(join(ROOT, 'definitions'))).validate({ strict: true })
    expect(errors).toEqual([])
    const ends = issues.filter(({ code }) => code === 'W01').map(({ path }) => path.split('.').at(-1))
    expect(ends.sort()).toEqual(['cancelled', 'closed', 'closed', 'paid', 'void', 'written_off'])
    expect([...new Set(issues.map(({ code }) => code))].sort()).toEqual(['W01', 'W03'])
  })

  test('use every kind of effect, all three time rules, guards, conditions and computed values', async () => {
    const definitions = (await Definitions.fromDirectory(join(ROOT, 'definitions'))).toObject()
    const text = JSON.stringify(definitions)
    for (const part of [
      'create',
      'transition',
      'set',
      'increment',
      'relate',
      'guard',
      'condition',
      'compute',
      'normalize',
    ]) {
      expect(text, part).toContain(`"${part}"`)
    }
    for (const rule of ['inactivity', 'expiration', 'state_duration']) expect(text, rule).toContain(`"type":"${rule}"`)
    expect(Object.keys(definitions.sources)).toEqual(['app', 'billing', 'support'])
  })
})

describe('JSON Schemas beside the documents', () => {
  const committed = join(ROOT, 'docs', 'schema')

  test('are what the command line writes', () => {
    const out = join(scratch, 'schema')
    execFileSync(process.execPath, [join(ROOT, 'src', 'cli', 'main.ts'), 'schema', '--out', out], { stdio: 'ignore' })
    expect(readdirSync(committed).sort()).toEqual(readdirSync(out).sort())
    for (const file of readdirSync(out)) {
      expect(JSON.parse(readFileSync(join(committed, file), 'utf8')), file).toEqual(
        JSON.parse(readFileSync(join(out, file), 'utf8')),
      )
    }
  })

  test('are named by every definition file, for editors', () => {
    for (const kind of ['entities', 'sources', 'schemas', 'pipelines']) {
      for (const file of readdirSync(join(ROOT, 'definitions', kind))) {
        const [first] = readFileSync(join(ROOT, 'definitions', kind, file), 'utf8').split('\n')
        expect(first, file).toBe(`# yaml-language-server: $schema=../../docs/schema/${kind}.json`)
      }
    }
  })
})

describe('records', () => {
  test('are what the generator writes, byte for byte', async () => {
    const manifest = JSON.parse(readFileSync(join(SAMPLE, 'manifest.json'), 'utf8')) as { events: number; seed: number }
    const out = join(scratch, 'again')
    const arguments_ = ['--events', String(manifest.events), '--seed', String(manifest.seed), '--out', out, '--monthly']
    execFileSync(process.execPath, [join(ROOT, 'infra', 'generator', 'main.ts'), ...arguments_], { stdio: 'ignore' })
    const files = readdirSync(out).sort()
    expect(files).toEqual(
      readdirSync(SAMPLE)
        .filter((name) => name !== 'expected.json')
        .sort(),
    )
    for (const file of files)
      expect(readFileSync(join(out, file)).equals(readFileSync(join(SAMPLE, file))), file).toBe(true)
  })

  test('hold everything that makes real data hard', async () => {
    const manifest = await readManifest(SAMPLE)
    expect(manifest.lines).toBeGreaterThan(3000)
    expect(manifest.duplicates).toBeGreaterThan(50)
    expect(manifest.malformed).toBeGreaterThan(10)
    expect(new Set(manifest.parts.map((part) => part.month)).size).toBe(4)
  })

  test('give exactly the history that the reference interpreter gives', { timeout: 180_000 }, async () => {
    const definitions = (await Definitions.fromDirectory(join(ROOT, 'definitions'))).toObject()
    const manifest = await readManifest(SAMPLE)
    const deliveries: Delivery[] = []
    for (const { file, source } of [...manifest.parts].sort((a, b) =>
      a.month < b.month ? -1 : a.month > b.month ? 1 : 0,
    )) {
      for (const line of readFileSync(join(SAMPLE, file), 'utf8').trimEnd().split('\n')) {
        deliveries.push({ source, record: parse(line) })
      }
    }
    const expected = oracle(definitions as unknown as Defs, deliveries, Date.parse(manifest.clock))
    expect(expected.rejected.length).toBe(manifest.malformed)
    expect(expected.duplicates.length).toBe(manifest.duplicates)
    expect(expected.failures).toEqual([])

    const options = {
      database: join(scratch, 'oracle.db'),
      clock: () => new Date(manifest.clock),
      batchSize: 500,
      logLevel: 'ERROR',
    }
    const space = await Defacto.fromConfig(Definitions.fromObject(definitions), options as { logLevel: 'ERROR' })
    try {
      // In slices of one source, interpreted as they come: merges and late arrivals in every one of them.
      for (let at = 0; at < deliveries.length; ) {
        const source = deliveries[at]?.source ?? ''
        let end = at
        while (end < deliveries.length && end < at + 150 && deliveries[end]?.source === source) end += 1
        const records = deliveries.slice(at, end).map(({ record }) => record)
        await space.ingest(source, records, { process: true, throwIfAllFail: false })
        at = end
      }
      await space.tick({ asOf: manifest.clock })
      expect(await readWorld(space, definitions)).toEqual(sorted(expected.world))
    } finally {
      await space.close()
    }
  })
})

describe('npm start', () => {
  test('runs, says what it did, and has nothing to do the second time', () => {
    const folder = home('twice')
    const first = sample(folder, ['--require-temporal'])
    expect(first.stderr).toContain('night of 2024-03-31')
    expect(first.stderr).toMatch(/^temporal +\S/m)
    expect(first.stdout).toMatch(/^ {2}engine +temporal$/m)
    expect(first.stderr).toContain('merges')
    expect(first.code).toBe(0)
    const lines = first.stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('Customers by state and plan')
    for (const heading of ['History of ', 'On 2024-04-15: ', 'Timeline of ticket ', 'Summary']) {
      expect(
        lines.some((line) => line.startsWith(heading)),
        heading,
      ).toBe(true)
    }
    expect(lines.at(-1)).toBe(
      'Wrote defacto-sample/out/report.json, defacto-sample/out/*.csv (4 files), defacto-sample/cold (1 file)',
    )
    const files = readdirSync(join(folder, 'defacto-sample', 'out')).sort()
    expect(files).toEqual(['customer.csv', 'invoice.csv', 'report.json', 'subscription.csv', 'ticket.csv'])

    const second = sample(folder, ['--require-temporal'])
    expect(second.code).toBe(0)
    expect(second.stderr).not.toContain('night of 2024-03-31')
    expect(second.stderr.match(/^ingest \w+ +nothing new: all parts were read before/gm)).toHaveLength(3)
    expect(second.stderr).toContain('SKIP')
    expect(second.stderr).toContain('nothing new: all events were archived before')
    expect(second.stderr).toMatch(/^both tiers +40 entities replayed from both tiers/m)
    expect(timeless(second.stdout)).toBe(timeless(first.stdout))
    expect(readdirSync(folder)).toEqual(['defacto-sample'])
    expect(readdirSync(join(folder, 'defacto-sample'))).not.toContain('temporal.json')

    const fresh = sample(folder, ['--fresh', '--local'])
    expect(fresh.code).toBe(0)
    expect(fresh.stderr).toContain('night of 2024-03-31')
    expect(fresh.stdout).toMatch(/^ {2}engine +local \(not durable\)$/m)
  })

  test('without any server it says so and runs here; where one is required that is exit 9', () => {
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:1' }
    const named = sample(home('named'), ['--require-temporal'], env)
    expect(named.code).toBe(9)
    expect(named.stderr).toContain('127.0.0.1:1')
  })

  test('killed with its server, the same run goes on at the next start', async () => {
    const folder = home('killed-with-server')
    const first = start(folder, ['--require-temporal'])
    await until(() => first.text().includes('ingest app'))
    first.process.kill('SIGKILL')
    await first.ended
    const again = sample(folder, ['--require-temporal'])
    expect(again.stderr).toContain('begun by an earlier start, goes on where it was')
    expect(again.code).toBe(0)
  })

  test('writes one JSON document with -o json', () => {
    const { stdout, code } = sample(home('json'), ['-o', 'json', '--local'])
    expect(code).toBe(0)
    const { ok, data } = JSON.parse(stdout) as { ok: boolean; data: Record<string, unknown> }
    expect(ok).toBe(true)
    expect(data['differences']).toEqual([])
    const records = Object.values(data['records'] as Record<string, Record<string, number>>)
    for (const { read = 0, ingested = 0, duplicates = 0, dead = 0 } of records)
      expect(read).toBe(ingested + duplicates + dead)
  })

  test.each([
    'ingest.appended:4',
    'ingest.committed:9',
    'map.written:2',
    'shadow.committed:1',
    'chunk.committed:1',
    'finish.written:1',
    'tick.written:1',
    'flush.archived:1',
    'prune.committed:1',
  ])('killed at %s, goes on and ends the same', (failpoint) => {
    const folder = home(`killed-${failpoint.replace(':', '-')}`)
    const killed = sample(folder, ['--local'], { DEFACTO_FAILPOINT: failpoint })
    expect(killed.signal).toBe('SIGKILL')
    const again = sample(folder, ['--local'])
    expect(again.stderr).not.toMatch(/^error /m)
    expect(again.code).toBe(0)
  })

  test('two at once: the second one ends with 6 and leaves the first alone', async () => {
    const folder = home('two')
    const first = start(folder, ['--local'])
    await until(() => first.text().includes('night of'))
    // Held still, so that it cannot be over before the others look.
    const besideTheFirst = async (args: string[]): Promise<Outcome> => {
      first.process.kill('SIGSTOP')
      const run = sample(folder, args)
      first.process.kill('SIGCONT')
      if (run.code !== 9) return run
      // Stopped inside a transaction it keeps the file itself, and may be asked again when it has gone on a little.
      await pause(20)
      return besideTheFirst(args)
    }
    const second = await besideTheFirst(['--local'])
    const fresh = await besideTheFirst(['--fresh', '--local'])
    expect(second.code).toBe(6)
    expect(second.stderr).toContain('E_LOCK_HELD')
    expect(fresh.code).toBe(6)
    expect(await first.ended).toBe(0)
  })

  test('an outcome that is not the committed one ends with 5 and says what differs', () => {
    const copy = home('changed')
    for (const part of ['src', 'workflows', 'activities', 'definitions', 'infra'])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'))
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    const expected = join(copy, 'infra', 'sample', 'expected.json')
    const document = JSON.parse(readFileSync(expected, 'utf8')) as { merges: number }
    writeFileSync(expected, JSON.stringify({ ...document, merges: document.merges + 1 }))
    const run = (...args: string[]): Outcome => sample(copy, [...args, '--local'], {}, copy)
    const differing = run()
    expect(differing, differing.stderr).toMatchObject({ code: 5, signal: null })
    expect(differing.stderr).toContain(`merges: expected ${document.merges + 1}, found ${document.merges}`)
    expect(existsSync(join(copy, '.defacto', 'out', 'report.json'))).toBe(true)
    expect(run('--accept').code).toBe(0)
    expect(JSON.parse(readFileSync(expected, 'utf8'))).toEqual(document)

    // A line lost on the way is found by the accounting, not by the outcome alone.
    const part = join(copy, 'infra', 'sample', 'support-2024-02.ndjson')
    const lines = readFileSync(part, 'utf8').trimEnd().split('\n')
    writeFileSync(part, `${lines.slice(1).join('\n')}\n`)
    const short = run('--fresh')
    expect(short.code).toBe(5)
    expect(short.stderr).toContain('accounting')
  })
})

interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

function home(name: string): string {
  const folder = join(scratch, name)
  mkdirSync(folder)
  return folder
}

function command(args: readonly string[], root = ROOT): string[] {
  return [join(root, 'src', 'cli', 'main.ts'), 'sample', ...args]
}

function sample(cwd: string, args: readonly string[] = [], env: Record<string, string> = {}, root = ROOT): Outcome {
  const options = { cwd, encoding: 'utf8', env: { ...process.env, ...env }, timeout: 120_000 } as const
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, command(args, root), options)
  return { code: status, signal, stdout, stderr }
}

function start(
  cwd: string,
  args: readonly string[],
): { process: ChildProcess; text: () => string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, command(args), { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  return { process: child, text: () => text, ended }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** A report without what differs from run to run: times, and the beginnings of random ids. */
function timeless(report: string): string {
  return report
    .replace(/^ {2}(time|run|hot and cold) .*$/gm, '')
    .replace(/cold \(\d+ files?\)/, 'cold')
    .replace(/[0-9a-f]{8}…/g, 'id')
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
