/**
 * The server program for development (spec 10 §5): named, on PATH, built before, or built now from its pinned source. A
 * build takes minutes and gigabytes of caches of its own, which are removed afterwards.
 */
import { spawn } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cacheFolder } from './cache-folder.ts'

/** Of the program `temporal`; the server in it is 1.29.1. */
export const CLI_VERSION = '1.5.1'
const PACKAGE = `github.com/temporalio/cli/cmd/temporal@v${CLI_VERSION}`

export interface Tried {
  readonly step: string
  readonly why: string
}
export interface Executable {
  readonly path: string
  /** `temporal on PATH`. */
  readonly how: string
}

export interface ExecutableOptions {
  /** Building takes minutes; default true. */
  readonly build?: boolean
  /** Progress, for people. */
  readonly say?: (line: string) => void
  readonly env?: NodeJS.ProcessEnv
}

export const cachedExecutable = (): string => join(cacheFolder(), 'temporal', CLI_VERSION, 'temporal')

/** The first there is; what was tried in vain is added to `tried`. */
export async function findExecutable(options: ExecutableOptions, tried: Tried[]): Promise<Executable | null> {
  const env = options.env ?? process.env
  const named = env['DEFACTO_TEMPORAL_CLI']
  if (named) {
    if (await isProgram(named)) return { path: named, how: `DEFACTO_TEMPORAL_CLI (${named})` }
    tried.push({ step: 'DEFACTO_TEMPORAL_CLI', why: `${named} is no program` })
  }
  const onPath = await which('temporal', env)
  if (onPath !== null) return { path: onPath, how: `temporal on PATH (${onPath})` }
  tried.push({ step: 'temporal on PATH', why: 'there is none' })
  const cached = cachedExecutable()
  if (await isProgram(cached)) return { path: cached, how: `Temporal CLI ${CLI_VERSION} in the cache` }
  tried.push({ step: 'Temporal CLI in the cache', why: `${cached} is not there` })
  if (options.build === false) return null
  const go = await which('go', env)
  if (go === null) {
    tried.push({ step: `Temporal CLI ${CLI_VERSION} built by Go`, why: 'there is no go on PATH' })
    return null
  }
  const failed = await build(go, cached, options)
  if (failed === null) return { path: cached, how: `Temporal CLI ${CLI_VERSION}, just built` }
  tried.push({ step: `Temporal CLI ${CLI_VERSION} built by Go`, why: failed })
  return null
}

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

async function which(name: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && (await isProgram(join(folder, name)))) return join(folder, name)
  }
  return null
}

/** Null when it is there, else why not. Of two builds at once the second waits for the first. */
async function build(go: string, target: string, { say }: ExecutableOptions): Promise<string | null> {
  const folder = join(target, '..')
  await mkdir(folder, { recursive: true })
  const release = await locked(join(folder, 'building'), () =>
    say?.('Another process builds the Temporal CLI; waiting for it.'),
  )
  try {
    if (await isProgram(target)) return null
    return await goInstall(go, target, say)
  } finally {
    await release()
  }
}

async function goInstall(go: string, target: string, say?: (line: string) => void): Promise<string | null> {
  const started = performance.now()
  const minutes = (): string => `${((performance.now() - started) / 60_000).toFixed(1)} min`
  say?.(`Building the Temporal CLI ${CLI_VERSION} in ${join(target, '..')}; once, for five minutes or more…`)
  const progress = setInterval(() => say?.(`Still building the Temporal CLI (${minutes()})…`), 30_000)
  const caches = await mkdtemp(join(tmpdir(), 'defacto-go-'))
  // Beside its place, so that it gets there whole.
  const bin = await mkdtemp(join(target, '..', 'bin-'))
  try {
    const { code, output } = await run(go, ['install', '-ldflags=-s -w', PACKAGE], {
      ...process.env,
      GOBIN: bin,
      CGO_ENABLED: '0',
      GOMODCACHE: join(caches, 'modules'),
      GOCACHE: join(caches, 'build'),
      GOFLAGS: '-modcacherw',
    })
    if (code !== 0) return `go install ${PACKAGE} failed: ${output.trim().split('\n').slice(-5).join(' | ')}`
    await rename(join(bin, 'temporal'), target)
    say?.(`Built the Temporal CLI in ${minutes()}.`)
    return null
  } finally {
    clearInterval(progress)
    await Promise.all([caches, bin].map((path) => rm(path, { recursive: true, force: true })))
  }
}

function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const take = (text: Buffer): void => {
      // Only the end says what went wrong.
      output = (output + text.toString()).slice(-8_192)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', (error) => resolve({ code: 1, output: error.message }))
    child.on('close', (code) => resolve({ code, output }))
  })
}

/** A file that only one process can make; the process in it is asked for, so that one that died holds nothing up. */
async function locked(path: string, wait: () => void): Promise<() => Promise<void>> {
  for (let waited = false; ; ) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(String(process.pid))
      await file.close()
      return () => rm(path, { force: true })
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error
    }
    if (await isStale(path)) {
      await rm(path, { force: true })
      continue
    }
    if (!waited) wait()
    waited = true
    await delay(500)
  }
}

async function isStale(path: string): Promise<boolean> {
  const [text, made] = await Promise.all([readFile(path, 'utf8').catch(() => null), stat(path).catch(() => null)])
  if (text === null || made === null) return false
  // Between making and writing there is a moment.
  if (text === '') return Date.now() - made.mtimeMs > 10_000
  try {
    process.kill(Number(text), 0)
    return false
  } catch (error) {
    return (error as { code?: string }).code === 'ESRCH'
  }
}
