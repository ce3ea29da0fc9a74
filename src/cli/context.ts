/** What every command works with: configuration, an open engine when it asks for one, output, and the signal to stop. */
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { type LoadedProject, loadProject } from '../config/project.ts'
import { NotFoundError } from '../errors.ts'
import type { Defacto, TierCallOptions } from '../index.ts'
import type { RunEvent } from '../ports/runs.ts'
import { ConfirmationError, Interrupted } from './errors.ts'
import { remarks } from './log-target.ts'
import type { Output, Row } from './output.ts'
import { type Progress, progressOn } from './progress.ts'

/** Values of the global flags (spec 10 §7.1). */
export interface Globals {
  readonly project?: string
  readonly config?: string
  readonly profile?: string
  readonly namespace?: string
  readonly database?: string
  readonly engine?: string
  readonly detach: boolean
  readonly worker: boolean
  readonly temporalAddress?: string
  readonly requireTemporal: boolean
  readonly idempotencyKey?: string
  readonly yes: boolean
  /** False with `--no-input`. */
  readonly input: boolean
}

export interface ContextOptions {
  readonly globals: Globals
  readonly output: Output
  readonly signal: AbortSignal
  /** How long work may go on after it was asked to stop; null: until it is done. */
  readonly takeTime: (ms: number | null) => void
  /** Wants to hear what the runs of this command note. */
  readonly report?: (event: RunEvent) => void
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: NodeJS.ReadStream
}

export class Context {
  readonly globals: Globals
  readonly output: Output
  /** Aborted by Ctrl-C and `--timeout`. */
  readonly signal: AbortSignal
  readonly takeTime: (ms: number | null) => void
  readonly report: ((event: RunEvent) => void) | null
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: NodeJS.ReadStream
  readonly #closing: (() => Promise<void>)[] = []
  #project: Promise<LoadedProject> | null = null
  #flags: Readonly<Record<string, unknown>> = {}

  constructor(options: ContextOptions) {
    this.globals = options.globals
    this.output = options.output
    this.signal = options.signal
    this.takeTime = options.takeTime
    this.report = options.report ?? null
    this.cwd = options.cwd
    this.env = options.env
    this.stdin = options.stdin
  }

  /** Settings that a command's own options stand for; before the configuration is read. */
  set(flags: Readonly<Record<string, unknown>>): void {
    this.#flags = { ...this.#flags, ...flags }
  }

  /** The project's configuration, read once. */
  project(): Promise<LoadedProject> {
    const { project, config, profile, namespace, database, engine, temporalAddress: address } = this.globals
    this.#project ??= loadProject({
      cwd: this.cwd,
      env: this.env,
      project,
      config,
      profile,
      flags: { ...this.#flags, namespace, database, engine, temporal: address === undefined ? undefined : { address } },
    })
    return this.#project
  }

  /** Whether `build`, `tick` and `ingest` become runs on the server; in this process unless told otherwise. */
  async durable(): Promise<boolean> {
    const { engine, detach, worker, requireTemporal } = this.globals
    return detach || worker || requireTemporal || (engine ?? (await this.project()).value('engine')) === 'temporal'
  }

  /**
   * Opens the project's engine without catching up; it is closed when the command ends.
   */
  async open(overrides: Record<string, unknown> = {}): Promise<Defacto> {
    const { Defacto } = await import('../index.ts')
    const defacto = await Defacto.open((await this.project()).definitions, await this.#options(overrides))
    this.onClose(() => defacto.close())
    return defacto
  }

  /** Brings a lost or older database up to the archive; the space is closed afterwards. */
  async restore(call: TierCallOptions): Promise<{ rows: number; head: number }> {
    const { Defacto } = await import('../index.ts')
    const { definitions } = await this.project()
    return Defacto.restore(definitions, { ...(await this.#options({ activate: 'never' })), ...call })
  }

  async #options(overrides: Record<string, unknown>): Promise<Record<string, unknown>> {
    const project = await this.project()
    const options = project.options()
    return {
      catchUp: false,
      ...options,
      ...(options['logLevel'] === undefined && options['logFormat'] === undefined
        ? { logger: remarks(this.output) }
        : {}),
      ...overrides,
    }
  }

  /**
   * Opens the space for looking at it: the active version stays, and a database that is not there is a `NotFoundError`
   * instead of an empty one made under a mistyped name.
   */
  async openToRead(overrides: Record<string, unknown> = {}): Promise<Defacto> {
    const project = await this.project()
    if (!(await this.hasDatabase())) {
      const { Definitions } = await import('../index.ts')
      const definitions = await Definitions.fromDirectory(project.definitions)
      definitions.assertValid()
      throw new NotFoundError(`the database ${await this.databaseFile()} does not exist yet; the first ingest makes it`)
    }
    return this.open({ activate: 'never', ...overrides })
  }

  /** False for a database in a file that nobody made yet. */
  async hasDatabase(): Promise<boolean> {
    const path = await this.databaseFile()
    return path === null || existsSync(path)
  }

  /** Null: the database is in memory or on a server. */
  async databaseFile(): Promise<string | null> {
    const path = String((await this.project()).value('database')).replace(/^sqlite:\/\/(?=\/)/, '')
    return path === ':memory:' || /^[a-z][a-z0-9+.-]*:/i.test(path) ? null : path
  }

  /** What is to be done when the command ends; the last thing first. */
  onClose(close: () => Promise<void>): void {
    this.#closing.push(close)
  }

  /** Closes everything that was opened. */
  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close()
  }

  /** Resolves if the user agrees; `--yes` agrees, and where nobody can be asked the answer is missing (exit 8). */
  async confirm(question: string): Promise<void> {
    if (this.globals.yes) return
    if (!this.globals.input || this.stdin.isTTY !== true || !process.stderr.isTTY) {
      throw new ConfirmationError(`${question} There is nobody to ask.`)
    }
    const prompt = createInterface({ input: this.stdin, output: process.stderr })
    try {
      const answer = await prompt.question(`${question} [y/N] `, { signal: this.signal }).catch(() => {
        // In a prompt Ctrl-C is a key, not a signal.
        throw this.signal.aborted ? this.signal.reason : new Interrupted('interrupted; nothing was changed')
      })
      if (!/^y(es)?$/i.test(answer.trim())) throw new ConfirmationError('Not confirmed; nothing was changed.')
    } finally {
      prompt.close()
    }
  }

  progress(): Promise<Progress> {
    return progressOn(this.output)
  }

  /** Rows that end with the signal's reason when the command is to stop. */
  async *stoppable(rows: AsyncIterable<Row>): AsyncGenerator<Row> {
    for await (const row of rows) {
      this.signal.throwIfAborted()
      yield row
    }
  }
}
