/** The sample DAGs, run by a real Airflow: over HTTP, and as a process. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { Airflow, describeAirflow } from '../support/airflow.ts'
import { DEFACTO, NightlyProject } from '../support/nightly-project.ts'
import { Served } from '../support/served.ts'

const WAIT = { timeout: 120_000, interval: 20 }
/** What Airflow does with a task that is to end. */
const KILL = `
from defacto_airflow import DefactoRun
task = DefactoRun(task_id="nightly", pipeline="nightly")
task._run = task._call("POST", "/v1/runs", {"op": "pipeline", "input": {"pipeline": "nightly"}})["run_id"]
task.on_kill()
`
const FAST = { NIGHTLY_RETRY_MINUTES: '0.01' }

// Each start of an Airflow is some seconds of a processor's work.
describeAirflow('the sample DAGs', { timeout: 900_000 }, () => {
  let airflow: Airflow
  beforeAll(async () => {
    airflow = await new Airflow().prepare()
  })
  afterAll(() => airflow[Symbol.dispose]())

  it('over HTTP: one run per task, and a retry goes on from where it failed', async () => {
    using project = new NightlyProject().arrive('2024-01')
    await using server = new Served(project.folder)
    const env = { ...FAST, AIRFLOW_CONN_DEFACTO: `http://:${server.token}@${await server.address}` }
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

  it('over HTTP: a run that was stopped is retried, with the steps that are left; a killed task stops its run', async () => {
    using project = new NightlyProject().arrive('2024-01').slowly()
    await using server = new Served(project.folder)
    const env = { ...FAST, AIRFLOW_CONN_DEFACTO: `http://:${server.token}@${await server.address}` }
    const tested = airflow.test('defacto_nightly', '2024-05-01', env)
    const [met] = await vi.waitUntil(async () => {
      const runs = await server.runs()
      return runs.length > 0 && runs
    }, WAIT)
    await server.ask(`/v1/runs/${met!['run_id']}/cancel`, { method: 'POST' })
    const { ok, output } = await tested
    expect(ok, output).toBe(true)
    expect(await server.runs()).toMatchObject([
      { status: 'succeeded', retry_of: met!['run_id'], tags: { airflow: met!['idempotency_key'] } },
      { status: 'cancelled', idempotency_key: met!['idempotency_key'] },
    ])

    project.arrive('2024-02')
    const killed = await airflow.python(KILL, [], env)
    expect(killed.ok, killed.output).toBe(true)
    const [stopped] = await server.runs()
    expect(await server.ask(`/v1/runs/${stopped!['run_id']}?wait=30s`)).toMatchObject({
      status: 'cancelled',
      cancel_reason: 'the Airflow task was killed',
    })
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
