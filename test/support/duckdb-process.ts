/** Other processes that use a DuckDB file at the same time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** `export` writes the table `slow`, `read` reads `customer`, `write` has the file open for writing. */
export class DuckdbProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(job: 'export' | 'read' | 'write', path: string) {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, 'duckdb-job.ts'), job, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  }

  /** Resolves when it stands half-way, or could not begin; `said` tells which. */
  static async start(
    job: 'export' | 'read' | 'write',
    path: string,
  ): Promise<{ process: DuckdbProcess; said: string }> {
    const started = new DuckdbProcess(job, path)
    return { process: started, said: await started.#next() }
  }

  /** Lets it go on; returns what it says at its end. */
  async finish(): Promise<string> {
    this.#child.stdin?.write('\n')
    const said = await this.#next()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    return said
  }

  async kill(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  async #next(): Promise<string> {
    const { value } = await this.#lines.next()
    return String(value)
  }
}
