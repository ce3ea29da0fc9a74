/** A server of one's own for development (spec 10 §5): loopback, free port, its data in one file. */
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { UnreachableError } from '../errors.ts'
import { connectClient } from './connect.ts'
import { keep } from './keeper.ts'
import { SEARCH_ATTRIBUTES } from './names.ts'

export interface DevServerOptions {
  readonly executable: string
  /** File that keeps the data; made with its folder. */
  readonly database: string
  /** What the server prints. */
  readonly log: string
  /** Default: a free one. */
  readonly port?: number
  /** Leaves it running when this process ends. */
  readonly leave?: boolean
  /** Folder that goes with the server; default: none. */
  readonly temporary?: string
  /** False where the data are thrown away anyway: then nothing waits for the disk. */
  readonly durable?: boolean
}

export interface DevServer {
  readonly address: string
  readonly namespace: string
  readonly pid: number | null
  stop(): Promise<void>
}

const NAMESPACE = 'default'
const PATIENCE_MS = 60_000
const POLLS_PER_SECOND = 1000

/** @throws UnreachableError with the server's log when it does not start */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const { executable, database, log } = options
  const port = options.port ?? (await freePort())
  await mkdir(dirname(database), { recursive: true })
  const address = `127.0.0.1:${port}`
  const args = [
    ...['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--port', String(port)],
    ...['--namespace', NAMESPACE, '--db-filename', database, '--log-level', 'error'],
    ...['--sqlite-pragma', 'journal_mode=WAL'],
    ...['--sqlite-pragma', `synchronous=${options.durable === false ? 'OFF' : 'NORMAL'}`],
    // Everything is in one shard here, which would look for tasks twenty times a second at most.
    ...['transferProcessorMaxPollRPS', 'timerProcessorMaxPollRPS'].flatMap((name) => [
      '--dynamic-config-value',
      `history.${name}=${POLLS_PER_SECOND}`,
    ]),
    ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ]
  const server = options.leave ? leave(executable, args, log) : kept(executable, args, log, options.temporary ?? null)
  if (await answers(address, () => server.running())) return { address, namespace: NAMESPACE, ...server }
  await server.stop()
  const said = await readFile(log, 'utf8').catch(() => '')
  throw new UnreachableError(
    `${executable} did not start a server on port ${port}. Its log ends: ${said.trim().slice(-1000)}`,
    {
      code: 'E_TEMPORAL_UNREACHABLE',
    },
  )
}

interface Server {
  readonly pid: number | null
  running(): boolean
  stop(): Promise<void>
}

function kept(executable: string, args: readonly string[], log: string, temporary: string | null): Server {
  const server = keep([executable, ...args], {
    signal: 'TERM',
    log,
    cwd: dirname(log),
    env: process.env,
    user: null,
    temporary,
  })
  return { pid: null, running: () => server.running, stop: () => server.stop() }
}

function leave(executable: string, args: readonly string[], log: string): Server {
  const output = openSync(log, 'a')
  const child = spawn(executable, args, { detached: true, stdio: ['ignore', output, output] })
  let running = true
  child.on('exit', () => {
    running = false
  })
  child.unref()
  return { pid: child.pid ?? null, running: () => running, stop: async () => void child.kill('SIGTERM') }
}

/** Below the ports that systems give to outgoing connections. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer()
      probe.on('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

async function answers(address: string, running: () => boolean): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS
  while (running() && performance.now() < deadline) {
    if (await isServer(address, NAMESPACE)) return running()
    await delay(50)
  }
  return false
}

/** Does a server with this namespace answer there, within a second? */
export async function isServer(address: string, namespace: string): Promise<boolean> {
  try {
    const { client, close } = await connectClient({ address, namespace }, {}, 1_000)
    try {
      await client.connection.withDeadline(Date.now() + 1_000, () =>
        client.workflowService.describeNamespace({ namespace }),
      )
      return true
    } finally {
      await close()
    }
  } catch {
    return false
  }
}
