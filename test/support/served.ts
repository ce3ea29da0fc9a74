/** A project served over HTTP by the real command, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { MAIN } from './nightly-project.ts'

const TOKENS = { airflow: { token: 'a-token-of-airflow-alone', scopes: ['read', 'run'] } }

/** `defacto serve` on a free port, with a token. */
export class Served implements AsyncDisposable {
  readonly #child: ChildProcess
  /** Host and port. */
  readonly address: Promise<string>
  readonly token = TOKENS.airflow.token

  constructor(folder: string, env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [MAIN, 'serve', '--local', '--port', '0'], {
      cwd: folder,
      env: { ...process.env, DEFACTO_SERVE__TOKENS: JSON.stringify(TOKENS), ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.address = this.#said(/^serving http:\/\/(\S+)$/)
  }

  async #said(pattern: RegExp): Promise<string> {
    const lines: string[] = []
    for await (const line of createInterface({ input: this.#child.stderr! })) {
      lines.push(line)
      const found = pattern.exec(line)?.[1]
      if (found === undefined) continue
      this.#child.stderr!.resume()
      return found
    }
    throw new Error(`it does not serve:\n${lines.join('\n')}`)
  }

  /** What is answered with the token. */
  async ask(path: string, init: RequestInit = {}): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...init.headers }
    const response = await fetch(`http://${await this.address}${path}`, { ...init, headers })
    return await response.json()
  }

  async runs(): Promise<Record<string, unknown>[]> {
    return ((await this.ask('/v1/runs')) as { runs: Record<string, unknown>[] }).runs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await gone
  }
}
