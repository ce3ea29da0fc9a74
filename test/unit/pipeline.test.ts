/** Pipelines as runs read them, and their findings with places (spec 10 §3). */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadProject } from '../../src/config/project.ts'
import { Definitions } from '../../src/definitions.ts'
import { DefinitionError } from '../../src/errors.ts'
import type { FilesInput, PostgresInput, S3Input } from '../../src/orchestration/model.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import { checkProject, type ProjectCheckOptions } from '../../src/project-check.ts'
import { cleanPipeline } from '../support/definition-cases-pipeline.ts'

const RETRY = { attempts: 5, backoffMs: 10_000, factor: 2, maxMs: 300_000 }
const HOUR = 3_600_000

describe('readPipeline', () => {
  test('fills in every default', () => {
    const pipeline = readPipeline('small', {
      inputs: { a: { source: 'web', kind: 'files', path: 'in/*.csv' }, b: { source: 'web', kind: 'inbox' } },
      steps: ['ingest', 'build'],
      checks: { rows: { kind: 'row_count', asset: 'entity/item' }, mine: { sql: 'select 1', severity: 'warn' } },
      freshness: { 'source/web': { warn: '1d' }, cold: { error: '2d' } },
      alerts: [{ on: ['failure'], to: { cloudevents: { url: 'https://a.example' } } }],
      schedule: { every: '5m' },
    })
    expect(pipeline).toMatchObject({
      name: 'small',
      description: null,
      asOf: 'scheduled',
      version: null,
      skipIfIdle: false,
      retry: RETRY,
      timeoutMs: 12 * HOUR,
      pool: null,
      parallel: 1,
      retention: null,
      tags: {},
    })
    const onError = { maxRatio: 0.01, maxCount: null, minRecords: 100, action: 'fail', deadLetters: 'table' }
    const shared = { source: 'web', batch: 500, parallel: 1, required: false, onError }
    expect(pipeline.inputs).toEqual([
      {
        ...shared,
        name: 'a',
        kind: 'files',
        path: 'in/*.csv',
        format: null,
        records: null,
        csv: { delimiter: ',', null: null, encoding: 'utf-8' },
        settleMs: 30_000,
        append: false,
        after: 'keep',
        moveTo: null,
        window: null,
      },
      { ...shared, name: 'b', kind: 'inbox' },
    ])
    const step = { when: 'success', retry: RETRY, timeoutMs: 12 * HOUR }
    expect(pipeline.steps).toEqual([
      { ...step, id: 'ingest', needs: [], kind: 'ingest', inputs: ['a', 'b'] },
      { ...step, id: 'build', needs: ['ingest'], kind: 'build', version: null, full: false, fromRaw: false },
    ])
    expect(pipeline.schedule).toEqual({
      cron: null,
      everyMs: 300_000,
      timezone: 'UTC',
      start: null,
      end: null,
      overlap: 'queue',
      missed: 'last',
      windowMs: 24 * HOUR,
      jitterMs: 0,
    })
    const check = { timeoutMs: 600_000 }
    expect(pipeline.checks).toEqual([
      {
        ...check,
        name: 'rows',
        asset: 'entity/item',
        severity: 'error',
        blocking: true,
        kind: 'row_count',
        min: null,
        max: null,
        maxChange: 0.5,
      },
      {
        ...check,
        name: 'mine',
        asset: null,
        severity: 'warn',
        blocking: false,
        kind: 'sql',
        sql: 'select 1',
        expect: null,
      },
    ])
    expect(pipeline.freshness).toEqual([
      { asset: 'source/web', warnMs: 24 * HOUR, errorMs: null, of: 'event' },
      { asset: 'cold', warnMs: null, errorMs: 48 * HOUR, of: 'flush' },
    ])
    expect(pipeline.alerts).toEqual([
      {
        on: ['failure'],
        to: { kind: 'cloudevents', url: 'https://a.example' },
        minSeverity: 'warn',
        repeatMs: 6 * HOUR,
      },
    ])
  })

  test('takes over what is written, in its own units', () => {
    const pipeline = readPipeline('nightly', { ...cleanPipeline(), as_of: '2026-01-01T02:00:00+02:00' })
    const [files, bucket, rows] = pipeline.inputs as [FilesInput, S3Input, PostgresInput]
    expect(files).toMatchObject({ after: 'move', moveTo: 'done/', window: 'web-{date}' })
    expect(bucket).toMatchObject({ url: 's3://in/web/', format: 'csv', csv: { delimiter: ';' }, storage: {} })
    expect(rows.cursor).toEqual({ column: 'at', initial: 0, overlapMs: 600_000 })
    expect(rows.onError).toEqual({ maxRatio: 0.02, maxCount: 5, minRecords: 10, action: 'warn', deadLetters: 'sink' })
    expect(rows.database).toContain('env:WEB_DATABASE')
    expect(pipeline.asOf).toBe('2026-01-01T00:00:00+00:00')
    expect(pipeline.steps[1]).toMatchObject({ retry: { attempts: 0, backoffMs: 5000, factor: 1.5, maxMs: 300_000 } })
    expect(pipeline.steps[1]).toMatchObject({ timeoutMs: 4 * HOUR })
    expect(pipeline.steps.at(-1)).toMatchObject({ needs: ['tick'], when: 'always', compact: true, verify: false })
    const never = { coldMs: null, coldTypes: [], onlyStates: [] }
    expect(pipeline.retention).toEqual({ hotDays: 30, hotRows: 1000, ...never })
    expect(pipeline.tags).toEqual({ team: 'lending' })
  })

  test('names steps by kind, and numbers the others of a kind around given ids', () => {
    const steps = ['tick', { tick: { id: 'tick_2' } }, 'tick', 'tick']
    const { steps: read } = readPipeline('ticks', { steps })
    expect(read.map(({ id }) => id)).toEqual(['tick', 'tick_2', 'tick_3', 'tick_4'])
    expect(read.map(({ needs }) => needs)).toEqual([[], ['tick'], ['tick_2'], ['tick_3']])
  })

  test('what a step does not say of retrying it has from the pipeline', () => {
    const retry = { attempts: 2, backoff: '1s' }
    const { steps } = readPipeline('a', { retry, steps: [{ build: { retry: { attempts: 9 } } }] })
    expect(steps[0]?.retry).toEqual({ attempts: 9, backoffMs: 1000, factor: 2, maxMs: 300_000 })
  })

  test('the hash follows what is said, not in which order', () => {
    const a = readPipeline('a', { steps: ['build'], timeout: '1h', tags: { x: '1', y: '2' } })
    const b = readPipeline('a', { tags: { y: '2', x: '1' }, timeout: '1h', steps: ['build'] })
    const c = readPipeline('a', { steps: ['build'], timeout: '2h', tags: { x: '1', y: '2' } })
    expect(a.hash).toBe(b.hash)
    expect(a.hash).not.toBe(c.hash)
    expect(a.hash).toMatch(/^[0-9a-f]{64}$/)
  })

  test('a body of another make is refused with every reason', () => {
    const body = { steps: ['build', 'fly'], timeout: 'soon' }
    expect(() => readPipeline('old', body)).toThrow(DefinitionError)
    try {
      readPipeline('old', body)
    } catch (error) {
      expect((error as DefinitionError).details['errors']).toHaveLength(2)
      expect((error as DefinitionError).message).toContain("pipeline 'old' cannot be used: P03 pipelines.old.steps[1]")
    }
    expect(() => readPipeline('old', 5)).toThrow(DefinitionError)
  })

  test('what a run pinned is read as it was', () => {
    const body = cleanPipeline()
    const pinned = JSON.parse(JSON.stringify(body)) as unknown
    expect(readPipeline('nightly', pinned)).toEqual(readPipeline('nightly', body))
  })
})

describe('the sample', () => {
  test('its pipeline is read as it stands', () => {
    const file = new URL('../../definitions/pipelines/nightly.yaml', import.meta.url)
    const { nightly } = parse(readFileSync(file, 'utf8')) as { nightly: unknown }
    const pipeline = readPipeline('nightly', nightly)
    expect(pipeline.inputs.map(({ name, source }) => [name, source])).toEqual([
      ['app', 'app'],
      ['billing', 'billing'],
      ['support', 'support'],
    ])
    expect(pipeline.steps.map(({ id }) => id)).toEqual([
      'ingest',
      'build',
      'tick',
      'check',
      'flush',
      'prune',
      'maintain',
    ])
  })
})

describe('findings of a project', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'defacto-pipelines-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const findings = async (pipeline: string, settings = '', options: ProjectCheckOptions = {}): Promise<string[]> => {
    put(
      'entities/item.yaml',
      'item: { starts: new, identity: { id: {} }, states: { new: { when: { made: { effects: [create] } } } } }\n',
    )
    put(
      'sources/web.yaml',
      'web: { event_type: kind, timestamp: at, events: { made: { mappings: { id: { from: id } }, hints: { item: id } } } }\n',
    )
    put('pipelines/nightly.yaml', pipeline)
    put('defacto.config.yaml', settings)
    const project = await loadProject({ cwd: root, env: {} })
    const { issues } = checkProject(project, await Definitions.fromDirectory(root), options)
    return issues
      .filter(({ code }) => code !== 'W01')
      .map(({ code, place, message }) => `${code} ${place?.replace('pipelines/', '')} ${message}`)
  }

  test('all of them at once, at file, line and column', async () => {
    const found = await findings(`nightly:
  schedule: { cron: "0 0 * * *", timezone: Europe/Brelin }
  inputs:
    a: { source: wbe, kind: files, path: in/*, required: true }
  steps:
    - ingest
    - flush
  checks:
    mine: { sql: "select item_id,\\n  nothing from item_history" }
`)
    expect(found.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'P01 nightly.yaml:4:18',
      'PW2 nightly.yaml:8:3',
      'P06 nightly.yaml:2:44',
      'P05 nightly.yaml:7:7',
      'P08 nightly.yaml:9:18',
    ])
    expect(found.join('\n')).toContain("did you mean 'web'?")
    expect(found.join('\n')).toContain('Line 2, column 3')
    expect(found.join('\n')).toContain('nothing')
  })

  test('none where the project has what the pipeline needs', async () => {
    const pipeline = `nightly:
  steps: [build, check, flush]
  concurrency: { pool: night }
  checks: { mine: { sql: "select item_id from item_history where item_state = 'new'" } }
`
    expect(await findings(pipeline, 'cold_ledger: cold\npools: { night: 1 }\n')).toEqual([])
    expect((await findings(pipeline)).map((line) => line.slice(0, 3))).toEqual(['P05', 'P10'])
    const profile = 'profiles: { night: { cold_ledger: cold, pools: { night: 1 } } }\n'
    expect((await findings(pipeline, profile)).map((line) => line.slice(0, 3))).toEqual(['P05', 'P10'])
    expect(await findings(pipeline, profile, { profiles: true })).toEqual([])
  })
})
