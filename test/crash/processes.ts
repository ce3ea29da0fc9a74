/** Starts `worker.ts`, listens to what it says, stops and kills it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Job, Said } from './worker.ts'

export interface Life {
  /** Steps that were finished. */
  done: number
  killed: boolean
  error: string | null
  /** From loaded to the end. */
  ms: number
  /** What each finished step took. */
  stepMs: number[]
}

export interface LifeOptions {
  killAfterMs?: number
  /** The time until the kill begins when this many steps are finished, not when the code is loaded. */
  killAfterSteps?: number
  failpoint?: string
  /** The failpoint stops the process instead of killing it. */
  pause?: boolean
  /** Rows per unit of work. */
  chunk?: number
  /** No file may grow beyond this many blocks (of 512 bytes); writes beyond fail. */
  maxFileBlocks?: number
  /** How far the clock of the process is off. */
  clockOffsetMs?: number
  uid?: number
  gid?: number
}

export interface Running {
  readonly pid: number
  readonly life: Promise<Life>
  /** Steps finished so far. */
  readonly done: number
  /** Whether it stands still at its failpoint. */
  readonly stopped: boolean
  kill(signal: NodeJS.Signals): void
}

let jobs = 0
const running = new Set<ChildProcess>()

// A test that failed may have left a process standing still.
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

/** Runs the job in a process of its own, to its end. */
export function live(folder: string, job: Job, options: LifeOptions = {}): Promise<Life> {
  return start(folder, job, options).life
}

/**
 * Starts a process with the job. With `killAfterMs` it gets SIGKILL that long after it has loaded its code or finished
 * `killAfterSteps`; with `failpoint` it kills or stops itself there.
 */
export function start(folder: string, job: Job, options: LifeOptions = {}): Running {
  const file = join(folder, `job-${++jobs}.json`)
  writeFileSync(file, JSON.stringify(job))
  const skewed = options.clockOffsetMs === undefined ? [] : ['--import', join(import.meta.dirname, 'skewed-clock.ts')]
  const command = [process.execPath, ...skewed, join(import.meta.dirname, 'worker.ts'), file]
  const limited = `trap '' XFSZ; ulimit -f ${options.maxFileBlocks}; exec "$0" "$@"`
  const [program, ...args] = options.maxFileBlocks === undefined ? command : ['/bin/sh', '-c', limited, ...command]
  const child = spawn(program as string, args, {
    env: environment(options),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
  })
  running.add(child)
  const life: Life = { done: 0, killed: false, error: null, ms: 0, stepMs: [] }
  let began = performance.now()
  let timer: NodeJS.Timeout | undefined
  let rest = ''
  let complaint = ''
  const stepped = (done: number): void => {
    if (options.killAfterMs === undefined || done !== (options.killAfterSteps ?? 0)) return
    timer = setTimeout(() => child.kill('SIGKILL'), options.killAfterMs)
  }
  child.stderr.on('data', (text) => {
    complaint += text
  })
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const said = JSON.parse(line) as Said
      if ('ready' in said) {
        began = performance.now()
        stepped(0)
      } else if ('done' in said) {
        life.done = said.done + 1
        life.stepMs.push(performance.now() - began - life.stepMs.reduce((sum, ms) => sum + ms, 0))
        stepped(life.done)
      } else life.error = said.stack ?? `${said.error}: ${said.message}`
    }
  })
  const ended = new Promise<Life>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(child)
      clearTimeout(timer)
      if (code !== 0 && signal === null) life.error ??= complaint
      resolve({ ...life, killed: signal === 'SIGKILL', ms: performance.now() - began })
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

function environment({ chunk = 300, failpoint, pause, clockOffsetMs }: LifeOptions): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NODE_NO_WARNINGS: '1',
    // Code that is compiled already loads in a third of the time.
    NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
    DEFACTO_UNIT_ROWS: String(chunk),
    ...(failpoint === undefined ? {} : { DEFACTO_FAILPOINT: failpoint }),
    ...(pause === true ? { DEFACTO_FAILPOINT_SIGNAL: 'SIGSTOP' } : {}),
    ...(clockOffsetMs === undefined ? {} : { CLOCK_OFFSET_MS: String(clockOffsetMs) }),
  }
}
