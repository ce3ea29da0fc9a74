/** Our side of the Dagster Pipes protocol, judged by a real Dagster that runs scripts and commands as its steps. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../support/clone.ts'
import { type DagsterStep, describeDagster, inDagster } from '../support/dagster.ts'
import { DEFACTO, NightlyProject } from '../support/nightly-project.ts'

const STEP = join(import.meta.dirname, 'pipes-step.ts')
const script = (what: string, rest: Partial<DagsterStep> = {}): DagsterStep => ({
  assets: ['shop/orders'],
  command: [process.execPath, STEP, what],
  ...rest,
})

describeDagster('a script with withPipes', () => {
  it('is a step with metadata, data version, checks, logs and messages of its own', async () => {
    const seen = await inDagster(script('report', { checks: ['fresh', 'sound'] }))
    expect(seen.success).toBe(true)
    expect(seen.materializations).toEqual([
      {
        asset: 'shop/orders',
        data_version: 'a:2',
        metadata: {
          rows_added: ['IntMetadataValue', 3],
          ratio: ['FloatMetadataValue', 0.5],
          note: ['TextMetadataValue', 'second'],
          done: ['BoolMetadataValue', true],
        },
      },
    ])
    expect(seen.checks).toEqual([
      {
        check: 'fresh',
        asset: 'shop/orders',
        passed: true,
        severity: 'ERROR',
        metadata: { lag: ['IntMetadataValue', 12] },
      },
      { check: 'sound', asset: 'shop/orders', passed: false, severity: 'WARN', metadata: {} },
    ])
    expect(seen.logs).toContainEqual([10, 'starting'])
    expect(seen.logs).toContainEqual([30, 'half way'])
    expect(seen.custom).toEqual([{ hello: ['world'] }])
  })

  it('reports the events of a run: assets that the step has as themselves, the others inside it', async () => {
    const seen = await inDagster(
      script('run', {
        assets: ['nightly'],
        checks: ['history_valid'],
        extras: { defacto: { checks: ['history-valid'] } },
      }),
    )
    expect(seen.success).toBe(true)
    expect(seen.materializations).toHaveLength(1)
    const { metadata, ...told } = seen.materializations[0]!
    expect(told).toEqual({ asset: 'nightly', data_version: '0a1b2c3d:20' })
    expect(metadata).toMatchObject({
      rows_added: ['IntMetadataValue', 27],
      rows_changed: ['IntMetadataValue', 2],
      cursor_from: ['IntMetadataValue', 0],
      cursor_to: ['IntMetadataValue', 20],
      failures: ['IntMetadataValue', 1],
      mode: ['TextMetadataValue', 'INCREMENTAL'],
      definition_hash: ['TextMetadataValue', '0a1b2c3d'],
      version: ['TextMetadataValue', 'v1'],
      duration_s: ['FloatMetadataValue', 2.5],
      ledger: ['JsonMetadataValue', expect.objectContaining({ rows_added: 20 })],
      'entity/customer': ['JsonMetadataValue', expect.objectContaining({ rows_added: 7 })],
      checks: ['JsonMetadataValue', { 'history-valid': expect.anything(), letters: expect.anything() }],
    })
    expect(seen.checks).toEqual([
      {
        check: 'history_valid',
        asset: 'nightly',
        passed: true,
        severity: 'ERROR',
        metadata: { asset: ['TextMetadataValue', 'entity/customer'], value: ['IntMetadataValue', 0] },
      },
    ])
    expect(seen.logs).toContainEqual([30, 'ingest: input files: 1 part is held'])
    expect(seen.logs).toContainEqual([30, 'check letters of source/app failed'])
    expect(seen.logs.map(([, message]) => message).join()).not.toContain('10 of 20')

    const own = await inDagster(script('run', { assets: ['shop/ledger', 'shop/entity/customer'] }))
    expect(own.materializations.map(({ asset, data_version }) => [asset, data_version])).toEqual([
      ['shop/ledger', '0a1b2c3d:20'],
      ['shop/entity/customer', '0a1b2c3d:20'],
    ])
    expect(own.materializations[1]?.metadata).toMatchObject({ rows_added: ['IntMetadataValue', 7] })
  })

  it('knows its partition, and what the step gives along, from a file or from the variable itself', async () => {
    for (const context of [undefined, 'env'] as const) {
      const seen = await inDagster(script('context', { partition: '2024-02-03', extras: { hello: 'world' }, context }))
      expect(seen.custom).toEqual([
        {
          assetKeys: ['shop/orders'],
          partitionKey: '2024-02-03',
          window: { from: '2024-02-03T00:00:00+00:00', to: '2024-02-04T00:00:00+00:00' },
          runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
          jobName: expect.any(String),
          retryNumber: 0,
          extras: { hello: 'world' },
        },
      ])
    }
  })

  it('fails the step with its error: ours with its message, those of others by class alone', async () => {
    const ours = await inDagster(script('ours'))
    expect(ours).toMatchObject({ success: false, failed: ['judged'] })
    expect(ours.errors.map(([, message, name]) => [message, name])).toContainEqual([
      'E_BUILD: version v1 is being built elsewhere',
      'BuildError',
    ])
    const theirs = await inDagster(script('theirs'))
    expect(theirs.success).toBe(false)
    expect(JSON.stringify(theirs)).not.toContain('ada@example.org')
    expect(theirs.errors.map(([, , name]) => name)).toContain('TypeError')
  })

  it('has said what it said when the process ends at once', async () => {
    const seen = await inDagster(script('leave'))
    expect(seen.success).toBe(false)
    expect(seen.logs).toContainEqual([20, 'said before leaving'])
  })
})

describeDagster('the sample Dagster project', () => {
  const job = { definitions: join(ROOT, 'infra', 'dagster', 'definitions.py'), job: 'defacto_nightly' }
  const settings = (project: NightlyProject) => ({
    NIGHTLY_COMMAND: DEFACTO,
    NIGHTLY_PROJECT: project.folder,
    NIGHTLY_CHECKS: 'history,no-letters',
  })

  it('runs the nightly pipeline as one asset, with its counters, its checks and its log', async () => {
    using project = new NightlyProject().arrive('2024-01')
    const seen = await inDagster(job, settings(project))
    expect(seen.errors).toEqual([])
    expect(seen.success).toBe(true)
    expect(seen.materializations).toHaveLength(1)
    const { asset, data_version, metadata } = seen.materializations[0]!
    expect(asset).toBe('nightly')
    expect(data_version).toMatch(/^[0-9a-f]{8}:271$/)
    expect(metadata).toMatchObject({
      cursor_to: ['IntMetadataValue', 271],
      failures: ['IntMetadataValue', 1],
      mode: ['TextMetadataValue', 'INCREMENTAL'],
      definition_hash: ['TextMetadataValue', expect.stringMatching(/^[0-9a-f]{64}$/)],
      version: ['TextMetadataValue', expect.any(String)],
      duration_s: ['FloatMetadataValue', expect.any(Number)],
      ledger: ['JsonMetadataValue', expect.objectContaining({ rows_added: 271 })],
      'entity/customer': ['JsonMetadataValue', expect.objectContaining({ rows_added: 78 })],
    })
    expect(seen.checks.map(({ check, passed, severity }) => [check, passed, severity])).toEqual([
      ['history', true, 'ERROR'],
      ['no_letters', false, 'WARN'],
    ])
    expect(seen.logs.map(([, message]) => message)).toContain('build: succeeded')
    // Once more: nothing has come, and the step says so without failing.
    const again = await inDagster(job, settings(project))
    expect(again.failed).toEqual(['nightly'])
    expect(again.errors.map(([, message]) => message).join()).toContain('E_INPUT_MISSING')
    expect((await inDagster(job, settings(project.arrive('2024-02')))).materializations[0]?.data_version).toMatch(
      /:733$/,
    )
  })
})
