/** A script as a user would write it, run by Dagster as a step: `node pipes-step.ts <what>`. */
import { BuildError } from '../../src/errors.ts'
import { emitterOf, type Pipes, withPipes } from '../../src/pipes/index.ts'
import type { Json, RunEvent } from '../../src/ports/runs.ts'

const what = process.argv[2] ?? ''

/** Events of one run, as the steps of a pipeline write them. */
function runEvents(): RunEvent[] {
  const written: Pick<RunEvent, 'kind' | 'message' | 'data' | 'level' | 'step'>[] = [
    { kind: 'state', level: 'info', step: null, message: 'running', data: null },
    { kind: 'log', level: 'warn', step: 'ingest', message: 'input files: 1 part is held', data: null },
    { kind: 'progress', level: 'info', step: 'build', message: '10 of 20', data: null },
    materialization('ledger', { rows_added: 20, cursor_from: 0, cursor_to: 20, failures: 1, duration_s: 0.5 }),
    materialization('source/app', { rows_added: 20, cursor_from: 0, cursor_to: 20, failures: 1, duration_s: 0.5 }),
    materialization('entity/customer', {
      rows_added: 7,
      rows_changed: 2,
      cursor_from: 0,
      cursor_to: 20,
      duration_s: 2,
    }),
    materialization('identity', { rows_added: 7, rows_changed: 2, cursor_from: 0, cursor_to: 20, duration_s: 2 }),
    check('history-valid', 'entity/customer', true, 'error', 0),
    check('letters', 'source/app', false, 'warn', 0.05),
  ]
  return written.map((event, seq) => ({
    runId: 'r_1',
    seq,
    at: '2024-04-01T00:00:00.000000Z',
    code: null,
    ...event,
  }))
}

function materialization(asset: string, metadata: Record<string, Json>) {
  const data = {
    asset,
    dataVersion: '0a1b2c3d:20',
    metadata: { ...metadata, mode: 'INCREMENTAL', definition_hash: '0a1b2c3d', version: 'v1' },
  }
  return { kind: 'materialization', level: 'info', step: 'build', message: asset, data } as const
}

function check(name: string, asset: string, passed: boolean, severity: string, value: number) {
  const data = { check: name, asset, passed, severity, value }
  return { kind: 'check', level: passed ? 'info' : 'warn', step: 'check', message: name, data } as const
}

const steps: Readonly<Record<string, (pipes: Pipes) => Promise<void>>> = {
  async report(pipes) {
    pipes.log('starting', 'DEBUG')
    pipes.materialized('shop/orders', { dataVersion: 'a:1', metadata: { rows_added: 3, ratio: 0.5, note: 'first' } })
    pipes.log('half way', 'WARNING')
    pipes.materialized('shop/orders', { dataVersion: 'a:2', metadata: { note: 'second', done: true } })
    pipes.checked({ asset: 'shop/orders', check: 'fresh', passed: true, metadata: { lag: 12 } })
    pipes.checked({ asset: 'shop/orders', check: 'sound', passed: false, severity: 'WARN' })
    pipes.custom({ hello: ['world'] })
  },
  async run(pipes) {
    const emitter = emitterOf(pipes)
    for (const event of [...runEvents(), ...runEvents()]) emitter.take(event)
    emitter.done()
  },
  async context(pipes) {
    pipes.custom(pipes.context as unknown as Json)
  },
  async large(pipes) {
    for (let i = 0; i < 20; i++) pipes.custom({ i, text: 'x'.repeat(100_000) })
  },
  async ours() {
    throw new BuildError('version v1 is being built elsewhere', { code: 'E_BUILD' })
  },
  async theirs() {
    throw new TypeError('no such person: ada@example.org')
  },
  async leave(pipes) {
    pipes.log('said before leaving')
    process.exit(7)
  },
}

await withPipes(async (pipes) => {
  await steps[what]?.(pipes)
  process.stdout.write(`done ${what}\n`)
}).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 3
})
