/** The Dagster Pipes emitter without an orchestrator: messages field by field, places, and what is refused. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { deflateSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type CommandRunner, emitterOf, eventsOf, pipesCommand, withPipes } from '../../src/pipes/index.ts'
import type { RunEvent, RunPort } from '../../src/ports/runs.ts'

const folder = mkdtempSync(join(tmpdir(), 'defacto-pipes-'))
afterAll(() => rmSync(folder, { recursive: true }))

const encoded = (value: unknown): string => deflateSync(JSON.stringify(value)).toString('base64')
let files = 0
/** A session's environment, and the messages it has written. */
function session(context: object = {}): { env: Record<string, string>; messages: () => Message[] } {
  const path = join(folder, `messages-${++files}`)
  return {
    env: {
      DAGSTER_PIPES_CONTEXT: encoded({ data: { asset_keys: ['nightly'], run_id: 'x', extras: {}, ...context } }),
      DAGSTER_PIPES_MESSAGES: encoded({ path }),
    },
    messages: () =>
      readFileSync(path, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => MESSAGE.parse(JSON.parse(line))),
  }
}

/** The fields of the protocol's own schemas; nothing else may be in a message. */
const METADATA = z
  .record(
    z.string(),
    z.strictObject({
      type: z.enum(['text', 'url', 'path', 'json', 'md', 'int', 'float', 'bool', 'null', 'timestamp']),
      raw_value: z.unknown(),
    }),
  )
  .nullable()
const EXCEPTION = z.strictObject({
  message: z.string(),
  stack: z.array(z.string()),
  name: z.string().nullable(),
  get cause() {
    return EXCEPTION.nullable()
  },
  get context() {
    return EXCEPTION.nullable()
  },
})
const version = { __dagster_pipes_version: z.literal('0.1') }
const MESSAGE = z.discriminatedUnion('method', [
  z.strictObject({ ...version, method: z.literal('opened'), params: z.strictObject({ extras: z.object({}) }) }),
  z.strictObject({
    ...version,
    method: z.literal('log'),
    params: z.strictObject({
      message: z.string(),
      level: z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']),
    }),
  }),
  z.strictObject({
    ...version,
    method: z.literal('report_asset_materialization'),
    params: z.strictObject({ asset_key: z.string(), data_version: z.string().nullable(), metadata: METADATA }),
  }),
  z.strictObject({
    ...version,
    method: z.literal('report_asset_check'),
    params: z.strictObject({
      asset_key: z.string(),
      check_name: z.string(),
      passed: z.boolean(),
      severity: z.enum(['WARN', 'ERROR']),
      metadata: METADATA,
    }),
  }),
  z.strictObject({
    ...version,
    method: z.literal('report_custom_message'),
    params: z.strictObject({ payload: z.unknown() }),
  }),
  z.strictObject({
    ...version,
    method: z.literal('closed'),
    params: z.strictObject({ exception: EXCEPTION.optional() }),
  }),
])
type Message = z.infer<typeof MESSAGE>

const event = (seq: number, rest: Partial<RunEvent>): RunEvent => ({
  runId: 'r_1',
  seq,
  at: '2024-04-01T00:00:00.000000Z',
  kind: 'log',
  step: null,
  level: 'info',
  code: null,
  message: '',
  data: null,
  ...rest,
})

describe('withPipes', () => {
  it('does nothing but the work without an orchestrator', async () => {
    const result = await withPipes(async (pipes) => {
      pipes.log('nobody hears this')
      pipes.materialized('a')
      pipes.checked({ asset: 'a', check: 'b', passed: true })
      pipes.custom(null)
      return pipes.context
    }, {})
    expect(result).toBeNull()
  })

  it('opens first, tells each asset once at the end, and closes last', async () => {
    const { env, messages } = session()
    await withPipes(async (pipes) => {
      pipes.materialized('b', { metadata: { rows: 1 } })
      pipes.materialized('a', { dataVersion: '1', metadata: { seconds: { type: 'float', raw_value: 2 } } })
      pipes.materialized('b', { dataVersion: '2', metadata: { rows: 5, empty: null } })
      pipes.log('in between')
    }, env)
    expect(messages().map(({ method }) => method)).toEqual([
      'opened',
      'log',
      'report_asset_materialization',
      'report_asset_materialization',
      'closed',
    ])
    expect(messages()[2]?.params).toEqual({
      asset_key: 'b',
      data_version: '2',
      metadata: { rows: { type: 'int', raw_value: 5 }, empty: { type: 'null', raw_value: null } },
    })
    const [, path] = /"path":"([^"]+)"/.exec(JSON.stringify({ path: join(folder, `messages-${files}`) }))!
    expect(readFileSync(path!, 'utf8')).toContain('"seconds":{"type":"float","raw_value":2.0}')
  })

  it('writes to its own streams where it is told to, whole lines whatever their size', async () => {
    const step = join(import.meta.dirname, '..', 'interop', 'pipes-step.ts')
    for (const [stream, key] of [
      ['stdout', 'stdio'],
      ['stderr', 'buffered_stdio'],
    ] as const) {
      const { env } = session()
      const child = spawn(process.execPath, [step, 'large'], {
        env: { ...process.env, ...env, DAGSTER_PIPES_MESSAGES: encoded({ [key]: stream }) },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
      const lines = (stream === 'stdout' ? out : err).split('\n').filter((line) => line.startsWith('{'))
      const messages = lines.map((line) => MESSAGE.parse(JSON.parse(line)))
      expect(messages.map(({ method }) => method)).toEqual([
        'opened',
        ...Array.from({ length: 20 }, () => 'report_custom_message'),
        'closed',
      ])
      expect(out).toContain('done large')
    }
  })

  it('refuses what the other side would choke on', async () => {
    for (const bad of [
      { type: 'int', raw_value: 1.5 },
      { type: 'int', raw_value: '1' },
      { type: 'float', raw_value: Number.POSITIVE_INFINITY },
      { type: 'url', raw_value: 1 },
      { type: 'json', raw_value: 'text' },
      { type: 'chart', raw_value: 1 },
    ]) {
      const { env, messages } = session()
      await expect(
        withPipes(async (pipes) => pipes.materialized('a', { metadata: { bad: bad as never } }), env),
      ).rejects.toMatchObject({ code: 'E_CONFIG_PIPES' })
      expect(messages().at(-1)?.params).toHaveProperty('exception.message')
    }
  })

  it('says which variable is wrong, and why', async () => {
    const { env } = session()
    const file = join(folder, 'context.json')
    writeFileSync(file, '[]')
    const wrong: [string, Record<string, string>][] = [
      ['DAGSTER_PIPES_CONTEXT is not Base64', { DAGSTER_PIPES_CONTEXT: 'hello' }],
      ['DAGSTER_PIPES_CONTEXT is no JSON object', { DAGSTER_PIPES_CONTEXT: encoded([1]) }],
      ["DAGSTER_PIPES_CONTEXT has neither 'path' nor 'data'", { DAGSTER_PIPES_CONTEXT: encoded({ s3: 'x' }) }],
      ['which cannot be read', { DAGSTER_PIPES_CONTEXT: encoded({ path: join(folder, 'none') }) }],
      ['which holds no JSON object', { DAGSTER_PIPES_CONTEXT: encoded({ path: file }) }],
      ['DAGSTER_PIPES_MESSAGES is not Base64', { DAGSTER_PIPES_MESSAGES: 'hello' }],
      ['names no place that is known here', { DAGSTER_PIPES_MESSAGES: encoded({ bucket: 'x' }) }],
    ]
    for (const [message, change] of wrong) {
      await expect(withPipes(async () => {}, { ...env, ...change })).rejects.toThrow(message)
    }
  })
})

describe('a command as a step', () => {
  const noted: string[][] = []
  const runner =
    (exit: number): CommandRunner =>
    async (argv, report) => {
      noted.push([...argv])
      report(event(0, { message: 'working' }))
      return exit
    }

  it('gets what the step asks for, from a list, and its window', async () => {
    const window = { start: '2024-02-01T00:00:00+00:00', end: '2024-03-01T00:00:00+00:00' }
    const extras = { defacto: { as_of: '2024-03-01', full: true, from_raw: false, checks: 'all' }, other: 1 }
    const { env } = session({ extras, partition_time_window: window })
    await pipesCommand(['backfill', 'build', '--as-of', '2024-04-01'], runner(0), env)
    await pipesCommand(['build'], runner(0), env)
    expect(noted.splice(0)).toEqual([
      ['backfill', 'build', '--as-of', '2024-04-01', '--full', `--from=${window.start}`, `--to=${window.end}`],
      ['build', '--as-of=2024-03-01', '--full'],
    ])
    for (const defacto of [{ database: 'x' }, { version: '--full' }, { full: 'yes' }, { checks: 'some' }, 7]) {
      const other = session({ extras: { defacto } })
      await expect(pipesCommand(['build'], runner(0), other.env)).rejects.toMatchObject({ code: 'E_CONFIG_PIPES' })
      expect(other.messages().at(-1)?.params).toHaveProperty('exception.name', 'ConfigError')
    }
    expect(noted).toEqual([])
  })

  it('closes with an exception when it ends with another exit code than 0, which stays its own', async () => {
    const { env, messages } = session()
    expect(await pipesCommand(['build'], runner(5), env)).toBe(5)
    expect(messages().map(({ method }) => method)).toEqual(['opened', 'log', 'closed'])
    expect(messages().at(-1)?.params).toMatchObject({
      exception: { message: 'E_COMMAND_FAILED: the command ended with exit code 5' },
    })
    expect(await pipesCommand(['build'], runner(5), {})).toBe(5)
  })
})

describe('events of a run', () => {
  it('come with those of its steps, page by page', async () => {
    const events: Record<string, RunEvent[]> = {
      r_1: [0, 1, 2, 3, 4].map((seq) => event(seq, { message: String(seq) })),
      r_2: [event(0, { runId: 'r_2', message: 'step' })],
    }
    const log = {
      children: async (runId: string) => (runId === 'r_1' ? [{ runId: 'r_2' }] : []),
      events: async (runId: string, { after = -1, limit = 9 } = {}) =>
        events[runId]!.filter(({ seq }) => seq > after).slice(0, limit),
    } as unknown as Pick<RunPort, 'children' | 'events'>
    const seen: string[] = []
    for await (const { message } of eventsOf(log, 'r_1', 2)) seen.push(message)
    expect(seen).toEqual(['step', '0', '1', '2', '3', '4'])
  })

  it('count once: a run speaks for its steps, whichever comes first', async () => {
    const data = (rows: number) => ({ asset: 'ledger', dataVersion: 'x:9', metadata: { rows_added: rows } })
    const events = [
      event(0, { kind: 'materialization', step: 'a', data: data(1) }),
      event(1, { kind: 'materialization', step: 'b', data: data(2) }),
      event(2, { kind: 'materialization', data: data(3) }),
    ]
    for (const given of [events, events.toReversed(), events.slice(0, 2)]) {
      const { env, messages } = session({ asset_keys: ['ledger'] })
      await withPipes(async (pipes) => {
        const emitter = emitterOf(pipes)
        for (const each of given) emitter.take(each)
        emitter.done()
      }, env)
      expect(messages()[1]?.params).toMatchObject({ metadata: { rows_added: { raw_value: 3 } } })
    }
  })

  it('of assets no step has become messages where the step has several', async () => {
    const { env, messages } = session({ asset_keys: ['a', 'b'] })
    await withPipes(async (pipes) => {
      const emitter = emitterOf(pipes)
      const metadata = { rows_added: 1, cursor_from: 3, cursor_to: 9, mode: null }
      const data = { asset: 'ledger', dataVersion: 'x:9', metadata }
      emitter.take(event(0, { kind: 'materialization', step: 'files', data }))
      const other = { ...data, dataVersion: 'x:3', metadata: { cursor_to: 3 } }
      emitter.take(event(1, { kind: 'materialization', step: 'files', data: other }))
      emitter.done()
    }, env)
    expect(messages()[1]).toMatchObject({
      method: 'report_custom_message',
      params: { payload: { asset: 'ledger', data_version: 'x:9', rows_added: 1, cursor_from: 3, cursor_to: 9 } },
    })
  })
})
