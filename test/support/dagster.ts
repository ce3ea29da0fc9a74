/** A real Dagster that runs our commands as its steps. Where it cannot be had, importing fails under `CI=true`. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe } from 'vitest'
import { pythonWithDagster } from '../../infra/starters/dagster.ts'

const python = await pythonWithDagster().catch((error: Error) => error)
if (python instanceof Error) {
  if (process.env['CI'] === 'true') throw python
  process.stderr.write(`Left out: tests with Dagster. ${python.message.split('\n')[0]}\n`)
}

/** `describe` for what needs it. */
export const describeDagster = describe.skipIf(python instanceof Error)

export interface DagsterStep {
  readonly assets: readonly string[]
  readonly command: readonly string[]
  readonly cwd?: string
  readonly extras?: object
  readonly checks?: readonly string[]
  /** A day; the asset is then one of daily partitions. */
  readonly partition?: string
  /** `env`: the context comes in the variable itself, not in a file. */
  readonly context?: 'env'
}
/** Metadata as Dagster holds them: its own class and the value. */
export type Held = Readonly<Record<string, readonly [type: string, value: unknown]>>
export interface DagsterSeen {
  readonly success: boolean
  readonly materializations: { asset: string; data_version: string | null; metadata: Held }[]
  readonly checks: { check: string; asset: string; passed: boolean; severity: string; metadata: Held }[]
  readonly logs: [level: number, message: string][]
  /** What Dagster says, the error's message and its class. */
  readonly errors: [string, string, string][]
  readonly custom: unknown[]
  readonly failed: string[]
}

/** Runs a step, or a job of a file of definitions, and returns what Dagster saw. */
export async function inDagster(
  request: DagsterStep | { readonly definitions: string; readonly job: string },
  env: Readonly<Record<string, string>> = {},
): Promise<DagsterSeen> {
  if (python instanceof Error) throw python
  const child = spawn(python, [join(import.meta.dirname, '..', 'interop', 'dagster-judge.py')], {
    env: { ...process.env, DAGSTER_DISABLE_TELEMETRY: 'yes', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(JSON.stringify(request))
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  try {
    return JSON.parse(out) as DagsterSeen
  } catch {
    throw new Error(`Dagster did not come to its end:\n${err}\n${out}`)
  }
}
