/** A Python program that judges what we write: a request and an answer, one line of JSON each. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export class PythonJudge implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>

  constructor(python: string | Error, script: string) {
    if (python instanceof Error) throw python
    this.#child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  protected async ask<T extends object>(request: object): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
    const { value, done } = await this.#answers.next()
    if (done === true) throw new Error('the judge is gone')
    const answer = JSON.parse(value) as T
    if ('error' in answer) throw new Error(String(answer.error))
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin!.end()
    await gone
  }
}
