/** Starts `worker.ts` and kills it. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Job } from './worker.ts'

export interface Life {
  /** Steps that were finished. */
  done: number
  killed: boolean
  error: string | null
  /** From loaded to the end. */
  ms: number
}

export interface LifeOptions {
  killAfterMs?: number
  failpoint?: string
  /** Rows per unit of work. */
  chunk?: number
  /** No file may grow beyond this many blocks (of 512 bytes); writes beyond fail. */
  maxFileBlocks?: number
  uid?: number
  gid?: number
}

let jobs = 0

/**
 * Runs the job in a process of its own. With `killAfterMs` it gets SIGKILL that long after it has loaded its code; with
 * `failpoint` it kills itself there.
 */
export function live(folder: string, job: Job, options: LifeOptions = {}): Promise<Life> {
  const file = join(folder, `job-${++jobs}.json`)
  writeFileSync(file, JSON.stringify(job))
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_NO_WARNINGS: '1',
    DEFACTO_UNIT_ROWS: String(options.chunk ?? 300),
  }
  if (options.failpoint !== undefined) env['DEFACTO_FAILPOINT'] = options.failpoint
  return new Promise((resolve, reject) => {
    const limited = `trap '' XFSZ; ulimit -f ${options.maxFileBlocks}; exec "$0" "$@"`
    const command = [process.execPath, join(import.meta.dirname, 'worker.ts'), file]
    const [program, ...args] = options.maxFileBlocks === undefined ? command : ['/bin/sh', '-c', limited, ...command]
    const child = spawn(program as string, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
    })
    const life: Life = { done: 0, killed: false, error: null, ms: 0 }
    let began = performance.now()
    let rest = ''
    let timer: NodeJS.Timeout | undefined
    let complaint = ''
    child.stderr.on('data', (text) => {
      complaint += text
    })
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const said = JSON.parse(line) as {
          ready?: true
          done?: number
          error?: string
          message?: string
          stack?: string
        }
        if (said.ready) {
          began = performance.now()
          if (options.killAfterMs !== undefined) timer = setTimeout(() => child.kill('SIGKILL'), options.killAfterMs)
        }
        if (said.done !== undefined) life.done = said.done + 1
        if (said.error !== undefined) life.error = said.stack ?? `${said.error}: ${said.message}`
      }
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code !== 0 && signal === null) life.error ??= complaint
      resolve({ ...life, killed: signal === 'SIGKILL', ms: performance.now() - began })
    })
  })
}
