/** Spans of runs without any provider, and their place in a trace as text. */
import { context, trace } from '@opentelemetry/api'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../../src/adapters/log/logger.ts'
import { withLogFields } from '../../src/ports/log-fields.ts'
import { otlpOptions } from '../../src/telemetry/otlp.ts'
import { createTrace, noTrace } from '../../src/telemetry/trace.ts'
import {
  activeTraceparent,
  traceparentFrom,
  traceparentHeaders,
  withTraceparent,
} from '../../src/telemetry/traceparent.ts'

const PLACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

describe('a trace without a provider', () => {
  it('does the work, hands the place of the caller through, and lets errors pass', async () => {
    for (const traced of [createTrace('0'), noTrace]) {
      expect(await traced('defacto.run', { op: 'build' }, null, async (place) => place)).toBeNull()
      expect(await traced('defacto.run', { op: 'build' }, PLACE, async (place) => place)).toBe(PLACE)
      const error = new Error('x')
      await expect(traced('defacto.run', {}, null, () => Promise.reject(error))).rejects.toBe(error)
    }
  })
})

describe('traceparent', () => {
  it('is read from headers, and what is none is none', () => {
    expect(traceparentFrom((name) => (name === 'traceparent' ? PLACE : null))).toBe(PLACE)
    expect(traceparentFrom(() => `  ${PLACE.toUpperCase()} `)).toBe(PLACE)
    // A later version may say more; what it begins with still counts.
    expect(traceparentFrom(() => `cc${PLACE.slice(2)}-more`)).toBe(PLACE)
    const zeros = (n: number): string => '0'.repeat(n)
    for (const text of [
      undefined,
      null,
      '',
      'hello',
      PLACE.slice(0, -1),
      `ff${PLACE.slice(2)}`,
      `00-${zeros(32)}-00f067aa0ba902b7-01`,
      `00-4bf92f3577b34da6a3ce929d0e0e4736-${zeros(16)}-01`,
    ]) {
      expect(
        traceparentFrom(() => text),
        String(text),
      ).toBeNull()
    }
  })

  it('goes into headers, and work below it knows it', () => {
    expect(activeTraceparent()).toBeNull()
    expect(traceparentHeaders()).toEqual({})
    expect(traceparentHeaders(PLACE)).toEqual({ traceparent: PLACE })
    expect(withTraceparent(null, () => 7)).toBe(7)
    expect(trace.getSpanContext(context.active())).toBeUndefined()
  })
})

describe('telemetry.otlp', () => {
  it('is an address, true, or a map; off by default', () => {
    expect(otlpOptions(undefined)).toBeNull()
    expect(otlpOptions(false)).toBeNull()
    expect(otlpOptions(true)).toEqual({})
    expect(otlpOptions('http://localhost:4318')).toEqual({ endpoint: 'http://localhost:4318' })
    const all = { endpoint: 'https://otlp.example', headers: { a: 'b' }, serviceName: 'shop', ratio: 0.5 }
    expect(otlpOptions(all)).toEqual(all)
    for (const wrong of ['localhost', 'grpc://x', 7, { endpiont: 'http://x' }, { ratio: 2 }, { headers: { a: 1 } }]) {
      expect(() => otlpOptions(wrong)).toThrow(/telemetry\.otlp is/)
    }
  })
})

describe('log lines of a run', () => {
  it('name it, whoever writes them and however much later', async () => {
    const lines: Record<string, unknown>[] = []
    const stream = { write: (text: string) => lines.push(JSON.parse(text)) }
    const logger = createLogger({ format: 'json', stream })
    const run = { run_id: 'r_1', op: 'build', epoch: 3 }
    await withLogFields(run, async () => {
      await new Promise(setImmediate)
      withLogFields({ step: 'build' }, () => logger.child('defacto.storage').info('slow', { rows: 5, run_id: 'r_2' }))
      const adopted: object[] = []
      const note = (_message: string, fields?: object): void => void adopted.push(fields ?? {})
      createLogger({ target: { debug: note, info: note, warn: note, error: note } }).warn('late')
      expect(adopted).toEqual([run])
    })
    logger.warn('after')
    expect(lines).toMatchObject([{ logger: 'defacto.storage', ...run, step: 'build', rows: 5 }, { message: 'after' }])
    expect(Object.keys(lines[1]!).toSorted()).toEqual(['level', 'logger', 'message', 'timestamp'])
  })
})
