/** The sample DAGs, run by a real Airflow: over HTTP, and as a process. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Airflow, describeAirflow } from '../support/airflow.ts'
import { DEFACTO, NightlyProject } from '../support/nightly-project.ts'
import { Served } from '../support/served.ts'

const FAST = { NIGHTLY_RETRY_MINUTES: '0.01' }

describeAirflow('the sample DAGs', () => {
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
