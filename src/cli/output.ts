/** stdout carries data, stderr everything else (spec 10 §7.2). One `Output` per process. */
import { type Paint, paintFor } from './colour.ts'
import { adviceFor, reportOf } from './errors.ts'
import { jsonText } from './json.ts'
import { sqlProblems } from './sql-problems.ts'
import type { TableOptions } from './table.ts'

export type Format = 'text' | 'json' | 'jsonl' | 'csv'
export type Row = Readonly<Record<string, unknown>>

/** What a command hands back. */
export interface Result {
  /** Document of `-o json`, line of `-o jsonl`; names are snake case. */
  readonly data: unknown
  /** Lines of `-o jsonl` and `-o csv` where they are a list inside `data`. */
  readonly rows?: readonly Row[]
  /** What people see; without it, `data` as a list of keys. */
  readonly text?: string | ((output: Output) => string | Promise<string>)
  /** The text only says what was done: `--quiet` leaves it away. */
  readonly receipt?: boolean
  /** The text is for reading: longer than the screen, it goes through the pager. */
  readonly paged?: boolean
  /** The work was done but its outcome is a failure (`ingest` with only bad records, `check` with errors). */
  readonly error?: Error
}

export interface Sink {
  write(text: string): boolean
  once(event: 'drain', listener: () => void): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface OutputOptions {
  readonly format: Format
  readonly stdout: Sink
  readonly stderr: Sink
  readonly quiet: boolean
  readonly verbose: boolean
  /** `false`: `--no-color`. */
  readonly colour: boolean
  /** `false`: `--no-pager`. */
  readonly pager?: boolean
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The streams of this process, as its global flags want them. */
export function outputFor(values: Readonly<Record<string, unknown>>): Output {
  return new Output({
    format: (values['output'] as Format | undefined) ?? 'text',
    stdout: process.stdout,
    stderr: process.stderr,
    quiet: values['quiet'] === true,
    verbose: values['verbose'] === true,
    colour: values['color'] !== false,
    pager: values['pager'] !== false,
    env: process.env,
  })
}

export class Output {
  readonly format: Format
  readonly quiet: boolean
  readonly verbose: boolean
  /** Colours of stdout and stderr; they differ when one of them is no terminal. */
  readonly paint: Paint
  readonly paintErr: Paint
  readonly env: Readonly<Record<string, string | undefined>>
  readonly #stdout: Sink
  readonly #stderr: Sink
  readonly #pager: boolean

  constructor(options: OutputOptions) {
    this.format = options.format
    this.quiet = options.quiet
    this.verbose = options.verbose
    this.#stdout = options.stdout
    this.#stderr = options.stderr
    this.env = options.env
    this.#pager = options.pager !== false
    const allowed = options.colour && !options.env['NO_COLOR'] && options.env['TERM'] !== 'dumb'
    this.paint = paintFor(allowed && options.stdout.isTTY === true)
    this.paintErr = paintFor(allowed && options.stderr.isTTY === true)
  }

  /**
   * Width of the terminal behind stdout, or what `COLUMNS` says of it; null if it is none, and nothing may be cut. A
   * terminal that does not know its width (0) is taken for a usual one.
   */
  get width(): number | null {
    if (this.#stdout.isTTY !== true) return null
    const columns = Number.parseInt(this.env['COLUMNS'] ?? '', 10)
    return columns > 0 ? columns : this.#stdout.columns || 80
  }

  /** Lines of the terminal behind stdout where longer text is to be paged; null: nothing is. */
  get height(): number | null {
    if (this.#stdout.isTTY !== true || !this.#pager) return null
    const lines = Number.parseInt(this.env['LINES'] ?? '', 10)
    return lines > 0 ? lines : this.#stdout.rows || 24
  }

  /** True if stderr is a terminal that may show moving things. */
  get lively(): boolean {
    return this.#stderr.isTTY === true && !this.quiet && this.format === 'text'
  }

  /** Writes data, waiting while the reader is slower. */
  async write(text: string): Promise<void> {
    if (!this.#stdout.write(text)) await new Promise<void>((resolve) => this.#stdout.once('drain', resolve))
  }

  /** A remark for people; `--quiet` drops it. */
  note(text: string): void {
    if (!this.quiet) this.#stderr.write(`${text}\n`)
  }

  warn(text: string): void {
    this.#stderr.write(`${this.paintErr.yellow('warning')} ${text}\n`)
  }

  /** Shows a result in the chosen format. */
  async result(result: Result): Promise<void> {
    if (this.format === 'json') {
      await this.write(`${jsonText(documentOf(result.data, result.error))}\n`)
    } else if (this.format === 'jsonl') {
      for (const item of result.rows ?? (Array.isArray(result.data) ? result.data : [result.data]))
        await this.write(`${jsonText(item)}\n`)
    } else if (this.format === 'csv') {
      await this.#csv(result.rows ?? (Array.isArray(result.data) ? (result.data as Row[]) : [result.data as Row]))
    } else {
      const { text, data } = result
      if (this.quiet && result.receipt === true) return
      const shown = typeof text === 'function' ? await text(this) : (text ?? keyList(data, this.paint))
      if (shown !== '') await this.#show(shown.endsWith('\n') ? shown : `${shown}\n`, result.paged === true)
    }
  }

  async #show(text: string, paged: boolean): Promise<void> {
    if (!paged || this.height === null) return this.write(text)
    const screen = (await import('./pager.ts')).openScreen(this)
    await screen.write(text)
    await screen.end()
  }

  async #csv(rows: readonly Row[]): Promise<void> {
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
    const { writeCsv } = await import('./row-text.ts')
    await writeCsv(this, rows, columns)
  }

  /**
   * Streams rows in the chosen format with flat memory, the first ones at once. `columns` fixes the order; without it the
   * first row does. The JSON document ends with `ok` because only then is it known. Returns the number of rows.
   */
  async rows(rows: AsyncIterable<Row>, columns?: readonly string[], options: TableOptions = {}): Promise<number> {
    if (this.format === 'text') return (await import('./table.ts')).writeTable(this, rows, columns, options)
    const { writeCsv, writeJson, writeLines } = await import('./row-text.ts')
    if (this.format === 'csv') return writeCsv(this, rows, columns)
    if (this.format === 'jsonl') return writeLines(this, rows)
    return writeJson(this, rows, (error) => {
      markShown(error)
      return reportOf(error)
    })
  }

  /** One clear message on stderr, and the document of `-o json` unless its error was part of a result already. */
  async error(error: unknown): Promise<void> {
    const report = reportOf(error)
    if (this.format === 'json' && !wasShown(error)) await this.write(`${jsonText(documentOf(null, error))}\n`)
    const { red, dim, bold } = this.paintErr
    const message = sqlProblems(error, this.paintErr, this.width) ?? report.message
    const lines = [`${red(bold('error'))} ${dim(report.code)} ${message}`]
    const advice = adviceFor(error)
    if (advice !== null && !this.quiet) lines.push(dim(advice))
    if (this.verbose && error instanceof Error && error.stack) lines.push(dim(error.stack), ...causes(error).map(dim))
    this.#stderr.write(`${lines.join('\n')}\n`)
  }
}

function documentOf(data: unknown, error: unknown): object {
  return { ok: error === undefined, data, error: error === undefined ? null : reportOf(error) }
}

const shown = new WeakSet<object>()

/** Notes that the document on stdout already carries this error. */
export function markShown(error: unknown): unknown {
  if (typeof error === 'object' && error !== null) shown.add(error)
  return error
}

function wasShown(error: unknown): boolean {
  return typeof error === 'object' && error !== null && shown.has(error)
}

function causes(error: Error): string[] {
  const texts: string[] = []
  for (let cause = error.cause; cause instanceof Error && texts.length < 5; cause = cause.cause) {
    texts.push(`caused by ${cause.stack ?? cause.message}`)
  }
  return texts
}

/** `key  value` lines for a flat object. */
export function keyList(data: unknown, paint: Paint): string {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return jsonText(data)
  const entries = Object.entries(data).filter(([, value]) => typeof value !== 'object' || value === null)
  const width = Math.max(0, ...entries.map(([key]) => key.length))
  return entries
    .map(
      ([key, value]) => `${key.replaceAll('_', ' ').padEnd(width)}  ${value === null ? paint.dim('—') : String(value)}`,
    )
    .join('\n')
}
