/** A real Airflow that runs our sample DAGs. Where it cannot be had, importing fails under `CI=true`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { pythonWithAirflow } from '../../infra/starters/airflow.ts'
import { run } from '../../infra/starters/host.ts'
import { ROOT } from './clone.ts'

const python = await pythonWithAirflow().catch((error: Error) => error)
if (python instanceof Error) {
  if (process.env['CI'] === 'true') throw python
  process.stderr.write(`Left out: tests with Airflow. ${python.message.split('\n')[0]}\n`)
}

/** `describe` for what needs it. */
export const describeAirflow = describe.skipIf(python instanceof Error)

const DAGS = join(ROOT, 'infra', 'airflow', 'dags')

/** An Airflow with a database of its own and the DAGs of `infra/airflow`. */
export class Airflow implements Disposable {
  readonly #home = mkdtempSync(join(tmpdir(), 'defacto-airflow-'))

  async prepare(): Promise<this> {
    const { ok, output } = await this.command(['db', 'migrate'])
    if (!ok) throw new Error(`Airflow cannot make its database:\n${output}`)
    return this
  }

  /** Runs a DAG to its end in this process, as of a day. */
  test(dag: string, day: string, env: Readonly<Record<string, string>>): Promise<{ ok: boolean; output: string }> {
    return this.command(['dags', 'test', dag, day], env)
  }

  command(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ ok: boolean; output: string }> {
    return this.#run(['-m', 'airflow', ...args], env)
  }

  /** Runs a script that may import what DAGs do. */
  python(
    script: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<{ ok: boolean; output: string }> {
    return this.#run(['-c', script, ...args], { ...env, PYTHONPATH: DAGS })
  }

  #run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<{ ok: boolean; output: string }> {
    if (python instanceof Error) throw python
    return run(python, args, {
      cwd: this.#home,
      env: {
        ...process.env,
        AIRFLOW_HOME: this.#home,
        AIRFLOW__CORE__DAGS_FOLDER: DAGS,
        AIRFLOW__CORE__LOAD_EXAMPLES: 'False',
        PYTHONDONTWRITEBYTECODE: '1',
        NO_PROXY: '127.0.0.1',
        ...env,
      },
    })
  }

  [Symbol.dispose](): void {
    rmSync(this.#home, { recursive: true, force: true })
  }
}
