/** The real command line as a child process, on projects of their own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

export interface Ended {
  /** Exit code; the signal's name if it was killed by one. */
  readonly code: number | string | null
  readonly out: string
  readonly err: string
}

/** Variables of the surrounding shell must not reach the command. */
function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(DEFACTO_|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|NODE_COMPILE_CACHE|COLUMNS|VITEST)/.test(name),
  )
  // Compiled code is shared by all runs, and stays out of the home of whoever runs the tests.
  return { ...Object.fromEntries(kept), XDG_CACHE_HOME: join(tmpdir(), 'defacto-test-cache'), ...extra }
}

export class Project {
  readonly root: string

  constructor() {
    this.root = mkdtempSync(join(tmpdir(), 'defacto-cli-'))
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts)
  }

  put(path: string, content: string | Buffer): string {
    mkdirSync(dirname(this.path(path)), { recursive: true })
    writeFileSync(this.path(path), content)
    return path
  }

  start(
    args: readonly string[],
    options: { env?: Record<string, string>; cwd?: string; node?: string[] } = {},
  ): ChildProcessWithoutNullStreams {
    return spawn(process.execPath, [...(options.node ?? []), MAIN, ...args], {
      cwd: options.cwd ?? this.root,
      env: environment(options.env ?? {}),
    })
  }

  /** Runs to the end; `input` goes to standard input, which is closed. */
  run(
    args: readonly string[],
    options: { env?: Record<string, string>; input?: string | Buffer; cwd?: string; node?: string[] } = {},
  ): Promise<Ended> {
    const child = this.start(args, options)
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    return ended(child)
  }

  /** The document of `-o json`. */
  async json(
    args: readonly string[],
    options: { env?: Record<string, string>; input?: string } = {},
  ): Promise<{
    ok: boolean
    data: never
    error: { code: string; class: string; message: string } | null
    code: number | string | null
  }> {
    const { out, err, code } = await this.run([...args, '-o', 'json'], options)
    try {
      return { ...(JSON.parse(out) as { ok: boolean; data: never; error: null }), code }
    } catch {
      throw new Error(`no JSON document: ${out}\n${err}`)
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code: code ?? signal, out, err })))
}

/** Resolves when stderr or stdout has shown the text. */
export function shows(child: ChildProcessWithoutNullStreams, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = ''
    const look = (chunk: Buffer | string): void => {
      seen += String(chunk)
      if (seen.includes(text)) resolve()
    }
    child.stderr.on('data', look)
    child.stdout.on('data', look)
    child.on('close', () => reject(new Error(`ended without showing '${text}': ${seen}`)))
  })
}
