/** The sample DAGs, run by a real Airflow: over HTTP, and as a process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Airflow, describeAirflow } from '../support/airflow.ts'
import { DEFACTO, MAIN, NightlyProject } from '../support/nightly-project.ts'

const FAST = { NIGHTLY_RETRY_MINUTES: '0.01' }

/** `defacto serve` on a free port, with a token. */
class Server implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #address: Promise<string>

  constructor(project: NightlyProject) {
    this.#child = spawn(process.execPath, [MAIN, 'serve', '--local', '--port', '0'], {
      cwd: project.folder,
      env: { ...process.env, DEFACTO_SERVE__TOKENS: JSON.stringify(TOKENS) },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#address = this.#said(/^serving http:\/\/(\S+)$/)
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

  /** As Airflow names it. */
  async connection(): Promise<Record<string, string>> {
    return { AIRFLOW_CONN_DEFACTO: `http://:${TOKENS.airflow.token}@${await this.#address}` }
  }

  async runs(): Promise<Record<string, unknown>[]> {
    const response = await fetch(`http://${await this.#address}/v1/runs`, {
      headers: { authorization: `Bearer ${TOKENS.airflow.token}` },
    })
    return ((await response.json()) as { runs: Record<string, unknown>[] }).runs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.exitCode === null && this.#child.kill('SIGTERM')) await gone
  }
}
const TOKENS = { airflow: { token: 'a-token-of-airflow-alone', scopes: ['read', 'run'] } }

describeAirflow('the sample DAGs', () => {
  let airflow: Airflow
  beforeAll(async () => {
    airflow = await new Airflow().prepare()
  })
  afterAll(() => airflow[Symbol.dispose]())

  it('over HTTP: one run per task, and a retry goes on from where it failed', async () => {
    using project = new NightlyProject().arrive('2024-01')
    await using server = new Server(project)
    const env = { ...FAST, ...(await server.connection()) }
    const first = await airflow.test('defacto_nightly', '2024-05-01', env)
    expect(first.ok, first.output).toBe(true)
    expect(await server.runs()).toMatchObject([
      {
        op: 'pipeline',
        pipeline: 'nightly',
        status: 'succeeded',
        idempotency_key: expect.stringMatching(/^defacto_nightly\/.*\/nightly$/),
      },
    ])
    // Nothing has come since: required input, so the run fails. People have to do something; it is not tried again.
    const second = await airflow.test('defacto_nightly', '2024-05-02', env)
    expect(second.ok).toBe(false)
    expect(second.output).toContain('E_INPUT_MISSING')
    expect((await server.runs()).map(({ status }) => status)).toEqual(['failed', 'succeeded'])
    const refused = await airflow.test('defacto_nightly', '2024-05-03', {
      ...env,
      AIRFLOW_CONN_DEFACTO: env.AIRFLOW_CONN_DEFACTO.replace('a-token', 'no-token'),
    })
    expect(refused.output).toContain('401')
    expect(await server.runs()).toHaveLength(2)
  })

  it('as a process: exit codes say what follows', async () => {
    using project = new NightlyProject().arrive('2024-01')
    const env = {
      ...FAST,
      NIGHTLY_COMMAND: DEFACTO,
      NIGHTLY_PROJECT: project.folder,
      NIGHTLY_FLAGS: '--local',
    }
    const first = await airflow.test('defacto_nightly_process', '2024-05-01', env)
    expect(first.ok, first.output).toBe(true)
    const second = await airflow.test('defacto_nightly_process', '2024-05-02', env)
    expect(second.ok).toBe(false)
    expect(second.output).toContain('exit code 4, E_INPUT_MISSING')
  })
})
