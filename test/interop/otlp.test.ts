/** Spans as a real receiver gets them over OTLP/HTTP. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../../infra/starters/host.ts'
import { StorageError } from '../../src/errors.ts'
import { otlpOptions, startTelemetry } from '../../src/telemetry/otlp.ts'
import { createTrace } from '../../src/telemetry/trace.ts'
import { traceparentFrom, withTraceparent } from '../../src/telemetry/traceparent.ts'
import { MAIN, NightlyProject } from '../support/nightly-project.ts'
import { OtlpReceiver } from '../support/otlp-receiver.ts'
import { Served } from '../support/served.ts'

const CANARY = 'ada@example.org'
const quiet = { debug() {}, info() {}, warn() {}, error() {} }

describe('spans', () => {
  it('reach the receiver with their parents, across processes by text, and without a word of the data', async () => {
    await using receiver = new OtlpReceiver()
    const endpoint = await receiver.start()
    const options = otlpOptions({ endpoint, headers: { 'x-tenant': 'shop' }, serviceName: 'nightly' })!
    const telemetry = await startTelemetry(options, '1.2.3', quiet)
    const traced = createTrace('1.2.3')
    const caller = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    // As in `runs.traceparent`: the run's place is stored, and whoever works on it later reads it.
    const run = await withTraceparent(
      traceparentFrom(() => caller),
      () => traced('defacto.run', { op: 'pipeline', run_id: 'r_1' }, null, async (place) => place),
    )
    const step = await traced('defacto.step', { op: 'build' }, run, async (place) => place)
    await traced('defacto.chunk', { op: 'build', rows: 500, note: `for ${CANARY}` }, step, async () => {})
    const cause = new Error(`duplicate key (email)=(${CANARY})`)
    const lost = new StorageError(`lost: ${CANARY}`, { code: 'E_STORAGE', cause })
    await expect(traced('defacto.chunk', { op: 'build' }, step, () => Promise.reject(lost))).rejects.toBe(lost)
    await expect(traced('defacto.chunk', {}, step, () => Promise.reject(cause))).rejects.toBe(cause)
    await telemetry.close()

    expect(receiver.spans.map(({ name }) => name).toSorted()).toEqual([
      'defacto.chunk',
      'defacto.chunk',
      'defacto.chunk',
      'defacto.run',
      'defacto.step',
    ])
    expect(new Set(receiver.spans.map(({ traceId }) => traceId))).toEqual(new Set([caller.split('-')[1]]))
    for (const span of receiver.spans) {
      if (span.name === 'defacto.run') expect(span.parentSpanId).toBe(caller.split('-')[2])
      if (span.name === 'defacto.step') expect(receiver.parentOf(span)?.name).toBe('defacto.run')
      if (span.name === 'defacto.chunk') expect(receiver.parentOf(span)?.name).toBe('defacto.step')
      expect(span.service).toBe('nightly')
    }
    const failed = receiver.spans.filter((span) => span.failed).map(({ attributes }) => attributes)
    expect(failed).toEqual([
      { 'defacto.op': 'build', 'defacto.error_code': 'E_STORAGE', 'error.type': 'StorageError' },
      { 'error.type': 'Error' },
    ])
    const counted = receiver.spans.find(({ attributes }) => attributes['defacto.rows'] === 500)
    expect(counted?.attributes).toEqual({ 'defacto.op': 'build', 'defacto.rows': 500 })
    expect(receiver.headers[0]).toMatchObject({ 'x-tenant': 'shop' })
    expect(receiver.bodies.join()).not.toContain(CANARY)
  })

  it('of a pipeline run on the command line show run, steps and chunks, and none of its records', async () => {
    await using receiver = new OtlpReceiver()
    using project = new NightlyProject().arrive('2024-01')
    const raw = { account: CANARY, email: CANARY, name: CANARY }
    writeFileSync(join(project.folder, 'data', 'app-canary.ndjson'), `${JSON.stringify(raw)}\n`)
    const ran = await run(process.execPath, [MAIN, 'run', 'start', 'nightly', '--local'], {
      cwd: project.folder,
      env: { ...process.env, DEFACTO_TELEMETRY__OTLP: await receiver.start() },
    })
    expect(ran.ok, ran.output).toBe(true)
    const named = (name: string) => receiver.spans.filter((span) => span.name === name)
    expect(named('defacto.run').map(({ attributes }) => attributes)).toEqual([{ 'defacto.op': 'pipeline' }])
    const steps = named('defacto.step')
    expect(steps.map(({ attributes }) => attributes['defacto.op'])).toEqual(['ingest', 'build', 'tick', 'check'])
    for (const step of steps) expect(receiver.parentOf(step)?.name).toBe('defacto.run')
    const chunks = named('defacto.chunk')
    expect(chunks.length).toBeGreaterThanOrEqual(steps.length)
    for (const chunk of chunks) expect(receiver.parentOf(chunk)?.name).toBe('defacto.step')
    const transactions = named('defacto.db')
    for (const one of transactions) expect(receiver.parentOf(one)?.name).toBe('defacto.chunk')
    const touching = new Set(transactions.map(({ attributes }) => attributes['defacto.op']))
    expect([...touching].sort()).toEqual(['build', 'ingest', 'tick'])
    expect(new Set(receiver.spans.map(({ traceId }) => traceId)).size).toBe(1)
    expect(receiver.bodies.join()).not.toContain(CANARY)
    expect(receiver.bodies.join()).not.toContain('canary')
  })

  it('of a run that was asked for over HTTP belong to the trace of who asked', async () => {
    await using receiver = new OtlpReceiver()
    const traceId = 'af7651916cd43dd8448eb211c80319c4'
    using project = new NightlyProject().arrive('2024-01')
    {
      await using server = new Served(project.folder, { DEFACTO_TELEMETRY__OTLP: await receiver.start() })
      const { run_id: runId } = (await server.ask('/v1/runs', {
        method: 'POST',
        headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
        body: JSON.stringify({ op: 'pipeline', input: { pipeline: 'nightly' } }),
      })) as { run_id: string }
      expect(await server.ask(`/v1/runs/${runId}?wait=30s`)).toMatchObject({ status: 'succeeded' })
    }
    const whole = receiver.spans.find(({ name }) => name === 'defacto.run')
    expect(whole).toMatchObject({ traceId, parentSpanId: 'b7ad6b7169203331' })
    expect(receiver.spans.filter((span) => span.name === 'defacto.chunk' && span.traceId === traceId)).not.toEqual([])
  })

  it('that cannot be sent cost one warning and nothing else', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo
    await new Promise((resolve) => free.close(resolve))
    const warnings: string[] = []
    const logger = { ...quiet, warn: (message: string) => warnings.push(message) }
    const telemetry = await startTelemetry({ endpoint: `http://127.0.0.1:${port}/` }, '1', logger)
    const traced = createTrace('1')
    expect(await traced('defacto.run', {}, null, async () => 7)).toBe(7)
    await telemetry.close()
    expect(warnings).toEqual(['spans could not be sent; nothing else depends on them'])
  })
})
