import { afterEach, describe, expect, it } from 'vitest'
import { METRICS } from '../../src/orchestration/metrics/names.ts'
import { createMetrics } from '../../src/orchestration/metrics/registry.ts'
import { REQUEST_OPEN } from '../../src/ports/privacy.ts'
import { founded, sqlitePlace, TestSpace, teamed, teams } from '../support/orchestration.ts'
import { joined } from '../support/people.ts'

/** Names and labels of spec 10 §9. */
const SPECIFIED = `runs_total{op,status} run_duration_seconds{op} chunk_seconds{op} events_total{source,outcome}
  pending_events{version} oldest_pending_seconds{version} tick_lag_seconds{version} freshness_seconds{asset}
  freshness_state{asset} check_passed{check,severity} schedule_ticks_total{pipeline,outcome} ledger_rows{tier} cold_bytes
  cold_files flush_lag_events dead_letters{source} inbox_rows inputs_held{pipeline} notifications{status} erase_open{state}
  erase_deadline_seconds holds lock_epoch{slot} fenced_total{op} retries_total{op} event_loop_delay_seconds worker_polling{queue}`.split(
  /\s+/,
)

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

function seriesOf(text: string): Series[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match === null) return []
    const labels = [...(match[2] ?? '').matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value])
    return [{ name: match[1] as string, labels: Object.fromEntries(labels), value: Number(match[3]) }]
  })
}

describe('metrics', () => {
  const spaces: TestSpace[] = []
  afterEach(async () => {
    for (const space of spaces.splice(0)) await space.close()
  })
  async function open(options: (folder: string) => object = () => ({})): Promise<TestSpace> {
    const place = await sqlitePlace()
    const space = await TestSpace.open(place, teams(), options(place.folder))
    spaces.push(space)
    return space
  }

  it('are those of the specification, with its labels', () => {
    const ours = Object.entries(METRICS).map(([name, { labels }]) => {
      return `${name.replace(/^defacto_/, '')}${labels.length === 0 ? '' : `{${labels.join(',')}}`}`
    })
    expect(ours.toSorted()).toEqual(SPECIFIED.toSorted())
    for (const { help } of Object.values(METRICS)) expect(help).toMatch(/\.$/)
  })

  it('carry the namespace, belong to one instance, and refuse what is not known', async () => {
    const [one, other] = [createMetrics('one'), createMetrics('other')]
    try {
      one.count('defacto_runs_total', { op: 'build', status: 'failed' }, 2)
      one.observe('defacto_run_duration_seconds', { op: 'build' }, 3)
      one.gauge('defacto_worker_polling', { queue: 'io' }, 1)
      const series = seriesOf(await one.text())
      expect(series).toContainEqual({
        name: 'defacto_runs_total',
        labels: { namespace: 'one', op: 'build', status: 'failed' },
        value: 2,
      })
      expect(series.every(({ labels }) => labels['namespace'] === 'one')).toBe(true)
      expect(seriesOf(await other.text()).filter(({ labels }) => labels['op'] === 'build')).toEqual([])
      expect(() => one.count('defacto_other_total', {})).toThrow(/no metric 'defacto_other_total'/)
      expect(() => one.gauge('defacto_runs_total', {}, 1)).toThrow(TypeError)
      expect(() => one.count('defacto_runs_total', { run_id: 'r_1' })).toThrow()
    } finally {
      one.close()
      other.close()
    }
  })

  it('say how the space is, with names and words in labels, never ids', async () => {
    const space = await open((folder) => ({ coldLedger: `${folder}/cold` }))
    const records = [founded('red', 1), joined('a', 2), joined('b', 3), teamed('a', 'red', 4)]
    await space.engine.ingest('web', records as never, { process: true })
    await space.engine.ledger.tiers.flush({ upTo: 3 })
    await space.engine.ingest('web', [joined('c', 18)] as never)
    const inputs = { files: { source: 'web', kind: 'inbox' } }
    const freshness = { 'source/web': { warn: '1d', error: '3d' }, cold: { error: '1h' }, ledger: { warn: '1d' } }
    space.pipeline('nightly', { inputs, freshness, steps: ['ingest', 'check'] })
    const { log } = space.context.operations
    const line = { batchId: 'b_1', source: 'web', receivedAt: space.text }
    await log.inputs.push([1, 2].map((at) => ({ ...line, line: at, raw: '{}' })))
    const run = await space.newRun('check', { pipeline: 'nightly' })
    const result = {
      runId: run.runId,
      asset: 'ledger',
      blocking: true,
      value: 1,
      sampleIds: [],
      message: null,
      at: space.text,
    }
    await log.checks.put([
      { ...result, check: 'history', severity: 'error', passed: false },
      { ...result, check: 'letters', severity: 'warn', passed: true },
    ])

    const metrics = createMetrics('shop')
    await metrics.collect(space.context)
    const series = seriesOf(await metrics.text())
    metrics.close()
    const of = (name: string, labels: object = {}): number | undefined =>
      series.find(
        (each) =>
          each.name === `defacto_${name}` &&
          Object.entries(labels).every(([label, value]) => each.labels[label] === value),
      )?.value
    const version = space.engine.activeVersion
    expect(of('pending_events', { version })).toBe(1)
    expect(of('oldest_pending_seconds', { version })).toBe(2 * 86_400 + 1)
    expect(of('ledger_rows', { tier: 'hot' })).toBe(5)
    expect(of('ledger_rows', { tier: 'cold' })).toBe(3)
    expect(of('cold_files')).toBe(1)
    expect(of('cold_bytes')).toBeGreaterThan(0)
    expect(of('flush_lag_events')).toBe(2)
    expect(of('inbox_rows')).toBe(2)
    expect(of('inputs_held', { pipeline: 'nightly' })).toBe(0)
    expect(of('freshness_state', { asset: 'source/web' })).toBe(1)
    expect(of('freshness_state', { asset: 'cold' })).toBe(2)
    expect(of('freshness_seconds', { asset: 'source/web' })).toBe(2 * 86_400 + 1)
    expect(of('check_passed', { check: 'history', severity: 'error' })).toBe(0)
    expect(of('check_passed', { check: 'letters', severity: 'warn' })).toBe(1)
    expect(of('notifications', { status: 'pending' })).toBe(0)
    expect(of('erase_open', { state: 'requested' })).toBe(0)
    expect(of('erase_deadline_seconds')).toBeUndefined()
    expect(of('holds')).toBe(0)
    expect(of('lock_epoch', { slot: 'state' })).toBeGreaterThan(0)
    expect(of('event_loop_delay_seconds')).toBeGreaterThanOrEqual(0)

    const names = new Set([
      ...['shop', version, 'web', 'nightly', 'history', 'letters', 'error', 'warn', 'hot', 'cold'],
      ...['source/web', 'ledger', 'state', 'pending', 'sent', 'dead'],
      ...REQUEST_OPEN,
    ])
    for (const { name, labels } of series) {
      const spec = METRICS[name.replace(/_(bucket|sum|count)$/, '')] ?? METRICS[name]
      for (const [label, value] of Object.entries(labels)) {
        if (label === 'le') continue
        expect([...(spec?.labels ?? []), 'namespace']).toContain(label)
        expect(names).toContain(value)
      }
    }
  })

  it('forget at the next scrape what is no more', async () => {
    const space = await open()
    await space.engine.ingest('web', [joined('a', 2)] as never, { process: true })
    space.pipeline('nightly', { freshness: { ledger: { warn: '1d' } } })
    const metrics = createMetrics('shop')
    await metrics.collect(space.context)
    expect(await metrics.text()).toContain('defacto_freshness_state{asset="ledger"')
    space.pipelines.clear()
    await metrics.collect(space.context)
    expect(await metrics.text()).not.toContain('asset="ledger"')
    metrics.close()
  })
})
