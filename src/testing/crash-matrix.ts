/**
 * Whether a crash at any point of a pipeline leaves a trace (spec 10 §4.6, §8): every place where a unit of work can be
 * lost is visited in this process. The engine stops there with an error, is closed and opened again, and the run goes on
 * as a worker would make it go on; in the end the space has to be what it is after an undisturbed run.
 */
import { AssertionError } from 'node:assert'
import { hash } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { ProjectConfig } from '../config/define.ts'
import { canonicalJson } from '../core/definition/canonical.ts'
import { hearFailpoints } from '../engine/failpoint.ts'
import type { DefactoOptions } from '../options.ts'
import { attempt } from '../orchestration/attempt.ts'
import type { Ref } from '../orchestration/contract.ts'
import { classify } from '../orchestration/failure.ts'
import { CHUNKS, STEPS } from '../orchestration/steps/catalog.ts'
import { loadedProject, type OpenedSpace, openOrchestration } from '../orchestrator/space.ts'
import type { RunOp } from '../ports/runs.ts'

export interface CrashMatrixOptions {
  /** Crashes within these operations only; default: all that the pipeline has. */
  readonly ops?: readonly RunOp[]
  /** The pipeline to run; default: the first one by name. */
  readonly pipeline?: string
  /** Where each of the spaces lies; default: a file in a temporary folder. */
  readonly place?: () => Promise<{ readonly options: DefactoOptions; dispose(): Promise<void> }>
  /** How many times at most a place is visited: the first and the last pass, and passes between them; default 3. */
  readonly passes?: number
}

export interface CrashMatrix {
  /** Rejects with `AssertionError` naming the first place whose crash made a difference. Returns how many were tried. */
  expectSameState(): Promise<number>
}

/** A project folder, or its configuration with `definitions`; the folder is copied, and its inputs are read from the copy. */
export function crashMatrix(project: ProjectConfig | string, options: CrashMatrixOptions = {}): CrashMatrix {
  return { expectSameState: () => compare(project, options) }
}

class Crash extends Error {
  override readonly name = 'Crash'
}

/** A place and how often it was passed before. */
interface Spot {
  readonly name: string
  readonly pass: number
}

async function compare(project: ProjectConfig | string, options: CrashMatrixOptions): Promise<number> {
  const now = new Date()
  const passed = new Map<string, number>()
  const undisturbed = await once(project, options, now, (name) => {
    passed.set(name, (passed.get(name) ?? 0) + 1)
  })
  const spots = [...passed].flatMap(([name, count]) =>
    passesOf(count, options.passes ?? 3).map((pass) => ({ name, pass })),
  )
  for (const spot of spots) {
    const state = await crashed(project, options, now, spot)
    if (isDeepStrictEqual(state, undisturbed)) continue
    throw new AssertionError({
      message: `a crash at '${spot.name}' (pass ${spot.pass}) changed the outcome`,
      actual: state,
      expected: undisturbed,
    })
  }
  return spots.length
}

/** First, last, and evenly between. */
function passesOf(count: number, most: number): readonly number[] {
  const wanted = Math.min(count, Math.max(1, most))
  const passes = Array.from({ length: wanted }, (_, i) =>
    wanted === 1 ? 1 : 1 + Math.round((i * (count - 1)) / (wanted - 1)),
  )
  return [...new Set(passes)]
}

function crashed(project: ProjectConfig | string, options: CrashMatrixOptions, now: Date, spot: Spot): Promise<State> {
  let pass = 0
  return once(project, options, now, (name) => {
    if (name !== spot.name) return
    pass += 1
    if (pass === spot.pass) throw new Crash(`crash at ${name}`)
  })
}

/** What is left of a space when its entities have no ids. */
interface State {
  readonly status: string
  readonly histories: readonly string[]
  readonly edges: readonly string[]
  readonly head: number
  readonly letters: readonly unknown[]
  readonly marks: readonly unknown[]
  readonly flushed: number
  readonly pruned: number
}

/** One space from its beginning to the end of the pipeline; every crash is followed by opening it again. */
async function once(
  project: ProjectConfig | string,
  options: CrashMatrixOptions,
  now: Date,
  reached: (name: string) => void,
): Promise<State> {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-crash-'))
  const place = options.place === undefined ? null : await options.place()
  try {
    const copy = await loadedProject(await copyOf(project, folder))
    // Never the project's own archive.
    const tiered = copy.value('coldLedger', 'url') !== undefined
    const given: DefactoOptions = {
      database: join(folder, 'space.db'),
      ...(tiered ? { coldLedger: join(folder, 'cold') } : {}),
      logLevel: 'ERROR',
      logger: silent,
      ...place?.options,
      clock: () => now,
    }
    const { ops } = options
    let runId: string | null = null
    for (;;) {
      const space = await openOrchestration(copy, { engine: 'local', options: given })
      try {
        const pipeline = options.pipeline ?? (await firstPipeline(space))
        runId ??= (await space.control.submit({ op: 'pipeline', pipeline })).run.runId
        await drive(space, runId, ops, reached)
        return await stateOf(space, runId)
      } catch (error) {
        if (!isCrash(error)) throw error
      } finally {
        await space.defacto.close()
      }
    }
  } finally {
    await place?.dispose()
    await rm(folder, { recursive: true, force: true })
  }
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

function isCrash(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Crash) return true
  return false
}

/** Inputs may be moved when they are read, so every space has files of its own. */
async function copyOf(project: ProjectConfig | string, folder: string): Promise<ProjectConfig | string> {
  if (typeof project !== 'string') return project
  const source = resolve(project)
  const target = join(folder, 'project')
  const left = new Set(['.defacto', 'node_modules', '.git'])
  await cp(source, target, { recursive: true, filter: (path) => path === source || !left.has(basename(path)) })
  return target
}

async function firstPipeline({ context }: OpenedSpace): Promise<string> {
  const [first] = [...(await context.project.pipelines()).keys()].sort()
  if (first === undefined) throw new AssertionError({ message: 'the project has no pipeline to crash' })
  return first
}

/** What a worker does with a run, one thing after the other; the first error ends it. */
async function drive(
  space: OpenedSpace,
  runId: string,
  ops: readonly RunOp[] | undefined,
  reached: (name: string) => void,
): Promise<void> {
  const { control } = space
  const ref: Ref = { v: 1, space: space.context.operations.space, runId }
  const opened = await control.openRun(ref)
  if (opened.ended) return
  let failure = null
  try {
    if (opened.op === 'pipeline') {
      for (let next = await control.nextStep(ref); !next.done; next = await control.nextStep(ref)) {
        for (const step of next.steps) await drive(space, step.runId, ops, reached)
      }
    } else {
      const wanted = ops === undefined || ops.includes(opened.op)
      await work(space, ref, opened.op, wanted ? reached : () => {})
    }
  } catch (error) {
    if (isCrash(error)) throw error
    const { code, type, message } = classify(error)
    failure = { code, class: type, message }
  }
  await control.closeRun({ ...ref, failure, cancelled: false })
}

async function work(space: OpenedSpace, ref: Ref, op: RunOp, reached: (name: string) => void): Promise<void> {
  const call = { signal: new AbortController().signal, heartbeat() {} }
  for (const name of CHUNKS[op]) {
    const step = STEPS[name]
    if (step === undefined) continue
    for (let more = true; more; ) {
      hearFailpoints(reached)
      try {
        const outcome = await attempt(
          space.context,
          ref,
          async (context, given) => {
            reached(`${name}.begun`)
            const made = await step(context, given)
            // Committed, and not reported.
            reached(`${name}.committed`)
            return made
          },
          call,
        )
        more = outcome.more
      } finally {
        hearFailpoints(null)
      }
    }
  }
}

async function stateOf({ defacto, context }: OpenedSpace, runId: string): Promise<State> {
  const { operations, project } = context
  const { log } = operations
  const { definitions } = await operations.definitions()
  const histories: string[] = []
  const names = new Map<string, string>()
  for (const type of Object.keys(definitions.entities).sort()) {
    const rows = (await defacto.history(type as never).rows()) as readonly Readonly<Record<string, unknown>>[]
    const idName = `${type}_id`
    for (const [id, own] of Map.groupBy(rows, (row) => String(row[idName]))) {
      const texts = own.map((row) => textOf({ ...row, [idName]: null })).sort()
      const digest = hash('sha256', `${type} ${texts.join('\n')}`)
      names.set(id, digest)
      histories.push(`${type} ${texts.join(' | ')}`)
    }
  }
  const edges = (await defacto.relationships({ history: true }).rows()) as readonly Readonly<Record<string, unknown>>[]
  const cold = await operations.coldStatus()
  const marks: unknown[] = []
  for (const { pipeline } of (await project.pipelines()).values()) {
    for (const { name } of pipeline.inputs) {
      for (const mark of await log.inputs.marks(pipeline.name, name)) {
        const { part, state, recordsRead, ingested, duplicates, failed } = mark
        marks.push({ input: name, part: basename(part), state, recordsRead, ingested, duplicates, failed })
      }
    }
  }
  return {
    status: (await log.runs.get(runId))?.status ?? 'none',
    histories: histories.sort(),
    edges: edges.map((row) => textOf(named(row, names))).sort(),
    head: await operations.head(),
    letters: await log.letters.count('open'),
    marks,
    flushed: cold?.flushed ?? 0,
    pruned: cold?.pruned ?? 0,
  }
}

/** Ids of entities are made anew in every space; what they have been stands for them. */
function named(row: Readonly<Record<string, unknown>>, names: ReadonlyMap<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      typeof value === 'string' ? (names.get(value) ?? value) : value,
    ]),
  )
}

function textOf(row: Readonly<Record<string, unknown>>): string {
  const plain = Object.entries(row).map(([column, value]) => [
    column,
    typeof value === 'bigint' ? String(value) : value instanceof Date ? value.toISOString() : value,
  ])
  return canonicalJson(Object.fromEntries(plain))
}
