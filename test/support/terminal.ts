/** Commands on a terminal of their own, as people see them; Python brings the terminal. */
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Project } from './cli.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

export interface TerminalOptions {
  readonly rows?: number
  readonly columns?: number
  /** Once the text has been shown, these keys are pressed; one after the other. */
  readonly keys?: readonly (readonly [shown: string, keys: string])[]
  readonly env?: Readonly<Record<string, string>>
}

/** What the terminal was sent, and how the command ended (below 0: killed by that signal). */
export function onTerminal(
  project: Project,
  args: readonly string[],
  { rows = 24, columns = 80, keys = [], env = {} }: TerminalOptions = {},
): { readonly code: number; readonly shown: string; readonly lines: readonly string[] } {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(DEFACTO_|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|COLUMNS|LINES|LESS|PAGER|TERM|VITEST)/.test(name),
  )
  const script = join(import.meta.dirname, 'terminal.py')
  const command = [process.execPath, MAIN, ...args]
  const done = spawnSync('python3', [script, String(rows), String(columns), JSON.stringify(keys), ...command], {
    cwd: project.root,
    env: { ...Object.fromEntries(kept), XDG_CACHE_HOME: join(tmpdir(), 'defacto-test-cache'), TERM: 'xterm', ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (done.status !== 0) throw new Error(`no terminal: ${done.error?.message ?? done.stderr}`)
  const { code, shown } = JSON.parse(done.stdout) as { code: number; shown: string }
  return { code, shown, lines: shown.replaceAll('\r\n', '\n').trimEnd().split('\n') }
}
