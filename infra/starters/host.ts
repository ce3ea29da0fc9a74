/** What starters need of the machine: commands, ports, folders, and a user without privileges. */
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOpenToAll } from '../../src/temporal/cache-folder.ts'

export { cacheFolder, isOpenToAll } from '../../src/temporal/cache-folder.ts'

/** A component cannot be had. The message says what was tried, what went wrong, and what the reader can do. */
export class StarterError extends Error {
  override name = 'StarterError'
}

export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

export const isRoot = (): boolean => process.getuid?.() === 0

/** The first of these users that exists. */
export async function systemUser(names: readonly string[]): Promise<SystemUser | null> {
  for (const name of names) {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    if (uid.ok && gid.ok) return { name, uid: Number(uid.output), gid: Number(gid.output) }
  }
  return null
}

export interface Ran {
  readonly ok: boolean
  /** Standard output and error as they came. */
  readonly output: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly user?: SystemUser | null
}

/** Runs a command to its end. A command that does not exist is one that failed. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, env, user } = options
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    })
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    child.stderr.on('data', (text) => {
      output += text
    })
    child.on('error', (error) => resolve({ ok: false, output: error.message }))
    child.on('close', (code) => resolve({ ok: code === 0, output: output.trim() }))
  })
}

/**
 * A port of the loopback address nobody listens on. It lies below the ports that systems give to outgoing connections,
 * so that it is still free when a server comes back to it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    if (await isFree(port)) return port
  }
}

/** Does nobody listen on this port of the loopback address? */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.on('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** A new folder that a user without privileges can reach. */
export function temporaryFolder(name: string): string {
  const bases = [tmpdir(), '/tmp', '/var/tmp']
  const base = isRoot() ? (bases.find(isOpenToAll) ?? tmpdir()) : tmpdir()
  return mkdtempSync(join(base, `defacto-${name}-`))
}
