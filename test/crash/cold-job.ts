/** Spaces with a cold tier for the crash tests, processes that work on them, and what must be true of both tiers afterwards. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, expect } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import type { ColdJob, ColdSaid, ColdStep } from './cold-worker.ts'
import type { CrashPlace } from './places.ts'
import { type Expected, expectIntact, NOW, type Workshop } from './shop-job.ts'

export interface ColdLife {
  /** Steps that were finished. */
  done: number
  killed: boolean
  error: string | null
}

export interface ColdWorker {
  readonly pid: number
  readonly done: number
  readonly life: Promise<ColdLife>
  /** Whether it stands still at its failpoint. */
  readonly stopped: boolean
  kill(signal: NodeJS.Signals): void
}

let jobs = 0
const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

export interface ColdWorkerOptions {
  /** Stops the process there instead of killing it. */
  readonly pause?: boolean
  readonly failpoint?: string
  readonly patient?: boolean
  /** Rows per unit of work. */
  readonly chunk?: number
}

/** A process that does these steps. */
export function coldWorker(shop: Workshop, steps: readonly ColdStep[], options: ColdWorkerOptions = {}): ColdWorker {
  const { failpoint, pause, patient, chunk = 40 } = options
  const job: ColdJob = { recordsFile: shop.recordsFile, steps, now: NOW, ...(patient === true ? { patient } : {}) }
  const file = join(shop.folder, `cold-job-${++jobs}.json`)
  writeFileSync(file, JSON.stringify(job))
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cold-worker.ts'), file], {
    env: {
      ...process.env,
      NODE_NO_WARNINGS: '1',
      NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
      DEFACTO_UNIT_ROWS: String(chunk),
      ...(failpoint === undefined ? {} : { DEFACTO_FAILPOINT: failpoint }),
      ...(pause === true ? { DEFACTO_FAILPOINT_SIGNAL: 'SIGSTOP' } : {}),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const life: ColdLife = { done: 0, killed: false, error: null }
  let complaint = ''
  child.stderr.on('data', (text) => {
    complaint += text
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as ColdSaid
    if ('done' in said) life.done = said.done + 1
    else if ('error' in said) life.error = said.error
  })
  const ended = new Promise<ColdLife>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(child)
      if (code !== 0 && signal === null) life.error ??= complaint
      resolve({ ...life, killed: signal === 'SIGKILL' })
    })
  })
  return {
    pid: child.pid ?? 0,
    life: ended,
    get done() {
      return life.done
    },
    get stopped() {
      return execFileSync('ps', ['-o', 'stat=', '-p', String(child.pid)], { encoding: 'latin1' }).startsWith('T')
    },
    kill: (signal) => void child.kill(signal),
  }
}

/** The steps a person would repeat after the first `done` were finished. */
export function remaining(all: readonly ColdStep[], done: number): ColdStep[] {
  const opened = all.slice(0, done + 1).findLast((step) => step.do === 'open')
  const rest = all.slice(done)
  return rest[0]?.do === 'open' || opened === undefined ? rest : [opened, ...rest]
}

/** The history is the expected one, every row is archived exactly once and to the letter, and nothing waits for its turn. */
export async function expectArchived(
  place: CrashPlace,
  definitions: object,
  expected: Expected,
  options: DefactoOptions,
): Promise<void> {
  await expectIntact(place, definitions as never, expected, { options })
  await using engine = await Defacto.fromConfig(definitions as never, {
    database: place.database,
    clock: () => new Date(NOW),
    logLevel: 'ERROR',
    catchUp: false,
    ...options,
  })
  const { tiers } = engine.ledger
  await tiers.flush()
  expect((await tiers.verify()).problems).toEqual([])
  const { head } = await tiers.status()
  expect(await tiers.status()).toMatchObject({ flushed: head, coldRows: head, staged: 0, filled: null })
  // An independent reader compares what the database still has with what is archived.
  await tiers.prune()
  const sequences: number[] = []
  for await (const { sequence } of engine.ledger.scan()) sequences.push(sequence)
  expect(new Set(sequences).size).toBe(sequences.length)
}
