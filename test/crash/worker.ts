/**
 * A process that works on a database until it is done or killed: `node worker.ts <job file>`. Prints one JSON line when
 * it is loaded and one after each finished step; every line is written at once, so a killed process has told the truth.
 */
import { readFileSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { Defacto, DefactoError, type DefactoOptions } from '../../src/index.ts'

export type WorkStep =
  | { do: 'open'; definitions: object; options?: DefactoOptions }
  | { do: 'ingest'; source: string; from: number; to: number; process: boolean }
  | { do: 'build'; full?: boolean; fromRaw?: boolean; asOf?: string }
  /** Several shards: until nothing is left to do for this one. */
  | { do: 'settle' }
  | { do: 'tick'; asOf: string }
  /** Everything goes to the archive, and all but the last `keep` rows leave the database. */
  | { do: 'archive'; keep: number }
  /** The archive's files are merged, and those that nobody needs removed. */
  | { do: 'maintain'; retentionMs?: number }
  /** The person with this hint goes, and whatever was begun of it before goes on. */
  | { do: 'erase'; hint: string; suppress?: boolean }
  | { do: 'redact'; hint: string }
  /** The person with one hint becomes part of the one with another. */
  | { do: 'merge'; from: string; into: string }
export interface Job {
  database: string
  /** Every record of the test; steps name ranges of it. */
  recordsFile: string
  /** What the engine's clock shows; null: the clock of the machine. */
  now: string | null
  steps: WorkStep[]
  /** Repeat a step that another process holds up, or that the server could not do just then. */
  patient?: boolean
}
export type Said = { ready: true } | { done: number } | { error: string; message: string; stack?: string }

const say = (line: Said): void => void writeSync(1, `${JSON.stringify(line)}\n`)

const job = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as Job
const records = JSON.parse(readFileSync(job.recordsFile, 'utf8')) as unknown[]
let engine: Defacto | null = null

async function run(step: WorkStep): Promise<void> {
  if (step.do === 'open') {
    await engine?.close()
    const { now } = job
    engine = await Defacto.fromConfig(step.definitions, {
      database: job.database,
      ...(now === null ? {} : { clock: () => new Date(now) }),
      logLevel: 'ERROR',
      ...step.options,
    })
    return
  }
  if (!engine) throw new Error('not open')
  if (step.do === 'ingest') {
    const part = records.slice(step.from, step.to)
    await engine.ingest(step.source, part, { process: step.process, throwIfAllFail: false })
  } else if (step.do === 'build') await engine.build({ full: step.full, fromRaw: step.fromRaw, asOf: step.asOf })
  else if (step.do === 'archive') {
    const { tiers } = engine.ledger
    await tiers.flush()
    const { head } = await tiers.status()
    await tiers.prune({ before: Math.max(0, head - step.keep) })
  } else if (step.do === 'maintain') {
    await engine.ledger.tiers.compact()
    await engine.ledger.tiers.vacuum(step.retentionMs === undefined ? {} : { retentionMs: step.retentionMs })
  } else if (step.do === 'erase') {
    const id = await engine.identity.lookup(step.hint)
    if (id !== undefined) await engine.erase(id, { strict: true, suppress: step.suppress === true })
    await engine.erasure.run()
  } else if (step.do === 'redact') {
    await engine.redact((await engine.identity.lookup(step.hint)) ?? '')
    await engine.erasure.run()
  } else if (step.do === 'merge') {
    const [from, into] = await Promise.all([engine.identity.lookup(step.from), engine.identity.lookup(step.into)])
    // Whoever is one person already was merged before the process died.
    if (from !== into) await engine.merge(from ?? '', into ?? '', { reason: 'test' })
  } else if (step.do === 'settle') while ((await engine.nextBuild()).mode !== 'SKIP') await engine.build()
  else await engine.tick({ asOf: step.asOf })
}

async function untilDone(step: WorkStep): Promise<void> {
  for (;;) {
    try {
      return await run(step)
    } catch (error) {
      if (!(job.patient && error instanceof DefactoError && error.recoverable)) throw error
      await pause(5)
    }
  }
}

flushCompileCache()
say({ ready: true })
try {
  for (const [index, step] of job.steps.entries()) {
    await untilDone(step)
    say({ done: index })
  }
  await (engine as Defacto | null)?.close()
} catch (error) {
  const { name, message, stack } = error as Error
  say({ error: name, message, ...(stack === undefined ? {} : { stack }) })
  process.exitCode = 1
  // What it listens to would keep the process alive, and whoever waits for its end waiting.
  await (engine as Defacto | null)?.close()
}
