/** A terminal that text goes to: through the pager once it is longer than the screen (spec 10 §7.2). */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { Output } from './output.ts'
import { textWidth } from './table-text.ts'

export interface Screen {
  write(text: string): Promise<void>
  /** The reader has seen enough. */
  readonly closed: boolean
  /** Shows what is left, and waits until the reader has put the pager away. */
  end(): Promise<void>
}

/** Writes straight through where nobody pages. */
export function openScreen(output: Output): Screen {
  const command = output.height === null ? null : pagerOf(output.env)
  return command === null || output.height === null ? new Plain(output) : new Paged(output, output.height, command)
}

class Plain implements Screen {
  readonly closed = false
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  write(text: string): Promise<void> {
    return this.#output.write(text)
  }

  async end(): Promise<void> {}
}

class Paged implements Screen {
  readonly #output: Output
  readonly #height: number
  readonly #command: readonly string[]
  #waiting = ''
  #pager: Pager | null = null

  constructor(output: Output, height: number, command: readonly string[]) {
    this.#output = output
    this.#height = height
    this.#command = command
  }

  get closed(): boolean {
    return this.#pager?.closed === true
  }

  async write(text: string): Promise<void> {
    if (this.#pager === null) {
      this.#waiting += text
      if (linesOn(this.#waiting, this.#output.width ?? 80) < this.#height) return
      this.#pager = new Pager(this.#command, this.#output.env)
      const all = this.#waiting
      this.#waiting = ''
      // A pager that cannot be started shows nothing: the text goes to the terminal itself.
      if (await this.#pager.started()) return this.#pager.write(all)
      this.#pager = null
      this.#waiting = all
      return this.#spill()
    }
    await this.#pager.write(text)
  }

  async end(): Promise<void> {
    if (this.#pager === null) await this.#spill()
    else await this.#pager.end()
  }

  async #spill(): Promise<void> {
    const text = this.#waiting
    this.#waiting = ''
    if (text !== '') await this.#output.write(text)
  }
}

/** The child that pages. Until it ends, Ctrl-C is a key of its own and not a wish to stop this command. */
class Pager {
  closed = false
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #handlers: NodeJS.SignalsListener[]

  constructor([program = '', ...args]: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    this.#handlers = process.listeners('SIGINT') as NodeJS.SignalsListener[]
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { ...env, LESS: env['LESS'] ?? 'FIRX', LESSCHARSET: env['LESSCHARSET'] ?? 'utf-8' },
    })
    process.removeAllListeners('SIGINT')
    process.on('SIGINT', ignore)
    this.#ended = new Promise((resolve) => {
      const done = (): void => {
        this.closed = true
        process.off('SIGINT', ignore)
        for (const handler of this.#handlers.splice(0)) process.on('SIGINT', handler)
        resolve()
      }
      this.#child.once('close', done).once('error', done)
    })
    // The reader put it away before the end.
    this.#child.stdin?.on('error', () => {
      this.closed = true
    })
  }

  started(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#child.once('spawn', () => resolve(true)).once('error', () => resolve(false))
    })
  }

  async write(text: string): Promise<void> {
    const { stdin } = this.#child
    if (this.closed || stdin === null || stdin.write(text)) return
    await Promise.race([new Promise<void>((resolve) => stdin.once('drain', resolve)), this.#ended])
  }

  async end(): Promise<void> {
    this.#child.stdin?.end()
    await this.#ended
  }
}

function ignore(): void {}

/** Lines a text takes on a terminal of this width, long ones several. */
function linesOn(text: string, width: number): number {
  const lines = stripVTControlCharacters(text).split('\n')
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / width)), 0)
}

/** `$PAGER`, else `less` if there is one. Null: `PAGER` is empty or `cat`, or a simple terminal. */
function pagerOf(env: Readonly<Record<string, string | undefined>>): readonly string[] | null {
  const wanted = env['PAGER']?.trim()
  if (env['TERM'] === 'dumb' || wanted === '' || wanted === 'cat') return null
  if (wanted !== undefined) {
    // A name that is no program would only show the shell's complaint; anything longer is the shell's own business.
    const program = /^([\w.+-]+)(?: +-[\w-]+)*$/.exec(wanted)?.[1]
    if (program !== undefined && !isInstalled(program, env['PATH'] ?? '')) return null
    return process.platform === 'win32' ? wanted.split(/\s+/) : ['/bin/sh', '-c', wanted]
  }
  return isInstalled('less', env['PATH'] ?? '') ? ['less', '-FIRX'] : null
}

function isInstalled(program: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}
