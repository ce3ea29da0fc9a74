/**
 * A process that works on a ledger of two tiers until it is done or killed: `node cold-worker.ts <job file>`. Prints one
 * JSON line when it is loaded and one after each finished step; every line is written at once.
 */
import { readFileSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { Defacto, type DefactoOptions, LockHeld } from '../../src/index.ts'

export type ColdStep =
  | { do: 'open'; definitions: object; options: DefactoOptions }
  | { do: 'ingest'; from: number; to: number; size?: number }
  | { do: 'build'; full?: boolean }
  | { do: 'tick'; asOf: string }
  | { do: 'flush' | 'compact' }
  | { do: 'prune'; keep: number }
  | { do: 'vacuum'; retentionMs: number }
  /** Takes over what only the archive has, in a space that is not open. */
  | { do: 'restore'; definitions: object; options: DefactoOptions }
export interface ColdJob {
  recordsFile: string
  steps: readonly ColdStep[]
  /** What the engine's clock shows. */
  now: string
  /** Repeat a step while another process holds its slot. */
  patient?: boolean
}
export type ColdSaid = { ready: true } | { done: number } | { error: string }

const say = (line: ColdSaid): void => void writeSync(1, `${JSON.stringify(line)}\n`)

const job = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as ColdJob
const records = JSON.parse(readFileSync(job.recordsFile, 'utf8')) as unknown[]
const usual: DefactoOptions = { clock: () => new Date(job.now), logLevel: 'ERROR' }
let engine: Defacto | null = null

async function run(step: ColdStep): Promise<void> {
  if (step.do === 'restore') {
    await Defacto.restore(step.definitions, { ...usual, ...step.options })
    return
  }
  if (step.do === 'open') {
    await engine?.close()
    engine = await Defacto.fromConfig(step.definitions, { ...usual, ...step.options })
    return
  }
  if (engine === null) throw new Error('not open')
  const { tiers } = engine.ledger
  if (step.do === 'ingest') await ingest(engine, step)
  else if (step.do === 'build') await engine.build({ full: step.full })
  else if (step.do === 'tick') await engine.tick({ asOf: step.asOf })
  else if (step.do === 'flush') await tiers.flush()
  else if (step.do === 'compact') await tiers.compact()
  else if (step.do === 'vacuum') await tiers.vacuum({ retentionMs: step.retentionMs })
  else if (step.do === 'prune') await tiers.prune({ before: Math.max(0, (await tiers.status()).head - step.keep) })
}

async function ingest(space: Defacto, step: { from: number; to: number; size?: number }): Promise<void> {
  const { from, to, size = to - from } = step
  for (let at = from; at < to; at += size) {
    const some = records.slice(at, Math.min(to, at + size))
    await space.ingest('kiosk', some, { process: true, throwIfAllFail: false })
  }
}

async function untilDone(step: ColdStep): Promise<void> {
  for (;;) {
    try {
      return await run(step)
    } catch (error) {
      if (!(job.patient && error instanceof LockHeld)) throw error
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
  say({ error: String((error as Error).stack) })
  process.exitCode = 1
}
